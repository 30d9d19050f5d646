"""Networks, optimisers and shapes of data drawn at random: the same number gives the same ones everywhere.

What there is to draw from is dealt like cards, so that a dozen draws use every layer, activation and optimiser.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.shape import DataShape
from core.experiment.layers import (
    ACTIVATIONS,
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Impossible,
    Layer,
    LayerNorm,
    MaxPool,
    Shape,
)
from core.experiment.network import Network, written
from core.experiment.parity import cannot_align

STEPS, EPOCHS = 20, 2
MOST_ACTIVATIONS_OF_ONE = 600
"""Of one layer for one image: float64 is slow."""
OPTIMIZERS: Sequence[Mapping[str, Any]] = (
    {"optimizer": "adam"},
    {"optimizer": "sgd", "learning_rate": 0.02, "momentum": 0.9},
    {"optimizer": "rmsprop"},
    {"optimizer": "adamw", "weight_decay": 0.02},
    {"optimizer": "nesterov", "learning_rate": 0.01, "momentum": 0.8},
    {"optimizer": "rmsprop", "momentum": 0.7, "weight_decay": 0.01},
    {"optimizer": "adam", "weight_decay": 0.01, "learning_rate": 3e-3},
    {"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 0.003},
    {"optimizer": "nesterov", "learning_rate": 0.02, "momentum": 0.9, "weight_decay": 0.01},
)
IMAGE_LAYERS = (Conv, Conv, DepthwiseConv, MaxPool, AvgPool, BatchNorm, LayerNorm, Dropout, Activation)
FLAT_LAYERS = (Dense, Dense, BatchNorm, LayerNorm, Dropout, Activation)


@dataclass(frozen=True)
class Drawn:
    """What both frameworks are asked to train."""

    number: int
    network: str
    data: DataShape
    images: int
    """As many as `STEPS / EPOCHS` steps take, the last one smaller in every second draw."""
    settings: Mapping[str, Any]

    @property
    def asked(self) -> dict[str, Any]:
        """As a probe's arguments."""
        return {"settings": dict(self.settings), "data": list(self.data), "images": self.images}

    def __str__(self) -> str:
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items() if name != "network")
        return f"{self.number}: {self.network} | {settings} | {self.data.words}, {self.images} images"


class _Dealer:
    """Draws for one number."""

    def __init__(self, number: int, attempt: int) -> None:
        self.number = number
        self.generator = np.random.default_rng((number, attempt))
        self._dealt = number * 5

    def one_of(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.generator.integers(len(choices)))]

    def whole(self, low: int, high: int) -> int:
        return int(self.generator.integers(low, high + 1))

    def some_of(self, cards: Sequence[type[Layer]], low: int, high: int) -> list[type[Layer]]:
        """From `low` to `high` of the cards, in an order of their own."""
        order = self.generator.permutation(len(cards))
        return [cards[place] for place in order[: self.whole(low, high)]]

    def chance(self, of: float) -> bool:
        return bool(self.generator.random() < of)

    def activation(self) -> Any:
        """The next one in turn."""
        self._dealt += 1
        return ACTIVATIONS[self._dealt % len(ACTIVATIONS)]

    def layer(self, kind: type[Layer], shape: Shape) -> Layer:
        """One layer with options of its own."""
        stride, same, activation = self.whole(1, 3), self.chance(0.5), self.activation() if self.chance(0.7) else ""
        if kind is Conv:
            return Conv(self.whole(1, 7), self.whole(1, 5), stride, same, activation)
        if kind is DepthwiseConv:
            return DepthwiseConv(self.whole(1, 5), stride, same, activation)
        if kind in (MaxPool, AvgPool):
            size = self.whole(2, 4)
            return kind(size, 0 if stride == size else stride, same)  # type: ignore[call-arg]
        if kind is Dropout:
            return Dropout(self.one_of((None, 0.2, 0.5)))
        if kind is Activation:
            return Activation(self.activation())
        if kind is Dense:
            return Dense(self.whole(3, 20), activation)
        return kind()


def draw(number: int) -> Drawn:
    """The network, optimiser and data of a number from 0; what no alignment can align is drawn again."""
    for attempt in count():
        dealer = _Dealer(number, attempt)
        data = DataShape(dealer.whole(6, 14), dealer.whole(6, 14), dealer.one_of((1, 3)), dealer.whole(2, 6))
        network = Network(tuple(_layers(dealer, data)), data)
        network.check()
        if not cannot_align(network):
            break
    batch = dealer.whole(4, 9)
    steps = STEPS // EPOCHS
    images = batch * steps if number % 2 else batch * steps - dealer.whole(1, batch - 2)
    settings = {
        "network": written(network.layers),
        "batch_size": batch,
        "seed": number,
        "dropout": dealer.one_of((0.3, 0.6)),
        **OPTIMIZERS[number % len(OPTIMIZERS)],
    }
    return Drawn(number, written(network.layers), data, images, settings)


def drawn_images(seed: int, data: DataShape, images: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images [images, H, W, C] and labels [images]: each image is as bright as it likes, a third of its pixels black.

    Where all images had the same mean, what a normalisation makes of means would be rounding alone.
    """
    generator = np.random.default_rng(seed)
    level = generator.random((images, 1, 1, data.channels))
    pixels = generator.random((images, *data.image)) * level * (generator.random((images, *data.image)) > 1 / 3)
    return (255 * pixels).astype(np.uint8), generator.integers(0, data.classes, images).astype(np.uint8)


def _layers(dealer: _Dealer, data: DataShape) -> list[Layer]:
    shape: Shape = data.image
    made: list[Layer] = []

    def add(kind: type[Layer]) -> None:
        nonlocal shape
        for _ in range(20):
            layer = dealer.layer(kind, shape)
            try:
                leaves = layer.output(shape)
            except Impossible:
                continue
            if np.prod(leaves) <= MOST_ACTIVATIONS_OF_ONE:
                made.append(layer)
                shape = leaves
                return

    if dealer.number % 6:  # every sixth has no layer over images
        for kind in dealer.some_of(IMAGE_LAYERS, 3, 7):
            add(kind)
    made.append(Flatten() if dealer.chance(0.6) else GlobalAvgPool())
    shape = made[-1].output(shape)
    for kind in dealer.some_of(FLAT_LAYERS, 1, 4):
        add(kind)
    return [*made, Dense(data.classes)]
