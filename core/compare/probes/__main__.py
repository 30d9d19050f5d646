"""A measurement's process: `python -m core.compare.probes PROBE`. One `Measure` in on stdin, events out on stdout.

When stdin closes the process ends at once, and with it every part that it has started: their stdins close, too.
"""

import importlib
import queue
import sys
import time
import traceback
from importlib import metadata
from pathlib import Path

from core.compare.probes.base import PartFailed
from core.protocol import messages
from core.protocol.stdio import Outbox, connect, leave, one_line, taking

PACKAGES = ("keras", "tensorflow", "torch", "jax", "numpy")


def versions() -> dict[str, str]:
    """What is installed of that which is measured."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class PipeReport:
    """A probe's report (`core.compare.probes.base.Report`) as events."""

    def __init__(self, outbox: Outbox, data_dir: Path) -> None:
        self._outbox, self.data_dir = outbox, data_dir

    def progress(self, fraction: float, sentence: str) -> None:
        self._outbox.send(messages.Progress(fraction, sentence))

    def printed(self, part: str, text: str) -> None:
        self._outbox.send(messages.Printed(part, text))


def work(name: str, outbox: Outbox, commands: "queue.SimpleQueue[messages.Measure]") -> None:
    """Imports the probe, says so, measures once."""
    began = time.perf_counter()
    try:
        measure = importlib.import_module(f"core.compare.probes.{name}").measure
        outbox.send(messages.Ready(name, time.perf_counter() - began, versions(), []))
        command = commands.get()
        result = measure(PipeReport(outbox, Path(command.data_dir)), **command.arguments)
        outbox.send(messages.Measured(result, versions()))
    except Exception as error:
        traceback.print_exc()
        outbox.send(messages.Failed(str(error) if isinstance(error, PartFailed) else one_line(error)))


def main() -> None:
    """Sets up the pipes before anything else can print, then works."""
    commands: queue.SimpleQueue[messages.Measure] = queue.SimpleQueue()
    work(sys.argv[1], connect(taking(messages.Measure, commands)), commands)
    leave()


if __name__ == "__main__":
    main()
