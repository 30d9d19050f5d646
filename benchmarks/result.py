"""What a benchmark gives: estimates with their intervals, and whether each holds its goal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

LEVEL = 0.95
"""Confidence that an interval should reach; a few samples reach less, and then say so."""

Unit = Literal["x", "s", "ms", "MB", "MiB", "KiB", "count"]
"""`x` is a ratio, `count` how often something happened: both are written without a unit."""
DIGITS: dict[Unit, int] = {"x": 3, "s": 2, "ms": 0, "MB": 0, "MiB": 0, "KiB": 0, "count": 0}


class BenchmarkError(Exception):
    """A benchmark cannot measure, in one plain sentence."""


@dataclass(frozen=True)
class Estimate:
    """A quantile of samples with its order-statistic interval, which assumes no distribution."""

    value: float
    low: float
    high: float
    confidence: float
    """How sure it is that the interval holds the true quantile."""
    samples: int


def quantile(values: Sequence[float], fraction: float = 0.5) -> Estimate:
    """The quantile of independent samples: the median, unless another `fraction` is asked for.

    The number of samples below the true quantile is binomial, so two of the sorted samples enclose it with a
    known probability: at least `LEVEL` where there are enough, else the extremes with what they reach.
    """
    ordered, count = sorted(values), len(values)
    if not count:
        raise BenchmarkError("There is no sample to judge by.")
    below = [math.comb(count, k) * fraction**k * (1 - fraction) ** (count - k) for k in range(count + 1)]
    tail = (1 - LEVEL) / 2
    low = max((k for k in range(1, count + 1) if sum(below[:k]) <= tail), default=1)
    high = min((k for k in range(1, count + 1) if sum(below[k:]) <= tail), default=count)
    value = median(ordered) if fraction == 0.5 else ordered[math.ceil(fraction * count) - 1]
    return Estimate(value, ordered[low - 1], ordered[high - 1], sum(below[low:high]), count)


@dataclass(frozen=True)
class Result:
    """One line of the table. Smaller is better in all of them; without a goal it is reported, not judged."""

    what: str
    estimate: Estimate
    unit: Unit
    goal: float | None = None
    note: str = ""

    @property
    def measured(self) -> str:
        """1.013 (0.998 to 1.021; 98 % of 10)."""
        value = self._written(self.estimate.value)
        if self.estimate.samples == 1:
            return f"{value} (once)"
        interval = f"{self._number(self.estimate.low)} to {self._number(self.estimate.high)}"
        return f"{value} ({interval}; {100 * self.estimate.confidence:.0f} %, n = {self.estimate.samples})"

    @property
    def goal_written(self) -> str:
        """The goal with its unit; a dash where there is none."""
        return "–" if self.goal is None else f"≤ {self.goal:g}{self._suffix}"

    @property
    def holds(self) -> bool | None:
        """Whether the estimate holds the goal; None where there is none."""
        return None if self.goal is None else self.estimate.value <= self.goal

    @property
    def verdict(self) -> str:
        """Holds, or missed by how much; and whether the interval leaves that open."""
        if self.goal is None:
            return "reported"
        if self.holds:
            return "holds" + (", but its interval reaches above" if self.estimate.high > self.goal else "")
        if not self.goal:
            return "missed"
        missed = f"missed by {100 * (self.estimate.value / self.goal - 1):.1f} %"
        return missed + (", but its interval reaches the goal" if self.estimate.low <= self.goal else "")

    @property
    def _suffix(self) -> str:
        return "" if self.unit in ("x", "count") else f" {self.unit}"

    def _number(self, value: float) -> str:
        return f"{value:.{DIGITS[self.unit]}f}"

    def _written(self, value: float) -> str:
        return self._number(value) + self._suffix
