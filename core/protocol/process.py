"""How a child process is reached: a pipe in, a pipe out, and its stderr in a log.

`ChildProcess` is the only place that starts, feeds and ends one: a lane, a spare, a predictor, a probe, a part of a
probe, a data set's preparation. `core.protocol.listener` hears and watches it; `core.protocol.stdio` is the other end.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from core.protocol import lines, messages
from core.protocol.messages import Command, Event

ROOT = Path(__file__).resolve().parents[2]
WORKER = "core.worker"
"""The program of lanes, spares and predictors; its argument is the engine."""
SILENT_S = 12.0
"""A child that is ready and says nothing for this long hangs: it beats every second."""
SLOWEST_IMPORT_S = 600.0
SLOWEST_STEP_S = 120.0
SLOWEST_STEPS = 30
CLOSE_S = 1.5
AWAY_S = 5.0
"""Where nobody looked for so long, nobody waited for the child, or we were suspended ourselves: clocks restart."""

Deliver = Callable[["ChildProcess", Event | None], None]


class ChildProcess:
    """A process of ours in a session of its own, which keeps a Ctrl-C at the terminal away from it."""

    def __init__(
        self, program: str, *arguments: str, log: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Starts the module `program`. Raises `OSError` where that is impossible.

        Its stderr goes to `log`, or where ours goes; `environment` is added to our own.
        """
        self.log = log
        self.ready: messages.Ready | None = None
        self._deliver: Deliver | None = None
        self._unheard: list[Event | None] = []
        self._delivering = threading.Lock()
        self._heard_at = self._progress_at = self._looked_at = time.monotonic()
        self._fault = ""
        self._gap_s = 0.0
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") if log is not None else contextlib.nullcontext() as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                encoding="utf-8",
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name=f"read {' '.join((program, *arguments))}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                if line.endswith("\n"):  # the last line of a killed process may be torn
                    self._hear(lines.decode_event(line))
        except ValueError:
            self.give_up("its process sent something that is no message")
        self.process.wait()
        self._tell(None)

    def _hear(self, event: Event) -> None:
        now = time.monotonic()
        self._heard_at = now
        if isinstance(event, messages.Beat):
            return
        if isinstance(event, messages.Step):
            self._gap_s = max(self._gap_s, now - self._progress_at)
        self._progress_at = now
        if isinstance(event, messages.Ready):
            self.ready = event
        self._tell(event)

    def _tell(self, event: Event | None) -> None:
        with self._delivering:
            if self._deliver is not None:
                self._deliver(self, event)
            else:
                self._unheard.append(event)

    def assign(self, deliver: Deliver) -> None:
        """Every event but beats goes to `deliver`, and None at the end; first what was said before, as by a spare.

        Progress is due from now on: a spare may have waited long, and owed none.
        """
        self._progress_at = time.monotonic()
        with self._delivering:
            self._deliver = deliver
            for event in self._unheard:
                deliver(self, event)
            self._unheard.clear()

    def send(self, command: Command) -> None:
        """Sends a command. A child that is gone cannot hear it: its end is delivered.

        Raises `ValueError` for a number that JSON cannot hold.
        """
        line = lines.encode(command) + "\n"
        now = time.monotonic()
        self._progress_at, self._gap_s = now, 0.0
        with contextlib.suppress(OSError, ValueError):  # the pipe may be broken, or closed by us
            assert self.process.stdin is not None
            self.process.stdin.write(line)
            self.process.stdin.flush()

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self.process.poll() is None

    def hung(self, waits_for_it: bool) -> str:
        """Why this child counts as hung, as the rest of a sentence; empty where it does not.

        `waits_for_it`: whether a command is out, so that progress is due.
        """
        now = time.monotonic()
        if now - self._looked_at > AWAY_S:
            self._heard_at = self._progress_at = now
        self._looked_at = now
        if not self.alive:
            return ""
        silent = now - self._heard_at
        suspended = silent > SILENT_S and self._suspended()
        # An import may hold the lock that the beat needs; but a suspended process does not import.
        if silent > (SILENT_S if self.ready or suspended else SLOWEST_STEP_S):
            return f"its process {'was suspended' if suspended else 'gave no sign of life'} for {silent:.0f} s"
        slowest = max(SLOWEST_STEP_S, SLOWEST_STEPS * self._gap_s) if self.ready else SLOWEST_IMPORT_S
        if waits_for_it and now - self._progress_at > slowest:
            return f"it {'made no step for' if self.ready else 'was not ready after'} {slowest:.0f} s"
        return ""

    def _suspended(self) -> bool:
        try:
            return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False

    def ended_by(self) -> str:
        """How the process ended, or why it had to, as the rest of a sentence."""
        code = self.process.poll()
        if self._fault:
            return self._fault
        return "its process still runs" if code is None else exit_words(code)

    def move_log(self, path: Path) -> None:
        """Moves the log, which goes on to be written. Raises `OSError`."""
        if self.log is not None:
            self.log = self.log.replace(path)

    def terminate(self) -> None:
        """Asks the operating system to end the process."""
        if self.alive:
            self.process.terminate()

    def kill(self) -> None:
        """Ends the process at once; works on a suspended one, too."""
        if self.alive:
            self.process.kill()

    def give_up(self, why: str) -> None:
        """Kills the process; from then on it was ended by `why`, the rest of a sentence."""
        self._fault = why
        self.kill()

    def hang_up(self) -> None:
        """Closes the pipe, which ends the child within a second, whatever it does; nothing is delivered any more."""
        with self._delivering:
            self._deliver = lambda *_: None
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()

    def close(self, tidy_s: float = 0.0) -> None:
        """Hangs up, and makes sure that the process is gone.

        `tidy_s`: sends SIGTERM first and gives the child so long to remove what it leaves, which else it cannot.
        """
        if tidy_s:
            self.terminate()
            self._gone_within(tidy_s)
        self.hang_up()
        if not self._gone_within(CLOSE_S):
            self.kill()
            self.process.wait(timeout=10)
        self._reader.join(timeout=5)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()

    def _gone_within(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)
        return not self.alive


def signal_name(number: int) -> str:
    """The signal's name, for example `SIGKILL`."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def exit_words(code: int) -> str:
    """How a process ended, by its return code, as the rest of a sentence."""
    if code < 0:
        return f"its process was ended by {signal_name(-code)}" + (
            ", perhaps because memory ran out" if code == -9 else ""
        )
    return f"its process ended by itself with code {code}"
