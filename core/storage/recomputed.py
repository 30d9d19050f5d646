"""What a file says of its lanes' fairness and of a busy machine, recomputed from its own settings and rows.

Nothing of it is believed.

What no row holds can only be limited: the losses of steps between those that are kept, and the weights.
"""

from collections.abc import Sequence
from typing import get_args

from core.experiment import parity
from core.experiment.busy_machine import others_took
from core.experiment.fairness import Comparison, FairnessVerdict, Parting, Where, state_of
from core.experiment.kinds import shown
from core.experiment.metrics import POINTS_PER_EPOCH
from core.experiment.parity import Certificate
from core.experiment.settings import Alignment
from core.protocol.messages import Epoch, Result, Step
from core.storage.database import LaneState, State
from core.storage.records import Run
from core.storage.rows import Row, RunChanged

PLACES: tuple[Where, ...] = get_args(Where)
"""Where lanes part, in the order in which it is looked at."""
FROM_ROWS = ("epoch", "epochs", "test")
"""The places of which the rows hold everything."""
NO_EPOCH = 10**9


def certificate_damage(run: Run, certificate: Certificate) -> str:
    """What a run's settings do not make so in its certificate, as the rest of a sentence; empty where all is so."""
    settings = run.settings
    if settings.alignment == Alignment.AS_SHIPPED:
        return "its lanes were not aligned, and nothing can be certified"
    bounds = parity.CERTIFICATE_BOUNDS[settings.float64]
    batch = min(settings.batch_size, parity.CERTIFICATE_BATCH)
    made = {"logit_bound": bounds[0], "loss_bound": bounds[1], "steps": parity.CERTIFICATE_STEPS, "batch_size": batch}
    for name, value in made.items():
        if (said := getattr(certificate, name)) != value:
            return f"{name} is {shown(said)}, and its settings make it {value}"
    return ""


def verdict_damage(run: Run, rows: Sequence[Row]) -> str:
    """What a run's rows and settings do not make so in its verdict, as the rest of a sentence; empty where all is so.

    The rows are sound, each for itself; where none says anything of fairness, nothing is wrong.
    """
    said, written = next(
        ((row.event, row.as_json()) for row in rows if isinstance(row.event, FairnessVerdict)), (None, {})
    )
    if said is None:
        return ""
    if run.settings.alignment == Alignment.AS_SHIPPED:
        return "its lanes were not aligned, and it says that they were compared"
    if len(run.lanes) != 2:
        return f"its lanes are {len(run.lanes)}, and it says that two were compared"
    found = _recompute(run, rows)
    if why := _parting_damage(run, said.parting, found):
        return why
    for name in ("bounds", "epochs", "tested", "complete", "certified", "loss_difference", "accuracy_difference"):
        if (value := getattr(said, name)) != (made := getattr(found, name)):
            return _other(name, value, made)
    for name in ("first_losses_difference", "step_loss_difference"):  # older files do not have the first
        if name in written and not getattr(said, name) >= (least := getattr(found, name)):
            return _other(name, getattr(said, name), f"{least} or more")
    return _steps_damage(run, rows, said, found) or _weights_damage(said, run) or _state_damage(said)


def busy_damage(run: Run, rows: Sequence[Row]) -> str:
    """What its epochs do not make so of whether its machine was busy, as the rest of a sentence; empty where all is so.

    A run that was cut off says nothing of it where an older version wrote its end.
    """
    said = next((row.event.busy for row in reversed(rows) if isinstance(row.event, RunChanged)), False)
    made = was_busy(run, rows)
    if said and not made:
        return "its machine is said to have been busy, and its epochs do not make it so"
    if made and not said and run.state == State.FINISHED:
        return "its machine is not said to have been busy, and its epochs make it so"
    return ""


def was_busy(run: Run, rows: Sequence[Row]) -> bool:
    """Whether others took so much of the processors while a run's lanes trained that its times say little."""
    epochs: dict[str, list[Epoch]] = {lane.engine: [] for lane in run.lanes}
    for row in rows:
        if isinstance(row.event, Epoch) and row.engine in epochs:
            epochs[row.engine].append(row.event)
    return others_took(list(epochs.values()), run.settings.schedule)


def _recompute(run: Run, rows: Sequence[Row]) -> FairnessVerdict:
    """The verdict on the rows alone: without weights, and with the steps that are kept."""
    settings = run.settings
    comparison = Comparison(settings.engines, settings.alignment, settings.drops, every_step=False)
    for row in rows:
        if isinstance(row.event, Step | Epoch | Result):
            comparison.take(row.engine, row.event)
    complete = all(lane.state == LaneState.FINISHED for lane in run.lanes)
    certified = next((row.event.passed for row in rows if isinstance(row.event, Certificate)), None)
    return comparison.verdict((), complete, certified)


def _other(name: str, said: object, made: object) -> str:
    if name == "bounds":
        return "the bounds of its fairness are not those of its settings"
    return f"{name} of its fairness is {shown(said)}, and its rows make it {shown(made)}"


# --- where the lanes parted ------------------------------------------------------------------------------


def _parting_damage(run: Run, said: Parting | None, found: FairnessVerdict) -> str:
    rows = found.parting
    if said is None:
        return f"its lanes are said not to have parted, and its rows part {_where(rows)}" if rows else ""
    if not _within(run, said, found.epochs) or not said.difference > said.bound:
        return f"its lanes are said to have parted {_where(said)}, where this run cannot part"
    if said.where in FROM_ROWS and rows is None:
        return f"its lanes are said to have parted {_where(said)}, and its rows do not part"
    if rows is not None and (_order(rows) < _order(said) or (said.where in FROM_ROWS and rows != said)):
        return f"its lanes are said to have parted {_where(said)}, and its rows part {_where(rows)}"
    return ""


def _within(run: Run, said: Parting, epochs: int) -> bool:
    """Whether there is such a place in a run both of whose lanes trained so many epochs."""
    if said.where in ("test", "weights"):
        return (said.epoch, said.step, said.run_step) == (0, 0, 0)
    steps = _steps_per_epoch(run)
    if said.where == "step":
        at = 1 <= said.step <= steps and said.run_step == (said.epoch - 1) * steps + said.step
    else:
        at = (said.step, said.run_step) == (0, 0)
    return at and 1 <= said.epoch <= min(epochs + 1, run.settings.epochs)


def _order(parting: Parting) -> tuple[int, int, int]:
    return parting.epoch or NO_EPOCH, PLACES.index(parting.where), parting.step


def _where(parting: Parting) -> str:
    if parting.where == "step":
        return f"at step {parting.step} of epoch {parting.epoch}"
    place = f"epoch {parting.epoch}" if parting.epoch else f"the {parting.where}"
    return f"in {place} ({shown(parting.figure)}, by {parting.difference:g})"


# --- what only limits can be known of --------------------------------------------------------------------


def _steps_damage(run: Run, rows: Sequence[Row], said: FairnessVerdict, found: FairnessVerdict) -> str:
    """A step counts once for both lanes. A run that came to its end without a parting compared all of them."""
    most = _most_steps(run, rows, found.epochs)
    if said.complete and (said.parting is None or not said.parting.epoch) and said.steps != most:
        return _other("steps", said.steps, most)
    if not found.steps <= said.steps <= most:
        return _other("steps", said.steps, f"{found.steps} to {most}")
    return ""


def _most_steps(run: Run, rows: Sequence[Row], epochs: int) -> int:
    """As many as both lanes can have reported: those of `epochs`, and what both did of the one after them."""
    steps = _steps_per_epoch(run)
    between = -(-steps // POINTS_PER_EPOCH) - 1
    done = dict.fromkeys(run.settings.engines, 0)
    for row in rows:
        event = row.event
        if isinstance(event, Step | Epoch) and event.epoch == epochs + 1:
            # After the last step that is kept there may have been others, but not the next that is.
            last = steps if isinstance(event, Epoch) else int(event.points[-1][0]) if event.points else 0
            done[row.engine] = min(steps, last + between)
    return steps * epochs + min(done.values())


def _steps_per_epoch(run: Run) -> int:
    return -(-run.dataset.training_split // run.settings.batch_size)


def _weights_damage(said: FairnessVerdict, run: Run) -> str:
    if said.weighed and not said.complete:
        return "its lanes did not both finish, and it says that their weights were compared"
    if not said.weighed and (said.apart or said.weight_difference):
        return "its weights were not compared, and it says how they differ"
    if said.weighed and said.apart not in {spec.name for spec in run.network.weights}:
        return f"its lanes are said to differ most in {shown(said.apart)}, which is no array of weights"
    return ""


def _state_damage(said: FairnessVerdict) -> str:
    weighed = said.complete and said.weighed
    made = state_of(said.parting is not None, said.certified, weighed, said.bounds is not None, said.steps)
    return "" if said.state == made else f"its lanes are said to be {said.state}, and its rows make them {made}"
