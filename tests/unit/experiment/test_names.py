"""What engines are called, and whose colour they wear."""

import pytest

from core.experiment.engine_names import ALIGNED_PAIR
from core.experiment.names import ENGINE_TITLES, engine_title, framework, is_variant, joined


def test_every_engine_has_a_title_of_its_own() -> None:
    assert len(set(ENGINE_TITLES.values())) == len(ENGINE_TITLES)
    assert engine_title("fake-a") == "fake-a"


@pytest.mark.parametrize("engine", ENGINE_TITLES)
def test_a_lane_wears_its_frameworks_colour(engine: str) -> None:
    assert framework(engine) == ("keras" if engine.startswith("keras") else "torch")
    assert is_variant(engine) == (engine not in ALIGNED_PAIR)


def test_an_engine_without_a_framework_is_no_variant() -> None:
    assert framework("fake-a") == "other"
    assert not is_variant("fake")
    assert not is_variant("fake-a")


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")]
)
def test_words_are_joined(words: list[str], text: str) -> None:
    assert joined(words) == text
