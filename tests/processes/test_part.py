"""A part of a probe seen from the probe: what it prints and returns, and each way not to answer."""

import signal
import time
from collections.abc import Iterator

import pytest

from core.compare.probes.base import Part, PartFailed

KILLED = "Fake: its process was ended by SIGKILL, perhaps because memory ran out"


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def part(printed: list[str]) -> Iterator[Part]:
    with Part("core.compare.probes.fake", "Fake", printed.append) as part:
        yield part


def test_what_it_prints_comes_before_what_it_returns_and_a_failure_leaves_it_alive(
    part: Part, printed: list[str]
) -> None:
    assert part.call("double", number=21, behaviour="well") == 42
    assert printed == ["double 21"]
    with pytest.raises(PartFailed, match=r"^Fake: ValueError: no number$"):
        part.call("double", number=1, behaviour="part raises")
    with pytest.raises(PartFailed, match=r"^Fake: AttributeError: .* has no attribute 'triple'$"):
        part.call("triple")
    assert part.call("double", number=2, behaviour="well") == 4
    assert printed == ["double 21", "double 1", "double 2"]


def test_one_that_died_says_so_to_every_call_at_once(part: Part) -> None:
    for _ in range(2):
        with pytest.raises(PartFailed, match=KILLED):
            part.call("double", number=1, behaviour="part dies", limit_s=20)


def test_one_that_is_suspended_is_ended_before_its_time_is_over(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.protocol.process.SILENT_S", 2.0)
    assert part.call("double", number=1, behaviour="well") == 2
    part._process.process.send_signal(signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(PartFailed, match=r"^Fake: its process was suspended for \d s$"):
            part.call("double", number=1, behaviour="well", limit_s=60)
    assert not part._process.alive


def test_one_that_takes_too_long_is_ended(part: Part) -> None:
    began = time.monotonic()
    for limit_s in (0, 20):
        with pytest.raises(PartFailed, match=r"^Fake: it took longer than 0 s$"):
            part.call("double", limit_s=limit_s, number=1, behaviour="well")
    assert not part._process.alive
    assert time.monotonic() - began < 20


def test_a_value_that_json_cannot_hold_is_a_failure_and_no_silence() -> None:
    with Part("json", "JSON") as part, pytest.raises(PartFailed, match="ValueError: Out of range float values"):
        part.call("loads", s="NaN")
