"""A study in words: which side is better and by how much, what is the same, what is not known yet, what can be."""

import math
from pathlib import Path
from typing import Any

import pytest

from core.data.datasets import DATASETS
from core.experiment import metrics
from core.experiment.settings import TrainSettings
from core.experiment.study import MEASURES, Finding, Measure, Study, finding
from core.results import study_words
from core.results.study_charts import closing, lane_interval
from core.results.study_outcome import outcome
from core.storage.database import State
from core.storage.studies import PairRun, StudyRecord, StudyState

DATASET = DATASETS["mnist5k"]


def study(seeds: int = 20, **vary: Any) -> Study:
    return Study.of(TrainSettings(), DATASET, seeds, vary)


def measure(name: str) -> Measure:
    return next(one for one in MEASURES if one.name == name)


def found(name: str, differences: list[float]) -> Finding:
    return finding(study(), measure(name), differences, DATASET.test_images)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2212", "-")


def around(mean: float, spread: float, pairs: int = 40) -> list[float]:
    """Differences on both sides of a mean, by equal parts."""
    return [mean + spread * (-1) ** i for i in range(pairs)]


@pytest.mark.parametrize(
    ("name", "mean", "sentence"),
    [
        ("test_accuracy", 0.02, "Keras scores 1.9 to 2.1 points higher than PyTorch."),
        ("test_accuracy", -0.02, "PyTorch scores 1.9 to 2.1 points higher than Keras."),
        ("test_loss", -0.1, "Keras has a test loss 0.099 to 0.1 lower than PyTorch."),
        ("log_train_s", math.log(2), "PyTorch trains in 50 % less time than Keras."),
        ("log_train_s", -math.log(2), "Keras trains in 50 % less time than PyTorch."),
        ("log_images_per_s", math.log(2), "Keras trains 100 % more images a second than PyTorch."),
        ("log_rss_mib", math.log(1.25), "PyTorch needs 20 % less memory than Keras."),
    ],
)
def test_the_better_side_is_named_and_by_how_much(name: str, mean: float, sentence: str) -> None:
    assert plain(study_words.sentence(found(name, around(mean, 0.001)))) == sentence


def test_a_difference_below_the_margin_is_said_to_be_that() -> None:
    words = plain(study_words.sentence(found("log_train_s", around(0.02, 0.001))))
    assert words == "PyTorch trains in 1.9 to 2 % less time than Keras, less than the margin of 5 %."


@pytest.mark.parametrize(
    ("deleted", "state", "said"),
    [
        (0, "finished", ""),
        (3, "finished", "3 pairs that had ended were deleted: the verdicts rest on those that are there."),
        (1, "running", "1 pair that had ended was deleted: it is run anew."),
        (2, "paused", "2 pairs that had ended were deleted: they are run anew."),
    ],
)
def test_pairs_that_were_deleted_are_said(deleted: int, state: str, said: str) -> None:
    record = StudyRecord("a", "", study(2), "seeds", None, StudyState(state), "", "", {}, deleted=deleted)
    assert study_words.left_out(outcome(record, [], 1000)) == said
    assert study_words.cannot_say(outcome(record, [], 1000)).startswith(said or "Seeds on one split")


def test_a_ratio_beyond_all_numbers_is_a_dash_and_no_error() -> None:
    """Figures that no machine has, in a study from elsewhere; or an interval of few pairs that differ much."""
    for differences in ([711.0] * 6, [-9.0, 40.0] * 4):
        rate = found("log_images_per_s", differences)
        words = [study_words.sentence(rate), study_words.brief(rate), study_words.mean_words(rate)]
        words += [study_words.difference_words(rate), study_words.one_difference(rate.measure, 711.0)]
        assert metrics.NOT_KNOWN in words[-1]
        assert all(words)
        assert "interval" in closing(study(), rate, range(len(differences)))[1]
    assert lane_interval(rate.measure, [1e-300, 1e9] * 3, 0.01, DATASET.test_images).high == math.inf


def test_pairs_of_a_busy_machine_are_said() -> None:
    both = {side: {"test_accuracy": 0.9, "train_s": 2.0} for side in ("keras", "torch")}
    ran = [PairRun((), seed, f"{seed}", State.FINISHED, both, busy=seed > 1) for seed in range(3)]
    record = StudyRecord("a", "", study(3), "seeds", None, StudyState.FINISHED, "", "", {})
    said = "The machine was busy in 1 of 3 pairs: its times count in no verdict."
    assert study_words.left_out(outcome(record, ran, 1000)) == said
    assert study_words.left_out(outcome(record, ran[:2], 1000)) == ""


def test_the_same_names_the_margin_and_identical_all_pairs() -> None:
    same = study_words.sentence(found("test_accuracy", around(0.0, 0.0005)))
    assert plain(same) == "Test accuracy is the same within the margin of 0.2 points."
    identical = found("test_accuracy", [0.0] * 30)
    assert study_words.sentence(identical) == "Test accuracy is identical in all 30 pairs."
    assert study_words.brief(identical) == "identical"


def test_what_is_not_known_yet_says_how_many_pairs_more() -> None:
    open_one = found("log_train_s", around(0.03, 0.05, 6))
    assert study_words.sentence(open_one, 47) == "Training time is not known yet: about 41 pairs more."
    assert study_words.sentence(open_one, 7) == "Training time is not known yet: about 1 pair more."
    assert study_words.sentence(open_one, None) == "Training time is not known yet: 6 pairs so far."
    beyond = study_words.sentence(open_one, 2001)
    assert beyond == "Training time is not known yet: more pairs than a study can have."
    few = found("log_train_s", around(0.03, 0.05, 4))
    assert study_words.sentence(few, 4442) == "Training time is not known yet: 4 pairs so far.", "of 4 it is a guess"
    assert study_words.brief(found("log_train_s", [])) == "not known yet: no pair counts so far"


def test_a_difference_is_keras_minus_pytorch_in_the_measure_s_unit() -> None:
    assert plain(study_words.one_difference(measure("test_accuracy"), -0.0012)) == "-0.12 points"
    assert plain(study_words.one_difference(measure("log_train_s"), math.log(1.12))) == "12 %"
    assert study_words.one_difference(measure("test_loss"), 0.0031) == "0.0031"
    assert study_words.one_difference(measure("test_loss"), None) == "\u2013"
    assert study_words.difference_words(found("test_loss", [0.1])) == "\u2013", "one pair has no interval"


def test_the_sign_test_says_who_won_how_often() -> None:
    assert study_words.wins(found("log_train_s", [0.1] * 9)).startswith("PyTorch better in 9 of 9, evidence ")
    assert study_words.wins(found("test_accuracy", [0.1, 0.1, -0.1])) == "Keras better in 2 of 3"
    assert study_words.wins(found("test_accuracy", [0.0, 0.0])) == "no pair differs"


def test_the_plan_counts_runs_and_combinations_and_says_how_long() -> None:
    assert plain(study_words.plan(study(5), 90.0)) == "5 runs, about 90 s here."
    several = study(20, batch_size=[32, 126], optimizer=["adam", "sgd"])
    told = "80 runs: 20 for each of 4 combinations, no estimate of the time yet."
    assert study_words.plan(several, None) == told
    assert plain(study_words.plan(several, 3 * 3600.0)).endswith("about 3 h here.")


def test_what_so_many_seeds_can_decide_is_said_and_too_few_are_told_the_fewest() -> None:
    few = study_words.can_decide(study(2))
    fewest = study_words.fewest_pairs(study(2).alpha)
    assert few == f"2 pairs can decide nothing: it takes at least {fewest}."
    assert "can decide nothing" in study_words.can_decide(study(fewest - 1))
    assert study_words.can_decide(study(fewest)).startswith(
        f"With {fewest} pairs a mean difference can be told from none"
    )


def test_what_is_asked_names_every_value_and_the_seeds() -> None:
    words = study_words.asked(study(20, batch_size=[32, 126]))
    assert words == "Batch size 32 and 126; seeds 0 to 19."
    assert study_words.title(study(20, batch_size=[32, 126]), Path("nowhere")) == "As shipped over batch size, 20 seeds"
    assert study_words.cell_words((("batch_size", 32), ("dropout", 0))) == "batch size 32, no dropout"


def test_what_all_runs_have_in_common_leaves_out_what_varies() -> None:
    words = study_words.common(study(20, batch_size=[32, 126]), Path("nowhere"))
    assert words == "Every run: 8 epochs, dropout 0.3, as shipped, in turns, MNIST, 5,000 images."
