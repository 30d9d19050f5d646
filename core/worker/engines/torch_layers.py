"""The network's layers as modules: those that PyTorch has, and those that do in PyTorch what Keras does.

As shipped, a layer has PyTorch's own defaults, and padding that a stride makes unequal is put on both sides, as
PyTorch's users write it. In an aligned run it computes what Keras' layer computes; docs/fairness.md has the facts.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from core.experiment import layers, parity
from core.experiment.network import Network, Node
from core.experiment.settings import TrainSettings
from core.experiment.switches import Switch

Named = Iterator[tuple[str, nn.Module]]


def sequential(network: Network, settings: TrainSettings) -> nn.Sequential:
    """The whole network; a layer's activation and padding are modules beside it, called after it."""
    made = OrderedDict(pair for node in network.nodes for pair in _modules(node, settings))
    return nn.Sequential(made)


class SharedDropout(nn.Module):
    """The twin's dropout: multiplies with `mask`, which is set before each step."""

    mask: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask if self.training else x


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel, [N, C, H, W], as Keras normalises images."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _KerasBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Keeps the batch's own variance, as Keras does; PyTorch keeps n / (n - 1) of it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        momentum, before = self.momentum, self.running_var
        assert momentum is not None
        assert before is not None
        after = before.clone()  # the backward pass keeps what it is given: it must not change again
        normed = functional.batch_norm(x, self.running_mean, after, self.weight, self.bias, True, momentum, self.eps)
        count = x.numel() // x.shape[1]
        kept = (1 - momentum) * before
        before.copy_(kept + (after - kept) * ((count - 1) / count))
        return normed


class KerasBatchNorm1d(_KerasBatchNorm, nn.BatchNorm1d):
    """The same for [N, features]."""


class KerasBatchNorm2d(_KerasBatchNorm, nn.BatchNorm2d):
    """The same for [N, C, H, W]."""


class PixelAvgPool(nn.Module):
    """Average pooling that counts the image's own pixels alone, wherever the window lies, as Keras' `same` does."""

    def __init__(self, size: int, stride: int, pads: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.size, self.stride, self.pads = size, stride, pads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = functional.avg_pool2d
        ones = torch.ones_like(x[:1, :1])
        counted = pool(functional.pad(ones, self.pads), self.size, self.stride)
        return pool(functional.pad(x, self.pads), self.size, self.stride) / counted

    def extra_repr(self) -> str:
        return f"kernel_size={self.size}, stride={self.stride}, pads={self.pads}"


class KerasGELU(nn.Module):
    """GELU with Keras' constant, which is rounded to float32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x * (1 + torch.erf(x * parity.as_keras_rounds(0.5**0.5)))


def _activation(function: str, settings: TrainSettings) -> nn.Module:
    rounds = settings.aligns(Switch.ROUNDED_CONSTANTS)
    if function == "leakyrelu" and settings.aligns(Switch.LEAKYRELU_SLOPE):
        slope = parity.KERAS_LEAKY_SLOPE
        return nn.LeakyReLU(parity.as_keras_rounds(slope) if rounds else slope)
    if function == "gelu" and rounds and settings.float64:
        return KerasGELU()
    made: nn.Module = getattr(nn, layers.IN_TORCH[function])()
    return made


def _modules(node: Node, settings: TrainSettings) -> Named:
    """The modules of one layer, under its name and names that begin with it."""
    name, channels = node.name, node.arrives[-1]
    match node.layer:
        case layers.Conv(filters, kernel, stride, same, activation):
            yield from _conv(node, (channels, filters, kernel), (kernel, stride, same), settings, 1)
            if activation:
                yield f"{name}_{activation}", _activation(activation, settings)
        case layers.DepthwiseConv(kernel, stride, same, activation):
            yield from _conv(node, (channels, channels, kernel), (kernel, stride, same), settings, channels)
            if activation:
                yield f"{name}_{activation}", _activation(activation, settings)
        case layers.MaxPool() | layers.AvgPool() as layer:
            yield from _pool(node, layer, settings)
        case layers.GlobalAvgPool():
            yield name, nn.AdaptiveAvgPool2d(1)
            yield f"{name}_flatten", nn.Flatten()
        case layers.BatchNorm():
            yield name, _batch_norm(node, settings)
        case layers.LayerNorm():
            kind = ChannelLayerNorm if len(node.arrives) == 3 else nn.LayerNorm
            aligned = settings.aligns(Switch.LAYERNORM_EPSILON)
            yield name, kind(channels, eps=parity.KERAS_NORM_EPSILON) if aligned else kind(channels)
        case layers.Dropout(rate):
            rate = settings.dropout if rate is None else rate
            yield name, SharedDropout() if settings.aligns(Switch.DROPOUT_MASKS) else nn.Dropout(rate)
        case layers.Flatten():
            yield name, nn.Flatten()
        case layers.Dense(units, activation):
            yield name, nn.Linear(channels, units, bias=node.bias)
            if activation:
                yield f"{name}_{activation}", _activation(activation, settings)
        case layers.Activation(function):
            yield name, _activation(function, settings)


def _conv(
    node: Node,
    sizes: tuple[int, int, int],
    window: tuple[int, int, bool],
    settings: TrainSettings,
    groups: int,
) -> Named:
    kernel, stride, same = window
    pads = node.pads(kernel, stride) if same else (0, 0, 0, 0)
    if not any(pads):
        yield node.name, nn.Conv2d(*sizes, stride, groups=groups, bias=node.bias)
    elif stride == 1:
        yield node.name, nn.Conv2d(*sizes, padding="same", groups=groups, bias=node.bias)
    elif kernel % 2 and not settings.aligns(Switch.STRIDED_PADDING):
        yield node.name, nn.Conv2d(*sizes, stride, padding=kernel // 2, groups=groups, bias=node.bias)
    else:
        yield f"{node.name}_pad", nn.ZeroPad2d(pads)
        yield node.name, nn.Conv2d(*sizes, stride, groups=groups, bias=node.bias)


def _pool(node: Node, layer: layers.MaxPool | layers.AvgPool, settings: TrainSettings) -> Named:
    largest, size, stride = isinstance(layer, layers.MaxPool), layer.size, layer.step
    kind = nn.MaxPool2d if largest else nn.AvgPool2d
    pixels_alone = not largest and settings.aligns(Switch.AVGPOOL_PADDING)
    pads = node.pads(size, stride) if layer.same else (0, 0, 0, 0)
    if not any(pads):
        yield node.name, kind(size, stride)
    elif size % 2 and not settings.aligns(Switch.STRIDED_PADDING):
        options = {"count_include_pad": False} if pixels_alone else {}
        yield node.name, kind(size, stride, padding=size // 2, **options)
    elif largest:
        yield f"{node.name}_pad", nn.ConstantPad2d(pads, -torch.inf)
        yield node.name, nn.MaxPool2d(size, stride)
    elif pixels_alone:
        yield node.name, PixelAvgPool(size, stride, pads)
    else:
        yield f"{node.name}_pad", nn.ZeroPad2d(pads)
        yield node.name, nn.AvgPool2d(size, stride)


def _batch_norm(node: Node, settings: TrainSettings) -> nn.Module:
    images, options = len(node.arrives) == 3, dict[str, Any]()
    if settings.aligns(Switch.BATCHNORM_EPSILON):
        options["eps"] = parity.KERAS_NORM_EPSILON
    if settings.aligns(Switch.BATCHNORM_MOMENTUM):
        options["momentum"] = 1 - parity.KERAS_NORM_MOMENTUM
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    if settings.aligns(Switch.BATCHNORM_VARIANCE):
        kinds = (KerasBatchNorm1d, KerasBatchNorm2d)
    return kinds[images](node.arrives[-1], **options)
