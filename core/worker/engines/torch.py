"""PyTorch: the network as its user writes it, trained by the loop that PyTorch expects its user to write.

Batches are taken from one tensor in memory, as Keras' `fit` takes them from one array: a loader that copies
image by image would time the loader. Whichever is the faster form is a later question (the tuned engines).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from core.experiment import parity
from core.experiment.layers import Dense, Flatten, WeightSpec
from core.experiment.network import Network, Node
from core.experiment.settings import EVALUATION_BATCH, Alignment, TrainSettings
from core.experiment.switches import Switch
from core.experiment.weights import features_from_torch, features_to_torch, from_torch, to_torch
from core.worker.engines import torch_layers, torch_steps
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

STATISTICS = {"mean": "running_mean", "variance": "running_var"}
"""What PyTorch calls the statistics of a batch normalisation."""


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
        self.optimizer = self._optimizer()

    def _optimizer(self) -> Any:
        if self.settings.alignment == Alignment.AS_SHIPPED:
            return torch_steps.as_shipped(self.settings, self.model.parameters())
        return torch_steps.KerasStep(self.settings, self.model.parameters())

    def build_to_predict(self, settings: TrainSettings, weights: Mapping[str, Floats]) -> None:
        # The first optimizer of a process imports PyTorch's compiler: 2 s and 80 MiB.
        self._take_stock_form(settings)
        self._build_network(settings, weights)

    def _build_network(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        self.settings, self.network = settings, Network.of(settings.network, self.data)
        self.dtype = "float64" if settings.float64 else "float32"
        torch.manual_seed(settings.seed)
        self.x = self._inputs(self.images)
        self.y = torch.from_numpy(self.labels.astype("int64")).to(self.device)
        self.model = self._sequential().to(self.device, getattr(torch, self.dtype))
        if start is not None:
            self.load(start)

    def _sequential(self) -> nn.Sequential:
        return torch_layers.sequential(self.network, self.settings)

    def _inputs(self, images: Images) -> torch.Tensor:
        """[N, C, H, W] on the lane's device."""
        return torch.from_numpy(np.ascontiguousarray(scaled(images, self.dtype).transpose(0, 3, 1, 2))).to(self.device)

    def _order(self, epoch: int) -> torch.Tensor:
        if not self.settings.aligns(Switch.BATCH_ORDER):
            return torch.randperm(len(self.x), device=self.device)
        order = parity.batch_order(self.settings.seed, epoch, len(self.x))
        return torch.from_numpy(order).to(self.device)

    def _forward(self, x: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
        if self.settings.aligns(Switch.DROPOUT_MASKS):
            self._set_masks(len(x), epoch, step)
        return self.model(x)  # type: ignore[no-any-return]

    def _set_masks(self, images: int, epoch: int, step: int) -> None:
        """The masks of a step of the twin, one for each dropout."""
        for mask, node in zip(self.shared_masks(images, epoch, step), self.network.dropouts, strict=True):
            dropout = self.model.get_submodule(node.name)
            of_torch = np.ascontiguousarray(features_to_torch(mask, node.grid), self.dtype)
            dropout.mask = torch.from_numpy(of_torch).to(self.device)

    def train_epoch(self, epoch: int, on_step: OnStep) -> Trained:
        batch = self.settings.batch_size
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

    def look(self, image: Images) -> tuple[dict[str, Floats], Floats]:
        self.model.eval()
        at = pixels = self._inputs(image[np.newaxis]).requires_grad_()
        outputs: dict[str, torch.Tensor] = {}
        for name, module in self.model.named_children():
            # A layer's padding comes before it and its activation after it, under names that begin with its own.
            at = outputs[name.partition("_")[0]] = module(at)
        (gradient,) = torch.autograd.grad(at[0, at[0].argmax()], pixels)
        found = {node.name: _canonical(outputs[node.name], node) for node in self.network.nodes}
        return found, gradient[0].permute(1, 2, 0).cpu().numpy()

    def weights(self) -> dict[str, Floats]:
        state = {name: tensor.cpu().numpy() for name, tensor in self.model.state_dict().items()}
        return from_torch({spec.name: state[_own_name(spec)] for spec in self.network.weights}, self.network.weights)

    def load(self, weights: Mapping[str, Floats]) -> None:
        moved = to_torch(weights, self.network.weights)
        state = {_own_name(spec): torch.from_numpy(moved[spec.name]) for spec in self.network.weights}
        for name, tensor in self.model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                state[name] = tensor  # how often, which no momentum of ours asks for
        self.model.load_state_dict(state)

    def save(self, path: Path) -> None:
        # Tensors alone: `torch.load(path, weights_only=True)` takes it.
        torch.save({name: tensor.cpu() for name, tensor in self.model.state_dict().items()}, path)

    def summary(self) -> str:
        counts = "\n".join(f"{name}: {tensor.numel():,}" for name, tensor in self.model.named_parameters())
        return f"{self.model}\n\n{counts}\nTotal parameters: {self.parameters():,}"

    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.model.parameters() if tensor.requires_grad)


def _own_name(spec: WeightSpec) -> str:
    """What PyTorch calls an array of a network's."""
    layer, _, kind = spec.name.rpartition(".")
    return f"{layer}.{STATISTICS.get(kind, kind)}"


def _canonical(output: torch.Tensor, node: Node) -> Floats:
    """What a layer made of one image, [1, C, H, W] or [1, features], channels last and without the batch."""
    grid = node.arrives if isinstance(node.layer, Flatten) else node.grid
    order = None if isinstance(node.layer, Dense) else grid
    found: Floats = features_from_torch(output.detach().cpu().numpy(), order)[0]
    return found


def _batches(images: Images) -> list[Images]:
    return [images[i : i + EVALUATION_BATCH] for i in range(0, len(images), EVALUATION_BATCH)]


ENGINE = TorchEngine
