"""The network as data: the one line in which it is written, what is wrong with one, its shapes, weights and costs.

    conv 30 3 relu, maxpool 2, conv 62 3 relu, maxpool 2, flatten, dropout, dense 10

The same text is in the field, the link, the command line, the store and the exports; a preset's name stands for its
text. Every engine builds the same network from `Network.layers`, so it is written down once. Arrays are in the
canonical layout of `WeightSpec`; `core.experiment.weights` moves them between it and PyTorch's.
"""

import contextlib
import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any, Self

from core.data.shape import MNIST_SHAPE, DataShape
from core.experiment.kinds import shown
from core.experiment.layers import (
    ACTIVATIONS,
    KINDS,
    WORDS,
    Activation,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Impossible,
    Layer,
    Pool,
    Shape,
    Span,
    WeightSpec,
    padding,
    spans,
)

PRESETS = {
    "article": "conv 30 3 relu, maxpool 2, conv 62 3 relu, maxpool 2, flatten, dropout, dense 10",
    "lenet5": (
        "conv 6 5 same tanh, avgpool 2, conv 16 5 tanh, avgpool 2, flatten, dense 120 tanh, dense 84 tanh, dense 10"
    ),
    "mlp": "flatten, dense 128 relu, dropout, dense 10",
    "batchnorm": (
        "conv 32 3 same, batchnorm, relu, maxpool 2, conv 64 3 same, batchnorm, relu, maxpool 2, "
        "flatten, dropout, dense 10"
    ),
    "deep": (
        "conv 32 3 same relu, conv 32 3 same relu, maxpool 2, conv 64 3 same relu, conv 64 3 same relu, maxpool 2, "
        "flatten, dropout, dense 128 relu, dropout, dense 10"
    ),
    "strided": "conv 32 3 stride 2 same relu, conv 64 3 stride 2 same relu, globalavgpool, dropout, dense 10",
}
"""Networks with a name, for ten classes; the last layer of each has as many units as the data set has classes."""
PRESET_TITLES = {
    "article": "The article's",
    "lenet5": "LeNet-5",
    "mlp": "Multilayer perceptron",
    "batchnorm": "With batch normalisation",
    "deep": "Four convolutions",
    "strided": "Strides in place of pooling",
}
MOST_NETWORK_LETTERS = 2000
"""Of a network's text."""
MOST_LAYERS = 40
MOST = {
    "layers": MOST_LAYERS,
    "parameters": 5_000_000,
    "multiply-adds an image": 300_000_000,
    "activations an image": 4_000_000,
}
"""How large a network can be: multiply-adds are those of one image, forward; activations the numbers that all layers
together leave of it, which training keeps in memory, times the batch."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)


class NetworkError(ValueError):
    """A network that cannot be, in one sentence that names the layer and the reason.

    `place` is that layer's, from 0; None where it is the whole that cannot be.
    """

    def __init__(self, sentence: str, place: int | None = None) -> None:
        super().__init__(sentence)
        self.place = place


@dataclass(frozen=True)
class Node:
    """One layer in its place: its name in the network, what arrives and what leaves, for one image."""

    name: str
    layer: Layer
    arrives: Shape
    leaves: Shape
    weights: tuple[WeightSpec, ...]
    grid: Shape | None
    """[height, width, channels] of what was flattened before, where what arrives is still in that order."""
    bias: bool
    """Whether its kernel has a bias."""

    @property
    def parameters(self) -> int:
        """How many numbers it learns."""
        return sum(math.prod(spec.shape) for spec in self.weights if spec.trained)

    @property
    def multiply_adds(self) -> int:
        """Multiplications with an addition for one image."""
        return self.layer.multiply_adds(self.arrives)

    def pads(self, window: int, stride: int) -> tuple[int, int, int, int]:
        """Keras' `same` padding of what arrives, as PyTorch's functions take it: left, right, above, below."""
        height, width, _ = self.arrives
        return *padding(width, window, stride), *padding(height, window, stride)


@dataclass(frozen=True)
class Network:
    """A network for data of one shape. `of` makes one of text, and refuses what cannot be."""

    layers: tuple[Layer, ...]
    data: DataShape

    @classmethod
    def of(cls, text: str, data: DataShape) -> Self:
        """The network that a preset's name or the notation means. Raises `NetworkError` for one that cannot be."""
        made = cls(layers_of(text, data.classes), data)
        made.check()
        return made

    def check(self) -> None:
        """Raises `NetworkError` where it cannot be, or is too large to be trained here."""
        _ = self.nodes  # each layer can follow the one before it
        last = self.layers[-1]
        if not isinstance(last, Dense) or last.units != self.data.classes or last.activation:
            why = " The last layer gives the logits, without an activation." if getattr(last, "activation", "") else ""
            raise NetworkError(f"The last layer must be dense {self.data.classes} for this data set, not {last}.{why}")
        if too_large := self.too_large(MOST):
            raise NetworkError(too_large)

    def too_large(self, most: Mapping[str, int]) -> str:
        """Why it has more than `most` allows, by the words of `MOST`, as a sentence; empty where it has not."""
        counts = (len(self.layers), self.parameters, self.multiply_adds, self.activations)
        for what, count in zip(MOST, counts, strict=True):
            if what in most and count > most[what]:
                return f"The network has {count:,} {what}: at most {most[what]:,} here."
        return ""

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every layer in its place. Raises `NetworkError` where one cannot follow the one before it."""
        return tuple(self.placed())

    def placed(self) -> Iterator[Node]:
        """The same one after the other, up to the one that cannot follow. Raises `NetworkError`."""
        shape: Shape = self.data.image
        grid: Shape | None = None
        before = f"{self.data.words}"
        for place, (name, layer) in enumerate(zip(names_of(self.layers), self.layers, strict=True)):
            bias = not _loses_bias(self.layers[place:])
            try:
                leaves = layer.output(shape)
            except Impossible as reason:
                raise NetworkError(f"{str(layer).capitalize()} after {before} {reason}.", place) from None
            yield Node(name, layer, shape, leaves, layer.weights(name, shape, grid, bias), grid, bias)
            if isinstance(layer, Flatten):
                grid = shape
            elif isinstance(layer, Dense):
                grid = None
            shape, before = leaves, str(layer)

    @cached_property
    def weights(self) -> tuple[WeightSpec, ...]:
        """Every array in the order of the layers, statistics included."""
        return tuple(spec for node in self.nodes for spec in node.weights)

    @property
    def parameters(self) -> int:
        """How many numbers it learns: 32,612 for the article's on MNIST."""
        return sum(node.parameters for node in self.nodes)

    @property
    def multiply_adds(self) -> int:
        """Multiplications with an addition for one image, forward."""
        return sum(node.multiply_adds for node in self.nodes)

    @property
    def activations(self) -> int:
        """How many numbers all layers together leave of one image; training keeps them, times the batch."""
        return sum(math.prod(node.leaves) for node in self.nodes)

    @property
    def dropouts(self) -> tuple[Node, ...]:
        """Where activations are dropped while training, in order."""
        return tuple(node for node in self.nodes if isinstance(node.layer, Dropout))

    @property
    def text(self) -> str:
        """Its notation in full."""
        return written(self.layers)


def _loses_bias(layers: Sequence[Layer]) -> bool:
    """Whether a batch normalisation would take the bias of the first of these layers away again.

    It then has none, as one writes it in both frameworks. Its gradient would be rounding alone, which Adam's update
    makes a weight of.
    """
    layer, *after = layers
    return _is_linear(layer) and loses_constants(after)


def loses_constants(after: Sequence[Layer]) -> bool:
    """Whether a number added to a whole channel is a number added to a whole channel up to a batch normalisation."""
    for layer in after:
        if isinstance(layer, BatchNorm):
            return True
        # Padding makes the border another number.
        if not isinstance(layer, Pool | GlobalAvgPool | Flatten) and not (
            _is_linear(layer) and not getattr(layer, "same", False)
        ):
            return False
    return False


def _is_linear(layer: Layer) -> bool:
    return isinstance(layer, Conv | DepthwiseConv | Dense) and not layer.activation


def names_of(layers: tuple[Layer, ...]) -> list[str]:
    """What each layer is called in its network: conv1, pool1, flatten, dense1, dense2; `dense` where it is one."""
    called = [layer.called for layer in layers]
    names = []
    for place, (word, layer) in enumerate(zip(called, layers, strict=True)):
        number = called[: place + 1].count(word)
        names.append(f"{word}{number}" if layer.counted or called.count(word) > 1 else word)
    return names


def written(layers: tuple[Layer, ...]) -> str:
    """The notation of layers, in its shortest form."""
    return ", ".join(map(str, layers))


def shortest(text: str, classes: int) -> str:
    """A preset's name where the text means it for so many classes, else the text in its shortest form.

    Raises `NetworkError` for what is no network.
    """
    layers = layers_of(text, classes)
    return next((name for name in PRESETS if layers_of(name, classes) == layers), written(layers))


def layers_of(text: str, classes: int = 10) -> tuple[Layer, ...]:
    """The layers of a preset's name, its last one with a unit a class, or of the notation.

    Raises `NetworkError` for text that is neither.
    """
    if name := preset_in(text):
        *layers, last = parse(PRESETS[name])
        assert isinstance(last, Dense)
        return *layers, replace(last, units=classes)
    return parse(text)


def preset_in(text: str) -> str:
    """The preset whose name a text is, be there a comma after it or not; empty where it is none."""
    name = ", ".join(parts_of(text)).lower()
    return name if name in PRESETS else ""


def parts_of(text: str) -> list[str]:
    """The text of each layer."""
    parts = [part.strip() for part in re.split(r",\s*\n|,|\n", text)]
    while parts and not parts[-1]:
        parts.pop()  # a comma or a line end after the last layer
    return parts


@lru_cache(maxsize=256)
def parse(text: str) -> tuple[Layer, ...]:
    """The layers of the notation: separated by commas or line ends, in any case and with any spaces.

    Whether they fit each other and the data, `Network.check` says. Raises `NetworkError`.
    """
    if len(text) > MOST_NETWORK_LETTERS:
        raise NetworkError(f"A network has at most {MOST_NETWORK_LETTERS:,} letters, not {len(text):,}.")
    parts = parts_of(text)
    if not parts:
        raise NetworkError(f"A network needs layers: {PRESETS['mlp']}, for example, or the name of a preset.")
    if len(parts) > MOST_LAYERS:
        raise NetworkError(f"A network has at most {MOST_LAYERS} layers here, not {len(parts):,}.")
    return tuple(_layer(*texts, place) for place, texts in enumerate(zip(parts, ["", *parts], strict=False), start=1))


def _layer(text: str, before: str, place: int) -> Layer:
    """One layer of its text; `before` is that of the layer before it. Raises `NetworkError`."""
    words = text.lower().split()
    if not words:
        raise NetworkError(f"Layer {place} is empty: two commas stand side by side.", place - 1)
    word, *rest = words
    if word in ACTIVATIONS:
        if rest:
            raise NetworkError(f"Layer {place}, {shown(text)}: {word} takes nothing more.", place - 1)
        return Activation(word)  # type: ignore[arg-type]
    if word not in KINDS:
        if meant := _meant_by_comma(before, text):
            raise NetworkError(f"There is no layer {shown(text)}: a comma ends a layer. Write {meant}.", place - 1)
        near = difflib.get_close_matches(word, WORDS, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        presets = f" Presets: {', '.join(PRESETS)}." if place == 1 and not rest else ""
        sentence = f"There is no layer {shown(word)}.{meant} Layers: {', '.join(WORDS)}.{presets}"
        raise NetworkError(sentence, place - 1)
    kind = KINDS[word]
    try:
        return kind(**_read(kind, rest))
    except _Unread as reason:
        raise NetworkError(f"Layer {place}, {shown(text)}: {reason}.", place - 1) from None


def _meant_by_comma(before: str, text: str) -> str:
    """The layer that a comma tore apart: dropout 0,5; conv 8 3,same; dense 1,024; "" where none is."""
    for joint in (".", " ", "" if re.match(r"\d{3}\b", text, re.ASCII) else " ") if before else ():
        with contextlib.suppress(NetworkError):
            return str(_layer(f"{before}{joint}{text}", "", 1))
    return ""


class _Unread(ValueError):
    """What is wrong with a layer's numbers and options: the end of a sentence."""


def _read(kind: type[Layer], words: list[str]) -> dict[str, Any]:
    """A layer's fields of the words after its own. Raises `_Unread`."""
    names, allowed = [field.name for field in fields(kind)], spans(kind)
    numbers = [name for name in allowed if name != "stride"]
    read: dict[str, Any] = {}
    for number in numbers:
        if not words or words[0].isalpha():
            raise _Unread(f"{kind.word} needs {' and '.join(numbers)}, as in {example(kind)}")
        read[number] = _whole(words.pop(0), number, allowed[number])
    if kind is Dropout and words:
        read["rate"] = _rate(words.pop(0))
    while words:
        option = words.pop(0)
        name = "activation" if option in ACTIVATIONS else option
        if name not in names or name in numbers or name == "rate":
            can = [name for name in ("stride N", "same") if name.split()[0] in names]
            can += [f"an activation ({', '.join(ACTIVATIONS)})"] if "activation" in names else []
            takes = f"{kind.word} takes {' and '.join([*numbers, *can]) or 'nothing more'}"
            raise _Unread(f"{takes}, not {shown(option)}")
        if name in read:
            raise _Unread(f"{name} stands twice")
        if name == "stride":
            if not words:
                raise _Unread("stride needs a number, as in stride 2")
            read[name] = _whole(words.pop(0), name, allowed[name])
        else:
            read[name] = option if name == "activation" else True
    if read.get("stride") == read.get("size"):
        read.pop("stride", None)  # a pool's usual one
    return read


def _whole(text: str, name: str, span: Span) -> int:
    # Digits alone: int() would take "1_0" and the digits of other scripts.
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not span.low <= int(text) <= span.high:
        raise _Unread(f"{name} must be a whole number from {span.low:,} to {span.high:,}, not {shown(text)}")
    return int(text)


def _rate(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not 0 <= float(text) <= 0.9:
        raise _Unread(f"the rate must be a number from 0 to 0.9, not {shown(text)}")
    return float(text)


EXAMPLES = {text.split()[0]: text for text in ("conv 30 3", "depthwise 3", "maxpool 2", "avgpool 2", "dense 10")}


def example(kind: type[Layer]) -> str:
    """How a layer of a kind is written, with the numbers that it needs."""
    return EXAMPLES.get(kind.word, kind.word)


def without_rates(text: str) -> str:
    """The same network with the run's rate in every dropout."""
    layers = tuple(Dropout() if isinstance(layer, Dropout) else layer for layer in layers_of(text))
    return text if text in PRESETS else written(layers)


ARTICLE = Network.of("article", MNIST_SHAPE)
"""The article's network on the article's data: what its probes and lessons build, whatever a run has."""
