"""How a worker is reached: a process, a pipe in and a pipe out.

`WorkerProcess` is the only place that starts, feeds, watches and ends a worker.
"""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from core.protocol import messages
from core.protocol.messages import Message

ROOT = Path(__file__).resolve().parents[2]
SILENT_S = 12.0
"""A worker that is ready and says nothing for this long hangs: it beats every second."""
SLOWEST_STEP_S = 120.0
SLOWEST_STEPS = 30
CLOSE_S = 1.5
AWAY_S = 5.0
"""Where nobody looked for so long, this process was suspended itself, or the worker was a spare: clocks restart."""

Deliver = Callable[["WorkerProcess", Message | None], None]


class WorkerProcess:
    """A worker for one lane of one run, or a warm spare for one."""

    def __init__(self, engine: str, log: Path, program: str = "core.worker") -> None:
        """Starts the process; its stderr goes to `log`. Raises `OSError` where that is impossible.

        `program` is the module to run: another one with the same pipes and the same beat may be meant.
        """
        self.engine, self.log = engine, log
        self.ready: messages.Ready | None = None
        self.deliver: Deliver | None = None
        self._heard_at = self._progress_at = self._looked_at = time.monotonic()
        self._gibberish = False
        self._gap_s = 0.0
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", program, engine],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                encoding="utf-8",
                cwd=ROOT,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name=f"read {engine}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self._hear(messages.decode(line))
        except ValueError:  # a torn last line of a dying worker, or one that no worker of ours writes
            self._gibberish = self.alive
            self.kill()
        self.process.wait()
        if deliver := self.deliver:
            deliver(self, None)

    def _hear(self, message: Message) -> None:
        now = time.monotonic()
        self._heard_at = now
        if isinstance(message, messages.Beat):
            return
        if isinstance(message, messages.Step):
            self._gap_s = max(self._gap_s, now - self._progress_at)
        self._progress_at = now
        if isinstance(message, messages.Ready):
            self.ready = message
        if deliver := self.deliver:
            deliver(self, message)

    def assign(self, deliver: Deliver) -> None:
        """From now on every event goes to `deliver`, and None at the end; a spare's `Ready` is delivered again.

        What the reader thread hears meanwhile may be delivered twice, never not at all.
        """
        self.deliver = deliver
        if self.ready is not None:
            deliver(self, self.ready)
        if not self.alive:
            deliver(self, None)

    def send(self, command: Message) -> None:
        """Sends a command. A worker that is gone cannot hear it: its end is delivered by the reader."""
        now = time.monotonic()
        self._progress_at, self._gap_s = now, 0.0
        with contextlib.suppress(OSError, ValueError):
            assert self.process.stdin is not None
            self.process.stdin.write(messages.encode(command) + "\n")
            self.process.stdin.flush()

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self.process.poll() is None

    def hung(self, waits_for_it: bool) -> str:
        """Why this worker counts as hung, as the rest of a sentence; empty where it does not.

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
        slowest = max(SLOWEST_STEP_S, SLOWEST_STEPS * self._gap_s)
        if self.ready and waits_for_it and now - self._progress_at > slowest:
            return f"it made no step for {slowest:.0f} s"
        return ""

    def _suspended(self) -> bool:
        try:
            return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False

    def ended_by(self) -> str:
        """How the process ended, as the rest of a sentence."""
        code = self.process.poll()
        if code is None:
            return "its process still runs"
        if self._gibberish:
            return "its process sent something that is no message"
        return exit_words(code)

    def terminate(self) -> None:
        """Asks the operating system to end the process."""
        if self.alive:
            self.process.terminate()

    def kill(self) -> None:
        """Ends the process at once; works on a suspended one, too."""
        if self.alive:
            self.process.kill()

    def hang_up(self) -> None:
        """Closes the pipe, which ends the worker within a second, whatever it does."""
        self.deliver = None
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()

    def close(self) -> None:
        """Hangs up, and makes sure that the process is gone."""
        self.hang_up()
        try:
            self.process.wait(timeout=CLOSE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait(timeout=10)
        self._reader.join(timeout=5)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()


def exit_words(code: int) -> str:
    """How a process ended, by its return code, as the rest of a sentence."""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"its process was ended by {name}" + (", perhaps because memory ran out" if code == -9 else "")
    return f"its process ended by itself with code {code}"
