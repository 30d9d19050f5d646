"""One measurement, from its process to its result: progress, printed lines, stop, time limit.

Lives in the Launcher's thread, in turn with the runs: nothing is measured while a run trains.
"""

import time
from typing import assert_never

from core.data import datasets
from core.experiment.order import Order
from core.launcher import ending
from core.launcher.job_context import JobContext, JobRequests
from core.protocol import messages
from core.protocol.listener import Listener, Lost
from core.protocol.messages import ProbeEvent
from core.protocol.process import ChildProcess
from core.storage.database import State
from core.storage.measurements import Measurements

FLUSH_S = 0.25
PROGRAM = "core.compare.probes"


class MeasurementInProgress:
    """Executes one queued measurement."""

    def __init__(
        self,
        measurement: str,
        order: Order,
        store: Measurements,
        context: JobContext,
        requests: JobRequests,
    ) -> None:
        self.id, self.order, self.store, self.context, self.requests = measurement, order, store, context, requests
        self._lines: list[tuple[str, str]] = []
        self._flushed_at = 0.0

    def execute(self) -> None:
        """Measures to the end and writes how it ended. Raises `StoreError` where the end cannot be written."""
        self.store.begin(self.id)
        if self._ending():
            self._end_as_requested()
            return
        try:
            datasets.prepare("mnist5k", self.context.data_dir, self.context.datasets_dir, cancelled=self._ending)
            log = self.context.data_dir / "probes" / f"{self.order.subject}.log"
            probe = ChildProcess(PROGRAM, self.order.program, log=log)
        except datasets.PreparationCancelled:
            self._end_as_requested()
        except datasets.DatasetError as error:
            self.store.end(self.id, State.FAILED, str(error))
        except OSError as error:
            self.store.end(self.id, State.FAILED, ending.measurement_not_started(error))
        else:
            try:
                self._measure(probe)
            finally:
                probe.close()

    def _measure(self, probe: ChildProcess) -> None:
        listener: Listener[ProbeEvent] = Listener(ProbeEvent, probe)
        probe.send(messages.Measure(dict(self.order.arguments), str(self.context.data_dir)))
        until = time.monotonic() + self.order.limit_s
        while True:
            heard = listener.next(0.1)
            if heard is not None and self._take(heard.event):
                return
            if time.monotonic() - self._flushed_at >= FLUSH_S:
                self._flush()
            if self._ending():
                self._end_as_requested()
                return
            if time.monotonic() > until:
                self._end(State.FAILED, ending.measurement_overran(self.order.limit_s))
                return

    def _take(self, message: ProbeEvent | Lost) -> bool:
        """Takes one event; whether it was the last."""
        match message:
            case messages.Ready():
                pass
            case messages.Progress(fraction, sentence):
                self.store.progress(self.id, min(max(fraction, 0.0), 1.0), sentence)
            case messages.Printed(part, text):
                self._lines.append((part, text))
            case messages.Measured(result, versions):
                self._flush()
                self.store.finish(self.id, result, versions, self.requests.drawn_meanwhile.is_set())
                return True
            case messages.Failed(reason) | Lost(reason):
                self._end(State.FAILED, ending.measurement_failed(reason))
                return True
            case _:
                assert_never(message)
        return False

    def _ending(self) -> bool:
        return self.requests.stop.is_set() or self.requests.close.is_set() or self.context.unattended()

    def _end_as_requested(self) -> None:
        if self.requests.stop.is_set():
            self._end(State.STOPPED, ending.measurement_stopped(self.context.visitor, self.order.lesson))
        elif self.requests.close.is_set():
            self._end(State.INTERRUPTED, ending.measurement_interrupted(self.context.owner, self.order.lesson))
        else:
            self._end(State.STOPPED, ending.UNATTENDED)

    def _end(self, state: State, reason: str) -> None:
        self._flush()
        self.store.end(self.id, state, reason)

    def _flush(self) -> None:
        """Commits the lines that wait."""
        if self._lines:
            self.store.print(self.id, self._lines)
            self._lines.clear()
        self._flushed_at = time.monotonic()
