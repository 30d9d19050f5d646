"""Axes: whole epochs, round ticks in words that fit, and a place on them for every value."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.experiment import metrics
from core.results import axes

FINITE = st.floats(-1e30, 1e30, allow_subnormal=False)
LOSSES = st.floats(1e-30, 1e30)


def labels(axis: axes.Axis) -> list[str]:
    return [label.replace(metrics.NO_BREAK, " ") for _, label in axis.ticks]


@pytest.mark.parametrize(
    ("last", "first", "ticks"),
    [
        (1, 1, ["0", "1"]),
        (1, 0, ["0", "1"]),
        (0, 1, ["0", "1"]),
        (2, 1, ["1", "2"]),
        (8, 1, ["1", "2", "3", "4", "5", "6", "7", "8"]),
        (3, 0, ["0", "1", "2", "3"]),
        (12, 1, ["2", "4", "6", "8", "10", "12"]),
        (100, 0, ["0", "10", "20", "30", "40", "50", "60", "70", "80", "90", "100"]),
        (1000, 1, ["100", "200", "300", "400", "500", "600", "700", "800", "900", "1,000"]),
    ],
)
def test_an_axis_of_epochs_has_whole_ticks(last: int, first: int, ticks: list[str]) -> None:
    axis = axes.epochs(last, first)
    assert labels(axis) == ticks
    assert 0 < axis.share(max(last, 1)) < 1


@pytest.mark.parametrize(
    ("values", "unit", "from_zero", "ticks"),
    [
        ([97.1, 98.9], " %", False, ["97.0 %", "97.5 %", "98.0 %", "98.5 %", "99.0 %"]),
        ([97.5], " %", False, ["96.5 %", "97.0 %", "97.5 %", "98.0 %", "98.5 %"]),
        ([100.0], " %", False, ["99.0 %", "99.5 %", "100.0 %"]),
        ([0.8, 2.3], "", True, ["0.0", "0.5", "1.0", "1.5", "2.0"]),
        ([3310, 2900], "", True, ["0", "1,000", "2,000", "3,000"]),
        ([-0.4, 0.4], "", False, [f"{metrics.MINUS}0.4", f"{metrics.MINUS}0.2", "0.0", "0.2", "0.4"]),
        ([], "", True, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0, 2e9], "", True, ["0", "5 × 10⁸", "1 × 10⁹", "1.5 × 10⁹", "2 × 10⁹"]),
    ],
)
def test_a_linear_axis_has_round_ticks(values: list[float], unit: str, from_zero: bool, ticks: list[str]) -> None:
    assert labels(axes.linear(values, unit, from_zero, most=100 if unit else math.inf)) == ticks


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.05, 2.3], ["0.05", "0.1", "0.2", "0.5", "1", "2"]),
        ([0.06, 0.09], ["0.06", "0.07", "0.08", "0.09"]),
        ([1e-9, 1e-3], ["1 × 10⁻⁸", "1 × 10⁻⁶", "0.0001"]),
        ([1e-30, 1], ["1 × 10⁻³⁰", "1 × 10⁻²⁴", "1 × 10⁻¹⁸", "1 × 10⁻¹²", "1 × 10⁻⁶", "1"]),
        ([0.07], ["0.04", "0.06", "0.08", "0.10", "0.12", "0.14"]),
    ],
)
def test_a_logarithmic_axis_has_ticks_within_its_way(values: list[float], ticks: list[str]) -> None:
    assert labels(axes.logarithmic(values)) == ticks


@given(st.lists(FINITE, max_size=8), st.booleans())
def test_every_value_has_its_place_on_a_linear_axis(values: list[float], from_zero: bool) -> None:
    values = [abs(value) if from_zero else value for value in values]
    axis = axes.linear(values, from_zero=from_zero)
    assert all(-1e-6 <= axis.share(value) <= 1 + 1e-6 for value in values)
    assert all(-1e-6 <= axis.share(tick) <= 1 + 1e-6 for tick, _ in axis.ticks)
    assert 2 <= len(axis.ticks) <= axes.MOST_TICKS + 1


@given(st.lists(LOSSES, max_size=8))
def test_every_loss_has_its_place_on_a_logarithmic_axis(values: list[float]) -> None:
    axis = axes.logarithmic(values)
    assert all(-1e-6 <= axis.share(value) <= 1 + 1e-6 for value in values)
    assert all(-1e-6 <= axis.share(tick) <= 1 + 1e-6 for tick, _ in axis.ticks)
    assert 1 <= len(axis.ticks) <= 3 * axes.MOST_TICKS


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_has_no_logarithm_is_not_drawn(value: float) -> None:
    assert not axes.logarithmic([0.5, value]).holds(value)
