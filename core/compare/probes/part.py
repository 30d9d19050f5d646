"""The process of a part: `python -m core.compare.probes.part MODULE`. Carries out one `Call` after another.

Whatever a called function prints travels as a line of its own, as it is printed.
"""

import importlib
import io
import queue
import sys
import traceback

from core.protocol import messages
from core.protocol.stdio import Outbox, connect, one_line, taking


class Printing(io.TextIOBase):
    """Stands in for `sys.stdout`: sends every complete line."""

    def __init__(self, module: str, outbox: Outbox) -> None:
        self._module, self._outbox, self._begun = module, outbox, ""

    def writable(self) -> bool:
        """What writes may ask first: a stream of this kind says no by itself."""
        return True

    def write(self, text: str) -> int:
        """Keeps the text until its line is complete."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._outbox.send(messages.Printed(self._module, line))
        return len(text)

    def end_line(self) -> None:
        """Sends what waits for its newline."""
        if self._begun:
            self.write("\n")


def answer(module: str, asked: messages.Call, outbox: Outbox, printing: Printing) -> None:
    """Calls the function, and sends what it returned or how it failed after all that it printed."""
    try:
        value = getattr(importlib.import_module(module), asked.function)(**asked.arguments)
        printing.end_line()
        outbox.send(messages.Returned(value))
    except Exception as error:
        traceback.print_exc()
        printing.end_line()
        outbox.send(messages.Failed(one_line(error)))


def main() -> None:
    """Answers calls until stdin closes."""
    calls: queue.SimpleQueue[messages.Call] = queue.SimpleQueue()
    outbox = connect(taking(messages.Call, calls))
    sys.stdout = printing = Printing(sys.argv[1], outbox)
    while True:
        answer(sys.argv[1], calls.get(), outbox, printing)


if __name__ == "__main__":
    main()
