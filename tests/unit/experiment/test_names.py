"""What engines and runs are called: colours and variants, automatic titles, own names, and no two the same."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from core.experiment.names import (
    ENGINE_TITLES,
    automatic_title,
    cut,
    distinct_titles,
    engine_title,
    framework,
    is_variant,
    joined,
    moment,
    run_title,
)
from core.experiment.settings import ALIGNED_PAIR, ENGINE_NAMES, TrainSettings


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


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({}, "As shipped"),
        ({"epochs": 2}, "2 epochs, as shipped"),
        ({"epochs": 1, "batch_size": 600, "alignment": "exact-twin"}, "Batch size 600, 1 epoch, exact twin"),
        ({"dataset": "fashion-mnist", "dropout": 0}, "No dropout, as shipped, Fashion-MNIST"),
        ({"engines": "keras-tuned,torch-tuned"}, "Keras tuned and PyTorch tuned, as shipped"),
        (
            {"engines": "keras", "device": "cpu", "patience": 3},
            "Keras alone, early stopping after 3, on the CPU, as shipped",
        ),
        (
            {"schedule": "together", "seed": 7, "learning_rate": 0.01},
            "Learning rate 0.01, seed 7, lanes together, as shipped",
        ),
    ],
)
def test_an_automatic_title_says_what_a_run_is(settings: dict[str, Any], title: str) -> None:
    assert automatic_title(TrainSettings.parse(settings)) == title


def test_a_persons_own_name_comes_before_what_the_settings_say() -> None:
    usual = TrainSettings()
    assert run_title("Mine", usual) == "Mine"
    assert run_title("  \n ", usual) == "As shipped"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 60, "x" * 60),
        ("x" * 300, "x" * 59 + "…"),
        ("one\nline \t only", "one line only"),
        ("\x1b[2Jcleared\u202e", "[2Jcleared"),
        ("x" * 58 + "👩🏽\u200d🔬" * 3, "x" * 58 + "…"),
        ("x" * 58 + "e\u0301e\u0301", "x" * 58 + "…"),
    ],
)
def test_a_long_name_is_cut_visibly_on_one_line_and_never_within_an_emoji(name: str, shown: str) -> None:
    assert cut(name) == shown


def test_a_moment_that_is_none_stands_as_it_is() -> None:
    assert moment("2026-13-45T00:00:00Z") == "2026-13-45T00:00:00Z"
    assert moment("2020-02-03T04:05:06Z").endswith("Feb 2020, " + moment("2020-02-03T04:05:06Z")[-5:])


@dataclass(frozen=True)
class Told:
    """A run as far as its title goes."""

    id: str
    name: str = ""
    created_at: str = "2020-02-03T04:05:06Z"
    settings: TrainSettings = field(default_factory=TrainSettings)


def test_titles_in_a_selector_are_never_the_same() -> None:
    when = moment("2020-02-03T04:05:06Z")
    runs = [
        Told("20200203-040506-0000aaaa"),
        Told("20200203-040506-0000bbbb"),
        Told("20200203-040506-1111bbbb"),
        Told("20200203-040507-0000cccc", created_at="2021-02-03T04:05:06Z"),
        Told("20200203-040508-0000dddd", name="alone"),
        Told("20200203-040509-0000eeee", name=f"As shipped, {when} (aaaa)"),
    ]
    titles = distinct_titles(runs)
    assert len(set(titles.values())) == len(runs)
    assert titles["20200203-040508-0000dddd"] == "alone"
    assert titles["20200203-040507-0000cccc"] == f"As shipped, {moment('2021-02-03T04:05:06Z')}"
    assert titles["20200203-040506-0000bbbb"] == f"As shipped, {when} (20200203-040506-0000bbbb)"
    assert titles["20200203-040506-0000aaaa"].endswith("(20200203-040506-0000aaaa)")


def test_runs_that_differ_in_name_alone_need_no_time() -> None:
    assert list(distinct_titles([Told("a"), Told("b", name="Mine")]).values()) == ["As shipped", "Mine"]
