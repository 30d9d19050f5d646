"""Claim 4, static and dynamic graphs: how often the Python body of a layer runs, and what a step takes, in four modes.

The article's network, its first ReLU written as a layer of one's own whose body notes that it runs. Each mode
trains `STEPS` steps of 126 images on the CPU; executions are counted from the call that trains on, so what is traced
before the first step counts, too. A step's time is the median after the first `SETTLE`; the first step's, in which
graphs are made, stands beside it.

How the body is counted, the same in all modes: it calls `noted()`, which adds one. Under Keras' `fit` that runs
when TensorFlow traces the body. Under `torch.compile` a counter would mislead: the compiler reads the body's
bytecode, takes the addition along as a side effect and repeats it at every step, though the body runs no more.
`torch.compiler.assume_constant_result` marks `noted` as a call whose result stays, so it is made where the body
is really gone through: once for each time that the compiler traces it, and at every step where nothing compiles.
"""

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from core.compare.probes.base import Part, PartFailed, Report
from core.data import datasets
from core.worker.engines.base import leave_out_unused

STEPS = 60
SETTLE = 10
BATCH = 126
TELL_S = 2.0
COMPILE_LIMIT_S = 170.0
MODES = {
    "keras-fit": "Keras fit",
    "keras-eager": "Keras run_eagerly",
    "torch-eager": "PyTorch eager",
    "torch-compile": "torch.compile",
}

_ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
_executions = 0


def noted() -> None:
    """Called by the layer's body: counts."""
    global _executions
    _executions += 1


def keras_trained(eager: bool, data_dir: str, steps: int) -> dict[str, Any]:
    """In a part: trains in Keras; see `_figures` for what it returns."""
    leave_out_unused()
    import keras
    from keras import layers

    class NotedReLU(layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras is untyped
        """ReLU, and a note that its body runs."""

        def call(self, x: Any) -> Any:
            noted()
            return keras.ops.relu(x)

    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    keras.utils.set_random_seed(0)
    convolved = [layers.Conv2D(30, 3), NotedReLU(), layers.MaxPooling2D(2), layers.Conv2D(62, 3, activation="relu")]
    last = [layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.3), layers.Dense(10)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *convolved, *last])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=eager)
    x, y = _data(data_dir, steps)
    with _telling(ends):
        before = _begin()
        model.fit(x[..., np.newaxis], y, batch_size=BATCH, verbose=0, callbacks=[clock])
    return _figures(before, ends)


def torch_trained(compiled: bool, data_dir: str, steps: int) -> dict[str, Any]:
    """In a part: trains in PyTorch; see `_figures` for what it returns. Raises what `torch.compile` raises."""
    import torch
    from torch import nn

    class NotedReLU(nn.Module):
        """ReLU, and a note that its body runs."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            noted()
            return torch.relu(x)

    torch.compiler.assume_constant_result(noted)  # type: ignore[no-untyped-call]
    torch.manual_seed(0)
    convolved = [nn.Conv2d(1, 30, 3), NotedReLU(), nn.MaxPool2d(2), nn.Conv2d(30, 62, 3), nn.ReLU()]
    model = nn.Sequential(*convolved, nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(1550, 10))
    optimizer = torch.optim.Adam(model.parameters())
    forward = torch.compile(model) if compiled else model
    images, labels = _data(data_dir, steps)
    x, y = torch.from_numpy(images[:, np.newaxis]), torch.from_numpy(labels)
    ends: list[float] = []
    with _telling(ends):
        before = _begin()
        for rows in torch.randperm(len(x)).view(steps, BATCH):
            loss = nn.functional.cross_entropy(forward(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
            ends.append(time.perf_counter())
    return _figures(before, ends)


def _data(data_dir: str, steps: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Images [steps * BATCH, 28, 28] in 0..1 and their labels, so that every batch is full."""
    found = datasets.prepared("mnist5k", Path(data_dir))
    assert found is not None, "the Launcher prepares mnist5k"
    arrays, count = found.load().without_channels(), steps * BATCH
    images = np.resize(arrays.train_images, (count, *arrays.train_images.shape[1:]))
    return images.astype(np.float32) / np.float32(255), np.resize(arrays.train_labels, count).astype(np.int64)


def _begin() -> float:
    """Counts from 0, and says when."""
    global _executions
    _executions = 0
    return time.perf_counter()


def _figures(before: float, ends: list[float]) -> dict[str, Any]:
    """Executions of the body, and seconds: the first step's from `before` on, the median step's after `SETTLE`."""
    step_s = np.diff([before, *ends]).tolist()
    settled = step_s[SETTLE:] or step_s[1:]
    return {"executions": _executions, "steps": len(ends), "first_step_s": step_s[0], "step_s": median(settled)}


@contextlib.contextmanager
def _telling(ends: list[float]) -> Iterator[None]:
    """Prints how many steps have ended, every `TELL_S` seconds: a first step that compiles takes many of them."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(TELL_S):
            print(len(ends))

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure(report: Report, steps: int = STEPS, modes: Sequence[str] = tuple(MODES)) -> dict[str, Any]:
    """The modes. One that cannot run says why (no compiler, no package); raises `PartFailed` if none can."""
    figures, failures = [], []
    for place, name in enumerate(modes):
        mode: dict[str, Any] = {"name": name, "title": MODES[name], "reason": None}
        try:
            figures.append(mode | _mode(report, name, steps, (place, len(modes))))
        except PartFailed as failed:
            failures.append(failed)
            # What PyTorch says then is a list of places in which it looked.
            missing = "InvalidCxxCompiler" in failed.reason
            figures.append(mode | {"reason": "there is no working C++ compiler here" if missing else failed.reason})
    if len(failures) == len(modes):
        raise failures[0]
    return {"steps": steps, "batch": BATCH, "modes": figures}


def _mode(report: Report, name: str, steps: int, place: tuple[int, int]) -> dict[str, Any]:
    """One mode in a process of its own; `place` is its number, from 0, of how many."""
    title, began = MODES[name], time.monotonic()

    def on_print(line: str) -> None:
        done = int(line)
        doing = f"step {done} of {steps}" if done else f"first step, {time.monotonic() - began:.0f} s"
        report.progress((place[0] + done / steps) / place[1], f"{title}: {doing}")

    report.progress(place[0] / place[1], f"{title}: starting")
    given: dict[str, Any] = {"data_dir": str(report.data_dir), "steps": steps, "limit_s": COMPILE_LIMIT_S}
    # Compiled afresh, so that the first step's time is not that of a cache; one thread leaves no process behind.
    with tempfile.TemporaryDirectory() as cache:
        environment = _ON_CPU | {"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        with Part("core.compare.probes.graph", title, on_print, environment) as part:
            if name.startswith("keras"):
                found: dict[str, Any] = part.call("keras_trained", eager=name == "keras-eager", **given)
            else:
                found = part.call("torch_trained", compiled=name == "torch-compile", **given)
    return found
