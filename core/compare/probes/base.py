"""What a probe is made of: how it reports, and the processes in which its parts run.

A probe is a module of this folder with a function `measure(report, **arguments) -> dict`. It runs in a process of
its own that imports no framework (TensorFlow and PyTorch cannot share one); what needs a framework is another
function of the same file, called in a part: a process of its own, which keeps its state between calls. A part
that fails, dies, hangs or takes too long raises `PartFailed` with the reason; the probe decides what that means.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self, assert_never

from core.protocol import messages
from core.protocol.listener import Listener, Lost
from core.protocol.messages import PartEvent
from core.protocol.process import ChildProcess

CALL_S = 180.0
"""How long one call to a part may take, unless it is told otherwise."""
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
        self._process = ChildProcess("core.compare.probes.part", module, environment={**NO_POOL, **(environment or {})})
        self._listener: Listener[PartEvent] = Listener(PartEvent, self._process)

    def call(self, function: str, limit_s: float = CALL_S, **arguments: Any) -> Any:
        """Calls a function of the module with JSON arguments and returns its JSON value. Raises `PartFailed`."""
        if not self._process.alive:
            raise PartFailed(self.title, self._process.ended_by())
        self._process.send(messages.Call(function, arguments))
        until = time.monotonic() + limit_s
        while heard := self._listener.next(until - time.monotonic()):
            match heard.event:
                case messages.Printed(_, text):
                    if self._on_print is not None:
                        self._on_print(text)
                case messages.Returned(value):
                    return value
                case messages.Failed(reason) | Lost(reason):
                    raise PartFailed(self.title, reason)
                case _:
                    assert_never(heard.event)
        self._process.give_up(f"it took longer than {limit_s:.0f} s")
        raise PartFailed(self.title, self._process.ended_by())

    @property
    def alive(self) -> bool:
        """Whether it can be called again."""
        return self._process.alive

    def end(self) -> None:
        """Ends the process: its closed stdin ends it at once, whatever it does."""
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
