"""What runs or waits for its turn: whose it is, and how long such a one takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.settings import Order, TrainSettings

Clock = Callable[[], float]


@dataclass
class Job:
    """A run or a measurement that waits or goes on, whose it is, and how long such a one took the last time."""

    id: str
    what: TrainSettings | Order
    visitor: str
    takes_s: float | None
    clock: Clock = time.monotonic
    began: float | None = None
    """When its turn began, by the clock; None while it waits."""

    @property
    def is_run(self) -> bool:
        """Whether it is a run, else a measurement."""
        return isinstance(self.what, TrainSettings)

    @property
    def gone_s(self) -> float:
        """Seconds since its turn began."""
        return 0.0 if self.began is None else self.clock() - self.began

    def begin(self) -> None:
        """Its turn begins."""
        self.began = self.clock()


def left_s(jobs: Sequence[Job]) -> float | None:
    """Seconds until all of them, one after the other, have ended; None where nobody knows."""
    left = 0.0
    for job in jobs:
        if job.takes_s is None:
            return None
        left += max(0.0, job.takes_s - job.gone_s)
    return left
