"""Who keeps the machine busy for a data folder: a run, a measurement, or the reading of pictures; never two at once."""

from pathlib import Path

import filelock

FILE = "machine.lock"


class MachineLock:
    """Taken by whatever trains, measures or reads pictures, in any process: each would slow what another measures.

    It is free again when its process ends, however that ends.
    """

    def __init__(self, data_dir: Path) -> None:
        # Not thread_local: a page takes it, and what goes on beside the page gives it back.
        self._lock = filelock.FileLock(data_dir / FILE, thread_local=False)

    def take(self, patience_s: float = 0.0) -> bool:
        """Whether it was free. Where the folder takes no lock it counts as free: what works says why."""
        try:
            self._lock.acquire(timeout=patience_s)
        except filelock.Timeout:
            return False
        except OSError:
            pass
        return True

    def release(self) -> None:
        """Gives it back, if it was taken."""
        self._lock.release()
