"""What a browser says of a figure: the mark that was pressed, or anything else, which counts as none."""

import pytest

from core.web.components.figure import pressed_mark


@pytest.mark.parametrize("said", [None, 7, [], ["7"], {}, {"x": "7", "y": "1"}])
def test_what_is_no_text_counts_as_none(said: object) -> None:
    assert pressed_mark(said) is None


def test_a_mark_is_what_its_figure_calls_it() -> None:
    assert pressed_mark("7,1") == "7,1"
