"""Jobs of the queue: one protocol for runs and measurements, so that who handles a job need not know which it is."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from core.experiment.order import Order, Place
from core.experiment.settings import TrainSettings
from core.experiment.titles import run_title
from core.launcher import ending
from core.launcher.job_context import JobContext, JobRequests
from core.launcher.measuring import MeasurementInProgress
from core.launcher.outside import rows_to_end
from core.launcher.run import RunInProgress
from core.storage.database import State
from core.storage.measurements import Measurement, Measurements
from core.storage.recomputed import was_busy
from core.storage.records import Run
from core.storage.rows import Entry
from core.storage.runs import Store


class Kind(StrEnum):
    """What a job is called in sentences, and what the pages list apart."""

    RUN = "run"
    MEASUREMENT = "measurement"
    LESSON = "lesson"

    @property
    def verb(self) -> str:
        """What it does while it has its turn: a run is training."""
        return "training" if self is Kind.RUN else "running"

    @property
    def needs_a_viewer(self) -> bool:
        """Whether it is there to be looked at; the others may be left alone for hours."""
        return self is Kind.LESSON


class Job(Protocol):
    """What the Launcher executes in its turn. Its state lies in the store; whatever writes may raise `StoreError`."""

    id: str
    kind: Kind
    visitor: str
    """Whose it is; empty on one's own machine."""
    requests: JobRequests

    def execute(self) -> None:
        """Goes on to the end, and writes how it ended."""

    def stop(self) -> None:
        """Asks it to stop, from any thread."""

    def close(self) -> None:
        """Asks it to end because its owner shuts down, from any thread."""

    def mark_drawn_meanwhile(self) -> None:
        """Somebody draws while it goes on: at its end it says so, for its times are then a little too long."""

    def end_before_start(self) -> None:
        """Writes that it was stopped before its turn came."""

    def fail(self, reason: str) -> None:
        """Writes that it failed, where its end could not be written yet."""

    def stored(self) -> Run | Measurement:
        """How it stands. Raises `StoreError`."""

    def place(self) -> Place | None:
        """Where it is shown; None where nowhere. Raises `StoreError`."""


class _RequestableJob:
    """The requests that any job takes from other threads while it runs."""

    def __init__(self, job_id: str, context: JobContext) -> None:
        self.id, self.visitor = job_id, context.visitor
        self.context, self.requests = context, JobRequests()

    def stop(self) -> None:
        self.requests.stop.set()

    def close(self) -> None:
        self.requests.close.set()

    def mark_drawn_meanwhile(self) -> None:
        self.requests.drawn_meanwhile.set()


class StoredRun:
    """The store as the `Sink` of one run."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id, self.artifacts = store, run_id, store.artifacts(run_id)

    def append(self, entries: Sequence[Entry]) -> None:
        self._store.append(self._run_id, entries)


class RunJob(_RequestableJob):
    """Trains the lanes of a run that the store holds as `queued`."""

    kind = Kind.RUN

    def __init__(self, run_id: str, settings: TrainSettings, store: Store, context: JobContext) -> None:
        super().__init__(run_id, context)
        self.settings, self._store = settings, store
        self.sink = StoredRun(store, run_id)

    def execute(self) -> None:
        RunInProgress(self.id, self.settings, self.sink, self.context, self.requests).execute()

    def end_before_start(self) -> None:
        reason = ending.stopped_before_start(self.visitor)
        self._store.append(self.id, ending.last_rows(self.settings.engines, State.STOPPED, reason))

    def cut_short(self, why: str) -> None:
        """Writes that it ended where it was, in whatever executed it; `why` as a sentence."""
        run = self.stored()
        if run.state == State.QUEUED and self.requests.stop.is_set():
            self.end_before_start()
        elif run.live:
            self._store.append(self.id, ending.cut_short(run, rows_to_end(self._store, self.id), why))

    def fail(self, reason: str) -> None:
        run = self.stored()
        if run.live:
            lanes = [lane.engine for lane in run.lanes if not lane.state.ended]
            busy = was_busy(run, rows_to_end(self._store, self.id))
            self._store.append(self.id, ending.last_rows(lanes, State.FAILED, reason, reason, busy))

    def stored(self) -> Run:
        return self._store.run(self.id)

    def place(self) -> Place:
        run = self.stored()
        return Place("Runs", {"run": run.id}, f"Run: {run_title(run)}")


class MeasurementJob(_RequestableJob):
    """Runs a probe, or a lesson's scripts: to the Launcher they differ by their kind alone."""

    def __init__(self, measurement: str, order: Order, store: Measurements, context: JobContext) -> None:
        super().__init__(measurement, context)
        self.kind = Kind.LESSON if order.lesson else Kind.MEASUREMENT
        self._order, self._store = order, store

    def execute(self) -> None:
        MeasurementInProgress(self.id, self._order, self._store, self.context, self.requests).execute()

    def end_before_start(self) -> None:
        self._store.end(self.id, State.STOPPED, ending.measurement_stopped(self.visitor, self._order.lesson))

    def fail(self, reason: str) -> None:
        if self.stored().live:
            self._store.end(self.id, State.FAILED, reason)

    def stored(self) -> Measurement:
        return self._store.get(self.id)

    def place(self) -> Place | None:
        return self._order.place
