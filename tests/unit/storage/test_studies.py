"""Studies in a data folder: what was asked comes back, and pairs are read from columns alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.data.datasets import DATASETS
from core.experiment.fairness import FairnessVerdict
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.study import Pair, Study
from core.protocol.messages import Epoch, Result
from core.storage.database import FILE, LaneState, State, StoreError
from core.storage.records import DamagedStudy, StudyPair, UnknownRun
from core.storage.rows import Entry, LaneChanged, RunChanged
from core.storage.runs import Store
from core.storage.studies import Studies, StudyState, pair_of

MACHINE: dict[str, object] = {"processor": "one", "cores": 2}
ASKED = Study.of(TrainSettings(), DATASETS["mnist5k"], 3, {"batch_size": [32, 64], "dropout": ["0.1"]}, 0.01, 0.2)


@pytest.fixture
def studies(tmp_path: Path) -> Studies:
    found = Studies(tmp_path)
    found.open_for_writing()
    return found


def new(studies: Studies, stop: str = "decided", budget_s: float | None = 60.0) -> str:
    return studies.create(ASKED, stop, budget_s, MACHINE, "somebody")


def run_pair(
    studies: Studies, study: str, pair: Pair, train_s: float = 2.0, machine: dict[str, object] = MACHINE
) -> str:
    """A finished run of three epochs, Keras a second slower in each."""
    store = Store(studies.data_dir)
    run = store.create(ASKED.settings(pair), machine, "somebody", StudyPair(study, pair.cell))
    store.append(run, [Entry("", RunChanged(State.RUNNING))])
    for engine, more in (("keras", 1.0), ("torch", 0.0)):
        epochs = [Epoch(n, 1, 0.5, 1, 0.5, train_s + more, 0.1, 100.0 * n) for n in (1, 2, 3, 4)]
        result = Result(0.3, 0.9, 0.1, [[1]], 500, f"{engine}.safetensors", "", f"{engine}.npz")
        ended = LaneChanged(LaneState.FINISHED, 4)
        store.append(run, [Entry(engine, event) for event in (*epochs, result, ended)])
    store.append(run, [Entry("", RunChanged(State.FINISHED))])
    return run


def test_what_was_asked_comes_back(studies: Studies) -> None:
    first, second = new(studies), new(studies, "test_accuracy", None)
    record = studies.get(first)
    assert record.study == ASKED
    assert (record.stop, record.budget_s, record.state, record.reason) == ("decided", 60.0, StudyState.RUNNING, "")
    assert (record.visitor, record.machine) == ("somebody", MACHINE)
    assert [one.id for one in studies.all()] == [second, first], "newest first"


def test_a_pair_says_where_it_ran_and_one_that_ran_elsewhere_tells_no_time_of_this_machine(studies: Studies) -> None:
    study, pair = new(studies), ASKED.pairs[0]
    store, elsewhere = Store(studies.data_dir), run_pair(studies, study, pair, machine={**MACHINE, "name": "elsewhere"})
    assert [(one.run, one.machine) for one in studies.pairs(study)] == [(elsewhere, "elsewhere")]
    assert store.newest_similar(ASKED.settings(pair)) is None
    here = run_pair(studies, study, pair)
    run_pair(studies, study, pair, machine={**MACHINE, "name": "elsewhere"})
    found = store.newest_similar(ASKED.settings(pair))
    assert found is not None
    assert found.id == here


def test_there_is_no_study_in_an_empty_folder(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    assert studies.all() == []
    with pytest.raises(UnknownRun, match="no study 20260101-000000-00000000"):
        studies.get("20260101-000000-00000000")


def test_its_state_and_why(studies: Studies) -> None:
    study = new(studies)
    studies.set_state(study, StudyState.PAUSED, "You paused this study.")
    assert (studies.get(study).state, studies.get(study).reason) == ("paused", "You paused this study.")


def test_a_pair_has_the_figures_of_both_lanes_without_a_row_being_read(studies: Studies) -> None:
    study, pair = new(studies), ASKED.pairs[1]
    run = run_pair(studies, study, pair)
    with studies.write_transaction() as connection:
        connection.execute("DELETE FROM rows")
    (found,) = studies.pairs(study)
    assert (found.run, found.pair, found.state, found.busy) == (run, pair, State.FINISHED, False)
    assert found.figures == {
        engine: {
            **{"test_accuracy": 0.9, "test_loss": 0.3, "train_s": train_s},
            **{"images_per_s": 300.0, "rss_mib": 500},  # the median after the first epoch
        }
        for engine, train_s in (("keras", 12.0), ("torch", 8.0))
    }
    assert found.elapsed_s >= 0
    assert Store(studies.data_dir).run(run).study == study


def test_the_time_until_somebody_came_back_is_no_pairs_time(studies: Studies) -> None:
    """An owner's death is written down by the next one: 60 hours later, say."""
    study, store = new(studies), Store(studies.data_dir)
    finished = run_pair(studies, study, ASKED.pairs[0])
    cut = store.create(ASKED.settings(ASKED.pairs[1]), MACHINE, "", StudyPair(study, ASKED.pairs[1].cell))
    store.append(cut, [Entry("", RunChanged(State.RUNNING)), Entry("", RunChanged(State.INTERRUPTED))])
    with studies.write_transaction() as connection:
        connection.execute("UPDATE runs SET started_at = '2026-01-01T00:00:00+00:00'")
        connection.execute("UPDATE runs SET ended_at = '2026-01-03T12:00:00+00:00' WHERE id = ?", (cut,))
        connection.execute("UPDATE runs SET ended_at = '2026-01-01T00:01:00+00:00' WHERE id = ?", (finished,))
    assert {pair.run: pair.elapsed_s for pair in studies.pairs(study)} == pytest.approx({finished: 60, cut: 0})
    assert pair_of(store.run(cut), (), {}).elapsed_s == 0


def test_a_pair_whose_run_says_that_its_lanes_parted_compares_nothing(studies: Studies) -> None:
    study, store = new(studies), Store(studies.data_dir)
    parted, held = run_pair(studies, study, ASKED.pairs[0]), run_pair(studies, study, ASKED.pairs[1])
    store.append(parted, [Entry("", FairnessVerdict("failed", certified=False))])
    store.append(held, [Entry("", FairnessVerdict("held", complete=True))])
    assert {pair.run: pair.parted for pair in studies.pairs(study)} == {parted: True, held: False}
    with studies.write_transaction() as connection:
        connection.execute("UPDATE runs SET settings = json_set(settings, '$.keep', json('[\"float32\"]'))")
    assert [pair.parted for pair in studies.pairs(study)] == [False, False], (
        "a twin that keeps a default is there to part"
    )
    with studies.write_transaction() as connection:
        connection.execute("UPDATE runs SET settings = json_set(settings, '$.keep', json('[]')), fairness = '{'")
    assert [pair.parted for pair in studies.pairs(study)] == [False, False]


def test_a_pair_that_is_known_and_had_ended_is_not_read_again(studies: Studies) -> None:
    study, store = new(studies), Store(studies.data_dir)
    gone, ended = run_pair(studies, study, ASKED.pairs[0]), run_pair(studies, study, ASKED.pairs[1])
    open_one = store.create(ASKED.settings(ASKED.pairs[2]), MACHINE, "", StudyPair(study, ASKED.pairs[2].cell))
    known = {pair.run: pair for pair in studies.pairs(study)}
    assert list(known) == [gone, ended, open_one]
    store.delete(gone)
    store.append(open_one, [Entry("", RunChanged(State.FAILED))])
    later = run_pair(studies, study, ASKED.pairs[3])
    found = studies.pairs(study, known)
    assert found == studies.pairs(study)
    assert [(pair.run, pair.state) for pair in found] == [
        (ended, "finished"), (open_one, "failed"), (later, "finished"),
    ]  # fmt: skip
    assert found[0] is known[ended]


def test_a_run_of_no_study_is_no_pair_and_a_deleted_pair_has_not_run(studies: Studies) -> None:
    study, store = new(studies), Store(studies.data_dir)
    store.create(TrainSettings(), MACHINE)
    run = run_pair(studies, study, ASKED.pairs[0])
    assert [pair.run for pair in studies.pairs(study)] == [run]
    store.delete(run)
    assert studies.pairs(study) == []


def test_room_is_made_by_no_pair_of_a_study_that_goes_on_and_last_by_those_of_one_that_waits(studies: Studies) -> None:
    store = Store(studies.data_dir)
    goes_on, waits, over = new(studies), new(studies), new(studies)
    first, second, third, fourth = (run_pair(studies, one, ASKED.pairs[0]) for one in (goes_on, waits, over, over))
    studies.set_state(waits, StudyState.PAUSED)
    studies.set_state(over, StudyState.FINISHED)
    assert store.remove_oldest(2, None) == [third], "what goes on counts as little as a pinned run"
    assert store.remove_oldest(1, None) == [fourth]
    assert store.remove_oldest(None, 0) == [second]
    assert [run.id for run in store.runs() if run.source == "here"] == [first]
    assert [studies.get(one).deleted for one in (goes_on, waits, over)] == [0, 1, 2]


def test_of_studies_without_a_run_the_oldest_go_when_room_is_made(studies: Studies) -> None:
    goes_on, ran, *empty = [new(studies) for _ in range(5)]
    run_pair(studies, ran, ASKED.pairs[0])
    for study in (ran, *empty):
        studies.set_state(study, StudyState.STOPPED)
    Store(studies.data_dir).remove_oldest(1, None)
    assert [one.id for one in studies.all()] == [empty[-1], ran, goes_on]


def test_a_pair_that_had_not_ended_by_itself_is_not_counted_when_it_is_deleted(studies: Studies) -> None:
    study, store = new(studies), Store(studies.data_dir)
    cut = store.create(ASKED.settings(ASKED.pairs[0]), MACHINE, "", StudyPair(study, ASKED.pairs[0].cell))
    store.append(cut, [Entry("", RunChanged(State.STOPPED))])
    store.delete(cut)
    store.delete(run_pair(studies, study, ASKED.pairs[0]))
    assert studies.get(study).deleted == 1


def test_more_seeds_keep_the_rule_of_a_study_that_goes_on_and_lift_it_from_one_that_has_ended(studies: Studies) -> None:
    study = new(studies)
    studies.add_seeds(study, 2)
    record = studies.get(study)
    assert (record.study.seeds, record.stop, record.budget_s) == (5, "decided", 60.0)
    studies.set_state(study, StudyState.FINISHED)
    studies.add_seeds(study, 1)
    record = studies.get(study)
    assert (record.study.seeds, record.stop, record.budget_s) == (6, "seeds", None)
    with pytest.raises(InvalidSettings, match=r"at most 2,000 runs, not 4,012\."):
        studies.add_seeds(study, 2000)


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"seeds": 1e999}', "[]"])
def test_a_damaged_study_is_named_and_left_out(studies: Studies, text: str) -> None:
    sound, study = new(studies), new(studies)
    with closing(sqlite3.connect(studies.data_dir / FILE)) as connection:
        connection.execute("UPDATE studies SET study = ? WHERE id = ?", (text, study))
        connection.commit()
    said = f"Study {study} is damaged and cannot be shown: what was asked cannot be read."
    with pytest.raises(StoreError, match=f"^{said}$"):
        studies.get(study)
    assert studies.holds(study)
    damaged: list[DamagedStudy] = []
    assert [one.id for one in studies.all(damaged)] == [sound]
    assert list(map(str, damaged)) == [said]
    assert sound in [one.id for one in studies.every()]
