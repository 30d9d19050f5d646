"""The kind of setting that names a data set."""

from dataclasses import dataclass
from typing import Any

from core.data.datasets import DATASETS
from core.data.own import OWN_NAME
from core.experiment.kinds import Choice, shown
from core.experiment.names import joined
from core.experiment.network_text import fitting_presets

USUAL = "article"
"""The network that a run has where none is asked for."""


@dataclass(frozen=True)
class DatasetName(Choice):
    """A data set of the catalogue, or one's own images by a name that begins with own-, be they here or not."""

    @property
    def allowed(self) -> str:
        return f"{', '.join(self.titles)}, or own-NAME for your own images"

    @property
    def option_help(self) -> str:
        """What it may be, and the networks for data that are too small for the usual one."""
        fitting = {name: fitting_presets(dataset.shape) for name, dataset in DATASETS.items()}
        small = [f" For {name}: --network {joined(some, 'or')}." for name, some in fitting.items() if USUAL not in some]
        return f"{self.allowed}.{''.join(small)}"

    def why_not(self, value: object) -> str:
        if isinstance(value, str) and (value in self.titles or OWN_NAME.fullmatch(value)):
            return ""
        return f"{self.label} must be one of {self.allowed}, not {shown(value)}."

    def said(self, value: Any) -> str:
        return self.titles.get(value, str(value))

    def cell(self, value: Any) -> str:
        return self.said(value)


DATASET = DatasetName(
    "Data set", costs=True, titles={name: dataset.title for name, dataset in DATASETS.items()}, proper=True
)
