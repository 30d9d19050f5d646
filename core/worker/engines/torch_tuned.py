"""PyTorch, faster: the same function of the same weights, written as the framework likes it."""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import nn

from core.experiment.settings import TrainSettings
from core.worker.engines.base import Floats, Images
from core.worker.engines.torch import TorchEngine


class TorchTunedEngine(TorchEngine):
    """`torch-tuned`: max-pool before ReLU, channels last, Adam as one kernel."""

    def build(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        super().build(settings, start)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate, fused=True)

    def _network(self) -> nn.Sequential:
        """A max-pool of ReLUs is the ReLU of the max-pool, over a quarter of the numbers."""
        made = list(super()._network().named_children())
        for i in range(len(made) - 1):
            if isinstance(made[i][1], nn.ReLU) and isinstance(made[i + 1][1], nn.MaxPool2d):
                made[i], made[i + 1] = made[i + 1], made[i]
        return nn.Sequential(OrderedDict(made)).to(memory_format=torch.channels_last)

    def _inputs(self, images: Images) -> torch.Tensor:
        return super()._inputs(images).contiguous(memory_format=torch.channels_last)


ENGINE = TorchTunedEngine
