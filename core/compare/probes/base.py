"""What a probe is made of: how it reports, and the processes in which its parts run.

A probe is a module of this folder with a function `measure(report, **arguments) -> dict`. It runs in a process of
its own that imports no framework (TensorFlow and PyTorch cannot share one); what needs a framework is another
function of the same file, called in a part: a process of its own, which keeps its state between calls. A part
that fails, dies or takes too long raises `PartFailed` with the reason; the probe decides what that means.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self, cast

from core.protocol.process import exit_words

ROOT = Path(__file__).resolve().parents[3]
CALL_S = 180.0
"""How long one call to a part may take, unless it is told otherwise."""
END_S = 1.5
# PyTorch compiles in the part itself: a pool of compilers would outlive a part that is killed.
NO_POOL = {"TORCHINDUCTOR_COMPILE_THREADS": "1"}


class PartFailed(Exception):
    """A part could not answer; part and reason, for example `Keras: its process was ended by SIGKILL`.

    `reason` is the reason alone.
    """

    def __init__(self, title: str, reason: str) -> None:
        super().__init__(f"{title}: {reason}")
        self.reason = reason


class Report(Protocol):
    """How a probe says what it does, and where it finds the data."""

    data_dir: Path
    """Where `core.data.datasets.prepared` finds mnist5k; the Launcher has prepared it."""

    def progress(self, fraction: float, sentence: str) -> None:
        """How far the probe is, from 0 to 1, and what it does, in one short sentence."""

    def printed(self, part: str, text: str) -> None:
        """One line for the reader; `part` says whose."""


class Part:
    """A process in which functions of one module of this folder are called; use it as a context manager."""

    def __init__(
        self,
        module: str,
        title: str,
        on_print: Callable[[str], None] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        """`module` is a full module name; `title` names the part in sentences; `on_print` takes each printed line."""
        self.title, self._on_print = title, on_print
        # Its stderr (warnings, tracebacks) goes where the probe's own goes: into the measurement's log.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "core.compare.probes.part", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env={**os.environ, **NO_POOL, **(environment or {})},
        )
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in self._process.stdout:
                self._lines.put(json.loads(line))
        self._process.wait()
        self._lines.put(None)

    def call(self, function: str, limit_s: float = CALL_S, **arguments: Any) -> Any:
        """Calls a function of the module with JSON arguments and returns its JSON value. Raises `PartFailed`."""
        with contextlib.suppress(OSError):  # a process that is gone is told by the reader
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"function": function, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        until = time.monotonic() + limit_s
        while True:
            try:
                answer = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                self.end()
                raise PartFailed(self.title, f"it took longer than {limit_s:.0f} s") from None
            if answer is None:
                raise PartFailed(self.title, exit_words(self._process.wait()))
            if "printed" in answer:
                if self._on_print is not None:
                    self._on_print(answer["printed"])
            elif "error" in answer:
                raise PartFailed(self.title, answer["error"])
            else:
                return answer["value"]

    def end(self) -> None:
        """Ends the process: its closed stdin ends it at once, whatever it does."""
        with contextlib.suppress(OSError):
            cast(Any, self._process.stdin).close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
