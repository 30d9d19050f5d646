"""The process of a part: `python -m core.compare.probes.part MODULE`. JSON lines: calls on stdin, answers on stdout.

Whatever a called function prints travels as a line of its own, as it is printed. When stdin closes (the probe is
gone, or has enough) the process ends at once.
"""

import importlib
import io
import json
import os
import queue
import sys
import threading
import traceback
from typing import Any, TextIO


class Printing(io.TextIOBase):
    """Stands in for `sys.stdout`: sends every complete line."""

    def __init__(self, out: TextIO, lock: threading.Lock) -> None:
        self._out, self._lock, self._begun = out, lock, ""

    def writable(self) -> bool:
        """It is, always."""
        return True

    def write(self, text: str) -> int:
        """Keeps the text until its line is complete."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._send({"printed": line})
        return len(text)

    def end_line(self) -> None:
        """Sends what waits for its newline."""
        if self._begun:
            self.write("\n")

    def _send(self, value: dict[str, Any]) -> None:
        with self._lock:
            self._out.write(json.dumps(value) + "\n")


def read_calls(inbox: "queue.SimpleQueue[dict[str, Any]]") -> None:
    """Runs in a thread from before any framework's import: the end of stdin ends the process at once."""
    for line in sys.stdin:
        inbox.put(json.loads(line))
    os._exit(0)


def main() -> None:
    """Answers calls until stdin closes."""
    out, lock = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8"), threading.Lock()
    os.dup2(2, 1)  # what a library prints past Python goes to the log
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=read_calls, args=(inbox,), daemon=True).start()
    sys.stdout = printing = Printing(out, lock)
    while True:
        asked = inbox.get()
        try:
            module = importlib.import_module(sys.argv[1])
            answer = {"value": getattr(module, asked["function"])(**asked["arguments"])}
            line = json.dumps(answer, allow_nan=False)
        except Exception as error:
            traceback.print_exc()
            first = (str(error).strip().splitlines() or [""])[0][:300]
            line = json.dumps({"error": f"{type(error).__name__}: {first}" if first else type(error).__name__})
        printing.end_line()
        with lock:
            out.write(line + "\n")


if __name__ == "__main__":
    main()
