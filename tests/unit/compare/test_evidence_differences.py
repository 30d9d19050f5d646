"""Where two sides part, from the numbers of a measurement, and whether that is what a row says."""

from typing import Any

import pytest

from core.compare.differences.catalogue import find
from core.compare.evidence.differences import FLOOR, PARTED, Parting, parting, show

ROW = find("adam-epsilon")


def values(aligned: list[float], kept: list[float]) -> dict[str, Any]:
    """Keras' numbers are all 2, PyTorch's these."""
    keras = [2.0] * len(aligned)
    return {"aligned": {"keras": keras, "pytorch": aligned}, "kept": {"keras": keras, "pytorch": kept}}


def test_a_gap_is_relative_to_the_larger_number_and_two_zeros_are_not_apart() -> None:
    found = parting(
        {"aligned": {"keras": [0.0, 1.0, -4.0], "pytorch": [0.0, 2.0, 4.0]}, "kept": {"keras": [0.0], "pytorch": [3.0]}}
    )
    assert found.aligned == (0.0,)  # a place that one way lacks is no place
    assert found.kept == (1.0,)
    assert parting(values([1.0], [3.0])).aligned == (0.5,)
    assert parting(values([1.0], [3.0])).kept == (1 / 3,)


def test_they_part_where_the_gap_is_large_and_the_aligned_one_is_not() -> None:
    assert Parting((0.0, 0.0, 0.0), (0.0, PARTED / 2, 1e-3)).parts_at == 3
    assert Parting((0.0, 0.0), (PARTED, PARTED)).parts_at == 0
    # An aligned gap that is as large shows that something else differs.
    assert Parting((1e-3, 1e-5), (1e-3, 1e-3)).parts_at == 2
    assert Parting((0.0,), (0.0,)).parts_at == 0


@pytest.mark.parametrize(
    ("aligned", "kept", "supports", "words"),
    [
        ((0.0, 1e-16), (0.0, 1e-6), True, "both sides part at step 2 of 2; the largest gap is 1 × 10⁻⁶ of the loss."),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 1e-6), False, "they should part at step 2 at the latest."),
        ((0.0, 0.0), (0.0, 0.0), False, "they should part at step 2 at the latest."),
        ((0.0, 1e-8), (0.0, 1e-3), False, "aligned, both sides should compute the same."),
    ],
)
def test_a_row_is_supported_by_what_it_says_and_contradicted_in_words(
    aligned: tuple[float, ...], kept: tuple[float, ...], supports: bool, words: str
) -> None:
    shown = show(ROW, Parting(aligned, kept))
    assert shown.supports is supports
    assert shown.finding.replace("\u00a0", " ").endswith(words)


def test_a_row_that_says_that_nothing_differs_is_held_by_no_gap_alone() -> None:
    row = find("same-padding")
    assert Parting((1e-16,), (1e-16,)).supports(row)
    assert not Parting((0.0,), (0.1,)).supports(row)
    assert "no difference was expected" in show(row, Parting((0.0,), (0.1,))).finding


def test_the_figure_has_both_gaps_and_draws_what_a_logarithmic_axis_cannot() -> None:
    picture = show(ROW, Parting((0.0, 0.0), (0.0, 1e-3))).pictures[0]
    aligned, kept = picture.figure.data
    assert list(aligned.y) == [FLOOR, FLOOR]
    assert list(kept.y) == [FLOOR, 1e-3]
    assert (aligned.name, kept.name) == ("aligned", "with the default")
    assert picture.figure.layout.yaxis.type == "log"
    assert "zero" in picture.caption
    assert picture.alt == show(ROW, Parting((0.0, 0.0), (0.0, 1e-3))).finding
