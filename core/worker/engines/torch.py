"""PyTorch: the network as its user writes it, trained by the loop that PyTorch expects its user to write.

Batches are taken from one tensor in memory, as Keras' `fit` takes them from one array: a loader that copies
image by image would time the loader. Whichever is the faster form is a later question (the tuned engines).
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from core.experiment import network, parity
from core.experiment.settings import EVALUATION_BATCH, Alignment, TrainSettings
from core.experiment.weights import features_to_torch, from_torch, to_torch
from core.worker.engines.base import (
    Engine,
    Evaluated,
    Floats,
    Images,
    Labels,
    OnStep,
    Trained,
    scaled,
)


class TorchEngine(Engine):
    """`torch`: stock eager PyTorch."""

    @staticmethod
    def versions() -> dict[str, str]:
        return {"torch": str(torch.__version__), "numpy": np.__version__}

    @staticmethod
    def devices() -> list[str]:
        count = torch.cuda.device_count()
        return ["cpu", *(f"gpu:{i} {torch.cuda.get_device_name(i)}" for i in range(count))]

    def use_device(self, device: str, threads: int) -> str:
        if device == "gpu":
            self.device = "cuda:0"
            return self.devices()[1]
        if threads:
            torch.set_num_threads(threads)
        return "cpu"

    def build(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        self._build_network(settings, start)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)

    def build_to_predict(self, settings: TrainSettings, weights: Mapping[str, Floats]) -> None:
        # The first optimizer of a process imports PyTorch's compiler: 2 s and 80 MiB.
        self._build_network(settings, weights)

    def _build_network(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        self.settings = settings
        self.dtype = "float64" if settings.float64 else "float32"
        torch.manual_seed(settings.seed)
        self.x = self._inputs(self.images)
        self.y = torch.from_numpy(self.labels.astype("int64")).to(self.device)
        self.model = self._network().to(self.device, getattr(torch, self.dtype))
        if start is not None:
            self.load(start)

    def _network(self) -> nn.Sequential:
        made: OrderedDict[str, nn.Module] = OrderedDict()
        channels = 1
        for layer in network.LAYERS:
            match layer:
                case network.Conv2D(name, filters, kernel):
                    made[name] = nn.Conv2d(channels, filters, kernel)
                    made[f"{name}_relu"] = nn.ReLU()
                    channels = filters
                case network.MaxPool2D(name, size):
                    made[name] = nn.MaxPool2d(size)
                case network.Flatten(name):
                    made[name] = nn.Flatten()
                case network.Dropout(name):
                    # The twin multiplies with the shared mask instead; see `_forward`.
                    made[name] = nn.Identity() if self.settings.float64 else nn.Dropout(self.settings.dropout)
                case network.Dense(name, units):
                    made[name] = nn.Linear(network.FEATURES, units)
        return nn.Sequential(made)

    def _inputs(self, images: Images) -> torch.Tensor:
        """[N, 1, 28, 28] on the lane's device."""
        return torch.from_numpy(scaled(images, self.dtype)[:, np.newaxis]).to(self.device)

    def _order(self, epoch: int) -> torch.Tensor:
        if self.settings.alignment == Alignment.AS_SHIPPED:
            return torch.randperm(len(self.x), device=self.device)
        order = parity.batch_order(self.settings.seed, epoch, len(self.x))
        return torch.from_numpy(order).to(self.device)

    def _forward(self, x: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
        if not self.settings.float64:
            return self.model(x)  # type: ignore[no-any-return]
        for name, layer in self.model.named_children():
            x = layer(x)
            if name == "flatten":
                shape = (len(x), network.FEATURES)
                mask = parity.dropout_mask(self.settings.seed, epoch, step, shape, self.settings.dropout)
                x = x * torch.from_numpy(features_to_torch(mask)).to(self.device)
        return x

    def _match_keras_adam(self, step: int) -> None:
        rate, epsilon = parity.adam_like_keras(step, self.settings.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"], group["eps"] = rate, epsilon

    def train_epoch(self, epoch: int, on_step: OnStep) -> Trained:
        batch, aligned = self.settings.batch_size, self.settings.alignment != Alignment.AS_SHIPPED
        order = self._order(epoch)
        steps = -(-len(order) // batch)
        total, correct, seen = 0.0, 0, 0
        self.model.train()
        for step in range(1, steps + 1):
            rows = order[(step - 1) * batch : step * batch]
            x, y = self.x[rows], self.y[rows]
            logits = self._forward(x, epoch, step)
            loss = functional.cross_entropy(logits, y)
            self.optimizer.zero_grad()
            loss.backward()
            if aligned:
                self._match_keras_adam((epoch - 1) * steps + step)
            self.optimizer.step()
            value = loss.item()
            total += value * len(rows)
            correct += int((logits.argmax(1) == y).sum())
            seen += len(rows)
            if not on_step(step, value):
                break
        return Trained(loss=total / seen, accuracy=correct / seen)

    def evaluate(self, images: Images, labels: Labels) -> Evaluated:
        y = torch.from_numpy(labels.astype("int64"))
        logits = torch.from_numpy(self.predict(images))
        loss = functional.cross_entropy(logits, y)
        return Evaluated(loss=loss.item(), accuracy=int((logits.argmax(1) == y).sum()) / len(y))

    @torch.no_grad()
    def predict(self, images: Images) -> Floats:
        self.model.eval()
        parts = [self.model(self._inputs(part)) for part in _batches(images)]
        logits: Floats = torch.cat(parts).cpu().numpy()
        return logits

    def weights(self) -> dict[str, Floats]:
        return from_torch({name: tensor.cpu().numpy() for name, tensor in self.model.state_dict().items()})

    def load(self, weights: Mapping[str, Floats]) -> None:
        moved = {name: torch.from_numpy(array) for name, array in to_torch(weights).items()}
        self.model.load_state_dict(moved)

    def save(self, path: Path) -> None:
        # Tensors alone: `torch.load(path, weights_only=True)` takes it.
        torch.save({name: tensor.cpu() for name, tensor in self.model.state_dict().items()}, path)

    def summary(self) -> str:
        counts = "\n".join(f"{name}: {tensor.numel():,}" for name, tensor in self.model.named_parameters())
        return f"{self.model}\n\n{counts}\nTotal parameters: {self.parameters():,}"

    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.model.parameters() if tensor.requires_grad)


def _batches(images: Images) -> list[Images]:
    return [images[i : i + EVALUATION_BATCH] for i in range(0, len(images), EVALUATION_BATCH)]


ENGINE = TorchEngine
