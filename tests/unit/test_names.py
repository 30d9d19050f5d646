"""What engines are called, whose colour they wear, and which of them are variants."""

import pytest

from core.names import ENGINE_TITLES, engine_title, framework, is_variant, joined
from core.settings import ALIGNED_PAIR, ENGINE_NAMES


def test_every_engine_that_is_offered_has_a_title_of_its_own() -> None:
    assert set(ENGINE_NAMES) <= set(ENGINE_TITLES)
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
