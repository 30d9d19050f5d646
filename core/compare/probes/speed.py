"""Throughput and time to a given accuracy of both lanes, as shipped and tuned, over repeats.

A repeat trains a fresh network in each lane, with a seed of its own. The lanes take turns epoch by epoch, one at a
time with the whole machine, and each epoch turns the order round (A B, B A, ...), as each repeat does: a slow
minute of the machine meets both. The first repeat warms up and is left out.

Intervals hold 95 % by Student's t over logarithms: of a lane's geometric mean over its repeats, and of the
difference over its repeats' ratios. Logarithms, because a slow machine multiplies times, and so that the difference
is the ratio of the two means; ratios of pairs, because the two lanes of one repeat share its minute. A bootstrap of
so few repeats would give intervals that are too narrow.
"""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import mean
from typing import Any

import psutil

from core.compare.probes.base import Part, PartFailed, Report
from core.data import datasets
from core.data.shape import MNIST_SHAPE
from core.experiment.metrics import steady_throughput
from core.experiment.settings import TrainSettings
from core.worker.engines.base import engine_class

MODES: dict[str, dict[str, str]] = {
    "as shipped": {"keras": "keras", "torch": "torch"},
    "tuned": {"keras": "keras-tuned", "torch": "torch-tuned"},
}
TITLES = {"keras": "Keras", "torch": "PyTorch"}
TARGET = 0.9
CONFIDENCE = 0.95
Values = dict[str, Any]


def measure(
    report: Report,
    repeats: int = 5,
    epochs: int = 5,
    target: float = TARGET,
    modes: tuple[str, ...] = tuple(MODES),
    images: int = 0,
) -> Values:
    """All repeats of both lanes in each mode, their means and differences.

    `epochs` (2 or more: the first traces and is left out of the throughput) bounds a repeat; `target` is the fraction
    of the test images to read right; `images` bounds the training images (0: all). A mode whose lane fails holds
    `failed` and what was measured before. Raises `PartFailed` where no mode has a repeat, `ValueError` for less than
    2 repeats or epochs.
    """
    if repeats < 2 or epochs < 2:
        raise ValueError("An interval takes 2 repeats, a throughput 2 epochs.")
    done: dict[str, Values] = {}
    for number, mode in enumerate(modes):
        turns = AlternatingLanes(report, mode, number / len(modes), 1 / len(modes), repeats, epochs)
        done[mode] = turns.run(target, images)
    if not any(lane["repeats"] for mode in done.values() for lane in mode["lanes"].values()):
        raise PartFailed("No lane trained", next(mode["failed"] for mode in done.values()))
    return {"asked_repeats": repeats, "epochs": epochs, "target": target, "modes": done}


class AlternatingLanes:
    """One mode: its two lanes, each in its process, turn by turn."""

    def __init__(self, report: Report, mode: str, first: float, share: float, repeats: int, epochs: int) -> None:
        self.report, self.mode, self.first, self.share = report, mode, first, share
        self.repeats, self.epochs, self.asked = repeats, epochs, 0
        self.parts: dict[str, Part] = {}
        self.lanes: dict[str, Values] = {}
        for lane, engine in MODES[mode].items():
            self.lanes[lane] = {"engine": engine, "repeats": []}

    def run(self, target: float, images: int) -> Values:
        """The mode's values: `lanes`, `difference`, and `failed`, a reason or None."""
        failed, busy = None, Busy()
        with ExitStack() as stack:
            try:
                self._open(stack, images)
                for repeat in range(self.repeats + 1):
                    rows = self._repeat(repeat, target)
                    for name, row in rows.items() if repeat else ():  # the first warms up
                        self.lanes[name]["repeats"].append(row)
            except PartFailed as fault:
                failed = str(fault)
            others = busy.others()  # while the lanes' processes can still be counted
        for lane in self.lanes.values():
            lane["images_per_s"] = interval([row["images_per_s"] for row in lane["repeats"]])
            reached = [row["to_target_s"] for row in lane["repeats"] if row["to_target_s"] is not None]
            lane["to_target_s"] = interval(reached)
            lane["reached"] = len(reached)
        return {"lanes": self.lanes, **differences(self.lanes), "others": others, "failed": failed}

    def _open(self, stack: ExitStack, images: int) -> None:
        """Starts both lanes on the same kind of device: the GPU only where both see one."""
        for lane, engine in MODES[self.mode].items():
            self._say(f"{TITLES[lane]} is imported.")
            part = self.parts[lane] = stack.enter_context(Part("core.compare.probes.speed", TITLES[lane]))
            self.lanes[lane]["devices"] = part.call("open_engine", engine=engine)
        device = "gpu" if all(len(lane["devices"]) > 1 for lane in self.lanes.values()) else "cpu"
        for lane, part in self.parts.items():
            self.lanes[lane] |= part.call("prepare", device=device, data_dir=str(self.report.data_dir), images=images)

    def _repeat(self, repeat: int, target: float) -> dict[str, Values]:
        """Both lanes' values of one repeat; the warm-up (0) takes 2 epochs."""
        order, epochs = list(self.parts), self.epochs if repeat else 2
        if repeat % 2:
            order.reverse()
        for lane in order:
            self.parts[lane].call("begin", seed=repeat)
        taken: dict[str, list[Values]] = {lane: [] for lane in order}
        for epoch in range(1, epochs + 1):
            for lane in order:
                self._say(
                    f"repeat {repeat} of {self.repeats}, epoch {epoch}: {TITLES[lane]} trains."
                    if repeat
                    else f"{TITLES[lane]} warms up; this repeat is left out."
                )
                taken[lane].append(self.parts[lane].call("epoch", number=epoch))
            order.reverse()
        return {lane: repeat_values(repeat, rows, target) for lane, rows in taken.items()}

    def _say(self, sentence: str) -> None:
        whole = 2 * (1 + 2 + self.repeats * self.epochs)
        self.report.progress(
            self.first + self.share * min(1.0, self.asked / whole), f"{self.mode.capitalize()}, {sentence}"
        )
        self.asked += 1


class Busy:
    """How much of the machine others use from here on: a lane that has to share its cores is slow without fault."""

    def __init__(self) -> None:
        self.began, self.before = time.perf_counter(), self._all() - self._own()

    def others(self) -> float:
        """The share of all processors, 0 to 1, that other programs used since this object was made."""
        whole = (time.perf_counter() - self.began) * (psutil.cpu_count() or 1)
        return min(1.0, max(0.0, (self._all() - self._own() - self.before) / whole))

    @staticmethod
    def _all() -> float:
        times = psutil.cpu_times()
        return float(times.user + times.system)

    @staticmethod
    def _own() -> float:
        spent = 0.0
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            with suppress(psutil.Error):
                times = process.cpu_times()
                spent += times.user + times.system
        return spent


def repeat_values(repeat: int, epochs: Sequence[Values], target: float) -> Values:
    """One lane's repeat: steady images/s, and the training seconds up to the first epoch that reached the target."""
    reached = next((i for i, row in enumerate(epochs) if row["accuracy"] >= target), None)
    return {
        "seed": repeat,
        "images_per_s": steady_throughput([row["images_per_s"] for row in epochs]),
        "to_target_s": None if reached is None else sum(row["train_s"] for row in epochs[: reached + 1]),
        "target_epoch": None if reached is None else reached + 1,
        "epochs": list(epochs),
    }


def interval(values: Sequence[float]) -> Values | None:
    """Geometric mean of independent positive values and its 95 % interval; `low` and `high` are None for one value."""
    if not values:
        return None
    logs = [math.log(value) for value in values]
    middle, half = mean(logs), half_width(logs)
    low, high = (None, None) if half is None else (math.exp(middle - half), math.exp(middle + half))
    return {"mean": math.exp(middle), "low": low, "high": high}


def half_width(values: Sequence[float]) -> float | None:
    """Half the 95 % t interval of the mean; None for less than 2 values."""
    from scipy import stats  # not at the top: parts import this module, too, and need none of it

    if len(values) < 2:
        return None
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))


def differences(lanes: Mapping[str, Values]) -> Values:
    """PyTorch over Keras, in per cent, with 95 % interval: of images/s, and of the seconds to the target.

    Pairs only repeats that both lanes have (for the target: both reached it). None for less than 2 pairs.
    """
    pairs = list(zip(lanes["keras"]["repeats"], lanes["torch"]["repeats"], strict=False))
    return {
        "difference": _relative([(k["images_per_s"], t["images_per_s"]) for k, t in pairs]),
        "to_target_difference": _relative([(k["to_target_s"], t["to_target_s"]) for k, t in pairs]),
    }


def _relative(pairs: Sequence[tuple[float | None, float | None]]) -> Values | None:
    logs = [math.log(torch / keras) for keras, torch in pairs if keras and torch]
    half = half_width(logs)
    if half is None:
        return None
    middle = mean(logs)
    low, percent, high = (100 * math.expm1(value) for value in (middle - half, middle, middle + half))
    return {"percent": percent, "low": low, "high": high, "pairs": len(logs)}


# --- in a lane's process ---------------------------------------------------------------------------------

_state: dict[str, Any] = {}
"""What this lane's process keeps between calls."""


def open_engine(engine: str) -> list[str]:
    """Imports an engine; the devices that its framework sees."""
    _state["engine"] = engine_class(engine)(engine)
    devices: list[str] = _state["engine"].devices()
    return devices


def prepare(device: str, data_dir: str, images: int) -> Values:
    """Chooses the device (`cpu` or `gpu`, all threads) and maps the data; what the lane runs on, and how much."""
    found = datasets.prepared("mnist5k", Path(data_dir))
    assert found is not None
    arrays = _state["arrays"] = found.load()
    rows = slice(images or len(arrays.train_images))
    _state["train"] = arrays.train_images[rows], arrays.train_labels[rows]
    words = _state["engine"].use_device(device, 0)
    return {"device": words, "images": len(_state["train"][0]), "test_images": len(arrays.test_images)}


def begin(seed: int) -> None:
    """A fresh network, as shipped, with this seed."""
    _state["engine"].feed(*_state["train"], MNIST_SHAPE)
    _state["engine"].build(TrainSettings(seed=seed), None)


def epoch(number: int) -> Values:
    """Trains one epoch; its seconds, images/s and, afterwards, the accuracy over the test images."""
    engine, arrays = _state["engine"], _state["arrays"]
    began = time.perf_counter()
    engine.train_epoch(number, lambda step, loss: True)
    train_s = time.perf_counter() - began
    images = len(arrays.test_images)
    # In whole images: a float32 of 900 in 1,000 is less than 0.9, and only one of the frameworks gives that.
    accuracy = round(engine.evaluate(arrays.test_images, arrays.test_labels).accuracy * images) / images
    return {"train_s": train_s, "images_per_s": len(_state["train"][0]) / train_s, "accuracy": accuracy}
