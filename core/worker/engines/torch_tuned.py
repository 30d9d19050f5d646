"""PyTorch, faster: the same function of the same weights, written as the framework likes it."""

import ctypes
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from core.experiment.layers import Conv, DepthwiseConv, Pool
from core.experiment.network import layers_of
from core.experiment.settings import FUSED_IN_TORCH, SETTINGS, TrainSettings
from core.worker.engines import torch_steps
from core.worker.engines.base import AS_SHIPPED, Floats, Images, pools_relus
from core.worker.engines.torch import TorchEngine


@dataclass(frozen=True)
class Form:
    """One way to lay out the network and to step."""

    pool_first: bool
    """Max-pool before ReLU."""
    channels_last: bool
    fused: bool


def forms(settings: TrainSettings) -> dict[str, Form]:
    """The forms that differ for a network and its optimiser, by what they are called."""
    over_images = any(isinstance(layer, Conv | DepthwiseConv | Pool) for layer in layers_of(settings.network))
    found = {AS_SHIPPED: Form(pool_first=False, channels_last=False, fused=False)}
    for channels_last, fused in ((False, False), (True, False), (True, True)):
        form = Form(
            pools_relus(settings), channels_last and over_images, fused and settings.optimizer in FUSED_IN_TORCH
        )
        words = ["pool before ReLU"] if form.pool_first else []
        words += [f"channels {'last' if form.channels_last else 'first'}"] if over_images else []
        words += [f"fused {SETTINGS['optimizer'].said(settings.optimizer)}"] if form.fused else []
        if form not in found.values():
            found[", ".join(words)] = form
    return found


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
    """`torch-tuned`: freed memory kept; max-pool before ReLU, channels last and a fused step where they are faster."""

    not_tried = ("Not tried: torch.compile, whose dropout draws other numbers; it has a lane of", "its own.")

    def forms(self, settings: TrainSettings) -> tuple[str, ...]:
        found = tuple(forms(settings))
        return found if len(found) > 1 else ()

    def _build_network(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        known = forms(settings)
        self._form = known[self.form or list(known)[-1]]
        super()._build_network(settings, start)

    def use_device(self, device: str, threads: int) -> str:
        if device == "cpu":
            keep_freed_memory()
        return super().use_device(device, threads)

    def _optimizer(self) -> Any:
        return torch_steps.as_shipped(self.settings, self.model.parameters(), self._form.fused or None)

    def _sequential(self) -> nn.Sequential:
        """A max-pool of ReLUs is the ReLU of the max-pool, over a quarter of the numbers."""
        made = list(super()._sequential().named_children())
        if self._form.pool_first:
            made = list(_pools_first(made))
        return nn.Sequential(OrderedDict(made)).to(memory_format=self._memory_format)

    def _inputs(self, images: Images) -> torch.Tensor:
        return super()._inputs(images).contiguous(memory_format=self._memory_format)

    @property
    def _memory_format(self) -> torch.memory_format:
        return torch.channels_last if self._form.channels_last else torch.contiguous_format


def _pools_first(modules: Iterable[tuple[str, nn.Module]]) -> Iterator[tuple[str, nn.Module]]:
    """The modules with each ReLU behind the max-pools, and what pads for them, that followed it."""
    waiting: list[tuple[str, nn.Module]] = []
    for name, module in modules:
        pools = isinstance(module, nn.MaxPool2d) or getattr(module, "value", 0) == -torch.inf
        if waiting and not pools:
            yield from waiting
            waiting = []
        if isinstance(module, nn.ReLU):
            waiting = [(name, module)]
            continue
        if waiting:
            waiting = [(waiting[0][0], nn.ReLU(inplace=True))]
        yield name, module
    yield from waiting


ENGINE = TorchTunedEngine
