"""The queue: what runs and what waits, in the order in which it was asked for, how long still, and who looks at it.

What runs on other machines meanwhile is known here, too, and nothing waits for it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.launcher.jobs import Job, Kind

Clock = Callable[[], float]

UNATTENDED_S = 60.0
"""A lesson that nobody has looked at for so long is asked after, or ends by itself where strangers visit."""
LATE, LATE_S = 1.25, 2.0
"""What takes longer than expected takes so many times as long, and so many seconds more."""


@dataclass
class Turn:
    """A job that waits or runs, how long it should take, and when somebody last looked at it."""

    job: Job
    expected_s: float | None
    """As long as such a one took the last time; None where nobody knows."""
    clock: Clock = time.monotonic
    began_at: float | None = None
    """By the clock; None while it waits."""
    seen_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.seen_at = self.clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began; 0 while it waits."""
        return 0.0 if self.began_at is None else self.clock() - self.began_at

    @property
    def late(self) -> bool:
        """Whether it takes longer than expected."""
        return self.expected_s is not None and self.elapsed_s > LATE * self.expected_s + LATE_S

    @property
    def unattended(self) -> bool:
        """Whether nobody looks any more at what is there to be looked at."""
        return self.job.kind.needs_a_viewer and self.clock() - self.seen_at >= UNATTENDED_S


def left_s(turns: Sequence[Turn]) -> float | None:
    """Seconds until all of them, one after the other, have ended; None where nobody knows."""
    left = 0.0
    for turn in turns:
        if turn.expected_s is None or turn.late:
            return None
        left += max(0.0, turn.expected_s - turn.elapsed_s)
    return left


class Queue:
    """Turns in the order in which they were asked for, at most one of which runs here. Any thread may ask.

    Who decides by what it answers, and then changes it, holds `guard` meanwhile.
    """

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.clock: Clock = time.monotonic
        self.running: Turn | None = None
        self._waiting: list[Turn] = []
        self._elsewhere: list[Turn] = []

    def add(self, job: Job, expected_s: float | None) -> None:
        """It waits behind all others."""
        with self.guard:
            self._waiting.append(Turn(job, expected_s, self.clock))

    def add_elsewhere(self, job: Job, expected_s: float | None) -> None:
        """It runs on another machine from now on."""
        with self.guard:
            self._elsewhere.append(turn := Turn(job, expected_s, self.clock))
            turn.began_at = self.clock()

    def end_elsewhere(self, job_id: str) -> None:
        """It runs there no more."""
        with self.guard:
            self._elsewhere = [turn for turn in self._elsewhere if turn.job.id != job_id]

    def begin_next(self) -> Turn | None:
        """Gives the next one its turn; None where none waits."""
        with self.guard:
            if not self._waiting:
                return None
            self.running = self._waiting.pop(0)
            self.running.began_at = self.clock()
            return self.running

    def end(self) -> None:
        """Nothing has its turn any more, until the next one begins."""
        with self.guard:
            self.running = None

    def remove(self, turn: Turn) -> None:
        """It waits no longer, and never had its turn."""
        with self.guard:
            self._waiting.remove(turn)

    def turns(self) -> list[Turn]:
        """What runs, here and then elsewhere, then what waits in its order."""
        with self.guard:
            return [*([self.running] if self.running else []), *self._elsewhere, *self._waiting]

    def running_id(self) -> str:
        """The id of the job that runs; empty where none does."""
        running = self.running
        return running.job.id if running else ""

    def find(self, job_id: str) -> Turn | None:
        """The turn of the job with this id, if it runs or waits."""
        return next((turn for turn in self.turns() if turn.job.id == job_id), None)

    def ids(self, *kinds: Kind) -> list[str]:
        """Of the jobs of these kinds: the running ones', then the waiting ones' in their order."""
        return [turn.job.id for turn in self.turns() if turn.job.kind in kinds]

    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _ahead(self, job_id: str) -> list[Turn]:
        """What waits before a job; all that wait, where it does not."""
        places = [turn.job.id for turn in self._waiting]
        return self._waiting[: places.index(job_id)] if job_id in places else list(self._waiting)

    def waits_for(self, job_id: str) -> tuple[Kind, int] | None:
        """What runs while a job waits, and how many more wait before it; None where it does not wait."""
        with self.guard:
            if self.running is None or all(turn.job.id != job_id for turn in self._waiting):
                return None
            return self.running.job.kind, len(self._ahead(job_id))

    def wait_s(self, job_id: str = "") -> float | None:
        """Seconds until a waiting job, or a new one, begins; None where nobody knows."""
        with self.guard:
            return left_s([*([self.running] if self.running else []), *self._ahead(job_id)])

    def mark_seen(self, job_id: str) -> None:
        """Notes that somebody looks at a job that runs or waits, or wants it to go on."""
        if turn := self.find(job_id):
            turn.seen_at = self.clock()

    def mark_drawn_meanwhile(self, job_id: str) -> None:
        """Somebody draws while a job goes on: it says so at its end."""
        if turn := self.find(job_id):
            turn.job.mark_drawn_meanwhile()

    def unattended(self, job_id: str) -> bool:
        """Whether nobody looks any more at a job that is there to be looked at."""
        turn = self.find(job_id)
        return turn is not None and turn.unattended
