"""Notes when rows were committed. Python runs this file at its start where its folder is on PYTHONPATH.

Rows carry no wall time, so the benchmark of viewers needs the web process' clock: when `core.store` is imported, its
`Store.append` is made to note the Unix time after each commit, with the last `seq` that is then there to be read.
Nothing else is changed. Stands alone: it imports nothing of the project.
"""

import importlib.machinery
import json
import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

WATCHED = "core.store"


def note_commits(store: ModuleType, path: str) -> None:
    """Wraps `append`: one line a commit, appended to the file at `path`."""
    append = store.Store.append
    file = open(path, "a", buffering=1)  # noqa: SIM115 - as long as the process

    def timed_append(self: Any, run_id: str, entries: Any) -> int:
        last = append(self, run_id, entries)
        file.write(json.dumps({"run": run_id, "seq": last, "unix_ns": time.time_ns()}) + "\n")
        return int(last)

    store.Store.append = timed_append


class Finder:
    """Finds `core.store` as Python does, then has it wrapped once it is loaded."""

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
            note_commits(module, self.path)

        spec.loader.exec_module = load_and_wrap  # type: ignore[method-assign]
        return spec


if "BENCH_COMMIT_CLOCK" in os.environ:
    sys.meta_path.insert(0, Finder(os.environ["BENCH_COMMIT_CLOCK"]))
