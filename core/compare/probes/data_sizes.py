"""Claim 3, the size of the data: the same number of steps over 1,000, 10,000 and 100,000 images in memory.

The images are the 4,000 embedded ones, repeated. Each lane is the stock engine that a run trains with, on the CPU,
in a process of its own that holds one trained network for each size. A size's steps are taken in `ROUNDS` blocks,
in turns: ascending, descending, ascending, descending. So a drift of the machine meets all sizes, and shows as a
difference between the blocks of one size. Memory is the process' peak after a size's first block; it only grows,
therefore the sizes first come ascending (the small ones stay, and weigh little).

A block's images/s are the batch over the median time of a step. Left out, for all sizes alike: a warm-up of
`WARM_UP` steps that traces and compiles, each epoch's first step (it sets up the epoch; its median is given beside)
and each epoch's last, smaller batch. Small data have many epochs in the same steps, large data one or two.
"""

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from core.compare.probes.base import Part, PartFailed, Report
from core.data import datasets
from core.data.shape import MNIST_SHAPE
from core.experiment.machine import peak_rss_mib
from core.experiment.names import ENGINE_TITLES
from core.experiment.settings import TrainSettings
from core.worker.engines.base import engine_class

ENGINES = ("keras", "torch")
SIZES = (1_000, 10_000, 100_000)
STEPS = 200
ROUNDS = 4
WARM_UP = 8
TELL_S = 1.5

_ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}


_engines: dict[int, Any] = {}
"""In a part: the engine of each size, built and warm."""


def opened(engine: str, data_dir: str, images: int) -> None:
    """In a part: builds a network for so many images, in memory, and warms it up."""
    found = datasets.prepared("mnist5k", Path(data_dir))
    assert found is not None, "the Launcher prepares mnist5k"
    arrays = found.load()
    whole = np.concatenate([arrays.train_images, arrays.validation_images])
    labels = np.concatenate([arrays.train_labels, arrays.validation_labels])
    made = _engine_class(engine)(engine)
    made.feed(np.resize(whole, (images, *whole.shape[1:])), np.resize(labels, images), MNIST_SHAPE)
    made.build(TrainSettings(), None)
    made.train_epoch(1, lambda step, _: step < WARM_UP)
    _engines[images] = made


def trained(images: int, steps: int) -> dict[str, Any]:
    """In a part: one block of steps over so many images.

    Its images/s, the seconds of its epochs' first steps, and the process' peak memory in MiB. Prints how many steps
    are done, every `TELL_S` seconds.
    """
    batch = TrainSettings().batch_size
    step_s, start_s = _timed(_engines[images], images, batch, steps)
    return {"images_per_s": batch / median(step_s), "epoch_start_s": start_s, "peak_mib": peak_rss_mib()}


@cache
def _engine_class(engine: str) -> Any:
    """The engine's class, its process set to the CPU: once, before anything is built."""
    made = engine_class(engine)
    made(engine).use_device("cpu", 0)
    return made


def _timed(engine: Any, images: int, batch: int, steps: int) -> tuple[list[float], list[float]]:
    """Seconds of every full step after an epoch's first, and of the first ones."""
    step_s: list[float] = []
    start_s: list[float] = []
    done, epoch, before = 0, 1, time.perf_counter()
    told = before

    def on_step(step: int, _: float) -> bool:
        nonlocal before, done, told
        now = time.perf_counter()
        if step == 1:
            start_s.append(now - before)
        elif step * batch <= images:
            step_s.append(now - before)
        done += 1
        if now - told > TELL_S:
            print(done)
            told = now
        before = time.perf_counter()
        return done < steps

    while done < steps:
        epoch += 1
        before = time.perf_counter()
        engine.train_epoch(epoch, on_step)
    return step_s, start_s


def measure(report: Report, steps: int = STEPS, sizes: Sequence[int] = SIZES, rounds: int = ROUNDS) -> dict[str, Any]:
    """All blocks of both lanes. `sizes` are ascending, each of at least `WARM_UP` batches of 126.

    A lane that fails keeps what it measured and says why; raises `PartFailed` if neither has anything.
    """
    lanes, failures = {}, []
    for place, engine in enumerate(ENGINES):
        blocks = [images for i in range(rounds) for images in (sizes if i % 2 == 0 else reversed(sizes))]
        lanes[engine], failed = _lane(report, engine, place, steps // rounds, blocks)
        failures += [failed] if failed and not lanes[engine]["sizes"] else []
    if len(failures) == len(ENGINES):
        raise failures[0]
    return {"batch": TrainSettings().batch_size, "steps": steps, "lanes": lanes}


def _lane(
    report: Report, engine: str, place: int, steps: int, blocks: Sequence[int]
) -> tuple[dict[str, Any], PartFailed | None]:
    """One lane's figures by size, `steps` a block; and what ended it early."""
    title, failed = ENGINE_TITLES[engine], None
    figures: dict[int, dict[str, Any]] = {}

    def tell(done: int) -> None:
        at = sum(len(size["images_per_s"]) for size in figures.values())
        fraction = (place + (at + done / steps) / len(blocks)) / len(ENGINES)
        report.progress(fraction, f"{title}: {blocks[at]:,} images, block {at + 1} of {len(blocks)}")

    try:
        with Part("core.compare.probes.data_sizes", title, lambda line: tell(int(line)), _ON_CPU) as part:
            for images in blocks:
                tell(0)
                if images not in figures:
                    part.call("opened", engine=engine, data_dir=str(report.data_dir), images=images)
                found = part.call("trained", images=images, steps=steps)
                fresh = {"images": images, "peak_mib": found["peak_mib"], "images_per_s": [], "epoch_start_s": []}
                kept = figures.setdefault(images, fresh)
                kept["images_per_s"].append(found["images_per_s"])
                kept["epoch_start_s"] += found["epoch_start_s"]
    except PartFailed as error:
        failed = error
    measured = [size | {"epoch_start_s": median(size["epoch_start_s"])} for size in figures.values()]
    return {"title": title, "sizes": measured, "reason": failed.reason if failed else None}, failed
