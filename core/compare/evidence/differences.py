"""Evidence of a difference: the gap between both sides, aligned and with the default turned on again, place by place.

The gap is relative: how far the two numbers of a place are apart, over the larger of them; two zeros are not apart. The
sides **part** at the first place at which the gap with the default is above `PARTED` and ten times that of the aligned
ones. Rule: the measurement supports a row where they part within the place that its text names (or, where it says that
nothing differs, nowhere), and the aligned sides stay within `PARTED` all along.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from core.compare.differences.difference import Difference
from core.compare.evidence import Picture, Shown
from core.experiment import metrics
from core.results import axes
from core.results.charts import COLOURS, DASHES, base_layout, on_axis

PARTED = 1e-9
TENTH = 0.1
FLOOR = 1e-17
"""Where a gap of zero is drawn: a logarithmic axis has none."""
ON = {"keras": "With Keras' default", "pytorch": "With PyTorch's default", "both": "With both defaults"}
COLOUR = {"keras": COLOURS["keras"], "pytorch": COLOURS["torch"], "both": "#7c5bb8"}
"""Of the gap with the default on, by whose it is."""


@dataclass(frozen=True)
class Parting:
    """The relative gaps of every place, aligned and with the default on (`kept`)."""

    aligned: tuple[float, ...]
    kept: tuple[float, ...]

    @property
    def parts_at(self) -> int:
        """The first place, from 1, at which the sides have parted; 0 where they never do."""
        for place, (aligned, kept) in enumerate(zip(self.aligned, self.kept, strict=True), start=1):
            if kept > PARTED and aligned < TENTH * kept:
                return place
        return 0

    @property
    def largest_gap(self) -> float:
        """With the default on."""
        return max(self.kept, default=0.0)

    @property
    def aligned_gap(self) -> float:
        """The largest while everything is aligned."""
        return max(self.aligned, default=0.0)

    def supports(self, difference: Difference) -> bool:
        """Whether it is as the row's text says; see the module."""
        within = difference.parts_within
        parts = 1 <= self.parts_at <= within if within else not self.parts_at
        return parts and self.aligned_gap <= PARTED


def parting(values: Mapping[str, Any]) -> Parting:
    """Of a row's part of a result of `core.compare.probes.differences`, in which nothing failed."""
    aligned, kept = (_gaps(values[way]["keras"], values[way]["pytorch"]) for way in ("aligned", "kept"))
    places = min(len(aligned), len(kept))
    return Parting(tuple(aligned[:places]), tuple(kept[:places]))


def _gaps(keras: Sequence[float], pytorch: Sequence[float]) -> list[float]:
    return [_gap(*both) for both in zip(keras, pytorch, strict=False)]


def _gap(one: float, other: float) -> float:
    largest = max(abs(one), abs(other))
    return abs(one - other) / largest if largest else 0.0


def show(difference: Difference, found: Parting) -> Shown:
    """The finding in words and its figure."""
    return Shown(_finding(difference, found), found.supports(difference), [_figure(difference, found)])


def _finding(difference: Difference, found: Parting) -> str:
    quantity, largest = difference.quantity, metrics.digits(found.largest_gap)
    if not found.parts_at:
        said = f"Both sides stay together: {_together(quantity, found.largest_gap)}."
    else:
        said = (
            f"Aligned, {_together(quantity, found.aligned_gap)}. {ON[difference.turned_on]}, both sides part at "
            f"{one_of(difference.along)} {found.parts_at:,} of {len(found.kept):,}; the largest gap is {largest} of "
            f"the {quantity}."
        )
    return said if found.supports(difference) else f"{said} {_contradiction(difference, found)}"


def _together(quantity: str, gap: float) -> str:
    if not gap:
        return f"the {quantity} is the same to the last bit"
    return f"the {quantity} differs by no more than {metrics.digits(gap)} of itself"


def one_of(along: str) -> str:
    """What is counted, without what it is in detail."""
    return along.partition(",")[0].partition(":")[0]


def _contradiction(difference: Difference, found: Parting) -> str:
    """How the measurement contradicts the row, in a sentence."""
    within = difference.parts_within
    if found.aligned_gap > PARTED:
        return "That contradicts the row: aligned, both sides should compute the same."
    if not within:
        return "That contradicts the row: no difference was expected."
    return f"That contradicts the row: they should part at {one_of(difference.along)} {within:,} at the latest."


def _figure(difference: Difference, found: Parting) -> Picture:
    """Both gaps on a logarithmic axis; grey while aligned."""
    places = list(range(1, len(found.kept) + 1))
    figure = go.Figure(layout=base_layout(220))
    lines = (
        ("aligned", found.aligned, {"color": COLOURS["other"], "dash": DASHES["other"]}),
        ("with the default", found.kept, {"color": COLOUR[difference.turned_on]}),
    )
    for name, gaps, style in lines:
        figure.add_scatter(
            x=places,
            y=[max(gap, FLOOR) for gap in gaps],
            name=name,
            mode="lines+markers" if len(places) < 2 else "lines",
            line={"width": 2, **style},
            text=[metrics.digits(gap) for gap in gaps],
            hovertemplate=f"{name}, {one_of(difference.along)} %{{x}}: %{{text}}<extra></extra>",
        )
    if found.parts_at:
        figure.add_vline(x=found.parts_at, line={"width": 1, "dash": "dot", "color": COLOURS["other"]})
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.25})
    figure.update_xaxes(title_text=difference.along, showgrid=False, **on_axis(axes.epochs(len(places))))
    figure.update_yaxes(title_text="relative gap", **on_axis(_gap_axis(found)))
    zeros = any(gap < FLOOR for gap in (*found.aligned, *found.kept))
    caption = f"Gaps of zero are drawn at {metrics.power_of_ten(FLOOR)}." if zeros else ""
    return Picture(figure, _finding(difference, found), caption)


def _gap_axis(found: Parting) -> axes.Axis:
    """From the floor, so that figures of different rows can be compared, up to what is there."""
    return axes.logarithmic([FLOOR, max(found.largest_gap, found.aligned_gap, PARTED)])
