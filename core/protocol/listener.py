"""How children are heard: one queue, from which come their events, or the one reason why a child says no more."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Generic, NamedTuple, TypeVar, cast

from core.protocol.messages import Event, out_of_place
from core.protocol.process import ChildProcess

E = TypeVar("E")
WATCH_S = 0.5
"""How often is looked whether a child hangs, while none says anything."""


@dataclass(frozen=True)
class Lost:
    """A child says no more: it ended, hung or said what has no place; `reason` is the rest of a sentence."""

    reason: str


class Heard(NamedTuple, Generic[E]):
    """An event, and the child that sent it; `Lost` where that child sends no more."""

    child: ChildProcess
    event: E | Lost


class Listener(Generic[E]):
    """Hears and watches one child or several, in one thread; `E` is the union of the events that have a place."""

    def __init__(
        self,
        kinds: UnionType,
        *children: ChildProcess,
        waits_for: Callable[[ChildProcess], bool] = lambda _: False,
    ) -> None:
        """`kinds` is `E`; `waits_for` says whether a command is out to a child, so that progress is due."""
        self._kinds, self._waits_for = kinds, waits_for
        self._children: list[ChildProcess] = []
        self._queue: queue.SimpleQueue[tuple[ChildProcess, Event | None]] = queue.SimpleQueue()
        for child in children:
            self.add(child)

    def add(self, child: ChildProcess) -> None:
        """Hears this one, too; first what it said before, as a spare did."""
        self._children.append(child)
        child.assign(lambda *said: self._queue.put(said))

    def next(self, within_s: float) -> Heard[E] | None:
        """What is heard next; None where nothing is within `within_s`.

        A child that hangs or says what has no place is killed before that is told.
        """
        until = time.monotonic() + within_s
        while True:
            for child in self._children:
                if why := child.hung(self._waits_for(child)):
                    return self._give_up(child, why)
            left_s = max(0.0, until - time.monotonic())
            try:
                child, event = self._queue.get(timeout=min(left_s, WATCH_S))
            except queue.Empty:
                if left_s <= WATCH_S:
                    return None
                continue
            if event is None:
                return Heard(child, Lost(child.ended_by()))
            if not isinstance(event, self._kinds):
                return self._give_up(child, out_of_place(event))
            return Heard(child, cast(E, event))

    @staticmethod
    def _give_up(child: ChildProcess, why: str) -> Heard[E]:
        child.give_up(why)
        return Heard(child, Lost(child.ended_by()))
