"""A worker's process seen from its owner: by which clocks it hangs, how it ended, how it is closed."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.protocol import lines, messages
from core.protocol.process import SILENT_S, WORKER, ChildProcess
from tests.processes.conftest import wait_for


@pytest.fixture
def process(tmp_path: Path, no_process_left: None) -> Iterator[ChildProcess]:
    process = ChildProcess(WORKER, "fake", log=tmp_path / "log")
    yield process
    process.close()


@pytest.fixture
def ready(process: ChildProcess) -> ChildProcess:
    wait_for("it is ready", lambda: process.ready)
    return process


def later(process: ChildProcess, seconds: float, looking: bool = True) -> None:
    """Lets the process' clocks believe that so many seconds went by, and whether its owner looked meanwhile."""
    process._hear = lambda message: None  # type: ignore[method-assign]
    process._heard_at -= seconds
    process._progress_at -= seconds
    process._looked_at = time.monotonic() - (0 if looking else seconds)


def test_a_worker_that_beats_is_well_whatever_it_waits_for(ready: ChildProcess) -> None:
    assert ready.hung(waits_for_it=False) == ready.hung(waits_for_it=True) == ""


def test_a_spare_that_its_keeper_looked_at_for_long_owes_no_step_when_it_is_taken(ready: ChildProcess) -> None:
    later(ready, 1000)
    ready._heard_at = time.monotonic()
    ready.assign(lambda _, __: None)
    assert ready.hung(waits_for_it=True) == ""


def test_a_silent_worker_hangs(ready: ChildProcess) -> None:
    ready.process.send_signal(signal.SIGSTOP)
    wait_for("it is suspended", ready._suspended)
    ready._heard_at = time.monotonic()
    later(ready, SILENT_S - 2)
    assert ready.hung(waits_for_it=False) == ""
    later(ready, 3)
    assert ready.hung(waits_for_it=False) == "its process was suspended for 13 s"


def test_a_worker_suspended_while_it_imports_hangs_too(process: ChildProcess) -> None:
    process.process.send_signal(signal.SIGSTOP)
    wait_for("it is suspended", process._suspended)
    process.ready, process._heard_at = None, time.monotonic()
    later(process, 13)
    assert process.hung(waits_for_it=True) == "its process was suspended for 13 s"


def test_a_slow_import_does_not_hang(ready: ChildProcess) -> None:
    ready.ready = None
    later(ready, 100)
    assert ready.hung(waits_for_it=True) == ""
    later(ready, 25)
    assert ready.hung(waits_for_it=True).startswith("its process gave no sign of life for 12")


def test_a_worker_that_beats_and_never_gets_ready_hangs_after_ten_minutes(ready: ChildProcess) -> None:
    ready.ready = None
    ready._progress_at -= 599
    assert ready.hung(waits_for_it=True) == ""
    ready._progress_at -= 2
    assert ready.hung(waits_for_it=False) == ""
    assert ready.hung(waits_for_it=True) == "it was not ready after 600 s"


def test_an_owner_that_was_itself_suspended_blames_no_worker(ready: ChildProcess) -> None:
    later(ready, 100, looking=False)
    assert ready.hung(waits_for_it=True) == ""


def test_a_worker_that_beats_without_a_step_hangs_after_two_minutes(ready: ChildProcess) -> None:
    ready.send(messages.Stop())
    ready._progress_at -= 119
    assert ready.hung(waits_for_it=True) == ""
    ready._progress_at -= 2
    assert ready.hung(waits_for_it=False) == ""
    assert ready.alive
    assert ready.hung(waits_for_it=True) == "it made no step for 120 s"
    ready._gap_s = 10.0  # its steps take 10 s: 300 s are borne
    assert ready.hung(waits_for_it=True) == ""


def test_a_late_owner_hears_once_of_a_ready_worker_and_of_its_end(ready: ChildProcess) -> None:
    heard: list[messages.Event | None] = []
    ready.kill()
    ready.process.wait()
    ready.assign(lambda _, message: heard.append(message))
    wait_for("its end is told", lambda: None in heard)
    assert heard == [ready.ready, None]
    assert ready.ended_by() == "its process was ended by SIGKILL, perhaps because memory ran out"


@pytest.mark.alone
def test_a_worker_ends_when_its_pipe_closes(ready: ChildProcess) -> None:
    ready.hang_up()
    assert wait_for("it is gone", lambda: not ready.alive) < 1
    ready.send(messages.Stop())
    ready.close()
    ready.close()


@pytest.mark.alone
@pytest.mark.parametrize("line", ["no message", lines.encode(messages.Beat())], ids=["nonsense", "an event"])
def test_a_line_that_is_no_command_ends_the_worker(ready: ChildProcess, line: str) -> None:
    assert ready.process.stdin is not None
    ready.process.stdin.write(f"{line}\n")
    ready.process.stdin.flush()
    assert wait_for("it is gone", lambda: not ready.alive) < 1


@pytest.fixture
def babbler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ChildProcess]]:
    """Starts a child that says what a shell script says."""
    started: list[ChildProcess] = []

    def start(script: str) -> ChildProcess:
        program = tmp_path / "babbler"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr("core.protocol.process.sys.executable", str(program))
        started.append(ChildProcess(WORKER, "fake", log=tmp_path / "log"))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.mark.parametrize("line", ["no message", lines.encode(messages.Stop())], ids=["nonsense", "a command"])
def test_a_worker_that_says_what_is_no_event_is_ended(babbler: Callable[[str], ChildProcess], line: str) -> None:
    process = babbler(f"echo '{line}'\nexec sleep 60")
    wait_for("it is ended", lambda: not process.alive)
    assert process.ended_by() == "its process sent something that is no message"


def test_the_torn_last_line_of_a_dying_worker_is_not_blamed_on_it(babbler: Callable[[str], ChildProcess]) -> None:
    process = babbler('printf \'{"kind":"be\'\nkill -9 $$')
    heard: list[messages.Event | None] = []
    process.assign(lambda _, message: heard.append(message))
    wait_for("its end is told", lambda: None in heard)
    assert process.ended_by() == "its process was ended by SIGKILL, perhaps because memory ran out"


def test_a_command_that_json_cannot_hold_is_refused_and_not_lost(ready: ChildProcess) -> None:
    with pytest.raises(ValueError, match="JSON"):
        ready.send(messages.Measure({"number": float("nan")}, ""))
