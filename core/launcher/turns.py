"""What runs or waits for its turn: whose it is, how long such a one takes, and whether anybody looks at it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.experiment.settings import Order, TrainSettings

Clock = Callable[[], float]

ALONE_S = 60.0
"""A lesson that nobody has looked at for so long is asked after, or ends by itself where strangers visit."""
LATE, LATE_S = 1.25, 2.0
"""What takes longer than expected takes so many times as long, and so many seconds more."""
DOING = {"run": "a run is training", "measurement": "a measurement is running", "lesson": "a lesson is running"}


@dataclass
class Job:
    """A run, measurement or lesson that waits or goes on, whose it is, and how long such a one took the last time."""

    id: str
    what: TrainSettings | Order
    visitor: str
    takes_s: float | None
    clock: Clock = time.monotonic
    began: float | None = None
    """When its turn began, by the clock; None while it waits."""
    looked_at: float = field(init=False)
    """When somebody last looked at it."""

    def __post_init__(self) -> None:
        self.looked_at = self.clock()

    @property
    def is_run(self) -> bool:
        """Whether it is a run, else a measurement or a lesson."""
        return isinstance(self.what, TrainSettings)

    @property
    def kind(self) -> str:
        """`run`, `measurement` or `lesson`."""
        if isinstance(self.what, TrainSettings):
            return "run"
        return "lesson" if self.what.lesson else "measurement"

    @property
    def doing(self) -> str:
        """What it does, as part of a sentence."""
        return DOING[self.kind]

    @property
    def gone_s(self) -> float:
        """Seconds since its turn began."""
        return 0.0 if self.began is None else self.clock() - self.began

    @property
    def late(self) -> bool:
        """Whether it takes longer than expected."""
        return self.takes_s is not None and self.gone_s > LATE * self.takes_s + LATE_S

    @property
    def alone(self) -> bool:
        """Whether it is a lesson that nobody looks at any more; runs and measurements are left alone on purpose."""
        return self.kind == "lesson" and self.clock() - self.looked_at >= ALONE_S

    def begin(self) -> None:
        """Its turn begins."""
        self.began = self.clock()

    def look(self) -> None:
        """Somebody looks at it, or wants it to go on."""
        self.looked_at = self.clock()


def left_s(jobs: Sequence[Job]) -> float | None:
    """Seconds until all of them, one after the other, have ended; None where nobody knows."""
    left = 0.0
    for job in jobs:
        if job.takes_s is None or job.late:
            return None
        left += max(0.0, job.takes_s - job.gone_s)
    return left
