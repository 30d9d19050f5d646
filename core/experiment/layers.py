"""The kinds of layers: how each is written, what shape it leaves, its weights, and what it computes.

A layer takes the shape of one image's activations, channels last and without the batch dimension: [height, width,
channels], or [features] once they are flat.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, get_args, get_type_hints

import numpy as np

Activations = Literal["relu", "leakyrelu", "elu", "gelu", "silu", "tanh", "sigmoid"]
ACTIVATIONS: tuple[str, ...] = get_args(Activations)
IN_KERAS = {"leakyrelu": "leaky_relu"}
"""What Keras calls an activation, where not by the notation's word."""
IN_TORCH = {
    "relu": "ReLU",
    "leakyrelu": "LeakyReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
}
"""The classes of `torch.nn`."""
Shape = tuple[int, ...]
Start = Literal["glorot", "zeros", "ones"]
Role = Literal["conv", "depthwise", "dense", "vector"]


class Impossible(ValueError):
    """A layer that cannot follow what is before it: the end of a sentence that began with the layer."""


@dataclass(frozen=True)
class WeightSpec:
    """One array of a network in the canonical layout, which is Keras' own: channels last.

    conv [height, width, in, out], depthwise [height, width, in, 1], dense [in, out], everything else a vector.
    """

    name: str
    """Its layer's name, a point, and `weight`, `bias`, `mean` or `variance`."""
    shape: Shape
    fan_in: int
    fan_out: int
    start: Start = "glorot"
    """What an aligned run starts with."""
    role: Role = "vector"
    trained: bool = True
    """False for the statistics that batch normalisation keeps."""
    grid: Shape | None = None
    """[height, width, channels] of what was flattened, where its first axis counts flattened activations: PyTorch
    flattens channels first, and its array is in another order there."""


@dataclass(frozen=True)
class Span:
    """A layer's number in the notation: from `low` to `high`."""

    low: int
    high: int


_COUNT, _SIZE, _STRIDE = Span(1, 4096), Span(1, 32), Span(1, 8)


@dataclass(frozen=True)
class Layer(ABC):
    """One layer. Its fields are its numbers and options, in the order in which they are written."""

    word: ClassVar[str]
    """What it is called in the notation."""
    counted: ClassVar[str] = ""
    """What it is called in a network, where not by its word; such a name has a number even where it is the only one."""

    @property
    def called(self) -> str:
        """What it is called in a network, before its number."""
        return self.counted or self.word

    def __str__(self) -> str:
        return self.word

    @abstractmethod
    def output(self, shape: Shape) -> Shape:
        """The shape that it leaves. Raises `Impossible`."""

    def weights(self, name: str, shape: Shape, grid: Shape | None, bias: bool = True) -> tuple[WeightSpec, ...]:
        """Its arrays for what arrives in `shape`; `grid`: what was flattened before, see `WeightSpec.grid`; `bias`:
        whether a layer with a kernel has one.
        """
        return ()

    def multiply_adds(self, shape: Shape) -> int:
        """Multiplications with an addition for one image, those of convolutions and dense layers alone."""
        return 0


def _image(shape: Shape) -> tuple[int, int, int]:
    """Raises `Impossible` for activations that are flat."""
    if len(shape) != 3:
        raise Impossible("needs an image, and what arrives is flat")
    height, width, channels = shape
    return height, width, channels


def pixels(before: int, window: int, stride: int, same: bool) -> int:
    """How many rows or columns a window leaves; below 1 where it does not fit."""
    return -(-before // stride) if same else (before - window) // stride + 1


def padding(before: int, window: int, stride: int) -> tuple[int, int]:
    """The rows of `same` padding before and after the first and last one, as Keras pads: the odd one after."""
    total = max((pixels(before, window, stride, same=True) - 1) * stride + window - before, 0)
    return total // 2, total - total // 2


def slid(shape: Shape, window: int, stride: int, same: bool) -> tuple[int, int, int]:
    """What a square window leaves of an image. Raises `Impossible`."""
    height, width, channels = _image(shape)
    rows, columns = pixels(height, window, stride, same), pixels(width, window, stride, same)
    if min(rows, columns) < 1:
        raise Impossible("would leave 0 pixels")
    return rows, columns, channels


def _with_bias(weight: WeightSpec, size: int, bias: bool) -> tuple[WeightSpec, ...]:
    if not bias:
        return (weight,)
    name = f"{weight.name.removesuffix('.weight')}.bias"
    return weight, WeightSpec(name, (size,), weight.fan_in, weight.fan_out, start="zeros")


def _options(stride: int, usual: int, same: bool, activation: str = "") -> str:
    said = [f"stride {stride}"] if stride != usual else []
    return " ".join(["", *said, *(["same"] if same else []), *([activation] if activation else [])])


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution."""

    word, counted = "conv", "conv"
    filters: Annotated[int, _COUNT]
    kernel: Annotated[int, _SIZE]
    stride: Annotated[int, _STRIDE] = 1
    same: bool = False
    activation: Activations | Literal[""] = ""

    def __str__(self) -> str:
        return f"conv {self.filters} {self.kernel}" + _options(self.stride, 1, self.same, self.activation)

    def output(self, shape: Shape) -> Shape:
        rows, columns, _ = slid(shape, self.kernel, self.stride, self.same)
        return rows, columns, self.filters

    def weights(self, name: str, shape: Shape, grid: Shape | None, bias: bool = True) -> tuple[WeightSpec, ...]:
        area, channels = self.kernel**2, shape[-1]
        fans = area * channels, area * self.filters
        kernel = (self.kernel, self.kernel, channels, self.filters)
        weight = WeightSpec(f"{name}.weight", kernel, *fans, role="conv")
        return _with_bias(weight, self.filters, bias)

    def multiply_adds(self, shape: Shape) -> int:
        return math.prod(self.output(shape)) * self.kernel**2 * shape[-1]


@dataclass(frozen=True)
class DepthwiseConv(Layer):
    """A convolution of each channel by itself, with one filter each."""

    word = "depthwise"
    kernel: Annotated[int, _SIZE]
    stride: Annotated[int, _STRIDE] = 1
    same: bool = False
    activation: Activations | Literal[""] = ""

    def __str__(self) -> str:
        return f"depthwise {self.kernel}" + _options(self.stride, 1, self.same, self.activation)

    def output(self, shape: Shape) -> Shape:
        return slid(shape, self.kernel, self.stride, self.same)

    def weights(self, name: str, shape: Shape, grid: Shape | None, bias: bool = True) -> tuple[WeightSpec, ...]:
        area, channels = self.kernel**2, shape[-1]
        weight = WeightSpec(f"{name}.weight", (self.kernel, self.kernel, channels, 1), area, area, role="depthwise")
        return _with_bias(weight, channels, bias)

    def multiply_adds(self, shape: Shape) -> int:
        return math.prod(self.output(shape)) * self.kernel**2


@dataclass(frozen=True)
class Pool(Layer):
    """What both kinds of pooling share; the stride is the size where none is written (0)."""

    counted = "pool"
    size: Annotated[int, _SIZE]
    stride: Annotated[int, _STRIDE] = 0
    same: bool = False

    def __str__(self) -> str:
        return f"{self.word} {self.size}" + _options(self.step, self.size, self.same)

    @property
    def step(self) -> int:
        """The stride."""
        return self.stride or self.size

    def output(self, shape: Shape) -> Shape:
        return slid(shape, self.size, self.step, self.same)


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest of each window; padding never wins."""

    word = "maxpool"


@dataclass(frozen=True)
class AvgPool(Pool):
    """The mean of each window."""

    word = "avgpool"


@dataclass(frozen=True)
class GlobalAvgPool(Layer):
    """The mean of each channel: [height, width, channels] to [channels]."""

    word = "globalavgpool"

    def output(self, shape: Shape) -> Shape:
        return _image(shape)[2:]


class _Normalisation(Layer):
    def output(self, shape: Shape) -> Shape:
        return shape

    def weights(self, name: str, shape: Shape, grid: Shape | None, bias: bool = True) -> tuple[WeightSpec, ...]:
        size = shape[-1]
        return (
            WeightSpec(f"{name}.weight", (size,), size, size, start="ones", grid=grid),
            WeightSpec(f"{name}.bias", (size,), size, size, start="zeros", grid=grid),
        )


@dataclass(frozen=True)
class BatchNorm(_Normalisation):
    """Each channel by its mean and variance over the batch; in evaluation by those kept while training."""

    word = "batchnorm"

    def weights(self, name: str, shape: Shape, grid: Shape | None, bias: bool = True) -> tuple[WeightSpec, ...]:
        size = shape[-1]
        return (
            *super().weights(name, shape, grid),
            WeightSpec(f"{name}.mean", (size,), size, size, start="zeros", trained=False, grid=grid),
            WeightSpec(f"{name}.variance", (size,), size, size, start="ones", trained=False, grid=grid),
        )


@dataclass(frozen=True)
class LayerNorm(_Normalisation):
    """Each pixel's channels, or an image's flat features, by their own mean and variance."""

    word = "layernorm"

    def output(self, shape: Shape) -> Shape:
        if shape[-1] == 1:
            raise Impossible("would make 0 of everything: it takes the mean of one channel away from itself")
        return shape


@dataclass(frozen=True)
class Dropout(Layer):
    """Drops activations while training, at its own rate or, without one, at the run's."""

    word = "dropout"
    rate: float | None = None

    def __str__(self) -> str:
        return "dropout" if self.rate is None else f"dropout {np.format_float_positional(self.rate, trim='-')}"

    def output(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class Flatten(Layer):
    """[height, width, channels] to [features], channels last."""

    word = "flatten"

    def output(self, shape: Shape) -> Shape:
        return (math.prod(_image(shape)),)


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer; the last one gives the logits."""

    word = "dense"
    units: Annotated[int, _COUNT]
    activation: Activations | Literal[""] = ""

    def __str__(self) -> str:
        return f"dense {self.units}" + (f" {self.activation}" if self.activation else "")

    def output(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Impossible("needs flat activations: put flatten or globalavgpool before it")
        return (self.units,)

    def weights(self, name: str, shape: Shape, grid: Shape | None, bias: bool = True) -> tuple[WeightSpec, ...]:
        fans = (shape[0], self.units)
        return _with_bias(WeightSpec(f"{name}.weight", fans, *fans, role="dense", grid=grid), self.units, bias)

    def multiply_adds(self, shape: Shape) -> int:
        return shape[0] * self.units


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each activation by itself, as a layer of its own."""

    word = "activation"
    function: Activations

    def __str__(self) -> str:
        return self.function

    @property
    def called(self) -> str:
        return self.function

    def output(self, shape: Shape) -> Shape:
        return shape


KINDS: Mapping[str, type[Layer]] = {
    kind.word: kind
    for kind in (
        *(Conv, DepthwiseConv, MaxPool, AvgPool, GlobalAvgPool),
        *(BatchNorm, LayerNorm, Dropout, Flatten, Dense),
    )
}
"""Every kind of layer by its word, but the activations, whose words are the functions'."""
WORDS = (*KINDS, *ACTIVATIONS)


def spans(kind: type[Layer]) -> dict[str, Span]:
    """The whole numbers of a kind of layer: what each may be, by the field's name, as they are written."""
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
    return {
        field.name: span
        for field in fields(kind)
        for span in getattr(hints[field.name], "__metadata__", ())
        if isinstance(span, Span)
    }
