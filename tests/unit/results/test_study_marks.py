"""Which pairs of a study have a mark: few enough for a browser, and none that stands out is left out."""

import pytest

from core.results.study_marks import MOST_MARKS, drawn_words, marked, spread


@pytest.mark.parametrize("count", [1, 2, 199, MOST_MARKS])
def test_all_of_few_have_one(count: int) -> None:
    assert marked([0.0] * count) == list(range(count))


@pytest.mark.parametrize("count", [MOST_MARKS + 1, 401, 2000, 100_000])
def test_of_many_some_have_one_the_first_and_the_newest_among_them(count: int) -> None:
    places = marked([0.0] * count)
    assert MOST_MARKS / 2 < len(places) <= MOST_MARKS + 1
    assert (places[0], places[-1]) == (0, count - 1)
    assert places == sorted(set(places))


def test_the_smallest_and_largest_of_each_sequence_have_one() -> None:
    one, other = [0.0] * 1000, [0.0] * 1000
    one[333], one[667], other[101], other[909] = -1, 1, -2, 2
    assert {333, 667, 101, 909} <= set(marked(one, other))


def test_while_a_study_grows_marks_stay_until_half_of_them_go_at_once() -> None:
    before: set[int] = set()
    for count in range(2, 1700):
        now = set(marked(list(range(count))))  # ends and newest are the first and last place
        gone = before - now - {count - 2}
        assert not gone or len(gone) >= MOST_MARKS / 2 - 2
        before = now


def test_nothing_has_no_mark() -> None:
    with pytest.raises(ValueError, match="empty"):
        marked([])


def test_most_lie_between_two_percentiles() -> None:
    assert spread(list(range(101))) == (10, 50, 90)


def test_words_are_said_of_many_alone() -> None:
    assert drawn_words(200, 200, "in the bar") == ""
    assert drawn_words(128, 2000, "in the bar").replace("\u00a0", " ") == (
        "128 of 2,000 are drawn, the farthest out among them; the middle 80 % of all lie in the bar."
    )
