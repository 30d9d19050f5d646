"""What really differs, measured: each row of the catalogue in both frameworks, aligned and with its default on again.

Of every name both sides give a sequence of numbers along the same places: the losses of 30 steps, the outputs of a
layer, a learning rate after every epoch. `aligned` are those with the difference taken away, `kept` those with the
default turned on again and nothing else changed. What a run can keep is trained by the real engines
(`differences_switches`), everything else by a few lines of the framework's own code (`differences_keras`,
`differences_torch`), in float64 and with constants that float32 holds exactly, so that rounding is no difference.
"""

import importlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from core.compare.probes.base import Part, PartFailed, Report
from core.experiment.names import ENGINE_TITLES
from core.experiment.switches import Switch
from core.worker.engines.base import leave_out_unused

ENGINES = {"keras": "keras", "pytorch": "torch"}
"""Of each side."""
SWITCHES = tuple(switch.value for switch in Switch)
PROBES = (
    *("label-shape", "softmax-twice", "class-weights", "kl-divergence", "binary-accuracy", "probability-clip"),
    *("groupnorm-epsilon", "unbiased-variance", "flatten-order", "gru-gates", "attention-mask", "gelu"),
    *("softmax-axis", "embedding-padding", "same-padding", "embedding-initialiser", "lstm-start"),
    *("evaluation-mode", "epoch-loss", "plateau-patience", "cosine-end", "schedule-step"),
    *("sgd-learning-rate", "sgd-momentum", "l2-penalty", "adamw-decay", "rmsprop-learning-rate", "clip-norm"),
    *("adagrad-start", "adadelta-defaults", "resizing-antialias", "batch-size"),
)
MOST_PLACES = 200
CALL_S = 90.0

_ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}


def numbers(engine: str, name: str, kept: bool, data_dir: str) -> list[float]:
    """In a part: one side's numbers of a row. `engine` is `keras` or `torch`."""
    leave_out_unused()
    if name in SWITCHES:
        switches = importlib.import_module("core.compare.probes.differences_switches")
        found: list[float] = switches.numbers(engine, Switch(name), kept, Path(data_dir))
    else:
        found = importlib.import_module(f"core.compare.probes.differences_{engine}").numbers(name, kept)
    assert 0 < len(found) <= MOST_PLACES, f"{len(found)} numbers"
    return found


class Sides:
    """A process for each framework, started when it is first asked; one that died is started anew."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir, self._parts = data_dir, dict[str, Part]()

    def measured(self, name: str) -> dict[str, Any]:
        """A row's numbers, aligned and kept, by side. Raises `PartFailed`."""
        ways = {"aligned": False, "kept": True}
        return {way: {side: self._ask(side, name, kept) for side in ENGINES} for way, kept in ways.items()}

    def _ask(self, side: str, name: str, kept: bool) -> list[float]:
        engine = ENGINES[side]
        if side not in self._parts:
            self._parts[side] = Part("core.compare.probes.differences", ENGINE_TITLES[engine], environment=_ON_CPU)
        try:
            given = {"engine": engine, "name": name, "kept": kept, "data_dir": str(self._data_dir)}
            found: list[float] = self._parts[side].call("numbers", limit_s=CALL_S, **given)
            return found
        except PartFailed:
            if not self._parts[side].alive:
                self._parts.pop(side).end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts.values():
            part.end()


def measure(report: Report, names: Sequence[str]) -> dict[str, Any]:
    """The rows one after the other in one pair of processes; `PartFailed` where none of them can be measured."""
    found: dict[str, Any] = {}
    failures = []
    with Sides(report.data_dir) as sides:
        for place, name in enumerate(names):
            report.progress(place / len(names), f"{name}, {place + 1:,} of {len(names):,}")
            began = time.perf_counter()
            try:
                found[name] = sides.measured(name) | {"elapsed_s": round(time.perf_counter() - began, 2)}
            except PartFailed as failed:
                failures.append(failed)
                found[name] = {"failed": str(failed)}
    if failures and len(failures) == len(names):
        raise failures[0]
    return {"names": found, "cores": os.cpu_count()}
