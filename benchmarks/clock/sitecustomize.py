"""Notes when things happened. Python runs this file at its start where its folder is on PYTHONPATH.

Rows carry no wall time, so some benchmarks need a process' own clock. Each variable of the environment wraps one
function of one module once that is imported, and names the file that takes a JSON line each time, with the Unix time:
`BENCH_EPOCH_CLOCK` the worker's `core.protocol.lines.encode`, which every event passes on its way out, before an
`epoch` goes; `BENCH_COMMIT_CLOCK` the web process' `core.storage.runs.Store.append`, after each commit, with the last
`seq` that is then there to be read; `BENCH_STEP_CLOCK` the training of the two stock engines, after each epoch, with
the seconds that it took and those within them that our own code took, which hears of every step. Nothing else is
changed. Stands alone: it imports nothing of the project.
"""

import importlib.machinery
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


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


def note_commits(store: ModuleType, path: str) -> None:
    """Wraps `append`: one line a commit, appended to the file at `path`."""
    append = store.Store.append
    file = open(path, "a", buffering=1)  # noqa: SIM115 - as long as the process

    def timed_append(self: Any, run_id: str, entries: Any) -> int:
        last = append(self, run_id, entries)
        file.write(json.dumps({"run": run_id, "seq": last, "unix_ns": time.time_ns()}) + "\n")
        return int(last)

    store.Store.append = timed_append


def note_steps(engines: ModuleType, path: str) -> None:
    """Wraps what hears of a step and the epoch around it: one line an epoch, appended to the file at `path`."""
    own_s = 0.0

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def timed_call(*given: Any, **named: Any) -> Any:
            nonlocal own_s
            began = time.perf_counter()
            try:
                return call(*given, **named)
            finally:
                own_s += time.perf_counter() - began

        return timed_call

    callback = getattr(engines, "Watch", None)
    if callback is not None:  # Keras calls it, and it takes the loss from Keras' logs
        callback.on_train_batch_end = timed(callback.on_train_batch_end)
    engine = engines.TorchEngine if callback is None else engines.KerasFit
    train_epoch = engine.train_epoch

    def timed_epoch(self: Any, epoch: int, on_step: Any) -> Any:
        nonlocal own_s
        own_s, began = 0.0, time.perf_counter()
        trained = train_epoch(self, epoch, timed(on_step) if callback is None else on_step)
        took = {"engine": self.name, "epoch": epoch, "own_s": own_s, "train_s": time.perf_counter() - began}
        with open(path, "a") as file:
            file.write(json.dumps(took) + "\n")
        return trained

    engine.train_epoch = timed_epoch


CLOCKS: list[tuple[str, str, Callable[[ModuleType, str], None]]] = [
    ("BENCH_EPOCH_CLOCK", "core.protocol.lines", note_epochs),
    ("BENCH_COMMIT_CLOCK", "core.storage.runs", note_commits),
    ("BENCH_STEP_CLOCK", "core.worker.engines.keras_fit", note_steps),
    ("BENCH_STEP_CLOCK", "core.worker.engines.torch", note_steps),
]


class Finder:
    """Finds one module as Python does, then has it wrapped once it is loaded."""

    def __init__(self, watched: str, wrap: Callable[[ModuleType, str], None], path: str) -> None:
        self.watched, self.wrap, self.path = watched, wrap, path

    def find_spec(self, name: str, folders: Sequence[str] | None, target: Any = None) -> Any:
        """The module's own spec, with a loader that wraps; None for every other module."""
        if name != self.watched:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, folders)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_wrap(module: ModuleType) -> None:
            load(module)
            self.wrap(module, self.path)

        spec.loader.exec_module = load_and_wrap  # type: ignore[method-assign]
        return spec


for variable, watched, wrap in CLOCKS:
    if variable in os.environ:
        sys.meta_path.insert(0, Finder(watched, wrap, os.environ[variable]))
