"""What a run knows of each lane while it goes on, and how it ended, in words."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.experiment.fairness import Comparison, Verdict
from core.experiment.metrics import step_is_kept
from core.experiment.names import engine_title, joined
from core.experiment.settings import TrainSettings
from core.experiment.weights import Floats, WeightsError, load_weights
from core.protocol import messages
from core.protocol.process import ChildProcess
from core.storage.database import ENDED_STATES, State
from core.storage.records import Run
from core.storage.rows import Entry, LaneChanged, Row, RunChanged

PLACES = {
    "import": "while importing",
    "certify": "while certifying",
    "build": "while building",
    "finish": "in the test",
}


@dataclass
class RunLane:
    """One lane while it runs: what it has done, and what it was asked for last."""

    engine: str
    worker: ChildProcess | None = None
    state: str = "waiting"
    certified: messages.Certified | None = None
    built: bool = False
    epoch: int = 0
    last_epoch: bool = False
    result: messages.Result | None = None
    goal: int = 0
    asked: str = ""
    """The command that waits for its answer; empty where it is not this lane's turn."""
    where: str = ""
    reason: str = ""
    """Where and why it failed, in words."""
    steps: list[Entry] = field(default_factory=list)

    def keep_steps(self, message: messages.Step) -> None:
        """An aligned lane reports every step, to be compared; the store keeps what the charts draw."""
        kept = [point for point in message.points if step_is_kept(int(point[0]), message.steps_per_epoch)]
        if kept:
            self.steps.append(Entry(self.engine, replace(message, points=kept)))

    @property
    def title(self) -> str:
        """The lane's name in sentences."""
        return engine_title(self.engine)

    @property
    def ended(self) -> bool:
        """Whether nothing more comes from this lane."""
        return self.state in ENDED_STATES

    @property
    def place(self) -> str:
        """Where this lane is, as part of a sentence, by what it was asked for last."""
        return f"in epoch {self.epoch + 1}" if self.asked == "go" else PLACES.get(self.asked, "")

    @property
    def failure(self) -> str:
        """The lane's failure as sentences of the run's reason."""
        return f"{self.title} failed{' ' if self.where else ': '}{self.reason} {kept({self.title: self.epoch})}"


def verdict_of(comparison: Comparison, lanes: Sequence[RunLane], folder: Path, certified: bool | None) -> Verdict:
    """What an aligned run itself says of its fairness, with the weights that its lanes kept in `folder`."""
    complete = all(lane.state == "finished" for lane in lanes)
    weights: list[dict[str, Floats]] = []
    with contextlib.suppress(WeightsError):  # the verdict then says that no weights were compared
        if complete:
            results = [lane.result for lane in lanes if lane.result is not None]
            weights = [load_weights(folder / result.weights_file, result.weights_sha256) for result in results]
    return comparison.verdict(weights, complete, certified)


def how_ended(
    lanes: Sequence[RunLane], settings: TrainSettings, owner: str, stopped: str = "You stopped this run"
) -> tuple[State, str]:
    """The state and the reason of a run all of whose lanes have ended.

    `owner` is who ran it; `stopped` begins the sentence where it was stopped.
    """
    failures = [lane.failure for lane in lanes if lane.state == "failed"]
    # A failed lane's sentence says its own.
    there = kept({lane.title: lane.epoch for lane in lanes if lane.state != "failed"})
    states = {lane.state for lane in lanes}
    if "interrupted" in states:
        return "interrupted", " ".join([closed_while(owner), there, *failures])
    if "stopped" in states:
        when = f"{stopped} {_when(lanes, settings.epochs)}."
        return "stopped", " ".join([when, *([there] if any(lane.built for lane in lanes) else []), *failures])
    if failures:
        finished = [lane.title for lane in lanes if lane.state == "finished"]
        went_on = [f"{joined(finished)} went on and finished."] if finished else []
        return "failed", " ".join([*failures, *went_on])
    why = f"no better validation loss in {settings.patience} epoch{'s' * (settings.patience != 1)}"
    early = [lane for lane in lanes if lane.epoch < settings.epochs]
    return "finished", " ".join(f"{lane.title} stopped early after epoch {lane.epoch}: {why}." for lane in early)


def _when(lanes: Sequence[RunLane], epochs: int) -> str:
    """Where a run was stopped, as the rest of a sentence: by the lane that had come least far."""
    if not any(lane.built for lane in lanes):
        return "before its first epoch"
    done = min(lane.epoch for lane in lanes if lane.state == "stopped")
    return "after its last epoch" if done == epochs else f"in epoch {done + 1}"


def stopper(visitor: str) -> str:
    """Who can stop something, as its reason says it: where visitors are told apart, others read it, too."""
    return "Its visitor" if visitor else "You"


def kept(epochs: Mapping[str, int]) -> str:
    """Which epochs of an ended run are there to look at, by lane title, as a sentence."""
    counts = set(epochs.values())
    if not any(counts):
        return "No epoch was complete."
    if len(counts) == 1:
        parts = [_span(max(counts))]
    else:
        parts = [f"{_span(count)} of {title}" for title, count in epochs.items() if count]
    many = max(counts) > 1
    return f"Epoch{'s' if many else ''} {joined(parts)} {'are' if many or len(parts) > 1 else 'is'} kept."


def _span(epochs: int) -> str:
    return "1" if epochs == 1 else f"1 {'and' if epochs == 2 else 'to'} {epochs}"


def closed_while(owner: str) -> str:
    """Why a run is interrupted whose `owner` (`the dashboard`, `the command line`) went away, as a sentence."""
    return f"{owner[:1].upper()}{owner[1:]} was closed while this ran."


def cut_off(run: Run, rows: Iterable[Row], owner: str) -> list[Entry]:
    """The rows that end an open run whose owner went away: what it had shown is there, and nothing more will come."""
    done = Counter(row.engine for row in rows if row.kind == "epoch")
    there = kept({engine_title(lane.engine): done[lane.engine] for lane in run.lanes})
    reason = f"{closed_while(owner)} {there}"
    if run.state == "queued":
        reason = f"{owner[:1].upper()}{owner[1:]} was closed before this began."
    cut = [lane.engine for lane in run.lanes if lane.state not in ENDED_STATES]
    return last_rows(cut, "interrupted", reason)


def last_rows(lanes: Iterable[str], state: State, reason: str, lane_reason: str = "") -> list[Entry]:
    """The last rows of a run that nothing executes: the end of each of these lanes, then its own."""
    entries = [Entry(lane, LaneChanged(state, reason=lane_reason)) for lane in lanes]
    return [*entries, Entry("", RunChanged(state, reason))]
