"""The setting that is a network."""

from dataclasses import dataclass
from typing import Any

from core.experiment.kinds import Setting, shown
from core.experiment.network import MOST_LETTERS, PRESET_TITLES, PRESETS, NetworkError, in_short, parse, written


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
        name = str(value)[:MOST_LETTERS].strip().lower()
        return name if name in PRESETS else written(parse(str(value)))

    def said(self, value: Any) -> str:
        return PRESET_TITLES[value] if value in PRESETS else str(value)

    def phrase(self, value: Any) -> str:
        return f"network {value if value in PRESETS else in_short(parse(value))}"
