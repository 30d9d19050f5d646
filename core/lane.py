"""How a worker is reached: a process, a pipe in and a pipe out.

`WorkerProcess` is the only place that starts, feeds, watches and ends a worker.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from core import events
from core.events import Message

ROOT = Path(__file__).resolve().parent.parent
SILENT_S = 12.0
"""A worker that is ready and says nothing for this long hangs: it beats every second."""
SLOWEST_STEP_S = 120.0
SLOWEST_STEPS = 30

Deliver = Callable[["WorkerProcess", Message | None], None]


class WorkerProcess:
    """A worker for one lane of one run, or a warm spare for one."""

    def __init__(self, engine: str, log: Path) -> None:
        """Starts the process; its stderr goes to `log`. Raises `OSError` where that is impossible."""
        self.engine, self.log = engine, log
        self.ready: events.Ready | None = None
        self.deliver: Deliver | None = None
        self.asked_at: float | None = None
        self._heard_at = self._progress_at = time.monotonic()
        self._gap_s = 0.0
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core.worker", engine],
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
                self._hear(events.decode(line))
        except (events.ProtocolError, ValueError):
            self.kill()
        self.process.wait()
        if self.deliver is not None:
            self.deliver(self, None)

    def _hear(self, message: Message) -> None:
        now = time.monotonic()
        self._heard_at = now
        if isinstance(message, events.Beat):
            return
        if isinstance(message, events.Step):
            self._gap_s = max(self._gap_s, now - self._progress_at)
        self._progress_at = now
        if isinstance(message, events.Ready):
            self.ready = message
        if self.deliver is not None:
            self.deliver(self, message)

    def assign(self, deliver: Deliver) -> None:
        """From now on every event goes to `deliver`, and None at the end; a spare's `Ready` is delivered again."""
        self.deliver = deliver
        if self.ready is not None:
            deliver(self, self.ready)
        if not self.alive:
            deliver(self, None)

    def send(self, command: Message) -> None:
        """Sends a command. A worker that is gone cannot hear it: its end is delivered by the reader."""
        now = time.monotonic()
        self._progress_at, self._gap_s = now, 0.0
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(events.encode(command) + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError):
            pass

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self.process.poll() is None

    def hung(self, waits_for_it: bool) -> str:
        """Why this worker counts as hung, as the rest of a sentence; empty where it does not.

        `waits_for_it`: whether a command is out, so that progress is due.
        """
        if self.ready is None or not self.alive:
            return ""
        now = time.monotonic()
        if now - self._heard_at > SILENT_S:
            state = "was stopped from outside" if self._suspended() else "gave no sign of life"
            return f"its process {state} for {SILENT_S:.0f} s"
        slowest = max(SLOWEST_STEP_S, SLOWEST_STEPS * self._gap_s)
        if waits_for_it and now - self._progress_at > slowest:
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
        if code < 0:
            return f"its process was killed by signal {-code}" + (" (perhaps out of memory)" if code == -9 else "")
        return f"its process ended by itself with code {code}"

    def terminate(self) -> None:
        """Asks the operating system to end the process."""
        if self.alive:
            self.process.terminate()

    def kill(self) -> None:
        """Ends the process at once; works on a suspended one, too."""
        if self.alive:
            self.process.kill()

    def close(self) -> None:
        """Closes the pipe, which ends the worker, and makes sure that it is gone."""
        self.deliver = None
        try:
            if self.process.stdin is not None:
                self.process.stdin.close()
        except OSError:
            pass
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait(timeout=10)
        self._reader.join(timeout=5)
