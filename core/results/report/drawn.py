"""What a report's chart is made of, placed in per cent, so that it is right at any width.

Nothing here draws: `chart.html.j2` does, as SVG whose lines stretch with the page and whose words and marks do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.results.axes import Axis

Points = list[tuple[float, float]]
"""Places from 0 to 100, from left and from top."""


class Drawn(Protocol):
    """A lane as a legend names it."""

    @property
    def engine(self) -> str: ...
    @property
    def title(self) -> str: ...


@dataclass(frozen=True)
class Line:
    """A line, or marks at its places; `part` says what it is, and so how it looks."""

    part: str
    places: Points
    engine: str = ""
    """Whose it is; empty where it is of no lane alone."""
    marked: bool = False
    """With a mark at each place, and not a line alone."""


@dataclass(frozen=True)
class Area:
    """What lies behind the lines, by the corners around it."""

    part: str
    places: Points


@dataclass(frozen=True)
class Tip:
    """What one column of a chart says when it is pointed at: from `left`, `width` wide, in per cent."""

    left: float
    width: float
    lines: Sequence[str]


@dataclass(frozen=True)
class Name:
    """Words at a place of the chart; below it or above."""

    x: float
    y: float
    words: str
    below: bool


@dataclass(frozen=True)
class Chart:
    """One chart, ready to be drawn."""

    key: str
    heading: str
    finding: str
    """For who cannot see it."""
    caption: str
    title_across: str
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    lines: Sequence[Line]
    tips: Sequence[Tip] = ()
    names: Sequence[Name] = ()
    areas: Sequence[Area] = ()
    lanes: Sequence[Drawn] = ()
    """In its legend."""

    @property
    def letters(self) -> int:
        """How many letters its widest label upwards has, for which there must be room."""
        return max((len(label) for _, label in self.up), default=1)


def placed(points: Points, x: Axis, y: Axis) -> Points:
    """Points in the axes' values as places; what an axis cannot hold is left out."""
    return [(100 * x.share(at), 100 * (1 - y.share(value))) for at, value in points if x.holds(at) and y.holds(value)]


def ticks_across(axis: Axis) -> list[tuple[float, str]]:
    """Its ticks from the left."""
    return [(100 * axis.share(tick), label) for tick, label in axis.ticks]


def ticks_up(axis: Axis) -> list[tuple[float, str]]:
    """Its ticks from the top."""
    return [(100 * (1 - axis.share(tick)), label) for tick, label in axis.ticks]


def column(left: float, right: float, lines: Sequence[str]) -> Tip:
    """What is said between two shares of an axis across, as far as the chart reaches."""
    left, right = (100 * max(0.0, min(1.0, share)) for share in (left, right))
    return Tip(left, right - left, lines)
