"""A child's end of its pipes: which commands it takes, and how an error becomes the rest of a sentence."""

import queue

import pytest

from core.protocol import messages
from core.protocol.lines import ProtocolError
from core.protocol.stdio import one_line, refuse, taking


def test_a_child_takes_commands_of_its_kind_and_refuses_the_others() -> None:
    inbox: queue.SimpleQueue[messages.Call] = queue.SimpleQueue()
    take = taking(messages.Call, inbox)
    take(messages.Call("double", {}))
    with pytest.raises(ProtocolError, match=r"^'measure' has no place here$"):
        take(messages.Measure({}, ""))
    assert inbox.get_nowait() == messages.Call("double", {})
    assert inbox.empty()


def test_one_that_takes_none_refuses_each() -> None:
    with pytest.raises(ProtocolError, match=r"^'stop' has no place here$"):
        refuse(messages.Stop())


@pytest.mark.parametrize(
    ("error", "words"),
    [(ValueError("no number\nin two lines"), "ValueError: no number"), (KeyError(), "KeyError")],
)
def test_an_error_is_its_type_and_first_line(error: Exception, words: str) -> None:
    assert one_line(error) == words
