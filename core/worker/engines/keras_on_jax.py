"""Keras on JAX: the Keras engines' code on Keras' jax backend. Offered only where `jax` is installed.

JAX is no requirement of this project: `pip install jax` in the project's environment adds the engine.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax  # type: ignore[import-not-found, unused-ignore]
import keras
import numpy as np

from core.worker.engines.base import Floats
from core.worker.engines.keras_fit import KerasFit, leave_tensorflow_out

leave_tensorflow_out()


class KerasOnJaxEngine(KerasFit):
    """`keras-on-jax`: stock Keras 3 on JAX, compiled by XLA as shipped."""

    @staticmethod
    def versions() -> dict[str, str]:
        return {"keras": keras.__version__, "jax": jax.__version__, "numpy": np.__version__}

    @staticmethod
    def devices() -> list[str]:
        gpus = [device for device in jax.devices() if device.platform == "gpu"]
        return ["cpu", *(f"gpu:{i} {gpu.device_kind}" for i, gpu in enumerate(gpus))]

    def use_device(self, device: str, threads: int) -> str:
        # JAX has no switch for its CPU threads: lanes that train together share the cores as they come.
        jax.config.update("jax_default_device", jax.devices(device)[0])
        return self.devices()[1] if device == "gpu" else "cpu"

    def _outputs_and_gradient(self, x: Floats) -> tuple[list[Floats], Floats]:
        outputs = [np.asarray(output) for output in self.looked_at(x, training=False)]
        largest = int(outputs[-1][0].argmax())
        gradient = jax.grad(lambda pixels: self.looked_at(pixels, training=False)[-1][0, largest])
        return outputs, np.asarray(gradient(jax.numpy.asarray(x)))


ENGINE = KerasOnJaxEngine
