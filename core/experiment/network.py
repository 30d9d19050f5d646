"""The network as data: its layers, its parameter count, and the canonical names and layouts of its weights.

Every engine builds the same network from `LAYERS`, so the network is written down once. The canonical
layout is channels-last (Keras' own): convolutions [height, width, in, out], dense [in, out], biases [out].
`core.experiment.weights` moves arrays between this layout and PyTorch's.
"""

from dataclasses import dataclass

IMAGE_SIZE = 28
CLASSES = 10


@dataclass(frozen=True)
class Conv2D:
    """A valid convolution with stride 1 and ReLU: [N, H, W, C] to [N, H - kernel + 1, W - kernel + 1, filters]."""

    name: str
    filters: int
    kernel: int


@dataclass(frozen=True)
class MaxPool2D:
    """A max-pool whose stride is its size; an odd last row or column is dropped."""

    name: str
    size: int


@dataclass(frozen=True)
class Flatten:
    """[N, H, W, C] to [N, H * W * C]."""

    name: str


@dataclass(frozen=True)
class Dropout:
    """Drops activations while training; the rate is a setting of the run."""

    name: str


@dataclass(frozen=True)
class Dense:
    """A fully connected layer without activation; the last one gives the logits."""

    name: str
    units: int


Layer = Conv2D | MaxPool2D | Flatten | Dropout | Dense

LAYERS: tuple[Layer, ...] = (
    Conv2D("conv1", filters=30, kernel=3),
    MaxPool2D("pool1", size=2),
    Conv2D("conv2", filters=62, kernel=3),
    MaxPool2D("pool2", size=2),
    Flatten("flatten"),
    Dropout("dropout"),
    Dense("dense", units=CLASSES),
)


@dataclass(frozen=True)
class WeightSpec:
    """One array of the network: its canonical name and shape, and the fan-in and fan-out of its layer."""

    name: str
    shape: tuple[int, ...]
    fan_in: int
    fan_out: int


def activation_shapes(layers: tuple[Layer, ...] = LAYERS) -> dict[str, tuple[int, ...]]:
    """The shape that each layer puts out for one image, channels last and without the batch dimension."""
    shape: tuple[int, ...] = (IMAGE_SIZE, IMAGE_SIZE, 1)
    shapes = {}
    for layer in layers:
        if isinstance(layer, Conv2D):
            shape = (shape[0] - layer.kernel + 1, shape[1] - layer.kernel + 1, layer.filters)
        elif isinstance(layer, MaxPool2D):
            shape = (shape[0] // layer.size, shape[1] // layer.size, shape[2])
        elif isinstance(layer, Flatten):
            shape = (shape[0] * shape[1] * shape[2],)
        elif isinstance(layer, Dense):
            shape = (layer.units,)
        shapes[layer.name] = shape
    return shapes


def weight_specs(layers: tuple[Layer, ...] = LAYERS) -> tuple[WeightSpec, ...]:
    """Every weight and bias in the order of the layers."""
    shapes = activation_shapes(layers)
    before: tuple[int, ...] = (IMAGE_SIZE, IMAGE_SIZE, 1)
    specs: list[WeightSpec] = []
    for layer in layers:
        if isinstance(layer, Conv2D):
            area, channels = layer.kernel**2, before[-1]
            fans = (area * channels, area * layer.filters)
            shape = (layer.kernel, layer.kernel, channels, layer.filters)
            specs += [
                WeightSpec(f"{layer.name}.weight", shape, *fans),
                WeightSpec(f"{layer.name}.bias", shape[-1:], *fans),
            ]
        elif isinstance(layer, Dense):
            fans = (before[-1], layer.units)
            specs += [
                WeightSpec(f"{layer.name}.weight", fans, *fans),
                WeightSpec(f"{layer.name}.bias", fans[-1:], *fans),
            ]
        before = shapes[layer.name]
    return tuple(specs)


def parameter_count(layers: tuple[Layer, ...] = LAYERS) -> int:
    """How many numbers the network learns: 32,612 for the article's network."""
    total = 0
    for spec in weight_specs(layers):
        count = 1
        for size in spec.shape:
            count *= size
        total += count
    return total


FEATURES = activation_shapes()["flatten"][0]
"""How many activations the dropout acts on: 1,550."""
