"""What runs are called and how their settings are said: automatic titles, own names, and no two the same."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from core.data.datasets import DATASETS, Dataset
from core.experiment.dates import day_and_time
from core.experiment.kinds import Choice, Number
from core.experiment.settings import SETTINGS, TrainSettings
from core.experiment.titles import (
    automatic_title,
    brief,
    cut,
    differences,
    distinct_titles,
    in_full,
    run_title,
    searchable_settings,
    table,
)

OWN = "conv 16 3 relu, batchnorm, conv 32 3 same, maxpool 2, flatten, dropout, dense 64 gelu, dense 10"


@dataclass(frozen=True)
class Told:
    """A run as far as its words go."""

    id: str = "20200203-040506-0000aaaa"
    name: str = ""
    created_at: str = "2020-02-03T04:05:06Z"
    settings: TrainSettings = field(default_factory=TrainSettings)
    data: Dataset | None = None

    @property
    def dataset(self) -> Dataset:
        return self.data or DATASETS[self.settings.dataset]


def run_with(**raw: Any) -> Told:
    return Told(settings=TrainSettings.parse(raw))


def another(name: str) -> TrainSettings:
    """Settings of which this one alone is not the default."""
    setting = SETTINGS[name]
    if name == "momentum":  # which Adam has none of
        return TrainSettings().model_copy(update={name: 0.9})
    if name == "keep":  # which an exact twin alone does
        return TrainSettings().model_copy(update={name: ("adam-epsilon", "weight-decay")})
    if name == "network":
        return TrainSettings.parse({name: "mlp"})
    if isinstance(setting, Number):
        return TrainSettings.parse({name: setting.high})
    return TrainSettings.parse({name: list(setting.titles)[-1] if isinstance(setting, Choice) else "torch"})


@pytest.mark.parametrize("name", TrainSettings.model_fields)
def test_every_setting_is_said_wherever_settings_are(name: str) -> None:
    usual, changed, setting = Told(), Told(settings=another(name)), SETTINGS[name]
    assert changed.settings.changed() == [name]
    value = getattr(changed.settings, name)
    phrase = setting.phrase(value)
    assert phrase.casefold() in automatic_title(changed).casefold()
    assert phrase.casefold() in brief(changed).casefold() or name == "engines", "the lanes show them"
    assert phrase.casefold() in searchable_settings(changed.settings.model_dump_json())
    assert {title for title, cell in table(changed).items() if cell != table(usual)[title]} == {setting.title}
    assert differences([usual, changed]).startswith(f"They differ in: {setting.word} ")
    assert f"{setting.word} {setting.said(value)}" in f"{in_full(changed)[0].lower()}{in_full(changed)[1:]}"


def test_what_differs_is_said_and_equal_settings_too() -> None:
    first, second = Told(), run_with(batch_size=512, device="cpu")
    assert differences([first, second]) == (
        "They differ in: batch size 126, 512; device “GPU where both see one, else CPU”, CPU."
    )
    assert differences([first, first]) == "Their settings are the same."


def test_settings_in_one_line_and_in_a_table() -> None:
    usual = Told()
    assert brief(usual) == "Batch size 126, 8 epochs, dropout 0.3, as shipped, in turns, MNIST, 5,000 images."
    changed = run_with(epochs=1, dropout=0, seed=3, patience=1, device="best")
    said = "Batch size 126, 1 epoch, no dropout, as shipped, in turns, MNIST, 5,000 images, seed 3, "
    assert brief(changed) == f"{said}early stopping after 1, each on its best device."
    assert table(changed)["Early stopping"] == "after 1 epoch without a lower validation loss"
    assert list(table(usual))[:4] == ["Engines", "Data set", "Alignment", "Batch size"]


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
        ({"network": "deep", "optimizer": "sgd", "momentum": 0.9}, "Network deep, SGD, momentum 0.9, as shipped"),
        ({"network": OWN}, "Network conv 16-32 dense 64-10, as shipped"),
        ({"network": f"{OWN[:-10]}, {'conv 64 1, dropout, ' * 8}dense 10"}, "Network of 24 layers, as shipped"),
    ],
)
def test_an_automatic_title_says_what_a_run_is(settings: dict[str, Any], title: str) -> None:
    assert automatic_title(run_with(**settings)) == title


def test_a_network_is_short_in_a_title_and_whole_in_a_table_and_a_search() -> None:
    run = run_with(network=OWN.upper())
    assert table(run)["Network"] == OWN
    assert OWN in in_full(run)
    found = searchable_settings(run.settings.model_dump_json())
    assert OWN in found
    assert "conv 16-32 dense 64-10" in found


def test_runs_of_before_have_the_article_s_network_and_optimiser() -> None:
    stored = '{"batch_size": 64, "epochs": 2}'
    assert "adamw" not in searchable_settings(stored)
    said = table(Told(settings=TrainSettings.of_store({"batch_size": 64})))
    assert (said["Network"], said["Optimiser"]) == ("The article's", "Adam")


def test_a_persons_own_name_comes_before_what_the_settings_say() -> None:
    assert run_title(Told(name="Mine")) == "Mine"
    assert run_title(Told(name="  \n ")) == "As shipped"


def test_a_run_on_own_images_is_told_by_their_title_and_never_by_their_name() -> None:
    pets = Dataset("own-pets", "Cats, dogs", "", 40, 10, ("cat", "dog"))
    run = Told(settings=TrainSettings.parse({"dataset": "own-pets"}), data=pets)
    assert automatic_title(run) == "As shipped, Cats, dogs"
    assert table(run)["Data set"] == "Cats, dogs"
    for said in (brief(run), in_full(run), differences([run, Told()])):
        assert "Cats, dogs" in said
        assert "own-pets" not in said
    assert differences([run, Told()]) == "They differ in: data set “Cats, dogs”, “MNIST, 5,000 images”."


def test_what_a_list_cuts_off_is_not_where_networks_differ() -> None:
    shared = {"batch_size": 600, "epochs": 1, "dropout": 0, "optimizer": "nesterov", "momentum": 0.9}
    titles = {
        run_title(run_with(network=f"conv {filters} 3 relu, maxpool 2, flatten, dense 64 relu, dense 10", **shared))
        for filters in (16, 32, 48)
    }
    assert len(titles) == 3
    assert all(title.endswith("…") for title in titles)


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


def test_titles_in_a_selector_are_never_the_same() -> None:
    when = day_and_time("2020-02-03T04:05:06Z")
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
    assert titles["20200203-040507-0000cccc"] == f"As shipped, {day_and_time('2021-02-03T04:05:06Z')}"
    assert titles["20200203-040506-0000bbbb"] == f"As shipped, {when} (20200203-040506-0000bbbb)"
    assert titles["20200203-040506-0000aaaa"].endswith("(20200203-040506-0000aaaa)")


def test_runs_that_differ_in_name_alone_need_no_time() -> None:
    assert list(distinct_titles([Told("a"), Told("b", name="Mine")]).values()) == ["As shipped", "Mine"]
