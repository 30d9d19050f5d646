"""The Launcher: one per data folder, holds the queue and the warm spares, and is the only writer of the store.

It lives in the web process (`current()` is the only way to it) or in the command line's. Its thread executes
one run or one measurement at a time, in the order in which they were asked for; in between it keeps one imported
worker per framework warm.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import psutil

from core import datasets
from core.ending import left_open
from core.lane import WorkerProcess
from core.machine import this_machine
from core.measurements import Measurements
from core.measuring import STOPPED, MeasurementInProgress, closed_while
from core.predictor import Predictors
from core.run import RunInProgress
from core.settings import ENGINE_NAMES, SPARE_ENGINES, DeploymentSettings, InvalidSettings, Order, TrainSettings
from core.store import ALL_ROWS, ENDED_STATES, Entry, Row, Run, State, Store, StoreError

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
    raise LauncherUnavailable(str(_current or "The dashboard is still starting: try again in a moment."))


class Launcher:
    """Queue, turns and stop for one data folder."""

    def __init__(self, deployment: DeploymentSettings, owner: str) -> None:
        """Takes the data folder. `owner` says who this is: `the dashboard`, `the command line`.

        Raises `LauncherUnavailable` where another process holds the folder, and `StoreError`.
        """
        self.deployment, self.owner = deployment, owner
        self.store = Store(deployment.data_dir)
        self.measurements = Measurements(deployment.data_dir)
        self._holder = self.store.data_dir / "holder.json"
        self._lock = self._take_lock()
        try:
            self.store.open_for_writing()
            self._close_what_was_left_open(self._held_before.get("owner", "the dashboard"))
            self._write_holder()
        except BaseException:
            self._lock.release()
            raise
        self._guard = threading.RLock()
        self._wake = threading.Event()
        self._closing = False
        self._queue: list[tuple[str, TrainSettings | Order]] = []
        self._run: RunInProgress | MeasurementInProgress | None = None
        self._spares: dict[str, WorkerProcess] = {}
        self._spares_started = 0
        self.predictors = Predictors(
            self._take_predictor, lambda: getattr(self._run, "id", ""), self._mark_drawn_beside
        )
        self._given_up: dict[str, int] = dict.fromkeys(SPARE_ENGINES, 0)
        """How many spares of an engine in a row died before they were ready."""
        self._data_tried = False
        self._unsaid: dict[str, str] = {}
        """Runs whose failure could not be written yet, and its reason."""
        self.trouble = ""
        """Why the last run's end could not be written, as a sentence; empty where all is well."""
        self._thread = threading.Thread(target=self._work, name="launcher", daemon=True)
        self._thread.start()

    # --- the data folder -------------------------------------------------------------------------------

    def _take_lock(self) -> filelock.FileLock:
        try:
            self.store.data_dir.mkdir(parents=True, exist_ok=True)
            # Not thread_local: the web closes in another thread than it opened in.
            lock = filelock.FileLock(self.store.data_dir / "lock", thread_local=False)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise LauncherUnavailable(self._held_by()) from None
        except OSError as error:
            raise LauncherUnavailable(self.store.in_words(error)) from None
        self._held_before = self._read_holder()
        return lock

    def _write_holder(self) -> None:
        process = {"pid": os.getpid(), "started": psutil.Process().create_time()}
        beside = self._holder.with_suffix(".part")
        try:
            beside.write_text(json.dumps({"owner": self.owner, "since": time.strftime("%H:%M"), **process}))
            beside.replace(self._holder)
        except OSError as error:
            raise StoreError(self.store.in_words(error)) from None

    def _read_holder(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            values = json.loads(self._holder.read_text())
            if isinstance(values, dict):
                return values
        return {}

    def _held_by(self) -> str:
        """Who holds the folder, once they have written it down: two may have started at this moment."""
        who = "another process"
        for _ in range(20):
            with contextlib.suppress(KeyError, TypeError, ValueError, psutil.Error):
                holder = self._read_holder()
                # A process is known by its pid and its start.
                if psutil.Process(holder["pid"]).create_time() == holder["started"]:
                    who = f"{holder['owner']} (process {holder['pid']}, since {holder['since']})"
                    break
            time.sleep(0.1)
        return (
            f"The data folder {self.store.data_dir} is in use by {who}: use that one, close it, "
            "or set DUEL_DATA_DIR to another folder."
        )

    def _close_what_was_left_open(self, owner: str) -> None:
        """Runs whose owner went away: what it had shown is there, and nothing more will come."""
        for run in self.store.open_runs():
            cut = [lane.engine for lane in run.lanes if lane.state not in ENDED_STATES]
            done = [row.engine for row in self.store.rows(run.id, limit=ALL_ROWS) if row.kind == "epoch"]
            reason = left_open(owner, min((done.count(engine) for engine in cut), default=0))
            if run.state == "queued":
                reason = f"{owner[:1].upper()}{owner[1:]} was closed before this began."
            self._end(run.id, cut, "interrupted", reason)
        for measurement in self.measurements.open_ones():
            self.measurements.end(measurement.id, "interrupted", closed_while(owner))

    def _end(self, run_id: str, lanes: Sequence[str], state: State, reason: str, lane_reason: str = "") -> None:
        """Writes the end of a run that no thread executes."""
        entries = [Entry(lane, "lane", {"state": state, "reason": lane_reason}) for lane in lanes]
        self.store.append(run_id, [*entries, Entry("", "run", {"state": state, "reason": reason})])

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
            self._refuse_when_closing()
            run_id = self.store.create(settings.as_json(), this_machine())
            self._queue.append((run_id, settings))
        self._wake.set()
        return run_id

    def measure(self, order: Order) -> str:
        """Queues a measurement; returns its id, the waiting or running one's where its subject has one already.

        Raises `StoreError`.
        """
        with self._guard:
            self._refuse_when_closing()
            for waiting in self.measurements.open_ones():
                if waiting.subject == order.subject:
                    return waiting.id
            measurement = self.measurements.create(order, this_machine())
            self._queue.append((measurement, order))
        self._wake.set()
        return measurement

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise LauncherUnavailable("The dashboard is shutting down.")

    def stop(self, wanted: str) -> None:
        """Stops a queued or running run or measurement; does nothing to an ended one."""
        with self._guard:
            for waiting, what in self._queue:
                if waiting == wanted and isinstance(what, Order):
                    self.measurements.end(waiting, "stopped", STOPPED)
                elif waiting == wanted and isinstance(what, TrainSettings):
                    self._end(waiting, what.engines, "stopped", "You stopped this run before it began.")
            self._queue = [item for item in self._queue if item[0] != wanted]
            if self._run is not None and self._run.id == wanted:
                self._run.stop.set()

    def annotate(self, run_id: str, name: str, note: str, pinned: bool) -> None:
        """Names, notes and pins a run of this folder. Raises `StoreError`."""
        self.store.annotate(run_id, name, note, pinned)

    def delete(self, run_id: str) -> None:
        """Removes an ended run of this folder; a recorded one cannot be. Raises `StoreError`."""
        self.store.delete(run_id)

    def take_in(self, run: Run, rows: Sequence[Row]) -> str:
        """Keeps a run that was exported elsewhere; returns its new id. Raises `StoreError`."""
        return self.store.take_in(run, rows)

    def active(self) -> list[str]:
        """The running run's id, then the queued ones' in their order."""
        return self._going_on(RunInProgress, TrainSettings)

    def measuring(self) -> list[str]:
        """The running measurement's id, then the queued ones' in their order."""
        return self._going_on(MeasurementInProgress, Order)

    def _going_on(self, running: type, queued: type) -> list[str]:
        with self._guard:
            now = [self._run.id] if self._run is not None and isinstance(self._run, running) else []
            return now + [waiting for waiting, what in self._queue if isinstance(what, queued)]

    def waits_for(self, wanted: str) -> str:
        """What a queued run or measurement waits for, as the rest of a sentence; empty where it does not wait."""
        with self._guard:
            places = [waiting for waiting, _ in self._queue]
            if wanted not in places or self._run is None:
                return ""
            what = "a run trains" if isinstance(self._run, RunInProgress) else "a measurement runs"
            before = places.index(wanted)
            return what + (f", {before} more before it" if before else "")

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
            spares = [self._spares.get(name) for name in SPARE_ENGINES]
        return all(spare is not None and spare.ready is not None and spare.alive for spare in spares)

    def close(self) -> None:
        """Ends the run as `interrupted`, every process, and gives the data folder back."""
        with self._guard:
            self._closing = True
            if self._run is not None:
                self._run.closing.set()
        self._wake.set()
        self._thread.join(timeout=20)
        self.predictors.close()
        for spare in self._spares.values():
            spare.close()
        with contextlib.suppress(StoreError):
            self._close_what_was_left_open(self.owner)
        self._lock.release()

    # --- the thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closing:
            try:
                if self._execute_next():
                    continue
                self._say_failures()
                self.predictors.end_idle()
                self._keep_warm()
            except Exception:  # whatever happens, the next run must start
                log.exception("launcher")
            self._wake.wait(timeout=0.5)
            self._wake.clear()

    def _execute_next(self) -> bool:
        with self._guard:
            if not self._queue or self._closing:
                return False
            job, what = self._queue.pop(0)
            self._run = self._in_progress(job, what)
        try:
            self._run.execute()
            self.trouble = ""
        except StoreError as error:
            self.trouble = str(error)
            self._unsaid[job] = self.trouble
        except Exception as error:
            log.exception("run %s", job)
            self._unsaid[job] = f"The launcher failed: {type(error).__name__}: {error}."
        finally:
            self._say_failures()
            with self._guard:
                self._run = None
        return True

    def _in_progress(self, job: str, what: TrainSettings | Order) -> RunInProgress | MeasurementInProgress:
        datasets_dir = self.deployment.datasets_dir
        if isinstance(what, Order):
            return MeasurementInProgress(job, what, self.measurements, datasets_dir, self.owner)
        return RunInProgress(job, what, self.store, datasets_dir, self._take_worker, self.owner)

    def _say_failures(self) -> None:
        """A full disk may take a run's end once the run writes no more, or later; else the next start says it."""
        for run_id, reason in list(self._unsaid.items()):
            with contextlib.suppress(StoreError):
                for measurement in self.measurements.open_ones():
                    if measurement.id == run_id:
                        self.measurements.end(run_id, "failed", reason)
                        del self._unsaid[run_id]
                if run_id not in self._unsaid:
                    continue
                lanes = [lane.engine for lane in self.store.run(run_id).lanes if lane.state not in ENDED_STATES]
                self._end(run_id, lanes, "failed", reason, reason)
                del self._unsaid[run_id]

    def _take_worker(self, engine: str, folder: Path) -> WorkerProcess:
        """A warm spare where there is one, else a new process; its log moves to the run's folder."""
        log_path = folder / f"{engine}.log"
        if (spare := self._take_spare(engine)) is None:
            return WorkerProcess(engine, log_path)
        with contextlib.suppress(OSError):
            spare.log = spare.log.replace(log_path)
        return spare

    def _take_predictor(self, engine: str) -> WorkerProcess:
        """The engine's spare, which saves its import, else a new process."""
        return self._take_worker(engine, self.store.data_dir / "predictors")

    def _mark_drawn_beside(self, run_id: str) -> None:
        """Somebody draws while this run trains: the run says so at its end."""
        with self._guard:
            if self._run is not None and self._run.id == run_id:
                self._run.drawn_beside.set()

    def _take_spare(self, engine: str) -> WorkerProcess | None:
        """The engine's spare, which is then no longer one; None where there is none alive."""
        with self._guard:
            spare = self._spares.pop(engine, None)
        if spare is None or spare.alive:
            return spare
        self._given_up[engine] = 0 if spare.ready else self._given_up[engine] + 1
        spare.close()
        return None

    def _keep_warm(self) -> None:
        """One thing at a time, and only while nobody trains: the embedded data, then a spare for each framework."""
        if not self.deployment.spares:
            return
        if not self._data_tried:
            self._data_tried = True
            with contextlib.suppress(datasets.DatasetError):
                datasets.prepare("mnist5k", self.store.data_dir, cancelled=lambda: self._closing)
        if any(spare.alive and spare.ready is None for spare in self._spares.values()):
            return
        for engine in SPARE_ENGINES:
            if engine in self._spares and self._spares[engine].alive:
                continue
            self._take_spare(engine)
            if self._queue or self._given_up[engine] >= 3 or psutil.virtual_memory().available < 2**31:
                continue
            self._spares_started += 1
            path = self.store.data_dir / "spares" / f"{engine}-{self._spares_started}.log"
            with contextlib.suppress(OSError):
                spare = WorkerProcess(engine, path)
                with self._guard:
                    self._spares[engine] = spare
            return
