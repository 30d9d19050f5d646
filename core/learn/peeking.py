"""Why not just look? Studies in which no framework is better, simulated, and how often looking at them misleads.

Two intervals watch the same pairs: that of the usual t test, which is right for one look, and that of the studies here,
which may be looked at after every pair. The truth is zero; an interval was wrong as soon as it once left it out.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from core.experiment.statistics import ALPHA, half_width

Floats = npt.NDArray[np.float64]

SLUG = "peeking"
TITLE = "Why not just look?"
WORDS = (
    "A t test allows for one look, at the end: whoever looks after every pair and stops at the first significant "
    "difference often finds one that does not exist. The interval of a study here allows for every look."
)

STUDIES, PAIRS, SEED = 2000, 100, 0


@dataclass(frozen=True)
class Watched:
    """An interval around the mean, looked at after every pair of every study."""

    half_widths: Floats
    """By pairs, in standard deviations of a study's differences so far; infinite where it says nothing yet."""
    wrong: npt.NDArray[np.bool_]
    """Studies by pairs: whether it has left out the truth by then."""

    def rate(self, pairs: int) -> float:
        """The share of studies in which it was wrong once in this many pairs."""
        return float(self.wrong[:, pairs - 1].mean())


@dataclass(frozen=True)
class Simulation:
    """What was seen after each pair. Means and deviations: studies by pairs, in standard deviations of one pair."""

    means: Floats
    deviations: Floats
    t_test: Watched
    interval: Watched


@cache
def simulate() -> Simulation:
    """`STUDIES` studies of `PAIRS` pairs each, the same ones every time; computed once a process."""
    differences = np.random.default_rng(SEED).standard_normal((STUDIES, PAIRS))
    n = np.arange(1, PAIRS + 1)
    means = differences.cumsum(1) / n
    deviations = np.sqrt(np.maximum((differences**2).cumsum(1) / n - means**2, 0))

    def watched(half_widths: Floats) -> Watched:
        # Infinity times the deviation of one pair, which is zero, is no number, and leaves nothing out.
        with np.errstate(invalid="ignore"):
            outside = np.abs(means) > half_widths * deviations
        return Watched(half_widths, np.logical_or.accumulate(outside, axis=1))

    ours = np.array([half_width(pairs) for pairs in range(1, PAIRS + 1)])
    return Simulation(means, deviations, watched(t_half_widths()), watched(ours))


def t_half_widths() -> Floats:
    """Half the width of the usual t interval after 1 to `PAIRS` pairs, in standard deviations of the differences.

    A web process does without SciPy, which knows the quantiles. With f degrees of freedom the angle a of T = sqrt(f)
    tan(a) has the density cos(a) ** (f - 1), and half the width is the tangent of its quantile.
    """
    angles = np.linspace(0, math.pi / 2, 2001)
    density = np.cos(angles) ** np.arange(PAIRS - 1)[:, None]
    share = np.cumsum((density[:, 1:] + density[:, :-1]) / 2, axis=1)
    quantiles = [np.interp(1 - ALPHA, below / below[-1], angles[1:]) for below in share]
    return np.array([math.inf, *np.tan(quantiles)])
