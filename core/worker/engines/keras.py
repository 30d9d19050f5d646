"""Keras on TensorFlow, as shipped; what all Keras engines share is in `core.worker.engines.keras_fit`."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from core.worker.engines.base import Floats
from core.worker.engines.keras_fit import KerasFit


class KerasEngine(KerasFit):
    """`keras`: stock Keras 3 on TensorFlow, compiled to a graph by `fit` as shipped."""

    @staticmethod
    def versions() -> dict[str, str]:
        return {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}

    @staticmethod
    def devices() -> list[str]:
        gpus = tf.config.list_physical_devices("GPU")
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
        return ["cpu", *(f"gpu:{i} {name}" for i, name in enumerate(names))]

    def use_device(self, device: str, threads: int) -> str:
        if device == "gpu":
            gpu = tf.config.list_physical_devices("GPU")[0]
            tf.config.set_visible_devices([gpu], "GPU")
            # Else TensorFlow takes the whole memory, and a PyTorch lane on the same GPU gets none.
            tf.config.experimental.set_memory_growth(gpu, True)
            return self.devices()[1]
        tf.config.set_visible_devices([], "GPU")
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        return "cpu"

    def _outputs_and_gradient(self, x: Floats) -> tuple[list[Floats], Floats]:
        pixels = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            outputs = self.looked_at(pixels, training=False)
            logits = outputs[-1][0]
            largest = logits[tf.argmax(logits)]
        return [output.numpy() for output in outputs], tape.gradient(largest, pixels).numpy()


ENGINE = KerasEngine
