"""The Launcher: one per data folder, holds the queue, gives turns and stops, and is the only writer of the store.

It lives in the web process or in the command line's. Its thread executes
one run or one measurement at a time, in the order in which they were asked for; in between it keeps spares warm,
ends predictors that nobody uses, and removes what is beyond this installation's limits.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.data import datasets
from core.deployment.limits import NO_LIMITS, Allowance, Limits
from core.deployment.settings import DeploymentSettings
from core.experiment.machine import this_machine
from core.experiment.settings import ENGINE_NAMES, InvalidSettings, Order, TrainSettings
from core.launcher.ending import cut_off, last_rows, stopper
from core.launcher.measuring import MeasurementInProgress, closed_while, stopped_words
from core.launcher.outside import follow, rows_to_end
from core.launcher.predictors import Predictors
from core.launcher.run import RunInProgress
from core.launcher.spares import Spares
from core.launcher.turns import Clock, Job, left_s
from core.protocol.process import ChildProcess
from core.results.estimate import estimate
from core.storage.database import ENDED_STATES, StoreError
from core.storage.holder import FolderHeld, Holder, Owner
from core.storage.measurements import Measurement, Measurements
from core.storage.records import Row, Run
from core.storage.runs import Store

log = logging.getLogger(__name__)
CLOSE_S = 20.0


class LauncherUnavailable(Exception):
    """No run can start here, in one plain sentence."""


class Refused(LauncherUnavailable):
    """This visitor may not, in a sentence that says what is allowed and when."""


class Launcher:
    """Queue, turns and stop for one data folder."""

    def __init__(self, deployment: DeploymentSettings, owner: Owner, limits: Limits = NO_LIMITS) -> None:
        """Takes the data folder.

        Raises `LauncherUnavailable` where another process holds the folder, and `StoreError`.
        """
        self.deployment, self.owner, self.limits = deployment, owner, limits
        self.store = Store(deployment.data_dir)
        self.measurements = Measurements(deployment.data_dir)
        try:
            self._holder = Holder(self.store)
        except FolderHeld as error:
            raise LauncherUnavailable(str(error)) from None
        try:
            self.store.open_for_writing()
            self._close_what_was_left_open(self._holder.before)
            self._holder.say(owner)
        except BaseException:
            self._holder.release()
            raise
        self._guard = threading.RLock()
        self._wake = threading.Event()
        self._closing = False
        self._queue: list[Job] = []
        self._job: Job | None = None
        self._run: RunInProgress | MeasurementInProgress | None = None
        self._allowance = Allowance(limits)
        self.clock: Clock = time.monotonic
        self._spares = Spares(self.store.data_dir)
        self.predictors = self._no_predictors_yet()
        self._unsaid: dict[str, str] = {}
        """Runs whose failure could not be written yet, and its reason."""
        self.trouble = ""
        """Why the last run's end could not be written, as a sentence; empty where all is well."""
        log.info("launcher opened", extra={"owner": owner, "data_dir": str(self.store.data_dir)})
        self._tidy()
        self._thread = threading.Thread(target=self._work, name="launcher", daemon=True)
        self._thread.start()

    def _no_predictors_yet(self) -> Predictors:
        return Predictors(
            lambda engine: self._take_worker(engine, self.store.data_dir / "predictors"),
            running=lambda: getattr(self._run, "id", ""),
            mark=self._mark_drawn_beside,
            wait_s=self.wait_s,
            spare_waits=self._spares.warm,
            clock=lambda: self.clock(),
        )

    def _close_what_was_left_open(self, owner: str) -> None:
        """Runs whose owner went away: what it had shown is there, and nothing more will come."""
        for run in self.store.open_runs():
            self.store.append(run.id, cut_off(run, rows_to_end(self.store, run.id), owner))
        for measurement in self.measurements.open_ones():
            self.measurements.end(measurement.id, "interrupted", closed_while(owner, measurement.lesson))

    # --- what pages and the command line call; `visitor` is who asks, empty on one's own machine ---------

    def check(self, settings: TrainSettings) -> None:
        """Raises `InvalidSettings` where such a run cannot be, or is not allowed here."""
        for engine in settings.engines:
            if engine not in ENGINE_NAMES and not self.deployment.fake_engines:
                raise InvalidSettings({"engines": f"There is no engine {engine}. Engines: {', '.join(ENGINE_NAMES)}."})
        settings.check_installed()
        dataset = datasets.find(settings.dataset)
        here = not dataset.download_bytes or self.deployment.datasets_dir is not None
        self.limits.check(settings, here or datasets.prepared(settings.dataset, self.store.data_dir) is not None)
        settings.check_batch(dataset.training_split)

    def submit(self, settings: TrainSettings, visitor: str = "") -> str:
        """Queues a run; returns its id. Raises `InvalidSettings`, `Refused`, `StoreError`."""
        self.check(settings)
        expected = estimate(self.store, settings)
        with self._guard:
            self._admit(visitor)
            run_id = self.store.create(settings, this_machine(), visitor)
            self._enqueue(
                Job(run_id, settings, visitor, expected.seconds if expected else self.limits.run_s, self.clock)
            )
        return run_id

    def measure(self, order: Order, visitor: str = "") -> str:
        """Queues a measurement; returns its id, the waiting or running one's where its subject has one already.

        Raises `Refused`, `StoreError`.
        """
        if self.limits.run_s is not None:
            order = replace(order, limit_s=min(order.limit_s, self.limits.run_s))
        last = self.measurements.results().get(order.subject) or self.measurements.recorded().get(order.subject)
        with self._guard:
            for waiting in self.measurements.open_ones():
                if waiting.subject == order.subject:
                    return waiting.id
            self._admit(visitor)
            measurement = self.measurements.create(order, this_machine(), visitor)
            self._enqueue(Job(measurement, order, visitor, (last and last.elapsed_s) or order.limit_s, self.clock))
        return measurement

    def _admit(self, visitor: str) -> None:
        """Raises `Refused` where this visitor may start nothing now."""
        if self._closing:
            raise LauncherUnavailable("The dashboard is shutting down.")
        at_once = sum(job.visitor == visitor and not self._is_over(job) for job in self._jobs())
        if sentence := self._allowance.refusal(visitor, at_once, len(self._queue), left_s(self._running())):
            raise Refused(sentence)

    def _is_over(self, job: Job) -> bool:
        """Whether everybody can read its end, though its last process is still being put away."""
        with contextlib.suppress(StoreError):
            return job is self._job and not self._in_store(job).live
        return False

    def _in_store(self, job: Job) -> Run | Measurement:
        return self.store.run(job.id) if job.is_run else self.measurements.get(job.id)

    def _enqueue(self, job: Job) -> None:
        self._allowance.count(job.visitor)
        self._queue.append(job)
        log.info("queued", extra={"job": job.id, "waiting": len(self._queue)})
        self._wake.set()

    def stop(self, wanted: str, visitor: str = "") -> None:
        """Stops a queued or running run or measurement; does nothing to an ended one. Raises `Refused`."""
        with self._guard:
            for job in self._jobs():
                if job.id != wanted:
                    continue
                self._refuse_others(job.visitor, visitor)
                if job is self._job and self._run is not None:
                    self._run.stop.set()
                elif isinstance(job.what, Order):
                    self.measurements.end(wanted, "stopped", stopped_words(stopper(visitor), job.what.lesson))
                else:
                    reason = f"{stopper(visitor)} stopped this run before it began."
                    self.store.append(wanted, last_rows(job.what.engines, "stopped", reason))
            self._queue = [job for job in self._queue if job.id != wanted]

    def may_change(self, owner: str, visitor: str) -> bool:
        """Whether a visitor may stop or change what `owner`, a visitor too, has started."""
        return not self.limits.only_own or (owner == visitor != "")

    def _refuse_others(self, owner: str, visitor: str) -> None:
        if not self.may_change(owner, visitor):
            raise Refused("Only who started a run can stop or change it here.")

    def annotate(self, run_id: str, name: str, note: str, pinned: bool, visitor: str = "") -> None:
        """Names, notes and pins a run of this folder. Raises `Refused`, `StoreError`."""
        self._refuse_others(self.store.run(run_id).visitor, visitor)
        if pinned and self.limits.only_own:
            raise Refused("Nothing can be pinned here: the list is everybody's.")
        self.store.annotate(run_id, name, note, pinned)

    def delete(self, run_id: str, visitor: str = "") -> None:
        """Removes an ended run of this folder. Raises `Refused`, `StoreError`."""
        self.check_deletion(run_id, visitor)
        self.store.delete(run_id)

    def check_deletion(self, run_id: str, visitor: str = "") -> None:
        """Raises `Refused` where this visitor cannot delete a run, `StoreError` where there is none."""
        owner, stays_because = self.store.held(run_id)
        self._refuse_others(owner, visitor)
        if stays_because:
            raise Refused(f"Run {run_id} {stays_because}.")

    def take_in(self, run: Run, rows: Sequence[Row], files: Mapping[str, bytes] = {}, visitor: str = "") -> str:
        """Keeps a run that was exported elsewhere; returns its new id. Raises `Refused`, `StoreError`."""
        if not self.limits.imports:
            raise Refused("Nothing can be imported here: every figure was measured on this machine.")
        return self.store.take_in(run, rows, files, visitor)

    def active(self) -> list[str]:
        """The running run's id, then the queued ones' in their order."""
        return [job.id for job in self._jobs() if job.is_run]

    def measuring(self, lessons: bool = True) -> list[str]:
        """The running measurement's id, then the queued ones' in their order; lessons count as such, or not."""
        return [job.id for job in self._jobs() if not job.is_run and (lessons or job.kind != "lesson")]

    def look(self, wanted: str) -> None:
        """Somebody looks at what runs or waits, or wants it to go on."""
        for job in self._jobs():
            if job.id == wanted:
                job.look()

    def waiting(self) -> int:
        """How many runs and measurements wait."""
        with self._guard:
            return len(self._queue)

    def _jobs(self) -> list[Job]:
        with self._guard:
            return [*self._running(), *self._queue]

    def waits_for(self, wanted: str) -> str:
        """What a queued run or measurement waits for, as the rest of a sentence; empty where it does not wait."""
        with self._guard:
            places = [job.id for job in self._queue]
            if wanted not in places or self._job is None:
                return ""
            before = places.index(wanted)
            return self.now() + (f", {before} more before it" if before else "")

    def now(self) -> str:
        """What goes on, as part of a sentence; empty where nothing does."""
        job = self._job
        return job.doing if job else ""

    def wait_s(self, wanted: str = "") -> float | None:
        """Seconds until a waiting run or measurement, or a new one, begins; None where nobody knows."""
        with self._guard:
            places = [job.id for job in self._queue]
            ahead = places.index(wanted) if wanted in places else len(places)
            return left_s([*self._running(), *self._queue[:ahead]])

    def running(self) -> Job | None:
        """What goes on now, a run, measurement or lesson."""
        return self._job

    def _running(self) -> list[Job]:
        return [self._job] if self._job else []

    def follow(self, run_id: str) -> Iterator[Row]:
        """Every row of a run, from its first, as it is committed, until it has ended."""
        return follow(self.store, run_id, lambda: run_id in self.active())

    def warm(self) -> bool:
        """Whether every framework's spare is imported and waits."""
        return self._spares.warm()

    def close(self) -> None:
        """Ends the run as `interrupted`, every process, and gives the data folder back.

        A thread that does not end may still write: the folder then stays locked until this process is gone.
        """
        with self._guard:
            self._closing = True
            if self._run is not None:
                self._run.closing.set()
        self._wake.set()
        self.predictors.close()  # the thread may wait for one of them to make room
        self._thread.join(timeout=CLOSE_S)
        self._spares.close()
        if self._thread.is_alive():
            log.error("the launcher's thread does not end", extra={"data_dir": str(self.store.data_dir)})
            return
        with contextlib.suppress(StoreError):
            self._close_what_was_left_open(self.owner)
        log.info("launcher closed")
        self._holder.release()

    # --- the thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closing:
            try:
                if self._execute_next():
                    self._tidy()
                    continue
                self._say_failures()
                self.predictors.end_idle()
                if self.deployment.spares:
                    self._spares.keep(lambda: self._closing or bool(self._queue))
            except Exception:  # whatever happens, the next run must start
                log.exception("launcher")
            self._wake.wait(timeout=0.5)
            self._wake.clear()

    def _execute_next(self) -> bool:
        with self._guard:
            if not self._queue or self._closing:
                return False
            job = self._job = self._queue.pop(0)
            job.begin()
            self._run = self._in_progress(job)
        log.info("begun", extra={"job": job.id})
        try:
            if not self.limits.drawing_beside:
                self.predictors.make_room()
            if self.predictors.busy():
                self._mark_drawn_beside(job.id)
            self._run.execute()
            self.trouble = ""
        except StoreError as error:
            self.trouble = str(error)
            self._unsaid[job.id] = self.trouble
        except Exception as error:
            log.exception("run %s", job.id)
            self._unsaid[job.id] = f"The launcher failed: {type(error).__name__}: {error}."
        finally:
            self._say_failures()
            with self._guard:
                self._run = self._job = None
        self._log_end(job)
        return True

    def _log_end(self, job: Job) -> None:
        with contextlib.suppress(StoreError):
            found = self._in_store(job)
            facts = {"job": job.id, "state": found.state, "elapsed_s": found.elapsed_s, "reason": found.reason}
            log.info("ended", extra=facts)

    def _in_progress(self, job: Job) -> RunInProgress | MeasurementInProgress:
        datasets_dir, who = self.deployment.datasets_dir, stopper(job.visitor)
        if isinstance(job.what, Order):
            alone = (lambda: job.alone) if self.limits.hosted else lambda: False
            return MeasurementInProgress(job.id, job.what, self.measurements, datasets_dir, self.owner, who, alone)
        worker, limit_s = self._take_worker, self.limits.run_s
        return RunInProgress(job.id, job.what, self.store, datasets_dir, worker, self.owner, limit_s, who)

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
                self.store.append(run_id, last_rows(lanes, "failed", reason, reason))
                del self._unsaid[run_id]

    def _tidy(self) -> None:
        """Removes the oldest runs that are beyond what is kept here."""
        kept_bytes = None if self.limits.kept_mb is None else self.limits.kept_mb * 1_000_000
        with contextlib.suppress(StoreError):
            if gone := self.store.remove_oldest(self.limits.kept_runs, kept_bytes):
                log.info("removed", extra={"runs": gone})

    def _take_worker(self, engine: str, folder: Path) -> ChildProcess:
        return self._spares.worker(engine, folder)

    def _mark_drawn_beside(self, run_id: str) -> None:
        """Somebody draws while this run trains: the run says so at its end."""
        with self._guard:
            if self._run is not None and self._run.id == run_id:
                self._run.drawn_beside.set()
