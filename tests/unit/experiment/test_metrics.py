"""Figures as they are written on a page, early stopping, steady throughput."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.experiment import metrics

NB = metrics.NO_BREAK


@pytest.mark.parametrize(
    ("fraction", "images", "text"),
    [
        (0.9891, 10_000, "98.91 %"),
        (0.989, 1_000, "98.9 %"),
        (1.0, 1_000, "100.0 %"),
        (0.9925, 400, "99 %"),
        (0.99, 6_000, "99.0 %"),
        (0.5, 10, "50 %"),
        (None, 1_000, "–"),
    ],
)
def test_an_accuracy_is_no_finer_than_one_image(fraction: float | None, images: int, text: str) -> None:
    assert metrics.percent(fraction, images) == text.replace(" ", NB)


@pytest.mark.parametrize(
    ("value", "text"), [(0.05, "0.0500"), (2.302585, "2.3026"), (1e21, f"1{NB}×{NB}10²¹"), (0, "0.0000"), (None, "–")]
)
def test_a_loss_has_four_decimals(value: float | None, text: str) -> None:
    assert metrics.loss(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0008, "0.8~ms"),
        (0.0994, "99.4~ms"),
        (0.0999, "0.1~s"),
        (1.94, "1.9~s"),
        (9.949, "9.9~s"),
        (9.96, "10~s"),
        (38.2, "38~s"),
        (59.7, "1~min 0~s"),
        (128, "2~min 8~s"),
        (3599.8, "1~h 0~min"),
        (7260, "2~h 1~min"),
        (0, "0.0~ms"),
        (None, "–"),
    ],
)
def test_a_duration_takes_the_unit_that_a_reader_expects(seconds: float | None, text: str) -> None:
    assert metrics.duration(seconds) == text.replace("~", NB)  # no break before a unit, one between the two


@pytest.mark.parametrize(
    ("value", "text"),
    [(3312.4, "3,310"), (12345, "12,300"), (999.6, "1,000"), (87.4, "87"), (0.4, "0"), (1234567, "1,230,000")],
)
def test_throughput_has_three_digits(value: float, text: str) -> None:
    assert metrics.throughput(value) == f"{text}{NB}images/s"


def test_memory_is_in_whole_mebibytes_and_what_is_not_known_is_a_dash() -> None:
    assert metrics.mebibytes(1234) == f"1,234{NB}MiB"
    assert metrics.mebibytes(None) == metrics.throughput(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.440892098500626e-16, "4.4 × 10⁻¹⁶"),
        (2e-15, "2 × 10⁻¹⁵"),
        (9.96e-4, "1 × 10⁻³"),
        (1e-12, "1 × 10⁻¹²"),
        (-3e-7, f"{metrics.MINUS}3 × 10⁻⁷"),
        (2.5e21, "2.5 × 10²¹"),
        (5e-324, "4.9 × 10⁻³²⁴"),
        (math.inf, "–"),
        (math.nan, "–"),
        (0, "0"),
        (0.0012, "0.0012"),
        (-0.25, f"{metrics.MINUS}0.25"),
        (3.0, "3"),
        (40, "40"),
    ],
)
def test_a_difference_far_from_one_is_a_power_of_ten(value: float, text: str) -> None:
    assert metrics.digits(value) == text.replace(" ", NB)


@given(st.floats(1e-300, 1e300))
def test_a_difference_keeps_two_digits_and_reads_the_same_in_ascii(value: float) -> None:
    text = metrics.digits(value)
    assert "e" not in text
    assert not any(ordinary in text for ordinary in "-+ "), "only a minus sign, and no place to break the line"
    in_ascii = metrics.in_ascii(text)
    assert in_ascii.isascii()
    assert float(in_ascii) == pytest.approx(value, rel=0.06)


def test_other_text_is_the_same_in_ascii() -> None:
    assert metrics.in_ascii("3 × 4, 10² and a fact") == "3 × 4, 10² and a fact"


@pytest.mark.parametrize(
    ("difference", "precision", "sentence"),
    [
        (0, "float64", "Not one bit differs."),
        (4.4e-16, "float64", "That is about the last digit that a float64 holds."),
        (1.3e-15, "float64", "Of the 16 digits that a float64 holds, the first 14 are the same."),
        (7e-7, "float32", "That is about the last digit that a float32 holds."),
        (7e-7, "float64", "Of the 16 digits that a float64 holds, the first 6 are the same."),
        (0.02, "float32", "Of the 7 digits that a float32 holds, the first is the same."),
        (0.14, "float64", "That is more than rounding."),
        (3.0, "float32", "That is more than rounding."),
        (math.nan, "float64", "That is more than rounding."),
    ],
)
def test_what_a_difference_means_is_a_sentence(difference: float, precision: metrics.Precision, sentence: str) -> None:
    assert metrics.rounding(difference, precision) == sentence


# --- what ends a lane, and how fast it was ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "patience", "stops"),
    [
        ([3, 2, 1], 1, False),
        ([3, 2, 2], 1, True),
        ([3, 2, 2.5], 2, False),
        ([3, 2, 2.5, 2.1], 2, True),
        ([3, 2, 2.5, 1.9], 2, False),
        ([3], 1, False),
        ([], 3, False),
        ([1, 2, 3, 4, 5], 0, False),
        ([3, 1, 2, 1.5, 1.2], 3, True),
    ],
)
def test_a_lane_stops_after_as_many_epochs_without_a_better_loss(
    losses: list[float], patience: int, stops: bool
) -> None:
    assert metrics.stops_early(losses, patience) is stops


@given(st.lists(st.floats(0, 10), max_size=20), st.integers(1, 5))
def test_early_stopping_counts_as_keras_does(losses: list[float], patience: int) -> None:
    """Keras' `EarlyStopping`: a counter that any strictly better loss sets back to zero."""
    best, waited = float("inf"), 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
    assert metrics.stops_early(losses, patience) is (waited >= patience)


def test_steady_throughput_leaves_the_tracing_epoch_out() -> None:
    assert metrics.steady_throughput([100, 3000, 3100, 2000]) == 3000
    assert metrics.steady_throughput([100]) is None
    assert metrics.steady_throughput([]) is None


def test_every_figure_has_a_label_and_a_meaning() -> None:
    for name, figure in metrics.FIGURES.items():
        assert figure.name == name
        assert figure.label
        assert figure.meaning.endswith(".")


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.1, "10\u00a0% more images than Keras"),
        (1.994, "99\u00a0% more images than Keras"),
        (2.0, "twice as many images as Keras"),
        (2.64, "2.6 times as many images as Keras"),
        (11.21, "11 times as many images as Keras"),
        (1021, "1,021 times as many images as Keras"),
    ],
)
def test_from_twice_on_a_ratio_is_a_multiple(ratio: float, words: str) -> None:
    assert metrics.more_than(ratio, "images", "Keras") == words


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.5, "half as long"),
        (0.524, "0.52 times as long"),
        (1.0, "just as long"),
        (2.0, "twice as long"),
        (3.37, "3.4 times as long"),
    ],
)
def test_times_are_compared_by_how_long_they_are(ratio: float, words: str) -> None:
    assert metrics.as_long(ratio) == words
