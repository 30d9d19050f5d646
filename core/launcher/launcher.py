"""The Launcher: one per data folder, gives jobs their turns, and is the only writer of the store.

It lives in the web process or in the command line's. Its thread executes
one run or one measurement at a time, in the order in which they were asked for; in between it keeps spares warm,
ends predictors that nobody uses, and removes what is beyond this installation's limits. Where a cluster was asked for,
a second thread has studies' pairs run on its nodes.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.data.machine_lock import MachineLock
from core.data.own_images import remove_leftovers
from core.deployment.limits import NO_LIMITS, Limits
from core.deployment.settings import DeploymentSettings
from core.experiment.machine import this_machine
from core.experiment.order import Order
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.study import Study
from core.launcher import ending
from core.launcher.admission import Admission, LauncherUnavailable, Refused
from core.launcher.cluster import ClusterExecutor
from core.launcher.executors import Completed, LocalExecutor, Node
from core.launcher.folder import end_what_was_left_open, take_folder
from core.launcher.job_context import JobContext
from core.launcher.jobs import Job, Kind, MeasurementJob, RunJob
from core.launcher.outside import follow
from core.launcher.own_images import OwnImages
from core.launcher.predictors import Predictors
from core.launcher.queue import Queue
from core.launcher.spares import Spares
from core.launcher.studies import StudiesGoingOn
from core.protocol.process import ChildProcess
from core.results.estimate import estimate
from core.storage.database import StoreError
from core.storage.holder import Owner
from core.storage.measurements import Measurements
from core.storage.records import Run, StudyPair
from core.storage.rows import Row
from core.storage.runs import Store
from core.storage.studies import StudyRecord
from core.storage.taken_in import TakenPair, take_in_study

__all__ = ["Launcher", "LauncherUnavailable", "Refused"]

log = logging.getLogger(__name__)
CLOSE_S = 20.0


class Launcher:
    """Wires queue, admission, jobs, spares and predictors of one data folder."""

    def __init__(self, deployment: DeploymentSettings, owner: Owner, limits: Limits = NO_LIMITS) -> None:
        """Takes the data folder.

        Raises `LauncherUnavailable` where another process holds the folder, and `StoreError`.
        """
        self.deployment, self.owner, self.limits = deployment, owner, limits
        self.store = Store(deployment.data_dir)
        self.measurements = Measurements(deployment.data_dir)
        self._holder = take_folder(self.store, self.measurements, owner)
        self.queue = Queue()
        self.admission = Admission(deployment, limits, self.store)
        self.own_images = OwnImages(self.store, limits)
        self._machine = MachineLock(self.store.data_dir)
        self._wake = threading.Event()
        self._closing = False
        self._spares = Spares(self.store.data_dir)
        self.predictors = self._new_predictors()
        self.studies = self._new_studies()
        self._local = LocalExecutor()
        self.cluster = ClusterExecutor(deployment.cluster, self.store.data_dir) if deployment.cluster else None
        self._unsaid: dict[Job, str] = {}
        """Jobs whose failure could not be written yet, and its reason."""
        self.store_failure = ""
        """Why the last run's end could not be written, as a sentence; empty where all is well."""
        log.info("launcher opened", extra={"owner": owner, "data_dir": str(self.store.data_dir)})
        self._tidy()
        remove_leftovers(self.store.data_dir)
        if owner == Owner.DASHBOARD:  # the command line goes on with the one that it was asked for
            self.studies.take_up()
        self._threads = [threading.Thread(target=self._work, name="launcher", daemon=True)]
        if self.cluster:
            self._threads.append(threading.Thread(target=self._work_on_cluster, name="cluster", daemon=True))
        for thread in self._threads:
            thread.start()

    def _new_predictors(self) -> Predictors:
        return Predictors(
            lambda engine: self._take_worker(engine, self.store.data_dir / "predictors"),
            running=self.queue.running_id,
            mark=self.queue.mark_drawn_meanwhile,
            wait_s=self.queue.wait_s,
            spare_waits=self._spares.warm,
            clock=lambda: self.queue.clock(),
        )

    def _new_studies(self) -> StudiesGoingOn:
        wanted = self.predictors.wanted
        return StudiesGoingOn(self.store, self.queue, self.admission, self.limits, self._submit, wanted)

    # --- what pages and the command line call; `visitor` is who asks, empty on one's own machine ---------

    def submit(self, settings: TrainSettings, visitor: str = "") -> str:
        """Queues a run; returns its id. Raises `InvalidSettings`, `Refused`, `StoreError`."""
        return self._submit(settings, visitor)

    def _submit(
        self, settings: TrainSettings, visitor: str, pair: StudyPair | None = None, node: Node | None = None
    ) -> str:
        """The same, of a study's pair only where it may begin now; on a node of the cluster it begins at once."""
        settings = self.admission.check(settings)
        expected = estimate(self.store, settings)
        with self.queue.guard, self.own_images.staying(settings.dataset):
            if pair and not self.studies.may_begin(pair.study, node):
                return ""
            self.admission.admit(visitor, self.queue)
            run_id = self.store.create(settings, node.machine if node else this_machine(), visitor, pair)
            if pair:
                self.studies.begun(pair.study, run_id)
            job = RunJob(run_id, settings, self.store, self._context(visitor, epoch_weights=pair is None))
            expected_s = expected.seconds if expected else self.limits.run_s
            if self.cluster and node:
                self.admission.count(visitor)
                self.queue.add_elsewhere(job, expected_s)
                self.cluster.submit(job, node)
            else:
                self._enqueue(job, expected_s)
        return run_id

    def measure(self, order: Order, visitor: str = "") -> str:
        """Queues a measurement; returns its id, the waiting or running one's where its subject has one already.

        Raises `Refused`, `StoreError`.
        """
        if self.limits.run_s is not None:
            order = replace(order, limit_s=min(order.limit_s, self.limits.run_s))
        last = self.measurements.results().get(order.subject) or self.measurements.recorded().get(order.subject)
        with self.queue.guard:
            for waiting in self.measurements.open_ones():
                if waiting.subject == order.subject:
                    return waiting.id
            self.admission.admit(visitor, self.queue)
            measurement = self.measurements.create(order, this_machine(), visitor)
            job = MeasurementJob(measurement, order, self.measurements, self._context(visitor, measurement))
            self._enqueue(job, last.elapsed_s if last and last.elapsed_s else order.limit_s)
        return measurement

    def _context(self, visitor: str, attended: str = "", epoch_weights: bool = False) -> JobContext:
        """`attended` is a job that ends where strangers visit and nobody looks at it; `epoch_weights`: whether it keeps
        them where this installation does.
        """
        return JobContext(
            self.store.data_dir,
            self.deployment.datasets_dir,
            self._take_worker,
            self.owner,
            visitor,
            self.limits.run_s,
            lambda: self.limits.hosted and self.queue.unattended(attended),
            epoch_weights and self.deployment.epoch_weights,
        )

    def _enqueue(self, job: Job, expected_s: float | None) -> None:
        self.admission.count(job.visitor)
        self.queue.add(job, expected_s)
        log.info("queued", extra={"job": job.id, "waiting": self.queue.waiting()})
        self._wake.set()

    def stop(self, job_id: str, visitor: str = "") -> None:
        """Stops a queued or running run or measurement; does nothing to an ended one. Raises `Refused`."""
        with self.queue.guard:
            turn = self.queue.find(job_id)
            if turn is None:
                return
            self.admission.check_change(turn.job.visitor, visitor)
            if turn.began_at is None:
                turn.job.end_before_start()
                self.queue.remove(turn)
                return
            self._local.cancel(job_id)
            if self.cluster:
                self.cluster.cancel(job_id)

    def study(self, study: Study, stop: str, budget_s: float | None, visitor: str = "") -> str:
        """Begins a study, whose pairs run whenever nothing else waits; returns its id.

        `stop` is one of `STOPS`; `budget_s`: the seconds that its runs may take together, None without a limit.
        Raises `InvalidSettings`, `Refused`, `StoreError`; so do the four below.
        """
        study_id = self.studies.begin(study, stop, budget_s, visitor)
        self._wake.set()
        return study_id

    def pause_study(self, study: str, visitor: str = "") -> None:
        """No further pair of it begins; the one that runs ends first."""
        self.studies.pause(study, visitor)

    def go_on_study(self, study: str, visitor: str = "") -> None:
        """A study that was paused, stopped or left goes on."""
        self.studies.go_on(study, visitor)
        self._wake.set()

    def stop_study(self, study: str, visitor: str = "") -> None:
        """Ends a study and the runs of it that go on; it can go on later."""
        for run_id in self.studies.stop(study, visitor):
            self.stop(run_id, visitor)

    def more_pairs(self, study: str, seeds: object, visitor: str = "") -> None:
        """So many seeds more in every cell of a study, which goes on with them, even where it had finished."""
        self.studies.add_seeds(study, seeds, visitor)
        self._wake.set()

    def may_change(self, owner: str, visitor: str) -> bool:
        """Whether a visitor may stop or change what `owner`, a visitor too, has started."""
        return self.admission.may_change(owner, visitor)

    def annotate(self, run_id: str, name: str, note: str, pinned: bool, visitor: str = "") -> None:
        """Names, notes and pins a run of this folder. Raises `Refused`, `StoreError`."""
        self.admission.check_change(self.store.run(run_id).visitor, visitor)
        if pinned:
            self.admission.check_pin()
        self.store.annotate(run_id, name, note, pinned)

    def delete(self, run_id: str, visitor: str = "") -> None:
        """Removes an ended run of this folder. Raises `Refused`, `StoreError`."""
        self.admission.check_deletion(run_id, visitor)
        self.store.delete(run_id)

    def import_run(self, run: Run, rows: Sequence[Row], files: Mapping[str, bytes] = {}, visitor: str = "") -> str:
        """Keeps a run that was exported elsewhere; returns its new id. Raises `Refused`, `StoreError`."""
        self.admission.check_import()
        return self.store.import_run(run, rows, files, visitor)

    def import_study(self, record: StudyRecord, pairs: Sequence[TakenPair], visitor: str = "") -> str:
        """Keeps a study that was exported elsewhere, with its runs; returns its new id. Raises as `import_run`."""
        self.admission.check_import()
        try:
            self.admission.check_engines(record.study.base)
            self.studies.check_length(record.study)
        except InvalidSettings as error:
            raise Refused(str(error)) from None
        return take_in_study(self.store, record, pairs, visitor)

    def reads_pictures(self) -> bool:
        """Whether nothing begins because pictures are read, here or in a terminal."""
        with self.queue.guard:
            if self.queue.running is not None:
                return False
            if free := self._machine.take():
                self._machine.release()
            return not free

    def active(self) -> list[str]:
        """The running runs' ids, then the queued ones' in their order."""
        return self.queue.ids(Kind.RUN)

    def measuring(self, lessons: bool = True) -> list[str]:
        """The running measurement's id, then the queued ones' in their order; lessons count as such, or not."""
        return self.queue.ids(Kind.MEASUREMENT, *([Kind.LESSON] if lessons else []))

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
        with self.queue.guard:
            self._closing = self.admission.closed = True
            if self.queue.running is not None:
                self.queue.running.job.close()
        self._wake.set()
        self.predictors.close()  # the thread may wait for one of them to make room
        for thread in self._threads:
            thread.join(timeout=CLOSE_S)
        self._spares.close()
        if any(thread.is_alive() for thread in self._threads):
            log.error("the launcher's thread does not end", extra={"data_dir": str(self.store.data_dir)})
            return
        with contextlib.suppress(StoreError):
            end_what_was_left_open(self.store, self.measurements, self.owner)
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
                if (self.cluster is None or self.cluster.here_too) and self.studies.queue_next():
                    continue
                if self.deployment.spares:
                    self._spares.keep(lambda: self._closing or bool(self.queue.waiting()))
            except Exception:  # whatever happens, the next run must start
                log.exception("launcher")
            self._wake.wait(timeout=0.5)
            self._wake.clear()

    def _execute_next(self) -> bool:
        with self.queue.guard:
            may_begin = not self._closing and self.queue.waiting() and self._machine.take()
            if not may_begin or (turn := self.queue.begin_next()) is None:
                return False
            self._local.submit(turn.job)
        log.info("begun", extra={"job": turn.job.id})
        try:
            self._part_from_drawing(turn.job)
            for completed in self._local.as_completed():
                self._take_end(completed)
        finally:
            self._machine.release()
            self.queue.end()
        self._log_end(turn.job)
        return True

    def _part_from_drawing(self, job: Job) -> None:
        """Predictors make room where they must; where they answer now, the job says so at its end."""
        try:
            if not self.limits.drawing_beside:
                self.predictors.make_room()
            if self.predictors.busy():
                job.mark_drawn_meanwhile()
        except Exception:  # the job that has its turn is executed all the same
            log.exception("predictors")

    def _take_end(self, completed: Completed) -> None:
        """What kept a job's end from being written is written as its end."""
        job, error = completed
        if error is None:
            self.store_failure = ""
        elif isinstance(error, StoreError):
            self.store_failure = str(error)
            self._unsaid[job] = self.store_failure
        else:
            log.error("run %s", job.id, exc_info=error)
            self._unsaid[job] = ending.launcher_failed(error)
        self._say_failures()

    @staticmethod
    def _log_end(job: Job) -> None:
        with contextlib.suppress(StoreError):
            found = job.stored()
            facts = {"job": job.id, "state": found.state, "elapsed_s": found.elapsed_s, "reason": found.reason}
            log.info("ended", extra=facts)

    def _work_on_cluster(self) -> None:
        """A pair for each node that has nothing to do, and what they report, until this is closed."""
        assert self.cluster is not None
        while not self._closing:
            try:
                for node in self.cluster.free() if self.studies.going_on else ():
                    self.studies.queue_next(node)
                self.studies.no_node = self.cluster.unavailable
                for completed in self.cluster.as_completed():
                    try:
                        self._take_end(completed)
                    finally:
                        self.queue.end_elsewhere(completed.job.id)
                    self._log_end(completed.job)
            except Exception:  # whatever happens, the next pair must start
                log.exception("cluster")
                time.sleep(0.5)
        self.cluster.close()

    def _say_failures(self) -> None:
        """A full disk may take a run's end once the run writes no more, or later; else the next start says it."""
        for job, reason in list(self._unsaid.items()):
            with contextlib.suppress(StoreError):
                job.fail(reason)
                self._unsaid.pop(job, None)  # the cluster's thread says them, too

    def _tidy(self) -> None:
        """Removes the oldest runs that are beyond what is kept here."""
        kept_bytes = None if self.limits.kept_mb is None else self.limits.kept_mb * 1_000_000
        with contextlib.suppress(StoreError):
            if gone := self.store.remove_oldest(self.limits.kept_runs, kept_bytes):
                log.info("removed", extra={"runs": gone})

    def _take_worker(self, engine: str, folder: Path) -> ChildProcess:
        return self._spares.worker(engine, folder)
