"""Runs for the tests of the report, made of a recorded one: real figures, other lanes, other ends."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from core.storage.database import LaneState, State
from core.storage.records import Lane, Run
from core.storage.rows import Row
from core.storage.runs import ALL_ROWS, Store

Reported = tuple[Run, list[Row]]

STORE = Store(Path("nowhere"))


def recorded(alignment: str = "as-shipped") -> Reported:
    """The recorded run of an alignment, with all its rows."""
    run = next(run for run in STORE.recorded() if run.settings.alignment == alignment)
    return run, STORE.rows(run.id, limit=ALL_ROWS)


def with_lanes(*engines: str, dataset: str = "mnist") -> Reported:
    """As shipped, its lanes taken in turn from the recorded Keras and PyTorch."""
    run, rows = recorded()
    sources = {engine: ("keras", "torch")[number % 2] for number, engine in enumerate(engines)}
    of = {lane.engine: lane for lane in run.lanes}
    lanes = tuple(replace(of[source], engine=engine) for engine, source in sources.items())
    copied = [replace(row, engine=engine) for engine, source in sources.items() for row in rows if row.engine == source]
    settings = run.settings.model_copy(update={"engines": engines, "dataset": dataset})
    return replace(run, lanes=lanes, settings=settings), [row for row in rows if not row.engine] + copied


def cut_off(epochs: int, state: str, reason: str, planned: int | None = None) -> Reported:
    """The run until so many of its epochs, without a result."""
    run, rows = recorded()
    kept = [row for row in rows if row.kind != "result" and getattr(row.event, "epoch", 0) <= epochs]
    lanes = tuple(Lane(lane.engine, LaneState(state)) for lane in run.lanes)
    settings = run.settings.model_copy(update={"epochs": planned or run.settings.epochs})
    return replace(run, state=State(state), reason=reason, lanes=lanes, settings=settings), kept


def one_epoch() -> Reported:
    """A run of one epoch, with its result."""
    run, rows = recorded()
    kept = [row for row in rows if getattr(row.event, "epoch", 0) <= 1]
    return replace(run, settings=run.settings.model_copy(update={"epochs": 1})), kept


def imported() -> Reported:
    """One that came from elsewhere, with a name and a note that people have typed."""
    run, rows = recorded("same-start")
    return replace(run, source="imported", name="<b>" + "A long name " * 12, note="What I saw: " + "x" * 300), rows


def failed_before_an_epoch() -> Reported:
    """A run that has nothing but its reason."""
    run, _ = recorded()
    lanes = tuple(Lane(lane.engine, LaneState.FAILED, "no module") for lane in run.lanes)
    return replace(
        run, state=State.FAILED, reason="Keras failed before it trained: no module named keras.", lanes=lanes
    ), []


CASES: dict[str, Callable[[], Reported]] = {
    "as shipped": recorded,
    "exact twin": lambda: recorded("exact-twin"),
    "three lanes": lambda: with_lanes("keras", "torch", "torch-tuned", dataset="fashion-mnist"),
    "ten lanes": lambda: with_lanes("keras", "torch", "keras-tuned", "torch-tuned", *(f"fake-{n}" for n in range(6))),
    "stopped": lambda: cut_off(4, "stopped", "You stopped this run in epoch 5. Epochs 1 to 4 are kept."),
    "failed": failed_before_an_epoch,
    "imported": imported,
    "one epoch": one_epoch,
}


def lanes_of(reported: Reported) -> Sequence[str]:
    """The run's engines."""
    return [lane.engine for lane in reported[0].lanes]
