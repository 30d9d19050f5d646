"""The setting that is a network."""

import itertools
from dataclasses import dataclass
from typing import Any

from core.experiment.kinds import Setting, shown
from core.experiment.layers import Conv, Dense, Layer
from core.experiment.network import (
    MOST_NETWORK_LETTERS,
    PRESET_TITLES,
    PRESETS,
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
