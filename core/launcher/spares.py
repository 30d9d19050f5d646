"""Warm spares: one imported worker per framework, so that a run does not wait for imports."""

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from core.data import datasets
from core.experiment.engine_names import SPARE_ENGINES
from core.protocol.process import WORKER, ChildProcess

TRIES = 3
"""An engine whose spares so often could not be started, or died or hung before they were ready, gets no more."""
LEAST_MEMORY_BYTES = 2**31

log = logging.getLogger(__name__)


class Spares:
    """The spares of one data folder, and the way to any worker: a spare where there is one, else a new process."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._guard = threading.Lock()
        self._spares: dict[str, ChildProcess] = {}
        self._closed = False
        self._started = 0
        self._given_up: dict[str, int] = dict.fromkeys(SPARE_ENGINES, 0)
        """How many spares of an engine in a row could not be started, or died before they were ready."""
        self._data_tried = False

    def worker(self, engine: str, folder: Path) -> ChildProcess:
        """The engine's spare, or a new process; its log moves to `folder`. Raises `OSError`."""
        log_path = folder / f"{engine}.log"
        if (spare := self._take(engine)) is None:
            return ChildProcess(WORKER, engine, log=log_path)
        with contextlib.suppress(OSError):
            spare.move_log(log_path)
        return spare

    def _take(self, engine: str) -> ChildProcess | None:
        """The engine's spare, which is then no longer one; None where there is none alive."""
        with self._guard:
            spare = self._spares.pop(engine, None)
            if spare is None or spare.alive:
                return spare
            self._given_up[engine] = 0 if spare.ready else self._given_up[engine] + 1
        spare.close()
        return None

    def warm(self, engine: str = "") -> bool:
        """Whether the engine's spare is imported and waits; for an engine that has none, whether all spares do."""
        wanted = [engine] if engine in SPARE_ENGINES else SPARE_ENGINES
        with self._guard:
            spares = [self._spares.get(name) for name in wanted]
        return all(spare is not None and spare.ready is not None and spare.alive for spare in spares)

    def keep(self, busy: Callable[[], bool]) -> None:
        """One thing at a time, and only while nobody trains: the embedded data, then a spare for each framework."""
        if not self._data_tried:
            self._data_tried = True
            with contextlib.suppress(datasets.DatasetError):  # a run says it in its own place
                datasets.prepare("mnist5k", self._data_dir, cancelled=busy)
        with self._guard:
            spares = dict(self._spares)
        for engine, spare in spares.items():
            if why := spare.hung(waits_for_it=spare.ready is None):
                log.warning("The spare of %s was ended: %s.", engine, why)
                spare.give_up(why)
            elif spare.alive and spare.ready is None:
                return
        for engine in SPARE_ENGINES:
            if engine in spares and spares[engine].alive:
                continue
            self._take(engine)
            if busy() or self._given_up[engine] >= TRIES or psutil.virtual_memory().available < LEAST_MEMORY_BYTES:
                continue
            self._start(engine)
            return

    def _start(self, engine: str) -> None:
        self._started += 1
        try:
            spare = ChildProcess(WORKER, engine, log=self._data_dir / "spares" / f"{engine}-{self._started}.log")
        except OSError as error:
            log.warning("No spare of %s could be started: %s.", engine, error.strerror or error)
            with self._guard:
                self._given_up[engine] += 1
            return
        with self._guard:
            if not self._closed:
                self._spares[engine] = spare
                return
        spare.close()

    def close(self) -> None:
        """Ends all of them; from now on none is kept."""
        with self._guard:
            self._closed = True
            spares, self._spares = self._spares, {}
        for spare in spares.values():
            spare.close()
