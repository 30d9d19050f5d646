"""One lane of a run while it goes on: what it is at, what it has done, and how it ended."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from core.experiment.metrics import step_is_kept
from core.experiment.names import engine_title
from core.protocol import messages
from core.protocol.process import ChildProcess
from core.storage.database import LaneState
from core.storage.rows import Entry


@dataclass(frozen=True)
class Finished:
    """It trained its epochs, and was tested."""

    state: ClassVar = LaneState.FINISHED


@dataclass(frozen=True)
class Stopped:
    """It was not let to its end: somebody stopped the run, or its time was over."""

    state: ClassVar = LaneState.STOPPED
    limit_s: float | None = None
    """The time that was over; None where somebody stopped it."""


@dataclass(frozen=True)
class Interrupted:
    """The run's owner was shut down."""

    state: ClassVar = LaneState.INTERRUPTED


@dataclass(frozen=True)
class Failed:
    """It could not go on."""

    state: ClassVar = LaneState.FAILED
    why: str
    """The rest of a sentence, without its stop."""
    at: LaneState = LaneState.WAITING
    """The state in which it was."""
    epoch: int = 0
    """The epoch that it was in."""
    step: int = 0
    """The step, where it said so."""
    cause: str = ""
    """The likely cause, where one is known."""
    diverged: bool = False


@dataclass(frozen=True)
class RunFailed:
    """Its whole run could not go on."""

    state: ClassVar = LaneState.FAILED
    reason: str
    """The run's reason, as sentences."""


LaneEnd = Finished | Stopped | Interrupted | Failed | RunFailed


@dataclass
class RunLane:
    """One lane while it runs: what it is at, and what it has done."""

    engine: str
    process: ChildProcess | None = None
    state: LaneState = LaneState.WAITING
    certified: messages.Certified | None = None
    built: bool = False
    epochs: list[messages.Epoch] = field(default_factory=list)
    """Those that are complete."""
    result: messages.Result | None = None
    goal: int = 0
    """How many epochs it shall have trained when it waits again; one more than all: it shall be tested, too."""
    awaited: bool = False
    """Whether it owes an answer: to be ready, or to the command that its `state` stands for."""
    end: LaneEnd | None = None
    """How it ended; None while more may come."""
    steps: list[Entry] = field(default_factory=list)
    """Rows that wait for a commit."""

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
    def epoch(self) -> int:
        """The last epoch that is complete."""
        return self.epochs[-1].epoch if self.epochs else 0

    @property
    def trained(self) -> bool:
        """Whether it trains no more epochs, whatever their number."""
        return bool(self.epochs) and self.epochs[-1].last

    def failed(self, why: str) -> Failed:
        """That it failed at what it is at."""
        return Failed(why, self.state if self.awaited else LaneState.WAITING, self.epoch + 1)
