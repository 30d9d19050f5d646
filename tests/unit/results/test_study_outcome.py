"""What a study's pairs add up to: what is done, decided and left, and the events in between."""

from dataclasses import replace

import numpy as np
import pytest

from core.data.datasets import DATASETS
from core.experiment.settings import TrainSettings
from core.experiment.statistics import Verdict
from core.experiment.study import MEASURES, Pair, Study
from core.results.study_outcome import StudyOutcome, events, of_one_machine, outcome
from core.results.study_tables import state_words
from core.storage.database import State
from core.storage.records import Source
from core.storage.studies import PairRun, StudyRecord, StudyState

IMAGES = 1000
PLAIN = Study.of(TrainSettings(), DATASETS["mnist5k"], 20, {})
THIRTY = Study.of(TrainSettings(), DATASETS["mnist5k"], 30, {})
VARIED = Study.of(TrainSettings(), DATASETS["mnist5k"], 2, {"batch_size": [32, 64]})
BETTER = 0.01
"""How much more accurate Keras is in `ran`, by default."""


def record(study: Study, stop: str = "decided", budget_s: float | None = None) -> StudyRecord:
    return StudyRecord("a-study", "", study, stop, budget_s, StudyState.RUNNING, "", "", {})


def ran(pair: Pair, state: State = State.FINISHED, number: int = 0, **changed: object) -> PairRun:
    """A run of a pair in which Keras trains twice as long."""
    torch: dict[str, float | None] = dict(test_accuracy=0.9, test_loss=0.3, train_s=2, images_per_s=9, rss_mib=500)
    keras = {**torch, "test_accuracy": 0.9 + BETTER + pair.seed % 2 * 0.001, "test_loss": 0.2, "train_s": 4}
    keras |= {name: value for name, value in changed.items() if name in torch}
    others = {name: value for name, value in changed.items() if name not in torch}
    figures = {"keras": keras, "torch": torch}
    return PairRun(pair.cell, pair.seed, f"run-{number or pair.seed:04}", state, figures, elapsed_s=10.0, **others)


def after(count: int, study: Study = PLAIN, stop: str = "decided", **changed: object) -> StudyOutcome:
    """A study of which so many pairs have finished."""
    return outcome(record(study, stop), [ran(pair, **changed) for pair in study.pairs[:count]], IMAGES)


def test_differences_are_keras_minus_pytorch_and_those_of_times_logarithms_of_ratios() -> None:
    (pair,) = after(1).cells[0].pairs
    assert pair.differences == pytest.approx(
        {
            **{"test_accuracy": BETTER, "test_loss": -0.1, "log_train_s": 0.693147},
            **{"log_images_per_s": 0.0, "log_rss_mib": 0.0},
        }
    )


def test_equal_accuracies_are_equal_however_each_framework_rounds_its_own() -> None:
    (pair,) = after(1, test_accuracy=float(np.float32(0.9))).cells[0].pairs
    assert pair.differences["test_accuracy"] == 0


def test_a_plan_less_what_has_ended_is_left_seed_by_seed() -> None:
    first, second, third, fourth = VARIED.pairs
    found = outcome(record(VARIED), [ran(first), ran(third, State.RUNNING)], IMAGES)
    assert (found.done, found.total, found.running) == (1, 4, ["run-0001"])
    assert found.remaining == [second, fourth]
    assert [cell.cell for cell in found.cells] == [(("batch_size", 32),), (("batch_size", 64),)]


def test_a_pair_cut_short_is_run_anew_and_a_failed_one_is_not_but_counts() -> None:
    first, second, *_ = PLAIN.pairs
    cut = [ran(first, State.STOPPED, 1), ran(first, State.INTERRUPTED, 2)]
    found = outcome(record(PLAIN), [*cut, ran(second, State.FAILED, 3)], IMAGES)
    assert found.remaining[0] == first
    assert second not in found.remaining
    assert [pair.run for pair in found.cut_short] == ["run-0001", "run-0002"]
    assert (found.done, found.failed, found.cells[0].failed) == (1, 1, 1)
    assert found.cells[0].pairs[0].differences == {}
    assert found.cells[0].finding("test_accuracy").verdict == Verdict.UNKNOWN


def test_a_busy_machine_spoils_the_times_of_a_pair_and_nothing_else() -> None:
    (pair,) = after(1, busy=True).cells[0].pairs
    assert set(pair.differences) == {"test_accuracy", "test_loss", "log_rss_mib"}


def test_times_that_a_busy_machine_spoiled_are_not_decided_and_more_pairs_are_run_for_them() -> None:
    decided = next(n for n in range(1, 20) if after(n).decided)
    assert after(decided, busy=True).over == ""
    assert after(decided, busy=True, stop="test_accuracy").decided
    (event, *_) = events(after(0), after(1, busy=True))
    assert (after(3, busy=True).busy, after(3).busy, event["busy"]) == (3, 0, True)


def test_memory_that_is_equal_in_whole_mib_is_not_taken_for_certain() -> None:
    """Keras takes 700 MiB in most pairs and 701 in 15 %: whoever saw 700 alone missed the mean."""
    memory = {"keras": {"rss_mib": 700.0}, "torch": {"rss_mib": 690.0}}
    truth = 0.85 * np.log(700 / 690) + 0.15 * np.log(701 / 690)
    for pairs in range(6, 31):
        ended = [PairRun(pair.cell, pair.seed, f"{pair.seed}", State.FINISHED, memory) for pair in THIRTY.pairs[:pairs]]
        found = outcome(record(THIRTY), ended, IMAGES).cells[0].finding("log_rss_mib")
        assert found.interval is not None
        assert found.interval.low < truth < found.interval.high
    assert found.favours == "torch", "and it is decided all the same"


def test_a_pair_whose_lanes_parted_is_done_and_counts_in_no_verdict() -> None:
    ended = [ran(pair, parted=pair.seed == 3) for pair in PLAIN.pairs[:11]]
    found = outcome(record(PLAIN), ended, IMAGES)
    assert (found.done, found.failed, found.parted, len(found.remaining)) == (11, 0, 1, 9)
    assert found.cells[0].pairs[3].differences == {}
    assert {len(one.differences) for one in found.cells[0].findings} == {10}
    (event,) = [event for event in events(None, found) if event.get("parted")]
    assert (event["seed"], event["state"], set(event["differences"].values())) == (3, "finished", {None})


def test_times_of_two_machines_are_never_pooled_and_differences_within_a_pair_are() -> None:
    cell = outcome(
        record(PLAIN), [ran(pair, machine="fast" if pair.seed % 3 else "slow") for pair in PLAIN.pairs[:6]], IMAGES
    ).cells[0]
    accuracy, times = MEASURES[0], MEASURES[2]
    assert len(cell.finding(times.name).differences) == 6
    assert of_one_machine(cell.pairs, accuracy) == (cell.pairs, "")
    own, words = of_one_machine(cell.pairs, times)
    assert {pair.machine for pair in own} == {"fast"}
    assert words == "Times of fast alone, which ran 4 of these 6 pairs: they differ by machine."
    assert of_one_machine(own, times) == (own, "")


def test_it_ends_when_everything_is_decided_or_the_chosen_measure_or_at_its_last_pair() -> None:
    assert after(4).over == ""
    assert after(20).over == "All 20 pairs have ended."
    decided = next(n for n in range(1, 20) if after(n).decided)
    assert after(decided).over == f"Everything was decided after {decided} of 20 pairs."
    accuracy = after(decided, stop="test_accuracy")
    assert accuracy.over == f"Test accuracy was decided after {decided} of 20 pairs."
    assert after(19, stop="seeds").over == ""
    assert after(decided, images_per_s=None).decided, "what no lane has is not waited for"


def test_every_combination_must_be_decided() -> None:
    study = Study.of(TrainSettings(), DATASETS["mnist5k"], 20, {"batch_size": [32, 64]})
    both = after(30, study)
    assert both.decided
    some = [ran(pair) for pair in study.pairs if pair.cell == study.cells[0]]
    assert not outcome(record(study), some, IMAGES).decided
    assert after(31, study).pairs_needed("test_accuracy") == 0


def test_no_pair_begins_that_would_exceed_the_budget() -> None:
    ended = [ran(pair) for pair in PLAIN.pairs[:3]]  # 10 s each
    assert outcome(record(PLAIN, "seeds", 40.0), ended, IMAGES).over == ""
    over = outcome(record(PLAIN, "seeds", 39.0), ended, IMAGES).over
    assert over == "Another pair would exceed its budget of 39\u00a0s: it ended after 3 of 20 pairs."
    assert outcome(record(PLAIN, "seeds", 1.0), [], IMAGES).over == "", "one pair there is"


def test_a_study_does_not_end_while_a_pair_runs() -> None:
    *ended, last = PLAIN.pairs
    found = outcome(record(PLAIN), [*map(ran, ended), ran(last, State.RUNNING)], IMAGES)
    assert (found.remaining, found.over) == ([], "")


def test_no_further_pair_is_wanted_of_what_is_decided_or_spent_though_some_run_still_elsewhere() -> None:
    decided = next(n for n in range(1, 20) if after(n).decided)
    *ended, last = PLAIN.pairs[: decided + 1]
    found = outcome(record(PLAIN), [*map(ran, ended), ran(last, State.RUNNING)], IMAGES)
    assert (found.over, bool(found.remaining), found.enough.startswith("Everything was decided")) == ("", True, True)
    run_now = [replace(ran(pair, State.RUNNING), elapsed_s=0.0) for pair in PLAIN.pairs[3:6]]
    three_run = [*map(ran, PLAIN.pairs[:3]), *run_now]  # 10 s each
    assert outcome(record(PLAIN, "seeds", 70.0), three_run, IMAGES).enough == ""
    assert outcome(record(PLAIN, "seeds", 69.0), three_run, IMAGES).enough != ""


def test_how_many_pairs_a_verdict_needs() -> None:
    close = [ran(pair, test_accuracy=0.9 + (-1) ** pair.seed * 0.004) for pair in PLAIN.pairs[:6]]
    found = outcome(record(PLAIN), close, IMAGES)
    needed = found.pairs_needed("test_accuracy")
    assert needed is not None
    assert 6 < needed < 200
    assert after(1).pairs_needed("test_accuracy") is None
    assert after(20).pairs_needed("log_train_s") == 0


@pytest.mark.parametrize(
    ("state", "source", "said"),
    [
        ("running", "here", ["cut short, run anew", "cut short, run anew"]),
        ("stopped", "here", ["cut short, run anew", "cut short, run anew"]),
        ("finished", "here", ["cut short, run anew", "cut short"]),
        ("stopped", "imported", ["cut short, run anew", "cut short"]),
    ],
)
def test_what_was_cut_short_is_run_anew_where_it_was_or_where_the_study_goes_on(
    state: str, source: Source, said: list[str]
) -> None:
    first, second, *_ = PLAIN.pairs
    runs = [ran(first, State.STOPPED, 1), ran(second, State.INTERRUPTED, 2), ran(first, number=3)]
    found = outcome(replace(record(PLAIN), state=StudyState(state), source=source), runs, IMAGES)
    assert [state_words(found, pair) for pair in found.cut_short] == said
    assert state_words(found, found.cells[0].pairs[0]) == "finished"


def test_the_events_of_a_pair_and_of_verdicts_that_changed() -> None:
    assert events(None, after(0)) == []
    (pair,) = events(after(0), after(1))
    differences = pair.pop("differences")
    assert pair == {
        **{"event": "pair", "study": "a-study", "cell": {}, "seed": 0, "run": "run-0000", "state": "finished"},
        **{"parted": False, "busy": False},
    }
    assert list(differences) == [measure.name for measure in MEASURES]
    changed = events(after(1), after(10))
    assert [event["event"] for event in changed] == ["pair"] * 9 + ["verdict"] * 5
    accuracy = changed[9]
    assert (accuracy["measure"], accuracy["verdict"], accuracy["favours"]) == ("test_accuracy", "differs", "keras")
    assert 0 < accuracy["low"] < BETTER + 0.0005 < accuracy["high"]
    assert (accuracy["pairs"], accuracy["margin"], accuracy["cell"]) == (10, 0.002, {})
    assert events(after(10), after(10)) == []
    assert [event["event"] for event in events(after(10), after(10), at_end=True)] == ["verdict"] * 5


def test_a_failed_pair_and_one_cut_short_are_events_without_differences() -> None:
    first, second, *_ = PLAIN.pairs
    found = outcome(record(PLAIN), [ran(first, State.STOPPED, 1), ran(second, State.FAILED, 2)], IMAGES)
    assert [(event["state"], set(event["differences"].values())) for event in events(None, found)] == [
        ("stopped", {None}), ("failed", {None}),
    ]  # fmt: skip


def test_an_interval_that_says_nothing_has_no_ends() -> None:
    (accuracy, *_) = [event for event in events(None, after(2), at_end=True) if event["event"] == "verdict"]
    assert (accuracy["verdict"], accuracy["low"], accuracy["high"], accuracy["pairs"]) == (
        "not known yet",
        None,
        None,
        2,
    )
