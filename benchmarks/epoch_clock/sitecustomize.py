"""Notes when a worker ends an epoch. Python runs this file at its start where its folder is on PYTHONPATH.

Rows carry no wall time, so the benchmark of pixels needs the worker's clock: when `core.events` is imported, its
`encode`, which every event passes on its way out, is made to note the Unix time of an `epoch` first. Nothing
else is changed. Stands alone: it imports nothing of the project.
"""

import importlib.machinery
import importlib.util
import json
import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

WATCHED = "core.events"


def note_epochs(events: ModuleType, path: str) -> None:
    """Wraps `encode`: one line an epoch, with the lane's engine, appended to the file at `path`."""
    encode = events.encode

    def timed_encode(message: Any) -> Any:
        if message.kind == "epoch":
            line = json.dumps({"engine": sys.argv[-1], "epoch": message.epoch, "unix_ns": time.time_ns()})
            with open(path, "a") as file:
                file.write(line + "\n")
        return encode(message)

    events.encode = timed_encode  # type: ignore[attr-defined]


class Finder:
    """Finds `core.events` as Python does, then has it wrapped once it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def find_spec(self, name: str, folders: Sequence[str] | None, target: Any = None) -> Any:
        """The module's own spec, with a loader that wraps; None for every other module."""
        if name != WATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, folders)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_wrap(module: ModuleType) -> None:
            load(module)
            note_epochs(module, self.path)

        spec.loader.exec_module = load_and_wrap  # type: ignore[method-assign]
        return spec


if "BENCH_EPOCH_CLOCK" in os.environ:
    sys.meta_path.insert(0, Finder(os.environ["BENCH_EPOCH_CLOCK"]))
