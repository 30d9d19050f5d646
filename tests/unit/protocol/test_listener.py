"""What a listener makes of children without a process: events in their order, and each way to be lost."""

import threading
from typing import Any, cast

import pytest

from core.protocol import messages
from core.protocol.listener import Heard, Listener, Lost
from core.protocol.messages import Event, PartEvent

PRINTED = messages.Printed("part", "a line")


class StandIn:
    """A child without a process: it has said, before anybody listens, what it is made with."""

    def __init__(self, *said: Event | None) -> None:
        self.said, self.why_hung, self.given_up = said, "", ""
        self.deliver: Any = None

    def assign(self, deliver: Any) -> None:
        self.deliver = deliver
        for event in self.said:
            deliver(self, event)

    def hung(self, waits_for_it: bool) -> str:
        return self.why_hung if waits_for_it else ""

    def give_up(self, why: str) -> None:
        self.given_up = why

    def ended_by(self) -> str:
        return self.given_up or "its process was ended by SIGKILL"


def listening(*children: StandIn, waits_for: StandIn | None = None) -> Listener[PartEvent]:
    return Listener(PartEvent, *cast(Any, children), waits_for=lambda child: cast(Any, child) is waits_for)


def test_what_several_say_comes_in_its_order_with_who_said_it() -> None:
    one, other = StandIn(PRINTED), StandIn()
    listener = listening(one, other)
    other.deliver(other, messages.Returned(1))
    one.deliver(one, messages.Returned(2))
    heard = [listener.next(1.0) for _ in range(3)]
    assert heard == [(one, PRINTED), (other, messages.Returned(1)), (one, messages.Returned(2))]


@pytest.mark.parametrize("within_s", [-1.0, 0.0, 0.01])
def test_nothing_is_heard_where_nothing_is_said(within_s: float) -> None:
    assert listening(StandIn()).next(within_s) is None


def test_what_is_said_while_somebody_waits_is_heard() -> None:
    child = StandIn()
    listener = listening(child)
    threading.Timer(0.1, lambda: child.deliver(child, PRINTED)).start()
    assert listener.next(10.0) == (child, PRINTED)


def test_one_that_ended_is_lost_after_all_that_it_said_by_how_it_ended() -> None:
    child = StandIn(PRINTED, None)
    listener = listening(child)
    assert listener.next(1.0) == (child, PRINTED)
    assert listener.next(1.0) == (child, Lost("its process was ended by SIGKILL"))


@pytest.mark.parametrize("event", [messages.Done(), messages.Ready("keras", 0.0, {}, [])])
def test_one_that_says_what_has_no_place_is_given_up(event: Event) -> None:
    child = StandIn(event)
    why = f"its process sent {event.kind!r}, which has no place here"
    assert listening(child).next(1.0) == Heard(cast(Any, child), Lost(why))
    assert child.given_up == why


def test_one_that_hangs_is_given_up_however_much_another_says() -> None:
    busy, hanging = StandIn(PRINTED, PRINTED), StandIn()
    listener = listening(busy, hanging, waits_for=hanging)
    assert listener.next(1.0) == (busy, PRINTED)
    hanging.why_hung = "it made no step for 120 s"
    assert listener.next(1.0) == (hanging, Lost("it made no step for 120 s"))
    assert hanging.given_up == "it made no step for 120 s"
    assert not busy.given_up


def test_one_that_owes_nothing_is_not_blamed_for_it() -> None:
    child = StandIn(PRINTED)
    child.why_hung = "it made no step for 120 s"
    assert listening(child).next(1.0) == (child, PRINTED)
