"""Studies as data: what may be asked, in sentences, which runs that takes in which order, and what their pairs say."""

import math
import re
from typing import Any

import pytest

from core.data import datasets
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.statistics import ALPHA, Verdict, interval
from core.experiment.study import MEASURES, Finding, Measure, Pair, Study, finding

ACCURACY, LOSS, TIME, THROUGHPUT, MEMORY = MEASURES
IMAGES = 1000


def asked(seeds: object = 3, base: dict[str, Any] | None = None, **vary: list[object]) -> Study:
    return Study.of(TrainSettings.parse(base or {}), datasets.find("mnist5k"), seeds, vary)


def found(measure: Measure, *differences: float, **vary: list[object]) -> Finding:
    return finding(asked(**vary), measure, differences, IMAGES)


# --- what may be asked -------------------------------------------------------------------------------------


def test_a_study_holds_what_was_asked_as_numbers() -> None:
    study = Study.of(
        TrainSettings(), datasets.find("mnist5k"), "1,000", {"dropout": ["0,3", "0.50"]}, margin_time="0.1"
    )
    assert (study.seeds, study.vary) == (1000, (("dropout", (0.3, 0.5)),))
    assert (study.margin_accuracy, study.margin_time) == (0.002, 0.1)


@pytest.mark.parametrize(
    ("wrong", "name", "sentence"),
    [
        ({"seeds": 0}, "seeds", "Seeds must be a whole number from 1 to 2,000, not 0."),
        ({"seeds": "many"}, "seeds", "Seeds must be a whole number from 1 to 2,000, not many."),
        ({"seeds": 2001}, "seeds", "Seeds must be a whole number from 1 to 2,000, not 2001."),
        ({"seeds": 1001, "epochs": [1, 2]}, "seeds", "A study has at most 2,000 runs, not 2,002."),
        (
            {"epochs": [1], "dropout": [0], "batch_size": [32]},
            "vary",
            "A study varies at most 2 settings, not 3.",
        ),
        (
            {"colour": [1]},
            "vary",
            "colour cannot vary in a study: choose of batch_size, epochs, dropout, learning_rate",
        ),
        ({"seed": [1]}, "vary", "seed cannot vary in a study: choose of "),
        ({"dataset": ["digits"]}, "vary", "dataset cannot vary in a study: choose of "),
        ({"epochs": []}, "epochs", "Epochs varies over 1 to 50 values here."),
        ({"epochs": list(range(1, 52))}, "epochs", "Epochs varies over 1 to 50 values here."),
        ({"epochs": [4, "4"]}, "epochs", "Epochs has the same value twice."),
        ({"epochs": [4, 101]}, "epochs", "Epochs must be a whole number from 1 to 100, not 101."),
        ({"network": ["conv"]}, "network", ""),
        ({"optimizer": ["adam", "magic"]}, "optimizer", "Optimiser must be one of adam, adamw, sgd, nesterov, rmsprop"),
        ({"batch_size": [32, 4096]}, "batch_size", "Batch size 4,096 is larger than the 3,600 images that “MNIST"),
        ({"optimizer": ["nesterov"]}, "momentum", "Momentum must be above 0 for nesterov: 0.9 is usual."),
        ({"base": {"engines": "torch,keras"}}, "engines", "A study compares exactly keras and torch."),
        ({"base": {"engines": "keras"}}, "engines", "A study compares exactly keras and torch."),
        (
            {"base": {"schedule": "together"}},
            "schedule",
            "The lanes of a study train in turns: else their times do not compare.",
        ),
        ({"base": {"device": "best"}}, "device", "The lanes of a study train on one device, so choose auto or cpu."),
        (
            {"base": {"seed": 2**31 - 2}},
            "seed",
            "The last of the 3 seeds cannot be: Seed must be a whole number from 0 to 2,147,483,647, not 2147483648.",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(wrong: dict[str, Any], name: str, sentence: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        asked(**wrong)
    assert list(refused.value.problems) == [name]
    assert refused.value.problems[name].startswith(sentence)
    assert refused.value.problems[name].endswith(".")


@pytest.mark.parametrize(
    ("margins", "problems"),
    [
        ({"margin_accuracy": 0}, ["Margin of accuracy must be a number above 0 and at most 1, not 0."]),
        ({"margin_accuracy": 1.1}, ["Margin of accuracy must be a number above 0 and at most 1, not 1.1."]),
        ({"margin_time": "5 %"}, ["Margin of time must be a number above 0 and at most 10, not 5 %."]),
        (
            {"margin_accuracy": -1, "margin_time": math.nan},
            [
                "Margin of accuracy must be a number above 0 and at most 1, not -1.",
                "Margin of time must be a number above 0 and at most 10, not nan.",
            ],
        ),
    ],
)
def test_margins_that_mean_nothing_are_refused_each_in_a_sentence(
    margins: dict[str, object], problems: list[str]
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        Study.of(TrainSettings(), datasets.find("mnist5k"), 3, {}, **margins)
    assert list(refused.value.problems.values()) == problems
    assert list(refused.value.problems) == list(margins)


def test_every_field_that_is_wrong_has_its_sentence() -> None:
    with pytest.raises(InvalidSettings) as refused:
        asked(seeds=0, epochs=[0], dropout=[2])
    assert set(refused.value.problems) == {"seeds", "epochs", "dropout"}


def test_two_settings_may_vary_that_need_each_other() -> None:
    study = asked(optimizer=["sgd", "nesterov"], momentum=[0.5, 0.9])
    assert [dict(cell) for cell in study.cells][-1] == {"optimizer": "nesterov", "momentum": 0.9}


def test_the_most_runs_and_the_last_seed_may_be() -> None:
    assert len(asked(seeds=1000, epochs=[1, 2]).pairs) == 2000
    last = asked(seeds=3, base={"seed": 2**31 - 3}).pairs[-1]
    assert last.seed == 2**31 - 1


# --- which runs it takes -----------------------------------------------------------------------------------


def test_without_a_varied_setting_there_is_one_cell_and_a_run_a_seed() -> None:
    study = asked(seeds=3, base={"seed": 7})
    assert study.cells == [()]
    assert study.pairs == [Pair((), 7), Pair((), 8), Pair((), 9)]


def test_pairs_come_seed_by_seed_so_that_all_cells_grow_alike() -> None:
    study = asked(seeds=2, batch_size=[32, 64], network=["article", "mlp"])
    assert [tuple(value for _, value in cell) for cell in study.cells] == [
        (32, "article"),
        (32, "mlp"),
        (64, "article"),
        (64, "mlp"),
    ]
    assert study.pairs == [Pair(cell, seed) for seed in (0, 1) for cell in study.cells]


def test_a_run_has_the_base_settings_with_its_cell_and_its_seed() -> None:
    study = asked(base={"epochs": 2, "seed": 5}, batch_size=["64"])
    settings = study.settings(study.pairs[1])
    assert settings == TrainSettings(epochs=2, seed=6, batch_size=64)


def test_more_seeds_only_add_runs_at_the_end() -> None:
    few, many = (asked(seeds=seeds, epochs=[1, 2]).pairs for seeds in (3, 5))
    assert many[: len(few)] == few


# --- what its pairs say ------------------------------------------------------------------------------------


def test_the_error_is_divided_among_all_claims() -> None:
    assert asked().alpha == ALPHA / 5
    study = asked(batch_size=[32, 64, 128], network=["article", "mlp"])
    assert study.alpha == ALPHA / 30
    differences = [0.01, 0.02, 0.03, 0.02, 0.01] * 4
    assert finding(study, LOSS, differences, IMAGES).interval == interval(differences, ALPHA / 30)


def test_ratios_are_compared_as_differences_of_logarithms_within_their_own_margin() -> None:
    assert TIME.difference(2.0, 1.0) == -TIME.difference(1.0, 2.0) == pytest.approx(math.log(2))
    assert ACCURACY.difference(0.98, 0.97) == pytest.approx(0.01)
    study = asked()
    assert study.margin(ACCURACY) == study.margin(LOSS) == 0.002
    assert study.margin(TIME) == study.margin(THROUGHPUT) == study.margin(MEMORY) == pytest.approx(math.log(1.05))


@pytest.mark.parametrize(("keras", "torch"), [(0.0, 1.0), (1.0, 0.0), (-1.0, -1.0)])
def test_a_ratio_that_does_not_exist_is_an_error(keras: float, torch: float) -> None:
    with pytest.raises(ValueError, match=re.escape("math domain error") + "|positive"):
        TIME.difference(keras, torch)


@pytest.mark.parametrize(
    ("measure", "difference", "favours"),
    [
        (ACCURACY, 0.02, "keras"),
        (ACCURACY, -0.02, "torch"),
        (LOSS, 0.02, "torch"),
        (LOSS, -0.02, "keras"),
        (TIME, 0.2, "torch"),
        (TIME, -0.2, "keras"),
        (THROUGHPUT, 0.2, "keras"),
        (MEMORY, 0.2, "torch"),
    ],
)
def test_a_difference_favours_the_framework_that_has_the_better_figure(
    measure: Measure, difference: float, favours: str
) -> None:
    says = found(measure, *[difference, difference * 1.1] * 6)
    assert (says.verdict, says.favours) == (Verdict.DIFFERS, favours)


def test_a_difference_below_the_margin_names_its_side_too() -> None:
    says = found(LOSS, *[0.001, 0.0011] * 10)
    assert (says.verdict, says.favours) == (Verdict.DIFFERS_WITHIN, "torch")


def test_the_same_within_the_margin_favours_nobody() -> None:
    says = found(TIME, *[0.001, -0.001] * 10)
    assert (says.verdict, says.favours) == (Verdict.SAME, "")


def test_before_the_first_pair_and_after_one_nothing_is_known() -> None:
    none, one = found(ACCURACY), found(ACCURACY, 0.05)
    assert (none.verdict, none.interval, none.favours, none.sign_evalue) == (Verdict.UNKNOWN, None, "", 1.0)
    assert (one.verdict, one.favours, one.sign_evalue) == (Verdict.UNKNOWN, "", pytest.approx(1))
    assert one.interval is not None
    assert not one.interval.bounded


def test_runs_without_any_difference_are_identical() -> None:
    assert found(LOSS, 0.0, 0.0).verdict == Verdict.UNKNOWN, "two equal scores can be chance"
    says = found(LOSS, *[0.0] * 10)
    assert (says.verdict, says.favours, says.sign_evalue) == (Verdict.IDENTICAL, "", 1.0)


def test_accuracies_that_differ_alike_are_no_more_certain_than_one_image_is() -> None:
    alike = [0.001] * 6
    accuracy, loss = found(ACCURACY, *alike), found(LOSS, *alike)
    assert loss.verdict == Verdict.DIFFERS_WITHIN
    assert accuracy.verdict == Verdict.UNKNOWN


def test_signs_are_evidence_where_the_interval_is_blown_up_by_one_pair() -> None:
    says = found(TIME, *[0.1] * 20, 30.0)
    assert says.verdict == Verdict.UNKNOWN
    assert says.sign_evalue > 1 / asked().alpha
    assert says.sign_evalue == found(TIME, *[-0.1] * 20, -30.0).sign_evalue
    assert found(TIME, *[0.1, -0.1] * 10).sign_evalue < 1
