"""What to try after a run: each rule follows from an outcome, the first that applies speaks, and it can be started."""

from dataclasses import replace
from typing import Any

import pytest

from core.experiment.fairness import TWIN_BOUNDS, FairnessVerdict
from core.experiment.settings import TrainSettings
from core.results.outcome import Outcome, gather
from core.results.suggestion import suggestion
from core.storage.database import LaneState
from core.storage.rows import LaneChanged, Row
from tests.unit.results.test_outcome import at_its_end, run
from tests.unit.results.test_outcome import finished as ended


def finished(*args: Any, losses: tuple[tuple[float, ...], tuple[float, ...]] | None = None, **kwargs: Any) -> Outcome:
    """A finished run whose validation losses fall, or are these; as long as its settings say."""
    lengths = {"epochs": len(losses[0]) if losses else kwargs.pop("epochs", 8)}
    outcome = ended(*args, **lengths, **kwargs)
    settings = outcome.run.settings.model_copy(update=lengths)
    outcome.run = replace(outcome.run, settings=settings)
    for lane, given in zip(outcome.lanes, losses or ((), ()), strict=False):
        losses = given or [1 / number for number in range(1, len(lane.epochs) + 1)]
        lane.epochs = [replace(epoch, val_loss=loss) for epoch, loss in zip(lane.epochs, losses, strict=True)]
    return outcome


def held(state: str = "held", complete: bool = True, **settings: Any) -> Outcome:
    outcome = finished(alignment="exact-twin", **settings)
    verdict = FairnessVerdict(state, complete=complete, bounds=TWIN_BOUNDS)  # type: ignore[arg-type]
    outcome.run = replace(outcome.run, fairness=verdict)
    return outcome


def failed(rate: float, reason: str, **ending: bool) -> Outcome:
    rows = [Row(1, "torch", LaneChanged(LaneState.FAILED, 1, reason, **ending))]
    return gather(run("failed", lanes=[("keras", "finished"), ("torch", "failed")], learning_rate=rate), rows)


def diverged(rate: float) -> Outcome:
    return failed(rate, "in epoch 2: whatever the words are.", diverged=True)


def alone(**settings: Any) -> Outcome:
    outcome = finished()
    outcome.run, outcome.lanes = run("finished", engines="torch", **settings), outcome.lanes[1:]
    return outcome


def busy() -> Outcome:
    outcome = finished((953, 950))
    taken = {"others_share": 0.9, "stolen_share": 0.0, "idle_share": 0.0}
    outcome.lanes[0].epochs = [replace(epoch, **taken) for epoch in outcome.lanes[0].epochs]
    return at_its_end(outcome)


FALLS, RISES = (0.5, 0.3, 0.2, 0.18), (0.5, 0.2, 0.25, 0.31)


@pytest.mark.parametrize(
    ("outcome", "changes", "what", "why"),
    [
        (diverged(10), {"learning_rate": 1e-3}, "a learning rate of 0.001", "PyTorch diverged at 10."),
        (diverged(1e-3), {"learning_rate": 1e-4}, "a learning rate of 0.0001", "PyTorch diverged at 0.001."),
        (
            finished((100, 953), learning_rate=0.5),
            {"learning_rate": 1e-3},
            "a learning rate of 0.001",
            "Keras learnt nothing at 0.5.",
        ),
        (alone(), {"engines": ["keras", "torch"]}, "both frameworks", "One lane alone is no comparison."),
        (
            finished((953, 950), epochs=1),
            {"epochs": 8},
            "8 epochs",
            "After one epoch the lanes are still learning, and the first is no measure of speed.",
        ),
        (
            finished((953, 950), losses=(FALLS, RISES)),
            {"dropout": 0.5},
            "dropout 0.5",
            "PyTorch overfitted: its validation loss rose from 0.2000 after epoch 2 to 0.3100.",
        ),
        (
            finished((953, 950), losses=(RISES, FALLS), dropout=0.6),
            {"patience": 2},
            "stopping early, with patience 2",
            "Keras overfitted: its validation loss rose from 0.2000 after epoch 2 to 0.3100.",
        ),
        (
            busy(),
            {},
            "the same again when the machine is idle",
            "It was busy, so the times of this run cannot be compared.",
        ),
        (
            finished((953, 950), schedule="together"),
            {"schedule": "turns"},
            "the same with the lanes in turns",
            "Then their times can be compared.",
        ),
        (
            finished((953, 950), seed=7),
            {"alignment": "exact-twin"},
            "an exact twin of this run",
            "It shows whether a difference is the framework's: everything else is equal then.",
        ),
        (
            finished((950, 950), alignment="same-start"),
            {"alignment": "exact-twin"},
            "an exact twin of this run",
            "It shows whether a difference is the framework's: everything else is equal then.",
        ),
        (
            held(),
            {"alignment": "as-shipped"},
            "the same as shipped",
            "The twin held: what then still differs is what each framework ships with.",
        ),
        (
            finished((950, 950), seed=7),
            {"seed": 8},
            "seed 8",
            "One run is an anecdote: see whether another seed says the same.",
        ),
    ],
    ids=lambda value: value[:25] if isinstance(value, str) else "",
)
def test_what_is_suggested_follows_from_the_outcome(
    outcome: Outcome, changes: dict[str, Any], what: str, why: str
) -> None:
    found = suggestion(outcome)
    assert found is not None
    assert (found.what, found.why) == (what, why)
    assert found.settings.as_json() == outcome.run.settings.as_json() | changes, "all else is the run's own"
    assert TrainSettings.parse(found.settings.as_json()) == found.settings


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(run("stopped"), []),
        Outcome(run("interrupted"), []),
        Outcome(run("running"), []),
        held(complete=False),
        finished(alignment="exact-twin"),
        failed(1e-3, "in epoch 2: RuntimeError: nobody knows what the loss became.", diverged=False),
        failed(1e-3, "in epoch 2, step 2: the loss became NaN."),
        finished((100, 100), losses=(RISES, RISES), dropout=0.6, patience=3, alignment="exact-twin"),
    ],
    ids=["stopped", "interrupted", "running", "held so far", "not compared", "killed", "older", "nothing left"],
)
def test_nothing_is_suggested_where_nothing_follows(outcome: Outcome) -> None:
    assert suggestion(outcome) is None


def test_lanes_that_parted_suggest_nothing() -> None:
    outcome = held()
    assert suggestion(outcome)
    outcome.run = replace(outcome.run, fairness=FairnessVerdict("failed"))
    assert suggestion(outcome) is None


def test_the_last_seed_is_followed_by_the_first() -> None:
    found = suggestion(finished((950, 950), seed=2**31 - 1))
    assert found is not None
    assert found.settings.seed == 0
