"""One run, from its first process to its last row: turns, certificate, stop, deadlines, and the words of its end.

Lives in the Launcher's thread. Events arrive from the workers' reader threads in one queue; everything that
changes the run happens here, one event at a time, and is stored before anyone sees it.
"""

import contextlib
import os
import queue
import time
from collections.abc import Callable, Iterable
from typing import assert_never

from core.data import datasets
from core.experiment import parity
from core.experiment.fairness import Comparison
from core.experiment.metrics import duration
from core.experiment.settings import Alignment, Device, Schedule, TrainSettings
from core.launcher.circumstances import Circumstances, Wishes
from core.launcher.ending import RunLane, how_ended, stopper, verdict_of
from core.protocol import messages
from core.protocol.messages import Event, LaneCommand, LaneEvent
from core.protocol.process import ChildProcess
from core.results.outcome import gather
from core.storage.database import State
from core.storage.rows import DrawnMeanwhile, Entry, LaneChanged, Provenance, RunChanged
from core.storage.runs import ALL_ROWS, Store

STOP_S = 1.2
TERMINATE_S = 0.4
FLUSH_S = 0.25
"""Step rows wait at most this long for a commit of their own; any other row takes them along."""
WATCH_S = 0.5


class RunInProgress:
    """Executes one queued run."""

    def __init__(
        self,
        run_id: str,
        settings: TrainSettings,
        store: Store,
        circumstances: Circumstances,
        wishes: Wishes,
    ) -> None:
        self.id, self.settings, self.store, self.here, self.wishes = run_id, settings, store, circumstances, wishes
        self._began_at = time.monotonic()
        self.lanes = [RunLane(engine) for engine in settings.engines]
        self.inbox: queue.Queue[tuple[ChildProcess, Event | None]] = queue.Queue()
        self.folder = store.artifacts(run_id)
        self._stopping_since: float | None = None
        self._flushed_at = self._watched_at = 0.0
        aligned = settings.alignment != Alignment.AS_SHIPPED
        self._comparison = Comparison(settings.engines, settings.alignment, settings.dropout) if aligned else None
        self._certified: bool | None = None
        self._fault = ""  # what kept the whole run from going on, as a sentence

    # --- the run as prose ------------------------------------------------------------------------------

    def execute(self) -> None:
        """Runs to the end and writes how it ended. Raises `StoreError` where the end cannot be written."""
        self._began_at = time.monotonic()
        self._write(Entry("", RunChanged("running")))
        try:
            self._prepare_data()
            self._start_workers()
            self._choose_device()
            self._certify()
            self._train()
        except datasets.PreparationCancelled:
            pass  # `_close` says who wanted it
        except datasets.DatasetError as error:
            self._fault = str(error)
        except OSError as error:
            self._fault = (
                f"No lane could be started ({error.strerror or error}): look at this machine's disk and memory."
            )
        finally:
            self._end_workers()
        self._close()

    def _end_workers(self) -> None:
        workers = [lane.worker for lane in self.lanes if lane.worker is not None]
        for worker in workers:
            worker.hang_up()
        for worker in workers:
            worker.close()

    def _prepare_data(self) -> None:
        prepared = datasets.prepare(
            self.settings.dataset,
            self.here.data_dir,
            self.here.datasets_dir,
            on_progress=self._data_progress,
            cancelled=self._ending,
        )
        self._write(Entry("", Provenance.of(prepared.provenance)))

    def _data_progress(self, progress: messages.Preparing) -> None:
        now = time.monotonic()
        if now - self._flushed_at >= FLUSH_S:
            self._flushed_at = now
            self._write(Entry("", progress))

    def _start_workers(self) -> None:
        """Takes turns even here: a framework's import is timed, too."""
        for lane in self._alive():
            if self._ending():
                break
            self.folder.mkdir(parents=True, exist_ok=True)
            self._set(lane, "starting")
            lane.asked = "import"
            lane.worker = self.here.take_worker(lane.engine, self.folder)
            lane.worker.assign(lambda worker, message: self.inbox.put((worker, message)))
            if self.settings.schedule == Schedule.TURNS:
                self._pump([lane], lambda lane: not lane.asked)
        self._pump(self.lanes, lambda lane: not lane.asked)

    def _choose_device(self) -> None:
        """The GPU where every lane sees one; `best` leaves each lane its own."""
        seen = [bool(lane.worker and lane.worker.ready and len(lane.worker.ready.devices) > 1) for lane in self.lanes]
        share = max(1, (os.cpu_count() or 1) // len(self.lanes))
        for lane, sees_gpu in zip(self.lanes, seen, strict=True):
            wanted = {Device.CPU: False, Device.BEST: sees_gpu, Device.AUTO: all(seen)}[self.settings.device]
            if lane.worker is not None:
                lane.worker.send(
                    messages.Train(
                        run=self.id,
                        settings=self.settings.as_json(),
                        data_dir=str(self.here.data_dir),
                        artifacts=str(self.folder),
                        device="gpu" if wanted else "cpu",
                        threads=share if self.settings.schedule == Schedule.TOGETHER else 0,
                    )
                )

    def _certify(self) -> None:
        if self.settings.alignment == Alignment.AS_SHIPPED:
            return
        for lane in self._alive():
            self._set(lane, "certifying")
            self._ask(lane, messages.Certify())
            self._pump([lane], lambda lane: not lane.asked)
        if self._ending():
            return
        first, second = (lane.certified for lane in self.lanes)
        if first is None or second is None:
            return
        one, other = (first.logits, first.losses), (second.logits, second.losses)
        batch = min(self.settings.batch_size, parity.CERTIFICATE_BATCH)
        certificate = parity.compare(one, other, self.settings.float64, batch)
        self._certified = certificate.passed
        self._write(Entry("", certificate))

    def _train(self) -> None:
        epochs = self.settings.epochs
        if self.settings.schedule == Schedule.TOGETHER:
            self._pursue(self._alive(), epochs + 1)
            return
        for epoch in range(1, epochs + 1):
            # A B B A: whatever drifts while the run goes on meets both lanes alike.
            for lane in self.lanes if epoch % 2 else reversed(self.lanes):
                self._pursue([lane], epoch)
        for lane in self.lanes:
            self._pursue([lane], epochs + 1)

    # --- turns -----------------------------------------------------------------------------------------

    def _pursue(self, lanes: Iterable[RunLane], goal: int) -> None:
        """Lets lanes go on until they have trained `goal` epochs; the one after the last is the test."""
        going = [lane for lane in lanes if not lane.ended]
        for lane in going:
            lane.goal = goal
            self._advance(lane)
        self._pump(going, lambda lane: not lane.asked)
        for lane in going:
            if not lane.ended:
                self._set(lane, "waiting")

    def _advance(self, lane: RunLane) -> None:
        """Asks a lane for its next piece of work, if it is due."""
        lane.asked = ""
        if lane.ended or self._ending():
            return
        if not lane.built:
            self._set(lane, "building")
            self._ask(lane, messages.Build())
        elif not lane.last_epoch and lane.epoch < lane.goal:
            self._set(lane, "training")
            self._ask(lane, messages.Go(lane.epoch + 1))
        elif lane.goal > self.settings.epochs:
            self._set(lane, "testing")
            self._ask(lane, messages.Finish())

    def _ask(self, lane: RunLane, command: LaneCommand) -> None:
        if lane.worker is not None and not self._ending():
            lane.asked = command.kind
            lane.worker.send(command)

    def _alive(self) -> list[RunLane]:
        return [lane for lane in self.lanes if not lane.ended]

    def _pump(self, lanes: list[RunLane], done: Callable[[RunLane], bool]) -> None:
        """Takes events until every one of `lanes` is done or ended."""
        while not all(lane.ended or done(lane) for lane in lanes):
            if self._ending():
                self._press_stop()
            with contextlib.suppress(queue.Empty):
                worker, message = self.inbox.get(timeout=0.1)
                for lane in self.lanes:
                    if lane.worker is worker:
                        self._take(lane, message)
            now = time.monotonic()
            if now - self._watched_at >= WATCH_S:
                self._watched_at = now
                self._watch()
            if now - self._flushed_at >= FLUSH_S:
                self._write()

    # --- events ----------------------------------------------------------------------------------------

    def _take(self, lane: RunLane, message: Event | None) -> None:
        if lane.ended:
            return
        if not isinstance(message, LaneEvent):
            self._lose(lane, message)
            return
        if self._comparison is not None:
            self._comparison.take(lane.engine, message)
        match message:
            case messages.Ready():
                if lane.asked == "import":
                    lane.asked = ""
                    self._write(Entry(lane.engine, message))
                    self._set(lane, "waiting")
            case messages.Certified():
                lane.certified, lane.asked = message, ""
                self._set(lane, "waiting")
            case messages.Built():
                lane.built = True
                self._write(Entry(lane.engine, message))
                self._advance(lane)
            case messages.Step():
                lane.keep_steps(message)
            case messages.Epoch():
                lane.epoch, lane.last_epoch = message.epoch, message.last
                self._write(Entry(lane.engine, message))
                self._advance(lane)
            case messages.Result():
                lane.result = message
                self._write(Entry(lane.engine, message))
                self._end(lane, "finished")
            case messages.Stopped():
                self._end(lane, self._cut)
            case messages.Failed():
                where = f"in epoch {message.epoch}, step {message.step}" if message.step else lane.place
                self._fail(lane, where, message.reason, message.cause, message.diverged)
            case _:
                assert_never(message)

    def _lose(self, lane: RunLane, message: Event | None) -> None:
        """Its process has ended, or says what no lane says."""
        if message is not None:
            self._give_up(lane, messages.out_of_place(message))
        elif self._stopping_since is not None:
            self._end(lane, self._cut)
        elif lane.worker is not None:
            self._fail(lane, lane.place, lane.worker.ended_by())

    def _watch(self) -> None:
        """Ends lanes whose process hangs."""
        for lane in self._alive():
            if lane.worker is not None and (why := lane.worker.hung(bool(lane.asked))):
                self._give_up(lane, why)

    def _give_up(self, lane: RunLane, why: str) -> None:
        assert lane.worker is not None
        lane.worker.kill()
        self._fail(lane, lane.place, why)

    def _ending(self) -> bool:
        return self.wishes.stop.is_set() or self.wishes.close.is_set() or self._overdue

    @property
    def _overdue(self) -> bool:
        return self.here.limit_s is not None and time.monotonic() - self._began_at > self.here.limit_s

    @property
    def _cut(self) -> State:
        """How a lane ends that was not let to its end: by wish or limit, or because the owner shuts down."""
        return "stopped" if self.wishes.stop.is_set() or not self.wishes.close.is_set() else "interrupted"

    def _press_stop(self) -> None:
        """Event, then SIGTERM, then SIGKILL: a worker stops at its next step, or is stopped."""
        now = time.monotonic()
        if self._stopping_since is None:
            self._stopping_since = now
            for lane in self._alive():
                if lane.worker is not None:
                    lane.worker.send(messages.Stop())
            return
        waited = now - self._stopping_since
        for lane in self._alive() if waited >= STOP_S else []:
            if lane.worker is not None:
                lane.worker.terminate() if waited < STOP_S + TERMINATE_S else lane.worker.kill()

    # --- rows ------------------------------------------------------------------------------------------

    def _write(self, *entries: Entry) -> None:
        """Commits the waiting steps, then `entries`: one transaction."""
        waiting = [entry for lane in self.lanes for entry in lane.steps]
        if waiting or entries:
            self.store.append(self.id, [*waiting, *entries])
        for lane in self.lanes:
            lane.steps.clear()
        self._flushed_at = time.monotonic()

    def _set(self, lane: RunLane, state: str) -> None:
        if lane.state != state:
            lane.state = state
            self._write(Entry(lane.engine, LaneChanged(state, lane.epoch)))

    def _end(self, lane: RunLane, state: State, reason: str = "", diverged: bool = False) -> None:
        lane.asked, lane.state, lane.reason = "", state, reason
        self._write(Entry(lane.engine, LaneChanged(state, lane.epoch, reason, diverged)))

    def _fail(self, lane: RunLane, where: str, why: str, cause: str = "", diverged: bool = False) -> None:
        lane.where = where
        likely = f" Likely cause: {cause}." if cause else ""
        self._end(lane, "failed", f"{where}{': ' if where else ''}{why.rstrip('.')}.{likely}", diverged)

    # --- the end ---------------------------------------------------------------------------------------

    def _close(self) -> None:
        """The run's own end: its state and one reason in words."""
        for lane in self._alive():
            self._end(lane, "failed" if self._fault else self._cut, self._fault)
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # where nothing was put into it
        stopped = f"{stopper(self.here.visitor)} stopped this run"
        if self.here.limit_s is not None and not self.wishes.stop.is_set():
            stopped = f"A run has {duration(self.here.limit_s)} here, so this one was stopped"
        state, reason = how_ended(self.lanes, self.settings, self.here.owner, stopped)
        if self._fault:
            state, reason = "failed", self._fault
        last = [Entry("", DrawnMeanwhile())] if self.wishes.drawn_meanwhile.is_set() else []
        if self._comparison is not None:
            verdict = verdict_of(self._comparison, self.lanes, self.folder, self._certified)
            last.append(Entry("", verdict))
        self._write(*last)
        busy = gather(self.store.run(self.id), self.store.rows(self.id, limit=ALL_ROWS, steps=False)).busy
        self._write(Entry("", RunChanged(state, reason, busy)))
