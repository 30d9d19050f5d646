"""What a job is told when it starts, and what may be asked of it while it runs."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.protocol.process import ChildProcess

TakeWorker = Callable[[str, Path], ChildProcess]


@dataclass(frozen=True)
class JobContext:
    """Where and for whom a job runs, and how long it may."""

    data_dir: Path
    datasets_dir: Path | None
    """A folder in torchvision's layout that is read instead of downloading."""
    take_worker: TakeWorker
    """Gives an engine's process, whose log lies in the folder. Raises `OSError`."""
    owner: str
    """Whose end is this job's, too: an `Owner`."""
    visitor: str = ""
    """Whose job it is, where visitors are told apart."""
    limit_s: float | None = None
    """After this long it is stopped."""
    unattended: Callable[[], bool] = lambda: False
    """Whether it shall end by itself because nobody looks at it any more."""
    epoch_weights: bool = False
    """Whether a run's lanes keep their weights after each epoch."""
    threads: int = 0
    """How many CPU threads each lane gets where they take turns; 0: the framework's own choice."""


class JobRequests:
    """Requests to a running job; any thread may set them."""

    def __init__(self) -> None:
        self.stop, self.close = threading.Event(), threading.Event()
        """It shall stop; it shall end because its owner shuts down."""
        self.drawn_meanwhile = threading.Event()
        """Somebody drew: the job's times are then a little too long, and it says so."""
