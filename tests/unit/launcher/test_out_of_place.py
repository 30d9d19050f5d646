"""An event that has no place where it is heard ends the child that sent it, and is said in words."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.launcher.lanes import LaneEnd, RunLane
from core.launcher.measuring import MeasurementInProgress
from core.launcher.predictors import Predictor, PredictorError
from core.launcher.run import RunInProgress
from core.protocol import messages

WORDS = "its process sent 'done', which has no place here"


class StandIn:
    """A child without a process."""

    def __init__(self) -> None:
        self.killed = False

    def assign(self, deliver: Any) -> None:
        deliver(self, messages.Done())

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        pass


def test_a_lane_fails_that_says_what_no_lane_says() -> None:
    child, ends = StandIn(), list[LaneEnd]()
    lane = RunLane("keras", process=cast(Any, child), asked="import")
    run = RunInProgress.__new__(RunInProgress)
    run._end = lambda lane, end: ends.append(end)  # type: ignore[method-assign]
    run._take(lane, messages.Done())
    assert child.killed
    assert ends == [lane.failed(WORDS)]


def test_a_measurement_fails_whose_probe_says_what_no_probe_says() -> None:
    ended: list[tuple[str, ...]] = []
    store = SimpleNamespace(end=lambda *told: ended.append(told))
    measurement = MeasurementInProgress("one", cast(Any, None), cast(Any, store), cast(Any, None), cast(Any, None))
    assert measurement._take(cast(Any, StandIn()), messages.Done())
    assert ended == [("one", "failed", f"It failed: {WORDS}.")]


def test_a_predictor_is_ended_that_says_what_no_predictor_says() -> None:
    child = StandIn()
    predictor = Predictor("keras", lambda engine: cast(Any, child))
    with pytest.raises(PredictorError, match=rf"^Keras cannot answer: {WORDS}\.$"):
        predictor.open()
    assert child.killed
