"""The kind of setting that names a data set."""

from dataclasses import dataclass
from typing import Any

from core.data.datasets import DATASETS
from core.data.own import OWN_NAME
from core.experiment.kinds import Choice, shown


@dataclass(frozen=True)
class DatasetName(Choice):
    """A data set of the catalogue, or one's own images by a name that begins with own-, be they here or not."""

    @property
    def allowed(self) -> str:
        return f"{', '.join(self.titles)}, or own-NAME for your own images"

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
