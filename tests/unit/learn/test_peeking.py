"""Studies without a difference, watched: the t test finds one, the interval of a study does not."""

import numpy as np
import pytest
from scipy import stats

from core.experiment.statistics import interval
from core.learn.peeking import PAIRS, SEED, STUDIES, TITLE, WORDS, simulate, t_half_widths


def test_a_t_test_that_is_watched_is_wrong_in_more_than_20_percent_and_the_interval_in_at_most_5() -> None:
    found = simulate()
    assert found.t_test.rate(50) > 0.2
    assert found.interval.rate(PAIRS) <= 0.05


def test_one_look_is_what_a_t_test_promises() -> None:
    assert simulate().t_test.rate(2) == pytest.approx(0.05, abs=0.015)


def test_the_more_looks_the_more_often_wrong() -> None:
    found = simulate()
    for watched in (found.t_test, found.interval):
        rates = [watched.rate(pairs) for pairs in range(1, PAIRS + 1)]
        assert rates == sorted(rates)
        assert rates[0] == 0


def test_what_was_seen_are_the_intervals_of_the_pairs_so_far() -> None:
    found = simulate()
    differences = np.random.default_rng(SEED).standard_normal((STUDIES, PAIRS))
    for study, pairs in ((0, 7), (STUDIES - 1, PAIRS)):
        mean, half = found.means[study, pairs - 1], found.interval.half_widths[pairs - 1]
        seen = interval(differences[study, :pairs])
        assert (seen.mean, seen.high) == pytest.approx((mean, mean + half * found.deviations[study, pairs - 1]))
        usual = stats.ttest_1samp(differences[study, :pairs], 0).confidence_interval(0.95)
        half = found.t_test.half_widths[pairs - 1] * found.deviations[study, pairs - 1]
        assert (usual.low, usual.high) == pytest.approx((mean - half, mean + half), rel=1e-3)


def test_the_quantiles_are_those_of_scipy() -> None:
    pairs = np.arange(2, PAIRS + 1)
    assert t_half_widths()[1:] == pytest.approx(stats.t.ppf(0.975, pairs - 1) / np.sqrt(pairs - 1), rel=1e-4)
    assert t_half_widths()[0] == np.inf


def test_the_lesson_is_told_in_two_sentences() -> None:
    assert TITLE.endswith("?")
    assert WORDS.count(".") == 2
    assert len(WORDS) <= 220
