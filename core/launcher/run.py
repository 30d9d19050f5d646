"""One run, from its first process to its last row: turns, certificate, stop, deadlines.

It writes to a `Sink`, so that it may go on wherever its rows are kept. Events of all lanes
arrive in one queue; everything that changes the run happens here, one event at a time, and is written before anyone
sees it.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, assert_never

from core.data import datasets
from core.experiment import parity
from core.experiment.busy_machine import others_took
from core.experiment.fairness import Comparison, FairnessVerdict
from core.experiment.layers import WeightSpec
from core.experiment.network import Network, NetworkError
from core.experiment.settings import Alignment, Device, Schedule, TrainSettings
from core.experiment.weights import WeightsError, load_weights
from core.launcher import ending
from core.launcher.job_context import JobContext, JobRequests
from core.launcher.lanes import Failed, Finished, Interrupted, LaneEnd, RunFailed, RunLane, Stopped
from core.launcher.supervisor import Supervisor
from core.protocol import messages
from core.protocol.listener import Listener, Lost
from core.protocol.messages import LaneCommand, LaneEvent
from core.protocol.process import ChildProcess
from core.storage.database import LaneState, State
from core.storage.rows import DrawnMeanwhile, Entry, LaneChanged, Provenance, RowEvent, RunChanged

FLUSH_S = 0.25
"""Step rows wait at most this long for a commit of their own; any other row takes them along."""


class Sink(Protocol):
    """Where a run's rows and files go."""

    artifacts: Path
    """The folder of its weights, predictions and logs."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Writes rows in one commit. Raises `StoreError`."""


class RunInProgress:
    """Executes one run."""

    def __init__(
        self, run_id: str, settings: TrainSettings, sink: Sink, context: JobContext, requests: JobRequests
    ) -> None:
        self.id, self.settings, self.sink, self.context, self.requests = run_id, settings, sink, context, requests
        self.lanes = [RunLane(engine) for engine in settings.engines]
        self.supervisor = Supervisor(self.lanes)
        self._listener: Listener[LaneEvent] = Listener(LaneEvent, waits_for=self._waits_for)
        self._began_at = time.monotonic()
        self._flushed_at = 0.0
        aligned = settings.alignment != Alignment.AS_SHIPPED
        self._comparison = Comparison(settings.engines, settings.alignment, settings.drops) if aligned else None
        self._weights: Sequence[WeightSpec] = ()  # of its network, known once the data set is there
        self._certified: bool | None = None
        self._fault = ""  # what kept the whole run from going on, as a sentence

    # --- the run as prose ------------------------------------------------------------------------------

    def execute(self) -> None:
        """Runs to the end and writes how it ended. Raises `StoreError` where the end cannot be written."""
        self._began_at = time.monotonic()
        self._write("", RunChanged(State.RUNNING))
        try:
            self._prepare_data()
            self._start_processes()
            self._choose_device()
            self._certify()
            self._train()
        except datasets.PreparationCancelled:
            pass  # `_close` says who wanted it
        except (datasets.DatasetError, NetworkError) as error:
            self._fault = str(error)
        except OSError as error:
            self._fault = ending.no_lane_started(error)
        finally:
            self.supervisor.close()
        self._close()

    def _prepare_data(self) -> None:
        prepared = datasets.prepare(
            self.settings.dataset,
            self.context.data_dir,
            self.context.datasets_dir,
            on_progress=self._data_progress,
            cancelled=self._ending,
        )
        self._weights = Network.of(self.settings.network, prepared.dataset.shape).weights
        self._write("", Provenance.of(prepared.provenance))

    def _data_progress(self, progress: messages.Preparing) -> None:
        if time.monotonic() - self._flushed_at >= FLUSH_S:
            self._write("", progress)

    def _start_processes(self) -> None:
        """Takes turns even here: a framework's import is timed, too."""
        for lane in self._alive():
            if self._ending():
                break
            self.sink.artifacts.mkdir(parents=True, exist_ok=True)
            self._set(lane, LaneState.STARTING)
            lane.awaited = True
            lane.process = self.context.take_worker(lane.engine, self.sink.artifacts)
            self._listener.add(lane.process)
            if self.settings.schedule == Schedule.TURNS:
                self._process_events([lane])
        self._process_events(self.lanes)

    def _choose_device(self) -> None:
        """The GPU where every lane sees one; `best` leaves each lane its own."""
        ready = [lane.process.ready if lane.process else None for lane in self.lanes]
        seen = [found is not None and len(found.devices) > 1 for found in ready]
        share = max(1, (os.cpu_count() or 1) // len(self.lanes))
        for lane, sees_gpu in zip(self.lanes, seen, strict=True):
            wanted = {Device.CPU: False, Device.BEST: sees_gpu, Device.AUTO: all(seen)}[self.settings.device]
            if lane.process is not None:
                lane.process.send(
                    messages.Train(
                        run=self.id,
                        settings=self.settings.as_json(),
                        data_dir=str(self.context.data_dir),
                        artifacts=str(self.sink.artifacts),
                        device="gpu" if wanted else "cpu",
                        threads=share if self.settings.schedule == Schedule.TOGETHER else self.context.threads,
                        epoch_weights=self.context.epoch_weights,
                    )
                )

    def _certify(self) -> None:
        if self.settings.alignment == Alignment.AS_SHIPPED:
            return
        for lane in self._alive():
            self._set(lane, LaneState.CERTIFYING)
            self._ask(lane, messages.Certify())
            self._process_events([lane])
        if self._ending():
            return
        first, second = (lane.certified for lane in self.lanes)
        if first is None or second is None:
            return
        one, other = (first.logits, first.losses), (second.logits, second.losses)
        batch = min(self.settings.batch_size, parity.CERTIFICATE_BATCH)
        certificate = parity.compare(one, other, self.settings.float64, batch)
        self._certified = certificate.passed
        self._write("", certificate)

    def _train(self) -> None:
        epochs = self.settings.epochs
        if self.settings.schedule == Schedule.TOGETHER:
            self._run_lanes_to(self._alive(), epochs + 1)
            return
        for epoch in range(1, epochs + 1):
            # A B B A: whatever drifts while the run goes on meets both lanes alike.
            for lane in self.lanes if epoch % 2 else reversed(self.lanes):
                self._run_lanes_to([lane], epoch)
        for lane in self.lanes:
            self._run_lanes_to([lane], epochs + 1)

    # --- turns -----------------------------------------------------------------------------------------

    def _run_lanes_to(self, lanes: Iterable[RunLane], goal: int) -> None:
        """Runs lanes until they have trained `goal` epochs; the one after the last is the test."""
        going = [lane for lane in lanes if lane.end is None]
        for lane in going:
            lane.goal = goal
            self._advance(lane)
        self._process_events(going)
        for lane in going:
            if lane.end is None:
                self._set(lane, LaneState.WAITING)

    def _advance(self, lane: RunLane) -> None:
        """Asks a lane for its next piece of work, if it is due."""
        lane.awaited = False
        if lane.end is not None or self._ending():
            return
        if not lane.built:
            self._set(lane, LaneState.BUILDING)
            self._ask(lane, messages.Build())
        elif not lane.trained and lane.epoch < lane.goal:
            self._set(lane, LaneState.TRAINING)
            self._ask(lane, messages.Go(lane.epoch + 1))
        elif lane.goal > self.settings.epochs:
            self._set(lane, LaneState.TESTING)
            self._ask(lane, messages.Finish())

    def _ask(self, lane: RunLane, command: LaneCommand) -> None:
        if lane.process is not None and not self._ending():
            lane.awaited = True
            lane.process.send(command)

    def _alive(self) -> list[RunLane]:
        return [lane for lane in self.lanes if lane.end is None]

    def _process_events(self, lanes: list[RunLane]) -> None:
        """Takes events until every one of `lanes` has answered or ended."""
        while any(lane.end is None and lane.awaited for lane in lanes):
            if self._ending():
                self.supervisor.stop()
            if heard := self._listener.next(0.1):
                for lane in self.lanes:
                    if lane.process is heard.child and lane.end is None:
                        self._take(lane, heard.event)
            if time.monotonic() - self._flushed_at >= FLUSH_S:
                self._write("")

    # --- events ----------------------------------------------------------------------------------------

    def _take(self, lane: RunLane, message: LaneEvent | Lost) -> None:
        if self._comparison is not None and not isinstance(message, Lost):
            self._comparison.take(lane.engine, message)
        match message:
            case messages.Ready():
                if lane.state == LaneState.STARTING:
                    lane.awaited = False
                    self._write(lane.engine, message)
                    self._set(lane, LaneState.WAITING)
            case messages.Certified():
                lane.certified, lane.awaited = message, False
                self._set(lane, LaneState.WAITING)
            case messages.Built():
                lane.built = True
                self._write(lane.engine, message)
                self._advance(lane)
            case messages.Step():
                lane.keep_steps(message)
            case messages.Epoch():
                lane.epochs.append(message)
                self._write(lane.engine, ending.with_reason(message, self.settings))
                self._advance(lane)
            case messages.Result():
                lane.result = message
                self._write(lane.engine, message)
                self._end(lane, Finished())
            case messages.Stopped():
                self._end(lane, end_of_cut(self.requests, self.context.limit_s))
            case messages.Failed(reason, epoch, step, cause, diverged):
                at = lane.failed(reason)
                at = replace(at, epoch=epoch, step=step) if step else at
                self._end(lane, replace(at, cause=cause, diverged=diverged))
            case Lost(reason):
                cut = self.supervisor.stopping  # it was killed because it did not stop by itself
                self._end(lane, end_of_cut(self.requests, self.context.limit_s) if cut else lane.failed(reason))
            case _:
                assert_never(message)

    def _waits_for(self, process: ChildProcess) -> bool:
        return any(lane.process is process and lane.awaited for lane in self.lanes)

    def _ending(self) -> bool:
        limit_s = self.context.limit_s
        overdue = limit_s is not None and time.monotonic() - self._began_at > limit_s
        return overdue or self.requests.stop.is_set() or self.requests.close.is_set()

    # --- rows ------------------------------------------------------------------------------------------

    def _write(self, engine: str, *events: RowEvent) -> None:
        """Writes the steps that wait, then what a lane reports or the run itself says: one commit."""
        entries = [entry for lane in self.lanes for entry in lane.steps] + [Entry(engine, event) for event in events]
        if entries:
            self.sink.append(entries)
        for lane in self.lanes:
            lane.steps.clear()
        self._flushed_at = time.monotonic()

    def _set(self, lane: RunLane, state: LaneState) -> None:
        if lane.state != state:
            lane.state = state
            self._write(lane.engine, LaneChanged(state, lane.epoch))

    def _end(self, lane: RunLane, end: LaneEnd) -> None:
        lane.awaited, lane.end, lane.state = False, end, end.state
        diverged = isinstance(end, Failed) and end.diverged
        self._write(lane.engine, LaneChanged(end.state, lane.epoch, ending.reason_of(end), diverged))

    # --- the end ---------------------------------------------------------------------------------------

    def _close(self) -> None:
        """The run's own end: what it says of itself, its state, and one reason in words."""
        for lane in self._alive():
            self._end(lane, RunFailed(self._fault) if self._fault else end_of_cut(self.requests, self.context.limit_s))
        with contextlib.suppress(OSError):
            self.sink.artifacts.rmdir()  # where nothing was put into it
        state, reason = ending.how_ended(self.lanes, self.settings, self.context.owner, self.context.visitor)
        if self._fault:
            state, reason = State.FAILED, self._fault
        last: list[RowEvent] = [DrawnMeanwhile()] if self.requests.drawn_meanwhile.is_set() else []
        if self._comparison is not None:
            kept = self.sink.artifacts, self._weights
            last.append(verdict_of(self._comparison, self.lanes, kept, self._certified))
        busy = others_took([lane.epochs for lane in self.lanes], self.settings.schedule)
        self._write("", *last, RunChanged(state, reason, busy))


def end_of_cut(requests: JobRequests, limit_s: float | None) -> LaneEnd:
    """The end of a lane that is cut short: by Stop, by the owner's shutdown, or by the time limit."""
    if requests.stop.is_set():
        return Stopped()
    return Interrupted() if requests.close.is_set() else Stopped(limit_s)


def verdict_of(
    comparison: Comparison,
    lanes: Sequence[RunLane],
    kept: tuple[Path, Sequence[WeightSpec]],
    certified: bool | None,
) -> FairnessVerdict:
    """What an aligned run itself says of its fairness; `kept`: the folder of its lanes' weights, and what they are."""
    folder, specs = kept
    complete = all(lane.state == LaneState.FINISHED for lane in lanes)
    weights = []
    with contextlib.suppress(WeightsError):  # the verdict then says that no weights were compared
        if complete:
            results = [lane.result for lane in lanes if lane.result is not None]
            weights = [load_weights(folder / result.weights_file, result.weights_sha256, specs) for result in results]
    return comparison.verdict(weights, complete, certified)
