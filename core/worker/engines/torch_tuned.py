"""PyTorch, faster: the same function of the same weights, written as the framework likes it."""

import ctypes
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from core.experiment.settings import TrainSettings
from core.worker.engines import torch_steps
from core.worker.engines.base import Images
from core.worker.engines.torch import TorchEngine


@dataclass(frozen=True)
class Form:
    """One way to lay out the network and to step; all but the stock one pool before their ReLU."""

    pool_first: bool
    memory_format: torch.memory_format
    fused: bool | None


FORMS = {
    "as shipped": Form(False, torch.contiguous_format, None),
    "pool before ReLU, channels first": Form(True, torch.contiguous_format, None),
    "pool before ReLU, channels last": Form(True, torch.channels_last, None),
    "pool before ReLU, channels last, fused Adam": Form(True, torch.channels_last, True),
}

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Has glibc keep what is freed: each step asks for the same tens of MB, and new pages are slow to come."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_TRIM_THRESHOLD, 2**30)
            mallopt(M_MMAP_THRESHOLD, 2**25)


class TorchTunedEngine(TorchEngine):
    """`torch-tuned`: freed memory kept; max-pool before ReLU, channels last and a fused Adam where they are faster."""

    form = "pool before ReLU, channels last, fused Adam"
    not_tried = ("Not tried: torch.compile, whose dropout draws other numbers; it has a lane of", "its own.")

    def forms(self, settings: TrainSettings) -> tuple[str, ...]:
        return tuple(FORMS)

    def use_device(self, device: str, threads: int) -> str:
        if device == "cpu":
            keep_freed_memory()
        return super().use_device(device, threads)

    def _optimizer(self) -> Any:
        return torch_steps.as_shipped(self.settings, self.model.parameters(), FORMS[self.form].fused)

    def _sequential(self) -> nn.Sequential:
        """A max-pool of ReLUs is the ReLU of the max-pool, over a quarter of the numbers."""
        made, form = list(super()._sequential().named_children()), FORMS[self.form]
        for i in range(len(made) - 1):
            if form.pool_first and isinstance(made[i][1], nn.ReLU) and isinstance(made[i + 1][1], nn.MaxPool2d):
                made[i], made[i + 1] = made[i + 1], (made[i][0], nn.ReLU(inplace=True))
        return nn.Sequential(OrderedDict(made)).to(memory_format=form.memory_format)

    def _inputs(self, images: Images) -> torch.Tensor:
        return super()._inputs(images).contiguous(memory_format=FORMS[self.form].memory_format)


ENGINE = TorchTunedEngine
