"""The interval that may be watched: its figures, its coverage by simulation, and what it makes of a margin."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import integrate, stats

from core.experiment.statistics import (
    C_SQUARED,
    Interval,
    Verdict,
    half_width,
    interval,
    pairs_to_decide,
    sign_evalue,
    verdict,
)

Floats = npt.NDArray[np.float64]
STUDIES, PAIRS = 2000, 50


def simulated(kind: str) -> tuple[Floats, float]:
    """Differences [studies, pairs] and their true mean."""
    rng = np.random.default_rng(20261130)
    size = (STUDIES, PAIRS)
    match kind:
        case "normal":
            return rng.normal(0.3, 1, size), 0.3
        case "heavy tails":
            return rng.standard_t(4, size), 0.0
        case "logarithms of ratios of times":
            return rng.normal(0.1, 0.05, size) + rng.exponential(0.02, size) - rng.exponential(0.02, size), 0.1
        case _:
            images = rng.binomial(1000, 0.97, (2, *size)) / 1000
            return images[0] - images[1], 0.0


def halves(alpha: float) -> Floats:
    """Half widths in standard deviations after 1 to `PAIRS` pairs."""
    return np.array([half_width(n, alpha) for n in range(1, PAIRS + 1)])


def missed(differences: Floats, mean: float, half: Floats) -> float:
    """The share of studies in which an interval, looked at after every pair, once missed the mean."""
    n = np.arange(1, PAIRS + 1)
    means = differences.cumsum(1) / n
    spread = np.sqrt(np.maximum((differences**2).cumsum(1) / n - means**2, 1e-18))
    with np.errstate(invalid="ignore"):
        return float((np.abs(means - mean) > np.nan_to_num(half * spread, nan=np.inf)).any(1).mean())


@pytest.mark.parametrize(
    "kind", ["normal", "heavy tails", "logarithms of ratios of times", "accuracies of 1,000 images"]
)
def test_an_interval_that_is_watched_misses_in_at_most_5_percent(kind: str) -> None:
    assert missed(*simulated(kind), halves(0.05)) <= 0.05


def test_a_t_interval_that_is_watched_misses_in_more_than_20_percent() -> None:
    n = np.arange(2, PAIRS + 1)
    usual = np.concatenate([[np.inf], stats.t.ppf(0.975, n - 1) / np.sqrt(n - 1)])
    assert missed(*simulated("normal"), usual) > 0.2


def test_skewed_times_break_an_interval_of_differences_and_not_one_of_logarithms_of_ratios() -> None:
    logarithms = np.random.default_rng(5).normal(0, 1, (STUDIES, PAIRS))
    ratios, mean_ratio = np.exp(logarithms), math.exp(0.5)
    assert missed(ratios, mean_ratio, halves(0.05)) > 0.2
    assert missed(logarithms, 0, halves(0.05)) <= 0.05


@pytest.mark.parametrize("pairs", [5, 6, 10, 50])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_at_the_intervals_ends_the_evidence_by_noncentral_t_is_one_divided_by_alpha(pairs: int, alpha: float) -> None:
    """No kept package has this interval, but SciPy has what it is made of.

    The noncentral t, averaged over a normal prior of the effect, over the plain t is the e-value of a mean. The means
    that have less than 1 / alpha are the interval.
    """
    half = half_width(pairs, alpha)
    if not math.isfinite(half):
        assert (pairs, alpha) == (5, 0.01)
        return
    freedom = pairs - 1
    t = half * math.sqrt(
        freedom
    )  # half is in the deviation that divides by the pairs, t in that which divides by freedom

    def weighed(effect: float) -> float:
        likely = stats.nct.pdf(t, freedom, effect * math.sqrt(pairs))
        return float(likely * stats.norm.pdf(effect, scale=1 / math.sqrt(C_SQUARED)))

    averaged, _ = integrate.quad(weighed, -20, 20, points=[0, half], limit=200)
    assert averaged / stats.t.pdf(t, freedom) == pytest.approx(1 / alpha, rel=1e-4)


@pytest.mark.parametrize(("pairs", "half"), [(5, 2.4), (10, 1.26), (20, 0.81), (50, 0.5)])
def test_half_widths_are_those_of_the_design(pairs: int, half: float) -> None:
    unbiased = math.sqrt((pairs - 1) / pairs)  # the design counts in the sample's standard deviations
    assert half_width(pairs) * unbiased == pytest.approx(half, rel=0.02)


def test_the_first_pairs_bound_nothing() -> None:
    assert [math.isfinite(half_width(n)) for n in range(6)] == [False, False, False, False, True, True]
    assert not interval([0.3]).bounded
    with pytest.raises(ValueError, match="no pair"):
        interval([])


def test_the_interval_shrinks_with_pairs_and_grows_with_certainty() -> None:
    widths = [half_width(n) for n in range(5, 500)]
    assert widths == sorted(widths, reverse=True)
    assert half_width(20, 0.01) > half_width(20, 0.05)


def test_equal_scores_are_no_more_certain_than_the_score_is_fine() -> None:
    found = interval([0.001] * 20, resolution=0.001)
    assert found.high - found.low == pytest.approx(2 * 0.001 * half_width(20))


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (-0.001, 0.001, Verdict.SAME),
        (-0.002, 0.001, Verdict.UNKNOWN),
        (-0.001, 0.002, Verdict.UNKNOWN),
        (0.0, 0.001, Verdict.SAME),
        (0.0001, 0.001, Verdict.DIFFERS_WITHIN),
        (-0.001, -0.0001, Verdict.DIFFERS_WITHIN),
        (0.0001, 0.002, Verdict.DIFFERS),
        (-0.01, -0.003, Verdict.DIFFERS),
        (0.0, 0.003, Verdict.UNKNOWN),
        (-math.inf, math.inf, Verdict.UNKNOWN),
    ],
)
def test_a_verdict_on_every_border(low: float, high: float, says: Verdict) -> None:
    assert verdict([0.1, -0.1], Interval(0.0, low, high), margin=0.002) == says


def test_runs_without_any_difference_are_identical_and_need_no_statistics() -> None:
    assert verdict([0.0] * 5, interval([0.0] * 5), 0.002) == Verdict.IDENTICAL
    for few in range(1, 4):
        assert verdict([0.0] * few, interval([0.0] * few), 0.002) == Verdict.UNKNOWN, "equal scores can be chance"


def test_a_sign_test_by_evalue_decides_at_twenty() -> None:
    assert sign_evalue(0, 0) == pytest.approx(1)
    assert sign_evalue(5, 0) < 20 < sign_evalue(8, 0)
    assert sign_evalue(30, 30) < 1
    assert sign_evalue(3, 9) == pytest.approx(sign_evalue(9, 3))
    by_scipy = stats.betabinom.pmf(4, 23, 0.5, 0.5) / stats.binom.pmf(4, 23, 0.5)
    assert sign_evalue(4, 19) == pytest.approx(by_scipy)
    coins = np.random.default_rng(1).random((STUDIES, PAIRS)) < 0.5
    wins = coins.cumsum(1)
    peeked = [max(sign_evalue(int(k), n + 1 - int(k)) for n, k in enumerate(row)) >= 20 for row in wins[:500]]
    assert np.mean(peeked) <= 0.05


def test_how_many_pairs_a_verdict_needs_is_where_the_interval_decides() -> None:
    differences = np.random.default_rng(3).normal(0.5, 1.0, 10)
    needed = pairs_to_decide(differences, 0.1)
    assert needed is not None
    mean, deviation = abs(differences.mean()), differences.std()
    assert half_width(needed) * deviation < mean <= half_width(needed - 1) * deviation
    assert pairs_to_decide([0.1, -0.1], 1e-9) is None


def test_how_many_pairs_are_needed_is_not_guessed_of_one_pair_or_none() -> None:
    assert pairs_to_decide([0.1], 0.002) is None
    with pytest.raises(ValueError, match="no pair"):
        pairs_to_decide([], 0.002)


def test_what_is_decided_needs_no_more_pairs() -> None:
    assert verdict([0.0] * 4, interval([0.0] * 4), 0.002) == Verdict.IDENTICAL
    assert pairs_to_decide([0.0, 0.0], 0.002) == pairs_to_decide([0.0] * 4, 0.002) == 4
    assert pairs_to_decide([0.0] * 9, 0.002) == 9
    decided = list(np.random.default_rng(3).normal(0.5, 0.01, 10))
    assert verdict(decided, interval(decided), 0.002) == Verdict.DIFFERS
    assert pairs_to_decide(decided, 0.002) == 10
