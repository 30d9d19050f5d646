"""What a probe's result says: a finding in words, whether it supports the row's verdicts, charts and small tables.

One module for each probe, under the probe's name, with a function `show(result) -> Shown`. Pure: the page, the
command line and the downloads all read a result through this.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go


@dataclass(frozen=True)
class Table:
    """A small table: all cells are text as a reader sees it."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A Plotly figure and, for who cannot see it, its finding in a sentence."""

    figure: go.Figure
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Shown:
    """A result as it is shown. `finding` is plain text, no Markdown."""

    finding: str
    supports: bool
    """Whether the measured result supports our verdicts of the row, by the rule that the module states."""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """Only where the verdict is measured: `keras` and `pytorch` to a word of `core.compare.claims.VERDICTS`."""


def shown(probe: str, result: Mapping[str, Any]) -> Shown:
    """The evidence of one probe's result."""
    answer: Shown = importlib.import_module(f"core.compare.evidence.{probe}").show(result)
    return answer
