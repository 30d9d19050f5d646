"""What a browser says of a figure: the point that was pressed, or anything else, which counts as none."""

import pytest

from core.web.components.figure import pressed_point


@pytest.mark.parametrize(
    "said", [None, "7", 7, [], {}, {"x": "7"}, {"x": "7", "y": 1}, {"x": None, "y": "1"}, {"x": ["7"], "y": "1"}]
)
def test_what_is_no_point_counts_as_none(said: object) -> None:
    assert pressed_point(said) is None


def test_a_point_is_its_x_and_y() -> None:
    assert pressed_point({"x": "7", "y": "1"}) == ("7", "1")
