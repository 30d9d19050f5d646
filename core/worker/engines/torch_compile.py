"""PyTorch compiled: the stock engine's network through `torch.compile`, which needs a C++ compiler on the CPU."""

import os
import shutil
import sys
from collections.abc import Mapping

# Compile in this process: a pool of compilers would outlive a worker that is killed.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

import torch
from torch._dynamo.exc import TorchDynamoException

from core.experiment.settings import TrainSettings
from core.experiment.switches import Switch
from core.worker.engines.base import EngineError, Floats, OnStep, Trained
from core.worker.engines.torch import TorchEngine


class TorchCompileEngine(TorchEngine):
    """`torch-compile`: training through `torch.compile(model)` as shipped, reading through the same module uncompiled.

    Two things keep a run at one compilation, which takes 15 s or more: the last, smaller batch of an epoch and
    everything that is read go through the uncompiled module, which holds the same weights.
    """

    def build(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        super().build(settings, start)
        self.compiled = torch.compile(self.model)

    def _forward(self, x: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
        if len(x) < self.settings.batch_size or self.settings.aligns(Switch.DROPOUT_MASKS):
            return super()._forward(x, epoch, step)
        return self.compiled(x)  # type: ignore[no-any-return]

    def train_epoch(self, epoch: int, on_step: OnStep) -> Trained:
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
        if self.device == "cpu" and shutil.which(compiler) is None:
            raise EngineError(f"torch.compile needs a C++ compiler, and {compiler} was not found on this machine")
        try:
            return super().train_epoch(epoch, on_step)
        except TorchDynamoException as error:
            first = (str(error).strip().splitlines() or ["without a reason"])[0]
            raise EngineError(f"torch.compile could not compile the network ({first[:150]})") from error


ENGINE = TorchCompileEngine
