"""What runs or waits: how long still, whether it is late, whether anybody looks."""

from core.experiment.settings import Order, TrainSettings
from core.launcher.turns import ALONE_S, Job, left_s


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def job(clock: Clock, subject: str = "", takes_s: float | None = 40.0) -> Job:
    what = Order(subject, "fake", {}, 60.0, subject.startswith("lesson-")) if subject else TrainSettings()
    return Job("an id", what, "", takes_s, clock)


def test_the_time_left_goes_down_and_nobody_knows_it_once_it_takes_longer_than_expected() -> None:
    clock = Clock()
    first, second = job(clock), job(clock, takes_s=7.0)
    first.begin()
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
    new = job(clock, takes_s=None)
    new.begin()
    clock.now += 1e6
    assert not new.late
    assert left_s([new]) is None


def test_what_waits_is_not_late() -> None:
    clock = Clock()
    waits = job(clock)
    clock.now += 1e6
    assert not waits.late


def test_a_lesson_is_alone_when_nobody_has_looked_for_a_minute() -> None:
    clock = Clock()
    lesson = job(clock, "lesson-mse")
    clock.now += ALONE_S - 1
    assert not lesson.alone
    lesson.look()
    clock.now += ALONE_S - 1
    assert not lesson.alone
    clock.now += 1
    assert lesson.alone


def test_runs_and_measurements_may_be_left_alone() -> None:
    clock = Clock()
    others = job(clock), job(clock, "claim-1")
    clock.now += 1e6
    assert [other.alone for other in others] == [False, False]


def test_each_is_called_what_it_is() -> None:
    clock = Clock()
    assert [job(clock, subject).doing for subject in ("", "claim-1", "lesson-mse")] == [
        "a run is training",
        "a measurement is running",
        "a lesson is running",
    ]
