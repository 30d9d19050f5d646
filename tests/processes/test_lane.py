"""A worker's process seen from its owner: by which clocks it hangs, how it ended, how it is closed."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.protocol import messages
from core.protocol.process import SILENT_S, WorkerProcess
from tests.processes.conftest import wait_for


@pytest.fixture
def process(tmp_path: Path, no_process_left: None) -> Iterator[WorkerProcess]:
    process = WorkerProcess("fake", tmp_path / "log")
    yield process
    process.close()


@pytest.fixture
def ready(process: WorkerProcess) -> WorkerProcess:
    wait_for("it is ready", lambda: process.ready)
    return process


def later(process: WorkerProcess, seconds: float, looking: bool = True) -> None:
    """Lets the process' clocks believe that so many seconds went by, and whether its owner looked meanwhile."""
    process._hear = lambda message: None  # type: ignore[method-assign]
    process._heard_at -= seconds
    process._progress_at -= seconds
    process._looked_at = time.monotonic() - (0 if looking else seconds)


def test_a_worker_that_beats_is_well_whatever_it_waits_for(ready: WorkerProcess) -> None:
    assert ready.hung(waits_for_it=False) == ready.hung(waits_for_it=True) == ""


def test_a_silent_worker_hangs(ready: WorkerProcess) -> None:
    ready.process.send_signal(signal.SIGSTOP)
    wait_for("it is suspended", ready._suspended)
    ready._heard_at = time.monotonic()
    later(ready, SILENT_S - 2)
    assert ready.hung(waits_for_it=False) == ""
    later(ready, 3)
    assert ready.hung(waits_for_it=False) == "its process was suspended for 13 s"


def test_a_worker_suspended_while_it_imports_hangs_too(process: WorkerProcess) -> None:
    process.process.send_signal(signal.SIGSTOP)
    wait_for("it is suspended", process._suspended)
    process.ready, process._heard_at = None, time.monotonic()
    later(process, 13)
    assert process.hung(waits_for_it=True) == "its process was suspended for 13 s"


def test_a_slow_import_does_not_hang(ready: WorkerProcess) -> None:
    ready.ready = None
    later(ready, 100)
    assert ready.hung(waits_for_it=True) == ""
    later(ready, 25)
    assert ready.hung(waits_for_it=True).startswith("its process gave no sign of life for 12")


def test_an_owner_that_was_itself_suspended_blames_no_worker(ready: WorkerProcess) -> None:
    later(ready, 100, looking=False)
    assert ready.hung(waits_for_it=True) == ""


def test_a_worker_that_beats_without_a_step_hangs_after_two_minutes(ready: WorkerProcess) -> None:
    ready.send(messages.Stop())
    ready._progress_at -= 119
    assert ready.hung(waits_for_it=True) == ""
    ready._progress_at -= 2
    assert ready.hung(waits_for_it=False) == ""
    assert ready.alive
    assert ready.hung(waits_for_it=True) == "it made no step for 120 s"
    ready._gap_s = 10.0  # its steps take 10 s: 300 s are borne
    assert ready.hung(waits_for_it=True) == ""


def test_a_late_owner_hears_of_a_ready_worker_and_of_a_dead_one(ready: WorkerProcess) -> None:
    heard: list[messages.Message | None] = []
    ready.assign(lambda _, message: heard.append(message))
    assert isinstance(heard[0], messages.Ready)
    ready.kill()
    wait_for("its end is told", lambda: None in heard)
    assert ready.ended_by() == "its process was ended by SIGKILL, perhaps because memory ran out"
    ready.assign(lambda _, message: heard.append(message))
    assert heard[-1] is None


@pytest.mark.alone
def test_a_worker_ends_when_its_pipe_closes(ready: WorkerProcess) -> None:
    ready.hang_up()
    assert wait_for("it is gone", lambda: not ready.alive) < 1
    ready.send(messages.Stop())
    ready.close()
    ready.close()


@pytest.mark.alone
def test_a_line_that_is_no_command_ends_the_worker(ready: WorkerProcess) -> None:
    assert ready.process.stdin is not None
    ready.process.stdin.write("no message\n")
    ready.process.stdin.flush()
    assert wait_for("it is gone", lambda: not ready.alive) < 1


def test_a_worker_that_talks_nonsense_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "babbler"
    program.write_text("#!/bin/sh\necho no message\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr("core.protocol.process.sys.executable", str(program))
    process = WorkerProcess("fake", tmp_path / "log")
    wait_for("it is ended", lambda: not process.alive)
    wait_for("its end is told", lambda: "no message" in process.ended_by())
    process.close()
