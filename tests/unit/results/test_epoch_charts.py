"""What the four charts of a run say."""

import pytest

from core.results.epoch_charts import epoch_charts, three_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.534, "1.53"), (38.25, "38.2"), (3312.0, "3,310"), (float("inf"), "–")],
)
def test_seconds_have_three_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_an_accuracy_is_no_finer_than_one_image() -> None:
    said = {images: epoch_charts(images)[0].say(98.642) for images in (1_000, 10_000)}
    assert said == {1_000: "98.6\u00a0%", 10_000: "98.64\u00a0%"}
