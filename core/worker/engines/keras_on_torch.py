"""Keras on PyTorch: the Keras engines' code on Keras' torch backend. TensorFlow is never imported."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch

from core.worker.engines.base import Floats
from core.worker.engines.keras_fit import KerasFit, leave_tensorflow_out
from core.worker.engines.torch import TorchEngine

leave_tensorflow_out()


class KerasOnTorchEngine(KerasFit):
    """`keras-on-torch`: stock Keras 3 on PyTorch, which runs it without a graph as shipped."""

    @staticmethod
    def versions() -> dict[str, str]:
        return {"keras": keras.__version__, **TorchEngine.versions()}

    @staticmethod
    def devices() -> list[str]:
        return TorchEngine.devices()

    def use_device(self, device: str, threads: int) -> str:
        # Left to itself this backend takes the GPU where there is one; the scope stays open as long as the process.
        keras.device("gpu:0" if device == "gpu" else "cpu").__enter__()
        if device == "gpu":
            return self.devices()[1]
        if threads:
            torch.set_num_threads(threads)
        return "cpu"

    def _outputs_and_gradient(self, x: Floats) -> tuple[list[Floats], Floats]:
        pixels = torch.tensor(x, requires_grad=True)
        outputs = self.looked_at(pixels, training=False)
        logits = outputs[-1][0]
        (gradient,) = torch.autograd.grad(logits[logits.argmax()], pixels)
        return [output.detach().cpu().numpy() for output in outputs], gradient.cpu().numpy()


ENGINE = KerasOnTorchEngine
