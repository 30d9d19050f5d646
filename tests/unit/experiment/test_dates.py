"""Days and times: where this program runs, and text that is none."""

import time
from collections.abc import Iterator

import pytest

from core.experiment.dates import day, day_and_time


@pytest.fixture(autouse=True)
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fourteen hours before UTC."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_day_and_a_time_are_those_of_this_place() -> None:
    assert day("2020-02-03T04:05:06Z") == "3 Feb 2020"
    assert day("2020-02-03T14:05:06Z") == "4 Feb 2020"
    assert day_and_time("2020-02-03T14:05:06Z") == "4 Feb 2020, 04:05"


def test_a_log_writes_this_places_time_with_a_comma() -> None:
    assert day_and_time("2020-02-03 14:02:03,123") == "3 Feb 2020, 14:02"


def test_what_is_no_time_stands_as_it_is() -> None:
    assert day_and_time("2026-13-45T00:00:00Z") == "2026-13-45T00:00:00Z"
