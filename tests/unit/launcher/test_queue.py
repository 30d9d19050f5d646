"""What runs or waits: in which order, how long still, whether it is late, whether anybody looks."""

from typing import Any

import pytest

from core.launcher.jobs import Kind
from core.launcher.queue import UNATTENDED_S, Queue, Turn, left_s


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Named:
    """A job that only has a name; nothing here executes it."""

    def __init__(self, name: str, kind: Kind = Kind.RUN) -> None:
        self.id, self.kind, self.visitor = name, kind, ""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the queue asks a job for {name}")


def turn(clock: Clock, kind: Kind = Kind.RUN, expected_s: float | None = 40.0) -> Turn:
    return Turn(Named("an id", kind), expected_s, clock)


def test_the_time_left_goes_down_and_nobody_knows_it_once_it_takes_longer_than_expected() -> None:
    clock = Clock()
    first, second = turn(clock), turn(clock, expected_s=7.0)
    first.began_at = clock.now
    assert left_s([first, second]) == 47.0
    clock.now += 30
    assert left_s([first, second]) == 17.0
    assert not first.late
    clock.now += 20
    assert left_s([first, second]) == 7.0
    assert not first.late, "it may take a little longer"
    clock.now += 10
    assert first.late
    assert left_s([first, second]) is None


def test_what_never_ran_before_is_never_late_and_nobody_knows_when_it_ends() -> None:
    clock = Clock()
    new = turn(clock, expected_s=None)
    new.began_at = clock.now
    clock.now += 1e6
    assert not new.late
    assert left_s([new]) is None


def test_what_waits_is_not_late() -> None:
    clock = Clock()
    waits = turn(clock)
    clock.now += 1e6
    assert not waits.late


def test_a_lesson_is_unattended_when_nobody_has_looked_for_a_minute() -> None:
    clock = Clock()
    lesson = turn(clock, Kind.LESSON)
    clock.now += UNATTENDED_S - 1
    assert not lesson.unattended
    lesson.seen_at = clock.now
    clock.now += UNATTENDED_S - 1
    assert not lesson.unattended
    clock.now += 1
    assert lesson.unattended


def test_runs_and_measurements_may_be_left_alone() -> None:
    clock = Clock()
    others = turn(clock), turn(clock, Kind.MEASUREMENT)
    clock.now += 1e6
    assert [other.unattended for other in others] == [False, False]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> Queue:
    """A run of 60 s that has gone on for 20, a lesson of 30 s, and a run of 10 s."""
    queue = Queue()
    queue.clock = clock
    for name, kind, expected_s in (("first", Kind.RUN, 60.0), ("second", Kind.LESSON, 30.0), ("third", Kind.RUN, 10.0)):
        queue.add(Named(name, kind), expected_s)
    queue.begin_next()
    clock.now += 20
    return queue


def test_each_waits_for_what_was_asked_for_before_it(queue: Queue) -> None:
    assert [queue.waits_for(name) for name in ("first", "second", "third", "nobody")] == [
        None,
        (Kind.RUN, 0),
        (Kind.RUN, 1),
        None,
    ]
    assert [queue.wait_s(name) for name in ("second", "third", "")] == [40.0, 70.0, 80.0]


def test_what_is_taken_from_the_queue_is_waited_for_no_longer(queue: Queue) -> None:
    second = queue.find("second")
    assert second is not None
    queue.remove(second)
    assert (queue.waits_for("third"), queue.wait_s("third"), queue.waiting()) == ((Kind.RUN, 0), 40.0, 1)


def test_each_has_its_turn_and_is_called_what_it_is(queue: Queue) -> None:
    said = []
    while queue.running:
        said.append((queue.running.job.id, queue.running.job.kind))
        queue.end()
        queue.begin_next()
    assert said == [("first", Kind.RUN), ("second", Kind.LESSON), ("third", Kind.RUN)]


def test_what_runs_elsewhere_is_known_and_nothing_waits_for_it(queue: Queue) -> None:
    queue.add_elsewhere(Named("far"), 1000.0)  # type: ignore[arg-type]
    assert queue.ids(Kind.RUN) == ["first", "far", "third"]
    assert (queue.waits_for("far"), queue.wait_s(), queue.waiting()) == (None, 80.0, 2)
    assert (far := queue.find("far")) is not None
    assert far.began_at is not None
    queue.end_elsewhere("far")
    assert queue.find("far") is None


def test_whoever_looks_at_a_lesson_that_waits_is_known(queue: Queue, clock: Clock) -> None:
    clock.now += UNATTENDED_S
    assert [queue.unattended(name) for name in ("first", "second", "nobody")] == [False, True, False]
    queue.mark_seen("second")
    assert not queue.unattended("second")


def test_jobs_are_told_apart_by_kind_in_the_order_of_their_turns(queue: Queue) -> None:
    assert queue.ids(Kind.RUN) == ["first", "third"]
    assert queue.ids(Kind.LESSON, Kind.MEASUREMENT) == ["second"]
