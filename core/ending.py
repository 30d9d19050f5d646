"""What a run knows of each lane while it goes on, and how it ended, in words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core import events
from core.lane import WorkerProcess
from core.names import engine_title, joined
from core.settings import TrainSettings
from core.store import ENDED_STATES, Entry, State

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
    worker: WorkerProcess | None = None
    state: str = "waiting"
    certified: events.Certified | None = None
    built: bool = False
    epoch: int = 0
    last_epoch: bool = False
    goal: int = 0
    asked: str = ""
    """The command that waits for its answer; empty where it is not this lane's turn."""
    where: str = ""
    reason: str = ""
    """Where and why it failed, in words."""
    steps: list[Entry] = field(default_factory=list)

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
        return f"{self.title} failed{' ' if self.where else ': '}{self.reason} {kept(self.epoch)}"


def how_ended(
    lanes: Sequence[RunLane], settings: TrainSettings, owner: str, stopped: str = "You stopped this run"
) -> tuple[State, str]:
    """The state and the reason of a run all of whose lanes have ended.

    `owner` is who ran it; `stopped` begins the sentence where it was stopped.
    """
    failures = [lane.failure for lane in lanes if lane.state == "failed"]
    # Epochs that every lane had complete which was not let to its end.
    epochs = min((lane.epoch for lane in lanes if lane.state in ("stopped", "interrupted")), default=0)
    states = {lane.state for lane in lanes}
    if "interrupted" in states:
        return "interrupted", " ".join([left_open(owner, epochs), *failures])
    if "stopped" in states:
        begun = any(lane.built for lane in lanes)
        return "stopped", " ".join([_stopped(stopped, epochs, settings.epochs, begun), *failures])
    if failures:
        finished = [lane.title for lane in lanes if lane.state == "finished"]
        went_on = [f"{joined(finished)} went on and finished."] if finished else []
        return "failed", " ".join([*failures, *went_on])
    why = f"no better validation loss in {settings.patience} epoch{'s' * (settings.patience != 1)}"
    early = [lane for lane in lanes if lane.epoch < settings.epochs]
    return "finished", " ".join(f"{lane.title} stopped early after epoch {lane.epoch}: {why}." for lane in early)


def _stopped(stopped: str, epochs: int, of: int, begun: bool) -> str:
    if not begun:
        return f"{stopped} before its first epoch."
    when = "after its last epoch" if epochs == of else f"in epoch {epochs + 1}"
    return f"{stopped} {when}. {kept(epochs)}"


def stopper(visitor: str) -> str:
    """Who can stop something, as its reason says it: where visitors are told apart, others read it, too."""
    return "Its visitor" if visitor else "You"


def kept(epochs: int) -> str:
    """Which epochs of an ended run are there to look at, as a sentence."""
    if epochs <= 1:
        return "Epoch 1 is kept." if epochs else "No epoch was complete."
    return f"Epochs 1 {'and' if epochs == 2 else 'to'} {epochs} are kept."


def left_open(owner: str, epochs: int) -> str:
    """Why a run is interrupted whose `owner` (`the dashboard`, `the command line`) went away, as sentences."""
    return f"{owner[:1].upper()}{owner[1:]} was closed while this ran. {kept(epochs)}"
