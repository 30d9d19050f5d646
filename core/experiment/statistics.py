"""What pairs of runs say of two frameworks, however often one looks: pure functions of paired differences.

The interval is the anytime-valid t interval: it may be looked at after every pair, and still misses the true mean in at
most alpha of all studies (Wang and Ramdas, arXiv 2310.03722; Lindon et al., arXiv 2210.08589). Where a t interval is
watched until it decides, it misses in a third of them. Skewed differences break it, so times enter as logarithms of
ratios, and a sign test by e-value stands beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

ALPHA = 0.05
C_SQUARED = 0.25
"""Of the prior over the mean, in standard deviations squared; chosen before anything is measured."""
MOST_PAIRS = 100_000
"""Beyond which a study is said to decide never."""


@dataclass(frozen=True)
class Interval:
    """Where the mean of the differences lies; unbounded while there are too few of them."""

    mean: float
    low: float
    high: float

    @property
    def bounded(self) -> bool:
        """Whether it says anything yet."""
        return math.isfinite(self.low)


class Verdict(StrEnum):
    """What an interval says beside a margin that was declared before."""

    IDENTICAL = "identical"
    SAME = "same"
    DIFFERS_WITHIN = "differs within the margin"
    DIFFERS = "differs"
    UNKNOWN = "not known yet"

    @property
    def decided(self) -> bool:
        """Whether no further pair is needed."""
        return self != Verdict.UNKNOWN


def half_width(pairs: int, alpha: float = ALPHA) -> float:
    """Half the interval's width in standard deviations of the differences; infinite for too few pairs."""
    if pairs < 1:
        return math.inf
    log_a = math.log((pairs + C_SQUARED) / (C_SQUARED * alpha**2)) / pairs
    ratio = C_SQUARED / (pairs + C_SQUARED)
    if log_a + math.log(ratio) >= 0:
        return math.inf
    a = math.exp(log_a)
    return math.sqrt((a - 1) / (1 - a * ratio))


def interval(differences: Sequence[float], alpha: float = ALPHA, resolution: float = 0.0) -> Interval:
    """The anytime-valid interval of the mean of paired differences.

    `resolution` is the smallest step of the score (one test image of 1,000: 0.001): differences that happen to be equal
    are not taken for certain. Raises `ValueError` for no differences.
    """
    mean, deviation = _mean_and_deviation(differences, resolution)
    half = half_width(len(differences), alpha)
    half = half * deviation if math.isfinite(half) else math.inf
    return Interval(mean, mean - half, mean + half)


def _mean_and_deviation(differences: Sequence[float], resolution: float) -> tuple[float, float]:
    if not len(differences):
        raise ValueError("no pair has ended, so there is no mean")
    return float(np.mean(differences)), max(float(np.std(differences)), resolution)


def sign_evalue(wins: int, losses: int) -> float:
    """The evidence that one framework wins more often than the other, ties left out; decides at 1 / alpha.

    The mixture of all win rates by Jeffreys' prior, against a fair coin: 2^n B(k + 1/2, n - k + 1/2) / B(1/2, 1/2).
    """
    pairs = wins + losses

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    exponent = pairs * math.log(2) + log_beta(wins + 0.5, losses + 0.5) - log_beta(0.5, 0.5)
    return math.exp(min(exponent, 700.0))


def verdict(differences: Sequence[float], found: Interval, margin: float) -> Verdict:
    """What the interval of these differences says; `margin` is the smallest difference that matters.

    An interval's end on zero or on the margin decides nothing. Two equal scores can be chance, so that runs are
    identical no sooner than there are enough of them for an interval.
    """
    if found.bounded and not np.any(differences):
        return Verdict.IDENTICAL
    inside = -margin < found.low and found.high < margin
    if found.low > 0 or found.high < 0:
        return Verdict.DIFFERS_WITHIN if inside else Verdict.DIFFERS
    return Verdict.SAME if inside else Verdict.UNKNOWN


def pairs_to_decide(
    differences: Sequence[float], margin: float, alpha: float = ALPHA, resolution: float = 0.0
) -> int | None:
    """About how many pairs there must be in all, if mean and spread stay as they are.

    None: more than `MOST_PAIRS`, or not known, since one pair has no spread. Raises `ValueError` for no differences.
    """
    mean, deviation = _mean_and_deviation(differences, resolution)
    if len(differences) == 1:
        return None
    identical = not np.any(differences)

    def decides(pairs: int) -> bool:
        half = half_width(pairs, alpha)
        if identical or not math.isfinite(half):
            return math.isfinite(half)
        half *= deviation
        return half < abs(mean) or abs(mean) + half < margin

    low = high = len(differences)
    while not decides(high):
        low, high = high, 2 * high
        if high > MOST_PAIRS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
