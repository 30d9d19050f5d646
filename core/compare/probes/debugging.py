"""What a debugger's user gets in four modes: Keras `fit`, Keras `run_eagerly`, PyTorch eager, `torch.compile`.

Each mode runs a network that ends in a layer of the user's own, and answers three questions. Two mistakes are
planted in that layer, one at a time: a product whose shapes do not fit, and an index past a table's end, which only
the values show; where does the error arise, and does it name the line? Then a breakpoint stands in the layer: how
often is it hit? Last, the article's network trains: what does a step cost in that mode?
"""

import bdb
import importlib
import math
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from core.compare.probes.base import Part, PartFailed, Report
from core.data import datasets
from core.experiment.network import ARTICLE
from core.worker.engines.base import leave_out_unused

BATCH = 126
MODES = {
    "keras-fit": "Keras, compiled fit",
    "keras-eager": "Keras, run_eagerly=True",
    "torch-eager": "PyTorch, eager",
    "torch-compile": "PyTorch, torch.compile",
}
# torch.compile builds its kernels anew: else the first step's time would tell whether it had been measured before.
ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
LIMIT_S = 240.0
"""Of one answer: `torch.compile` builds its kernels with the machine's C++ compiler."""

Answer = dict[str, Any]
Train = Callable[[Any, Any, Callable[[], None]], None]
"""Trains on images, float32 [N, 28, 28, 1], and labels, int64 [N], batch by batch; calls back after every step."""


def measure(
    report: Report, modes: tuple[str, ...] = tuple(MODES), hit_steps: int = 10, timed_steps: int = 20
) -> dict[str, Any]:
    """Per mode: the faults, the breakpoint's hits in `hit_steps` steps, and milliseconds of a training step.

    `timed_steps` 0 leaves the times out. A mode that fails holds `failed`, the reason, in place of its answers. Raises
    `PartFailed` where no mode could answer.
    """
    found: dict[str, Any] = {}
    for number, mode in enumerate(modes):
        asked = _Progress(report, number / len(modes), 1 / len(modes), MODES[mode])
        # Each mode has its own process: a planted mistake may end it.
        with Part("core.compare.probes.debugging", MODES[mode], environment=ENVIRONMENT) as part:
            try:
                found[mode] = _mode(part, mode, asked, str(report.data_dir), hit_steps, timed_steps)
            except PartFailed as failed:
                found[mode] = {"failed": failed.reason}
    if all("failed" in answer for answer in found.values()):
        raise PartFailed(
            "No mode answered", "; ".join(f"{MODES[m]}: {answer['failed']}" for m, answer in found.items())
        )
    return {"batch_size": BATCH, "hit_steps": hit_steps, "timed_steps": timed_steps, "modes": found}


class _Progress:
    """Progress of one mode: four questions of equal share."""

    def __init__(self, report: Report, first: float, share: float, title: str) -> None:
        self.report, self.first, self.share, self.title, self.asked = report, first, share, title, 0

    def next(self, sentence: str) -> None:
        """The next question is asked."""
        self.report.progress(self.first + self.share * self.asked / 4, f"{self.title}: {sentence}")
        self.asked += 1


def _mode(part: Part, mode: str, asked: _Progress, data_dir: str, hit_steps: int, timed_steps: int) -> Answer:
    """All answers of one mode. Raises `PartFailed`."""
    asked.next("a wrong shape is planted, the error is read.")
    faults = {"shape": part.call("fault", LIMIT_S, mode=mode, planted="shape")}
    asked.next("a breakpoint waits in the layer.")
    answer: Answer = {"faults": faults, "hits": part.call("hits", LIMIT_S, mode=mode, steps=hit_steps)}
    asked.next(f"training steps are timed{', after up to a minute of compiling' if mode == 'torch-compile' else ''}.")
    if timed_steps:
        answer |= part.call("step_times", LIMIT_S, mode=mode, steps=timed_steps, data_dir=data_dir)
    asked.next("a wrong value is planted, the error is read.")
    try:
        faults["value"] = part.call("fault", LIMIT_S, mode=mode, planted="value")
    except PartFailed as failed:
        # Compiled code that meets it in two threads at once ends the whole process: an answer, too, and the last one.
        faults["value"] = {"raised": None, "ended": failed.reason}
    return answer


# --- in a part's process ---------------------------------------------------------------------------------


def fault(mode: str, planted: str) -> Answer:
    """Trains one step with a planted mistake; how the error arises, see `_read`."""
    train = _trainer(mode, planted=planted)
    try:
        train(*_noise(1), lambda: None)
    except Exception as error:
        return _read(error, f"{mode.partition('-')[0]} {planted}")
    return {"raised": None, "ended": None}


def hits(mode: str, steps: int) -> dict[str, int]:
    """How often a breakpoint in the layer stops in `steps` steps.

    `statement`: `breakpoint()` in the code, from the very first step. `debugger`: a debugger's breakpoint on the line,
    set after the first step, on a network without `breakpoint()`.
    """
    stops = 0

    def hook(*_: Any, **__: Any) -> None:
        nonlocal stops
        stops += 1

    kept, sys.breakpointhook = sys.breakpointhook, hook
    try:
        _trainer(mode, watched=True)(*_noise(steps), lambda: None)
    finally:
        sys.breakpointhook = kept
    train = _trainer(mode)
    train(*_noise(1), lambda: None)
    debugger = CountingDebugger(_line(f"{mode.partition('-')[0]} product"))
    debugger.runcall(train, *_noise(steps), lambda: None)
    return {"statement": stops, "debugger": debugger.hits}


class CountingDebugger(bdb.Bdb):
    """A debugger with one breakpoint, on a line of this file, that counts its hits and goes on."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line, self.hits = line, 0
        self.set_break(__file__, line)

    def user_line(self, frame: Any) -> None:
        """Where the debugger stands: at the breakpoint, or at the first line of the call."""
        if frame.f_lineno == self.line and frame.f_code.co_filename == __file__:
            self.hits += 1
        self.set_continue()


def step_times(mode: str, steps: int, data_dir: str) -> dict[str, float]:
    """Seconds of the article's network's first step, and the median milliseconds of `steps` later ones."""
    found = datasets.prepared("mnist5k", Path(data_dir))
    assert found is not None
    arrays = found.load()
    rows = np.arange(BATCH * (steps + 1)) % len(arrays.train_images)
    x = arrays.train_images[rows].astype("float32") / np.float32(255)
    y = arrays.train_labels[rows].astype("int64")
    train = _trainer(mode, convolutions=True)
    began = time.perf_counter()
    train(x[:BATCH], y[:BATCH], lambda: None)
    first_step_s = time.perf_counter() - began
    ends: list[float] = []
    train(x, y, lambda: ends.append(time.perf_counter()))
    return {"first_step_s": first_step_s, "ms_per_step": 1000 * float(median(np.diff(ends).tolist()))}


def _read(error: Exception, mark: str) -> Answer:
    """How an error reaches its reader.

    `raised`: its type; `message`: its first line that tells something. `frames`: those below the user's own call, down
    to the raising one; `line_in`: what names the faulty line, `traceback`, `message` or None; `frames_after`: the
    frames between that line and the raising one, where the traceback has the line.
    """
    frames = traceback.extract_tb(error.__traceback__)
    line = _line(mark)
    ours = [i for i, frame in enumerate(frames) if frame.filename == __file__]
    faulty = [i for i in ours if frames[i].lineno == line]
    call = max(i for i in ours if i not in faulty)
    message = re.sub(r"\x1b\[\d*m", "", str(error))
    named = re.search(rf'{re.escape(__file__)}", line {line}\b', message)
    words = [text.strip() for text in message.splitlines() if text.strip()]
    return {
        "raised": type(error).__name__,
        "message": next((text for text in words if not text.startswith("Exception encountered")), "")[:240],
        "message_lines": len(words),
        "frames": len(frames) - 1 - call,
        "frames_after": len(frames) - 1 - faulty[-1] if faulty else None,
        "line_in": "traceback" if faulty else "message" if named else None,
    }


def _line(mark: str) -> int:
    """The number of the line of this file that ends in a mark."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# line: {mark}"))


def _noise(steps: int) -> tuple[Any, Any]:
    """Images, float32 [steps * BATCH, 28, 28, 1], and labels, int64 [steps * BATCH]."""
    generator = np.random.default_rng(0)
    images = steps * BATCH
    return generator.random((images, 28, 28, 1), np.float32), generator.integers(0, ARTICLE.data.classes, images)


def _trainer(mode: str, planted: str = "", watched: bool = False, convolutions: bool = False) -> Train:
    """What trains a fresh network in this mode: flatten and the user's layer, or the article's network with it."""
    make = _keras_trainer if mode.startswith("keras") else _torch_trainer
    return make(mode, planted, watched, convolutions)


def _keras_trainer(mode: str, planted: str, watched: bool, convolutions: bool) -> Train:
    leave_out_unused()
    keras: Any = importlib.import_module("keras")
    layers: Any = keras.layers
    ops = keras.ops

    class Own(layers.Layer):  # type: ignore[misc]
        """The user's layer."""

        planted, watched = "", False

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], ARTICLE.data.classes))
            self.table = self.add_weight(shape=(ARTICLE.data.classes,))

        def call(self, x: Any) -> Any:
            if self.watched:
                breakpoint()
            y = ops.matmul(x, self.kernel)  # line: keras product
            if self.planted == "shape":
                y = ops.matmul(y, self.kernel)  # line: keras shape
            if self.planted == "value":
                y = y + ops.take(self.table, ops.argmax(y, axis=1) + ARTICLE.data.classes)[:, None]  # line: keras value
            return y

    made = [keras.Input((28, 28, 1))]
    for filters in (30, 62) if convolutions else ():
        made += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2)]
    own = Own()
    model = keras.Sequential([*made, layers.Flatten(), *([layers.Dropout(0.3)] if convolutions else []), own])
    # Only now: Keras has called the layer once, to learn its shapes.
    own.planted, own.watched = planted, watched
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, run_eagerly=mode == "keras-eager")

    def train(x: Any, y: Any, on_step: Callable[[], None]) -> None:
        told = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: on_step())
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[told])

    return train


def _torch_trainer(mode: str, planted: str, watched: bool, convolutions: bool) -> Train:
    torch: Any = importlib.import_module("torch")
    nn: Any = torch.nn

    class Own(nn.Module):  # type: ignore[misc]
        def __init__(self, features: int) -> None:
            super().__init__()
            self.planted, self.watched = planted, watched
            self.kernel = nn.Parameter(0.01 * torch.randn(features, ARTICLE.data.classes))
            self.table = nn.Parameter(torch.zeros(ARTICLE.data.classes))

        def forward(self, x: Any) -> Any:
            if self.watched:
                breakpoint()
            y = x @ self.kernel  # line: torch product
            if self.planted == "shape":
                y = y @ self.kernel  # line: torch shape
            if self.planted == "value":
                y = y + self.table[y.argmax(1) + ARTICLE.data.classes][:, None]  # line: torch value
            return y

    model = _torch_network(nn, Own, convolutions)
    optimizer = torch.optim.Adam(model.parameters())
    called = model
    if mode == "torch-compile":
        torch._dynamo.reset()  # else this process remembers the networks before this one
        called = torch.compile(model)

    def train(x: Any, y: Any, on_step: Callable[[], None]) -> None:
        images, labels = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(y)
        for first in range(0, len(images), BATCH):
            logits = called(images[first : first + BATCH])
            loss = nn.functional.cross_entropy(logits, labels[first : first + BATCH])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            on_step()

    return train


def _torch_network(nn: Any, own: Callable[[int], Any], convolutions: bool) -> Any:
    """The network of `_torch_trainer` around the user's layer, which takes the number of its features."""
    if not convolutions:
        return nn.Sequential(nn.Flatten(), own(math.prod(ARTICLE.data.image)))
    made = [nn.Conv2d(1, 30, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(30, 62, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*made, nn.Flatten(), nn.Dropout(0.3), own(ARTICLE.nodes[-1].arrives[0]))
