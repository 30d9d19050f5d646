"""The setting that is a network."""

import contextlib
import itertools
import math
from dataclasses import dataclass
from typing import Any

from core.data.shape import DataShape
from core.experiment.kinds import Setting, shown
from core.experiment.layers import BatchNorm, Conv, Dense, Layer
from core.experiment.network import (
    MOST_NETWORK_LETTERS,
    PRESET_TITLES,
    PRESETS,
    Network,
    NetworkError,
    parse,
    preset_in,
    written,
)


@dataclass(frozen=True)
class NetworkText(Setting):
    """A network: a preset's name, or its notation; see `core.experiment.network`."""

    @property
    def allowed(self) -> str:
        return f"{', '.join(PRESETS)}, or layers with commas between them"

    def why_not(self, value: object) -> str:
        if not isinstance(value, str):
            return f"{self.label} must be {self.allowed}, not {shown(value)}."
        try:
            self.read(value)
        except NetworkError as error:
            return str(error)
        return ""

    def read(self, value: Any) -> object:
        return preset_in(str(value)[:MOST_NETWORK_LETTERS]) or written(parse(str(value)))

    def said(self, value: Any) -> str:
        return PRESET_TITLES[value] if value in PRESETS else str(value)

    def phrase(self, value: Any) -> str:
        return f"network {value if value in PRESETS else in_short(parse(value))}"


def in_short(layers: tuple[Layer, ...], letters: int = 40) -> str:
    """What tells networks apart in few letters: conv 16-32 dense 128-10; only how many layers where that is long."""
    sizes = [
        (layer.word, str(layer.filters if isinstance(layer, Conv) else layer.units))
        for layer in layers
        if isinstance(layer, Conv | Dense)
    ]
    words = " ".join(
        f"{word} {'-'.join(size for _, size in run)}" for word, run in itertools.groupby(sizes, key=lambda one: one[0])
    )
    return words if 0 < len(words) <= letters else f"of {len(layers)} layers"


def fitting_presets(data: DataShape) -> list[str]:
    """The names of the presets that such data can train."""
    fitting = []
    for name in PRESETS:
        with contextlib.suppress(NetworkError):
            Network.of(name, data)
            fitting.append(name)
    return fitting


def leaves_one_value(network: Network) -> str:
    """A batch normalisation that sees one value a channel of each image, so that a batch needs two; "" without one."""
    for node in network.nodes:
        if isinstance(node.layer, BatchNorm) and math.prod(node.arrives[:-1]) == 1:
            return node.name
    return ""
