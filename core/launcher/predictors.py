"""Predictors: one worker per framework, kept open, that answers drawings with a run's weights.

Started at first use and never while a run trains; ended when idle; restarted once when it dies or hangs.

Memory: an imported framework takes about half a GiB, with a model or without. Start needs an imported process that has
done nothing yet (a lane must be a fresh process, so a used predictor never trains), the next drawing only needs one
that is imported, because weights load in a fraction of a second. So while nothing happens one process a framework is
enough, and it has to be the spare: a predictor takes the spare, the next spare is imported while somebody draws, and
soon after the last drawing the predictor ends. Where no spare waits it is the only imported process, and stays longer.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from core.experiment.logits import probabilities
from core.experiment.metrics import roughly
from core.experiment.names import engine_title
from core.launcher.answers import Inside, Prediction, Replay
from core.protocol import lines, messages, predictor_messages
from core.protocol.listener import Listener, Lost
from core.protocol.messages import PredictorCommand, PredictorEvent
from core.protocol.process import ChildProcess
from core.results.models import Model

IDLE_S = 90.0
"""A predictor that nobody asked for so long ends where a spare can follow it."""
IDLE_WITHOUT_SPARE_S = 600.0
MAKE_ROOM_S = 3.0
"""So long a run waits for answers that are under way: they take 0.1 s, loading a model into an open predictor 1 s."""
START_S = 60.0
ANSWER_S = 20.0
WANTED_S = 15.0
"""So long after somebody last drew, or asked for models, they may draw on: a study's next pair waits."""
RETRY_S = 10.0
"""A model that could not be loaded is not tried again before."""
MODELS_WAIT = "A run, a measurement or a lesson is under way: the models load when nothing runs or waits."
CLOSING = "The dashboard is shutting down."

Clock = Callable[[], float]
Images = npt.NDArray[np.uint8]
TakeWorker = Callable[[str], ChildProcess]
Answer = TypeVar(
    "Answer",
    messages.Ready,
    predictor_messages.Loaded,
    predictor_messages.Predicted,
    predictor_messages.Looked,
    predictor_messages.Replayed,
    predictor_messages.Saved,
)
Found = TypeVar("Found")


class PredictorError(Exception):
    """A model cannot answer, in one plain sentence."""


class Predictor:
    """One framework's open worker. Calls may come from any thread; one at a time is in flight."""

    def __init__(self, engine: str, take_worker: TakeWorker) -> None:
        self.engine = engine
        self.guard = threading.Lock()
        self.used_at = 0.0
        self._take_worker = take_worker
        self._worker: ChildProcess | None = None
        self._slots: set[str] = set()
        self._listener: Listener[PredictorEvent] = Listener(PredictorEvent)

    def open(self) -> None:
        """Takes a worker and waits until its framework is imported. Raises `PredictorError`."""
        self.close()  # one that died
        self._worker = self._take_worker(self.engine)
        self._listener = Listener(PredictorEvent, self._worker)
        self._await(messages.Ready, START_S)

    @property
    def loaded(self) -> bool:
        """Whether the worker is there."""
        worker = self._worker
        return worker is not None and worker.alive

    def holds(self, model: Model) -> bool:
        """Whether this model answers at once."""
        return self.loaded and model.slot in self._slots

    def _await(self, wanted: type[Answer], limit_s: float) -> Answer:
        """The worker's next message, which must be `wanted`. Raises `PredictorError`."""
        heard = self._listener.next(limit_s)
        if heard is None:
            self.close()
            raise PredictorError(f"{engine_title(self.engine)} did not answer for {limit_s:.0f} s.")
        if isinstance(heard.event, wanted):
            return heard.event
        match heard.event:
            case predictor_messages.Refused(why):
                pass  # it goes on
            case messages.Failed(why) | Lost(why):
                self.close()
            case misplaced:
                why = messages.out_of_place(misplaced)
                self.close()
        raise PredictorError(f"{engine_title(self.engine)} cannot answer: {why}.")

    def _call(self, command: PredictorCommand, wanted: type[Answer], limit_s: float) -> Answer:
        assert self._worker is not None
        self._worker.send(command)
        return self._await(wanted, limit_s)

    def load(self, model: Model) -> None:
        """Makes sure that the worker holds this model."""
        if model.slot not in self._slots:
            command = predictor_messages.Load(
                model.slot, model.settings.as_json(), str(model.weights_file), model.sha256, [*model.data]
            )
            self._slots = set(self._call(command, predictor_messages.Loaded, START_S).slots)

    def predict(self, model: Model, images: Images) -> Prediction:
        """The logits of uint8 images [N, H, W, C]."""
        self.load(model)
        command = predictor_messages.Predict(model.slot, lines.packed(images))
        answer = self._call(command, predictor_messages.Predicted, ANSWER_S)
        return Prediction(self.engine, np.array(answer.logits), answer.compute_ms)

    def look(self, model: Model, image: Images) -> Inside:
        """Inside the model, for one uint8 image [H, W, C]."""
        self.load(model)
        answer = self._call(
            predictor_messages.Look(model.slot, lines.packed(image)), predictor_messages.Looked, ANSWER_S
        )
        outputs = lines.unpacked_floats(answer.outputs, [*answer.shapes.values()])
        (gradient,) = lines.unpacked_floats(answer.gradient, [image.shape])
        return Inside(self.engine, dict(zip(answer.shapes, outputs, strict=True)), gradient)

    def replay(self, model: Model, images: Images) -> Replay:
        """How its answers to uint8 images [N, H, W, C] grew; `model` has epochs."""
        assert model.epochs is not None
        self.load(model)
        file, packed = str(model.epochs.weights_file), lines.packed(images)
        command = predictor_messages.Replay(model.slot, file, model.epochs.sha256, model.epochs.last, packed)
        answer = self._call(command, predictor_messages.Replayed, START_S)  # the first one builds a model
        shares = probabilities(np.array(answer.logits)).astype(np.float64, copy=False)
        return Replay(self.engine, tuple(answer.epochs), shares)

    def save(self, model: Model, path: Path) -> None:
        """Writes the model in its framework's own format."""
        self.load(model)
        self._call(predictor_messages.Save(model.slot, str(path)), predictor_messages.Saved, START_S)

    def interrupt(self) -> None:
        """Kills the worker from any thread, so that whoever waits for its answer waits no longer."""
        if worker := self._worker:
            worker.kill()

    def close(self) -> None:
        """Ends the worker; only for who holds the guard."""
        worker, self._worker = self._worker, None
        self._slots = set()
        if worker is not None:
            worker.close()


class Predictors:
    """Every framework's predictor; the Launcher owns one of these."""

    def __init__(
        self,
        take_worker: TakeWorker,
        running: Callable[[], str] = lambda: "",
        mark: Callable[[str], None] = lambda _: None,
        wait_s: Callable[[], float | None] = lambda: None,
        spare_waits: Callable[[str], bool] = lambda _: False,
        clock: Clock = time.monotonic,
    ) -> None:
        """`running` gives the id of what runs now, or an empty string; `mark` notes that somebody drew meanwhile.

        `wait_s` gives the seconds until nothing runs or waits, where somebody knows; `spare_waits` whether an engine's
        predictor would be followed by an imported worker; `clock` the seconds by which one is idle.
        """
        self._take_worker, self._running, self._mark, self._wait_s = take_worker, running, mark, wait_s
        self._spare_waits, self._clock = spare_waits, clock
        self._predictors: dict[str, Predictor] = {}
        self._guard = threading.Lock()
        self._closed = False
        self._busy = 0
        self._wanted_at: float | None = None
        self._faults: dict[tuple[str, str], tuple[PredictorError, float]] = {}
        self._loading: set[tuple[str, str]] = set()

    def _of(self, engine: str) -> Predictor:
        with self._guard:
            if engine not in self._predictors:
                self._predictors[engine] = Predictor(engine, self._take_worker)
            return self._predictors[engine]

    def prepare(self, models: Sequence[Model]) -> bool:
        """Begins to load what is not there yet, without waiting; whether all of them answer at once.

        Raises `PredictorError` while a run trains, and for a while after a model could not be loaded.
        """
        ready = True
        self._wanted_at = self._clock()
        for model in models:
            predictor = self._of(model.engine)
            if predictor.holds(model):
                continue
            if not predictor.loaded and self._running():
                raise PredictorError(self._busy_words())
            key = model.engine, model.slot
            with self._guard:
                fault, since = self._faults.get(key, (None, 0.0))
                if fault is not None and self._clock() - since < RETRY_S:
                    raise fault
                begins = key not in self._loading
                self._loading.add(key)
            ready = False
            if begins:
                threading.Thread(target=self._load, args=(model,), daemon=True).start()
        return ready

    def _load(self, model: Model) -> None:
        key = model.engine, model.slot
        try:
            self._with(model.engine, lambda predictor: predictor.load(model))
            with self._guard:
                self._faults.pop(key, None)
        except PredictorError as error:
            with self._guard:
                self._faults[key] = error, self._clock()
        finally:
            with self._guard:
                self._loading.discard(key)

    def ask(self, models: Sequence[Model], images: Images) -> list[Prediction]:
        """All models' answers to the same images, computed at the same time. Raises `PredictorError`."""
        return self._of_all(models, lambda predictor, model: predictor.predict(model, images))

        return self._of_all(models, lambda predictor, model: predictor.predict(model, images))

    def look(self, models: Sequence[Model], image: Images) -> list[Inside]:
        """Inside all models, for one uint8 image [H, W, C], at the same time. Raises `PredictorError`."""
        return self._of_all(models, lambda predictor, model: predictor.look(model, image))

    def replay(self, models: Sequence[Model], images: Images) -> list[Replay]:
        """How the answers of models that have epochs grew, likewise. Raises `PredictorError`."""
        return self._of_all(models, lambda predictor, model: predictor.replay(model, images))

    def _of_all(self, models: Sequence[Model], act: Callable[[Predictor, Model], Found]) -> list[Found]:
        answers: list[Found | PredictorError | None] = [None] * len(models)

        def answer(i: int) -> None:
            try:
                answers[i] = self._with(models[i].engine, lambda predictor: act(predictor, models[i]))
            except PredictorError as error:
                answers[i] = error

        threads = [threading.Thread(target=answer, args=(i,)) for i in range(1, len(models))]
        for thread in threads:
            thread.start()
        answer(0)
        for thread in threads:
            thread.join()
        for found in answers:
            if isinstance(found, PredictorError):
                raise found
        return [found for found in answers if found is not None and not isinstance(found, PredictorError)]

    def save(self, model: Model, path: Path) -> None:
        """Writes a model's weights in its engine's own file format. Raises `PredictorError`."""
        self._with(model.engine, lambda predictor: predictor.save(model, path))

    def _with(self, engine: str, act: Callable[[Predictor], Any]) -> Any:
        """Acts on an engine's predictor; a dead or silent one is restarted once, where it may start now."""
        predictor = self._of(engine)
        self._wanted_at = self._clock()
        with predictor.guard:
            for attempt in (1, 2):
                try:
                    if not predictor.loaded:
                        self._open(predictor)
                    with self._counted():
                        return act(predictor)
                except PredictorError:
                    # One that was ended for a run, or at the end, says so at the second attempt.
                    if predictor.loaded or attempt == 2:
                        raise
                finally:
                    predictor.used_at = self._clock()

    def _open(self, predictor: Predictor) -> None:
        if self._closed:
            raise PredictorError(CLOSING)
        if self._running():
            raise PredictorError(self._busy_words())
        try:
            with self._counted():
                predictor.open()
        except OSError as error:
            raise PredictorError(f"{engine_title(predictor.engine)} cannot be started: {error.strerror}.") from None

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """While a predictor starts, loads, answers or saves: what runs meanwhile is marked, for its times are too long.

        A run that begins meanwhile asks `busy` itself.
        """
        with self._guard:
            self._busy += 1
        try:
            if run_id := self._running():
                self._mark(run_id)
            yield
        finally:
            with self._guard:
                self._busy -= 1

    def busy(self) -> bool:
        """Whether one of them starts, loads, answers or saves now."""
        return self._busy > 0

    def wanted(self) -> bool:
        """Whether somebody draws, or would if a model could load."""
        return self._wanted_at is not None and self._clock() - self._wanted_at < WANTED_S

    def cannot_save(self, engine: str) -> str:
        """Why an engine's file cannot be written now, as a sentence; empty where it can."""
        return self._busy_words() if self._running() and not self._of(engine).loaded else ""

    def _busy_words(self) -> str:
        """Why no model loads now, and when it should."""
        wait_s = self._wait_s()
        return MODELS_WAIT if wait_s is None else f"{MODELS_WAIT} That should be in about {roughly(max(10.0, wait_s))}."

    def end_idle(self) -> None:
        """Ends those that nobody asked for a while; the Launcher calls it now and then."""
        for predictor in self._all():
            if not predictor.guard.acquire(blocking=False):
                continue
            try:
                if predictor.loaded:
                    limit_s = IDLE_S if self._spare_waits(predictor.engine) else IDLE_WITHOUT_SPARE_S
                    if self._clock() - predictor.used_at > limit_s:
                        predictor.close()
            finally:
                predictor.guard.release()

    def make_room(self, patience_s: float = MAKE_ROOM_S) -> None:
        """Ends all of them until somebody draws again; an answer that takes longer than `patience_s` is given up."""
        self._end_all(patience_s)

    def close(self) -> None:
        """Ends all of them, and whoever waits for an answer is told so."""
        self._closed = True
        self._end_all(0.05)

    def _all(self) -> list[Predictor]:
        with self._guard:
            return list(self._predictors.values())

    def _end_all(self, patience_s: float) -> None:
        until = time.monotonic() + patience_s
        for predictor in self._all():
            while not predictor.guard.acquire(timeout=max(0.05, until - time.monotonic())):
                predictor.interrupt()
            try:
                predictor.close()
            finally:
                predictor.guard.release()
