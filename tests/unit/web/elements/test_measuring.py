"""What a screen reader hears of a measurement."""

import pytest

from core.storage.database import State
from core.storage.measurements import Measurement
from core.web.elements.measuring import said


def measured(state: State, reason: str = "") -> Measurement:
    """One in this state."""
    return Measurement(
        id="1",
        subject="lesson_mse",
        program="core.learn",
        arguments={},
        created_at="2026-11-30T10:00:00+00:00",
        started_at=None,
        ended_at=None,
        state=state,
        reason=reason,
        machine={},
        versions={},
        fraction=0.0,
        sentence="",
        drawn_meanwhile=False,
        result=None,
    )


def test_nothing_is_said_where_nothing_was_measured() -> None:
    assert said("The lesson", None) == ""


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.QUEUED, "The lesson waits for its turn."),
        (State.RUNNING, "The lesson is running."),
        (State.FINISHED, "The lesson has ended: what it found is on the page."),
    ],
)
def test_each_state_is_said_in_one_sentence(state: State, words: str) -> None:
    assert said("The lesson", measured(state)) == words


@pytest.mark.parametrize("state", [State.FAILED, State.STOPPED])
def test_an_end_without_a_result_is_said_with_its_reason(state: State) -> None:
    assert said("The lesson", measured(state, "It ran out of memory.")) == "The lesson has ended. It ran out of memory."
