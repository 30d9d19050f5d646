"""The same Keras network on every backend that is installed, and what PyTorch itself runs on.

One process a backend, because Keras takes its backend when it is imported. All start from the same weights and visit
the same batches in the same order, without dropout, so that their losses can be compared digit by digit.
"""

import importlib
import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from core.compare.probes.base import Part, PartFailed, Report
from core.data import datasets
from core.data.shape import MNIST_SHAPE
from core.experiment import parity
from core.experiment.layers import Conv, Dense, Flatten, MaxPool
from core.experiment.network import ARTICLE
from core.experiment.settings import Alignment, TrainSettings
from core.worker.engines.base import engine_class

TRAINERS = {"tensorflow": "keras", "torch": "keras-on-torch", "jax": "keras-on-jax"}
"""Keras' backends that train, and the engine that runs the network on each: one code, another backend."""
READER = "openvino"
"""Keras' backend that only predicts."""
BACKENDS = (*TRAINERS, READER)
TITLES = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX", "openvino": "OpenVINO"}
BATCH, READ = 126, 20
"""Images a step, and test images that the untrained network reads."""
LIMIT_S = 120.0


def measure(report: Report, steps: int = 20, backends: tuple[str, ...] = BACKENDS) -> dict[str, Any]:
    """Per backend: its version, the losses of `steps` steps, ms a step,
    accuracy over the test images after them, and the logits of 20 test images before.

    A backend that fails holds `failed`. `pytorch` holds the lists of what PyTorch runs on, or `failed`. Raises
    `PartFailed` where neither a backend nor PyTorch answers.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, backend in enumerate(backends):
        report.progress(number / (len(backends) + 1), f"The Keras network runs on {TITLES[backend]}.")
        found[backend] = _on(backend, steps, str(report.data_dir))
    report.progress(len(backends) / (len(backends) + 1), "PyTorch lists what it runs on.")
    try:
        with Part("core.compare.probes.backends", "PyTorch") as part:
            pytorch = part.call("pytorch_runs_on", LIMIT_S)
    except PartFailed as failed:
        pytorch = {"failed": failed.reason}
    if "failed" in pytorch and not any("version" in backend for backend in found.values()):
        raise PartFailed("No backend answered", pytorch["failed"])
    return {"steps": steps, "batch_size": BATCH, "keras": found, "pytorch": pytorch}


def _on(backend: str, steps: int, data_dir: str) -> dict[str, Any]:
    if find_spec(backend) is None:
        return {"installed": False}
    try:
        with Part("core.compare.probes.backends", TITLES[backend], environment={"KERAS_BACKEND": backend}) as part:
            if backend == READER:
                return {"installed": True, **part.call("read_alone", LIMIT_S, data_dir=data_dir)}
            asked = {"engine": TRAINERS[backend], "steps": steps, "data_dir": data_dir}
            return {"installed": True, **part.call("train", LIMIT_S, backend=backend, **asked)}
    except PartFailed as failed:
        return {"installed": True, "failed": failed.reason}


# --- in a part's process ---------------------------------------------------------------------------------


def _arrays(data_dir: str) -> datasets.Arrays:
    found = datasets.prepared("mnist5k", Path(data_dir))
    assert found is not None
    return found.load()


def train(backend: str, engine: str, steps: int, data_dir: str) -> dict[str, Any]:
    """Trains `steps` steps on one backend; its loss after each, milliseconds of a step, accuracy over test images."""
    arrays, settings = _arrays(data_dir), TrainSettings(batch_size=BATCH, dropout=0.0, alignment=Alignment.SAME_START)
    made = engine_class(engine)(engine)
    made.use_device("cpu", 0)
    made.feed(arrays.train_images, arrays.train_labels, MNIST_SHAPE)
    made.build(settings, parity.start_weights(settings.seed))
    start_logits = made.predict(arrays.test_images[:READ]).astype(float).tolist()
    losses: list[float] = []
    ends: list[float] = []

    def on_step(step: int, loss: float) -> bool:
        losses.append(loss)
        ends.append(time.perf_counter())
        return len(losses) < steps

    epoch = 0
    while len(losses) < steps:
        epoch += 1
        made.train_epoch(epoch, on_step)
    keras: Any = importlib.import_module("keras")
    return {
        "backend": keras.backend.backend(),
        "version": importlib.import_module(backend).__version__,
        "start_logits": start_logits,
        "losses": losses,
        "ms_per_step": 1000 * float(np.median(np.diff(ends))) if steps > 1 else None,
        "accuracy": made.evaluate(arrays.test_images, arrays.test_labels).accuracy,
        "test_images": len(arrays.test_images),
    }


def read_alone(data_dir: str) -> dict[str, Any]:
    """Reads test images with the untrained start weights on a backend that cannot train."""
    keras: Any = importlib.import_module("keras")
    layers, weights = keras.layers, parity.start_weights(0)
    made: list[Any] = [keras.Input(ARTICLE.data.image)]
    for layer in ARTICLE.layers:
        if isinstance(layer, Conv):
            made.append(layers.Conv2D(layer.filters, layer.kernel, activation=layer.activation))
        elif isinstance(layer, MaxPool):
            made.append(layers.MaxPooling2D(layer.size))
        elif isinstance(layer, Flatten):
            made.append(layers.Flatten())
        elif isinstance(layer, Dense):
            made.append(layers.Dense(layer.units))
    model = keras.Sequential(made)
    model.set_weights([weights[spec.name] for spec in ARTICLE.weights])
    images = _arrays(data_dir).test_images[:READ].astype("float32") / np.float32(255)
    logits = np.asarray(model.predict(images, verbose=0)).astype(float).tolist()
    return {
        "backend": keras.backend.backend(),
        "version": importlib.import_module(os.environ["KERAS_BACKEND"]).__version__,
        "start_logits": logits,
    }


def pytorch_runs_on() -> dict[str, Any]:
    """PyTorch's compiler backends by name, and which kernel libraries its build has and finds here."""
    torch: Any = importlib.import_module("torch")
    kernels = {
        "oneDNN": torch.backends.mkldnn.is_available(),
        "MKL": torch.backends.mkl.is_available(),
        "OpenMP": torch.backends.openmp.is_available(),
        "cuDNN": torch.cuda.is_available() and torch.backends.cudnn.is_available(),
        "MPS": torch.backends.mps.is_available(),
    }
    return {
        "version": str(torch.__version__),
        "compilers": list(torch.compiler.list_backends()),
        "kernels": {name: bool(there) for name, there in kernels.items()},
    }
