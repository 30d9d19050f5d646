"""Predictors with a worker that is none: which runs they mark, when an idle one ends, how a busy one is closed."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from core.data.shape import MNIST_SHAPE
from core.experiment.settings import TrainSettings
from core.launcher.predictors import IDLE_S, IDLE_WITHOUT_SPARE_S, MODELS_WAIT, PredictorError, Predictors
from core.protocol import lines, messages, predictor_messages
from core.protocol.process import ChildProcess
from core.results.models import Epochs, Model
from core.web.draw.view import framework_file

EPOCHS = Epochs(Path("epochs"), "sum", 3)
MODEL = Model("keras", "a run keras", TrainSettings(), Path("weights"), "sum", MNIST_SHAPE, EPOCHS)
IMAGES = np.zeros((1, 28, 28), np.uint8)
ANSWERS: dict[type, Callable[[Any], messages.Message]] = {
    predictor_messages.Load: lambda asked: predictor_messages.Loaded([asked.slot]),
    predictor_messages.Predict: lambda asked: predictor_messages.Predicted([[0.0] * 10], 1.0),
    predictor_messages.Look: lambda asked: predictor_messages.Looked(
        {"dense": [10]}, lines.packed_floats([np.ones(10)]), lines.packed_floats([np.zeros(784)])
    ),
    predictor_messages.Replay: lambda asked: predictor_messages.Replayed([asked.last_epoch], [[[0.0] * 10]]),
    predictor_messages.Save: lambda asked: predictor_messages.Saved(),
}


class Bench:
    """Predictors, the run that trains beside them, and the runs that were marked."""

    def __init__(self) -> None:
        self.trains, self.marked = "", list[str]()
        self.silent: type | None = None
        """The command that gets no answer until it is set free; `Ready` for a start."""
        self.asked = threading.Event()
        self.spares, self.now, self.started = list[str](), 1000.0, list[StandIn]()
        self.predictors = Predictors(
            self.start,
            lambda: self.trains,
            self.marked.append,
            spare_waits=lambda engine: engine in self.spares,
            clock=lambda: self.now,
        )

    def start(self, engine: str) -> ChildProcess:
        self.started.append(StandIn(self))
        return cast(ChildProcess, self.started[-1])


class StandIn:
    """A worker without a process."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.alive, self.deliver = bench, True, lambda *_: None

    def assign(self, deliver: Any) -> None:
        self.deliver = deliver
        self.answer(messages.Ready, messages.Ready("keras", 0.0, {}, ["cpu"]))

    def send(self, command: messages.Message) -> None:
        self.heard = command
        self.answer(type(command), ANSWERS[type(command)](command))

    def answer(self, to: type, message: messages.Message) -> None:
        self.bench.asked.set()
        if to is not self.bench.silent:
            self.deliver(self, message)

    def hung(self, waits_for_it: bool) -> str:
        return ""

    def kill(self) -> None:
        self.alive = False
        self.deliver(self, None)

    def ended_by(self) -> str:
        return "its process was ended by SIGKILL"

    def close(self) -> None:
        self.alive = False


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    "act",
    [
        lambda predictors: predictors.ask([MODEL], IMAGES),
        lambda predictors: predictors.look([MODEL], IMAGES[0][..., np.newaxis]),
        lambda predictors: predictors.save(MODEL, Path("file")),
        lambda predictors: predictors.replay([MODEL], IMAGES),
        lambda predictors: predictors.prepare([MODEL]),
    ],
    ids=["answers", "looks", "saves", "replays", "loads"],
)
def test_whatever_a_predictor_does_beside_a_run_marks_it(bench: Bench, act: Callable[[Predictors], Any]) -> None:
    bench.predictors.ask([Model("keras", "another", TrainSettings(), Path("weights"), "sum", MNIST_SHAPE)], IMAGES)
    assert bench.marked == []
    bench.trains = "this run"
    act(bench.predictors)
    until = time.monotonic() + 5
    while not bench.marked and time.monotonic() < until:
        time.sleep(0.005)
    assert set(bench.marked) == {"this run"}


def test_a_run_is_not_marked_where_nothing_was_done(bench: Bench) -> None:
    bench.trains = "this run"
    with pytest.raises(PredictorError, match="under way"):
        bench.predictors.ask([MODEL], IMAGES)
    assert bench.marked == []


@pytest.mark.parametrize("silent", [messages.Ready, predictor_messages.Load, predictor_messages.Predict])
def test_a_run_that_begins_while_a_predictor_starts_or_loads_can_ask_whether_one_is_busy(
    bench: Bench, silent: type
) -> None:
    bench.silent = silent
    thread, errors = asking(bench)
    assert bench.predictors.busy()
    bench.predictors.close()
    thread.join(timeout=5)
    assert not bench.predictors.busy()
    assert errors


def asking(bench: Bench) -> tuple[threading.Thread, list[str]]:
    """A question that gets no answer, from a thread of its own, and what it is told."""
    errors: list[str] = []

    def ask() -> None:
        try:
            bench.predictors.ask([MODEL], IMAGES)
        except PredictorError as error:
            errors.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert bench.asked.wait(timeout=5)
    until = time.monotonic() + 5
    while not bench.predictors.busy() and time.monotonic() < until:
        time.sleep(0.005)
    return thread, errors


@pytest.mark.parametrize("silent", [messages.Ready, predictor_messages.Load, predictor_messages.Predict])
@pytest.mark.alone
def test_closing_tells_whoever_waits_and_waits_for_them(bench: Bench, silent: type) -> None:
    bench.silent = silent
    thread, errors = asking(bench)
    began = time.monotonic()
    bench.predictors.close()
    thread.join(timeout=5)
    assert time.monotonic() - began < 3
    assert errors == ["The dashboard is shutting down."]
    with pytest.raises(PredictorError, match=r"^The dashboard is shutting down\.$"):
        bench.predictors.ask([MODEL], IMAGES)


@pytest.mark.parametrize("silent", [messages.Ready, predictor_messages.Load, predictor_messages.Predict])
def test_a_run_that_needs_the_memory_waits_for_no_silent_predictor(bench: Bench, silent: type) -> None:
    bench.silent = silent
    thread, errors = asking(bench)
    bench.trains = "this run"
    bench.predictors.make_room(patience_s=0.0)
    thread.join(timeout=5)
    assert errors == [MODELS_WAIT]
    assert not any(worker.alive for worker in bench.started)


def test_a_run_that_needs_the_memory_waits_for_an_answer_that_comes(bench: Bench) -> None:
    bench.silent = predictor_messages.Predict
    thread, errors = asking(bench)
    (worker,) = bench.started
    answer = threading.Timer(0.1, lambda: worker.deliver(worker, ANSWERS[predictor_messages.Predict](worker.heard)))
    answer.start()
    bench.predictors.make_room(patience_s=5.0)
    thread.join(timeout=5)
    assert not errors
    assert not worker.alive


@pytest.mark.parametrize(("spares", "idle_s"), [(["keras"], IDLE_S), (["torch"], IDLE_WITHOUT_SPARE_S)])
def test_an_idle_predictor_ends_soon_where_a_spare_can_follow_it_and_later_elsewhere(
    bench: Bench, spares: list[str], idle_s: float
) -> None:
    bench.spares = spares
    bench.predictors.ask([MODEL], IMAGES)
    bench.now += idle_s - 1
    bench.predictors.ask([MODEL], IMAGES)
    bench.now += idle_s - 1
    bench.predictors.end_idle()
    assert [worker.alive for worker in bench.started] == [True], "it was asked meanwhile"
    bench.now += 2
    bench.predictors.end_idle()
    assert [worker.alive for worker in bench.started] == [False]
    bench.predictors.ask([MODEL], IMAGES)
    assert [worker.alive for worker in bench.started] == [False, True]


def test_a_predictor_that_refused_its_first_model_stays_for_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(
            ANSWERS, predictor_messages.Load, lambda asked: predictor_messages.Refused("its weights are damaged")
        )
        with pytest.raises(PredictorError, match="damaged"):
            bench.predictors.ask([MODEL], IMAGES)
    bench.predictors.end_idle()
    bench.predictors.ask([MODEL], IMAGES)
    assert [worker.alive for worker in bench.started] == [True]


def test_a_predictor_that_answers_is_not_idle_however_long_it_takes(bench: Bench) -> None:
    bench.spares, bench.silent = ["keras"], predictor_messages.Predict
    thread, _ = asking(bench)
    bench.now += 2 * IDLE_WITHOUT_SPARE_S
    bench.predictors.end_idle()
    assert bench.started[0].alive
    bench.predictors.close()
    thread.join(timeout=5)


def test_a_file_that_cannot_be_written_while_a_run_trains_says_why(bench: Bench) -> None:
    told: list[PredictorError] = []
    make = framework_file(bench.predictors, MODEL, ".keras", told.append)
    assert bench.predictors.cannot_save("keras") == ""
    bench.trains = "this run"
    why = bench.predictors.cannot_save("keras")
    assert "when nothing runs or waits" in why
    with pytest.raises(PredictorError):
        make()
    assert [str(error) for error in told] == [why]
    bench.trains = ""
    bench.predictors.ask([MODEL], IMAGES)
    bench.trains = "this run"
    assert bench.predictors.cannot_save("keras") == ""
