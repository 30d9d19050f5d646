"""The Launcher: one per data folder, holds the queue and the warm spares, and is the only writer of the store.

It lives in the web process (`current()` is the only way to it) or in the command line's. Its thread executes
one run at a time; between runs it keeps one imported worker per framework warm.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import psutil

from core import datasets
from core.lane import WorkerProcess
from core.machine import this_machine
from core.run import RunInProgress, kept
from core.settings import ENGINE_NAMES, DeploymentSettings, InvalidSettings, TrainSettings
from core.store import Entry, Row, Store, StoreError

log = logging.getLogger(__name__)


class LauncherUnavailable(Exception):
    """No run can start here, in one plain sentence."""


_current: "Launcher | LauncherUnavailable | None" = None


def set_current(launcher: "Launcher | LauncherUnavailable | None") -> None:
    """Called by the web's lifespan, or by a test."""
    global _current
    _current = launcher


def current() -> "Launcher":
    """This process' Launcher. Raises `LauncherUnavailable` with the reason where there is none."""
    if isinstance(_current, Launcher):
        return _current
    raise _current or LauncherUnavailable("The dashboard is still starting: try again in a moment.")


class Launcher:
    """Queue, turns and stop for one data folder."""

    def __init__(self, deployment: DeploymentSettings, owner: str) -> None:
        """Takes the data folder. `owner` says who this is: `the dashboard`, `the command line`.

        Raises `LauncherUnavailable` where another process holds the folder, and `StoreError`.
        """
        self.deployment = deployment
        self.store = Store(deployment.data_dir)
        self._lock = self._take_lock(owner)
        try:
            self.store.open_for_writing()
            self._close_what_was_left_open()
        except BaseException:
            self._lock.release()
            raise
        self._guard = threading.RLock()
        self._wake = threading.Event()
        self._closing = False
        self._queue: list[tuple[str, TrainSettings]] = []
        self._run: RunInProgress | None = None
        self._spares: dict[str, WorkerProcess] = {}
        self._started = 0
        self.trouble = ""
        """Why the last run's end could not be written, as a sentence; empty where all is well."""
        self._thread = threading.Thread(target=self._work, name="launcher", daemon=True)
        self._thread.start()

    # --- the data folder -------------------------------------------------------------------------------

    def _take_lock(self, owner: str) -> filelock.FileLock:
        folder = self.deployment.data_dir
        holder = folder / "holder.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(folder / "lock")
            lock.acquire(timeout=0)
            holder.write_text(json.dumps({"owner": owner, "pid": os.getpid(), "since": time.strftime("%H:%M")}))
        except filelock.Timeout:
            raise LauncherUnavailable(self._held_by(holder)) from None
        except OSError as error:
            raise LauncherUnavailable(
                f"The data folder {folder} cannot be written ({error.strerror}): "
                "change its rights, or set DUEL_DATA_DIR."
            ) from None
        return lock

    @staticmethod
    def _held_by(holder: Path) -> str:
        who = "another process"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(holder.read_text())
            who = f"{values['owner']} (process {values['pid']}, since {values['since']})"
        return (
            f"The data folder {holder.parent} is in use by {who}: use that one, close it, "
            "or set DUEL_DATA_DIR to another folder."
        )

    def _close_what_was_left_open(self) -> None:
        """Runs whose owner died: what it had shown is there, and nothing more will come."""
        for run in self.store.open_runs():
            rows = self.store.rows(run.id)
            epochs = min(
                (sum(row.kind == "epoch" and row.engine == lane.engine for row in rows) for lane in run.lanes),
                default=0,
            )
            reason = f"The dashboard was closed while this ran. {kept(epochs)}"
            if run.state == "queued":
                reason = "The dashboard was closed before this began."
            ended = ("finished", "failed", "stopped", "interrupted")
            entries = [
                Entry(lane.engine, "lane", {"state": "interrupted"}) for lane in run.lanes if lane.state not in ended
            ]
            self.store.append(run.id, [*entries, Entry("", "run", {"state": "interrupted", "reason": reason})])

    # --- what pages and the command line call ----------------------------------------------------------

    def submit(self, settings: TrainSettings) -> str:
        """Queues a run; returns its id. Raises `InvalidSettings`, `StoreError`."""
        if not self.deployment.fake_engines:
            for engine in settings.engines:
                if engine not in ENGINE_NAMES:
                    raise InvalidSettings(
                        {"engines": f"There is no engine {engine}. Engines: {', '.join(ENGINE_NAMES)}."}
                    )
        settings.check_batch(datasets.find(settings.dataset).training_split)
        with self._guard:
            if self._closing:
                raise LauncherUnavailable("The dashboard is shutting down.")
            run_id = self.store.create(settings.as_json(), this_machine())
            self._queue.append((run_id, settings))
        self._wake.set()
        return run_id

    def stop(self, run_id: str) -> None:
        """Stops a queued or running run; does nothing to an ended one."""
        with self._guard:
            waiting = [item for item in self._queue if item[0] == run_id]
            if waiting:
                self._queue = [item for item in self._queue if item[0] != run_id]
                lanes = [Entry(engine, "lane", {"state": "stopped"}) for engine in waiting[0][1].engines]
                reason = "You stopped this run before it began."
                self.store.append(run_id, [*lanes, Entry("", "run", {"state": "stopped", "reason": reason})])
            elif self._run is not None and self._run.run_id == run_id:
                self._run.stop.set()

    def active(self) -> list[str]:
        """The running run's id, then the queued ones' in their order."""
        with self._guard:
            running = [self._run.run_id] if self._run is not None else []
            return running + [run_id for run_id, _ in self._queue]

    def follow(self, run_id: str, poll_s: float = 0.1) -> Iterator[Row]:
        """Every row of a run, from its first, as it is committed, until it has ended."""
        after = 0
        while True:
            live = self.store.run(run_id).live and run_id in self.active()
            rows = self.store.rows(run_id, after)
            yield from rows
            after = rows[-1].seq if rows else after
            if not live and not rows:
                return
            if not rows:
                time.sleep(poll_s)

    def warm(self) -> bool:
        """Whether every framework's spare is imported and waits."""
        with self._guard:
            return all(name in self._spares and self._spares[name].ready for name in ENGINE_NAMES)

    def close(self) -> None:
        """Ends the run as `interrupted`, every process, and gives the data folder back."""
        with self._guard:
            self._closing = True
            if self._run is not None:
                self._run.closing.set()
        self._wake.set()
        self._thread.join(timeout=20)
        for spare in self._spares.values():
            spare.close()
        with contextlib.suppress(StoreError):
            self._close_what_was_left_open()
        self.store.close()
        self._lock.release()

    # --- the thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closing:
            if not self._execute_next():
                self._keep_warm()
                self._wake.wait(timeout=0.5)
                self._wake.clear()
        self.store.close()

    def _execute_next(self) -> bool:
        with self._guard:
            if not self._queue or self._closing:
                return False
            run_id, settings = self._queue.pop(0)
            self._run = RunInProgress(run_id, settings, self.store, self.deployment.datasets_dir, self._take_worker)
        try:
            self._run.execute()
            self.trouble = ""
        except StoreError as error:
            self.trouble = str(error)
            self._say_failed(run_id, self.trouble)
        except Exception as error:
            log.exception("run %s", run_id)
            self._say_failed(run_id, f"The launcher failed: {type(error).__name__}: {error}.")
        finally:
            with self._guard:
                self._run = None
        return True

    def _say_failed(self, run_id: str, reason: str) -> None:
        """A full disk may take a run's end once the run writes no more; else `trouble` tells, and the next start."""
        with contextlib.suppress(StoreError):
            lanes = [
                Entry(lane.engine, "lane", {"state": "failed", "reason": reason})
                for lane in self.store.run(run_id).lanes
                if lane.state not in ("finished", "failed", "stopped")
            ]
            self.store.append(run_id, [*lanes, Entry("", "run", {"state": "failed", "reason": reason})])

    def _take_worker(self, engine: str, folder: Path) -> WorkerProcess:
        """A warm spare where there is one, else a new process; its log moves to the run's folder."""
        spare = self._spares.pop(engine, None)
        log_path = folder / f"{engine}.log"
        if spare is not None and spare.alive:
            spare.log.replace(log_path)
            return spare
        return WorkerProcess(engine, log_path)

    def _keep_warm(self) -> None:
        """One thing at a time, and only while nobody trains: the embedded data, then a spare for each framework."""
        if not self.deployment.spares:
            return
        with contextlib.suppress(datasets.DatasetError):
            datasets.prepare("mnist5k", self.deployment.data_dir, cancelled=lambda: self._closing)
        if any(spare.alive and spare.ready is None for spare in self._spares.values()):
            return
        for engine in ENGINE_NAMES:
            spare = self._spares.get(engine)
            if spare is None or not spare.alive:
                if psutil.virtual_memory().available < 2**31:
                    return
                self._started += 1
                path = self.deployment.data_dir / "spares" / f"{engine}-{self._started}.log"
                with contextlib.suppress(OSError):
                    self._spares[engine] = WorkerProcess(engine, path)
                return
