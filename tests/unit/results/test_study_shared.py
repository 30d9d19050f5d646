"""A study is read and drawn once for all who look, and again when it has changed."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from core.data.datasets import DATASETS
from core.experiment.settings import TrainSettings
from core.experiment.study import Pair, Study
from core.results.study_shared import MOST_STUDIES, Outcomes
from core.storage.database import LaneState, State
from core.storage.records import StudyPair, UnknownRun
from core.storage.rows import Entry, LaneChanged, RunChanged
from core.storage.runs import Store
from core.storage.studies import PairRun, Studies, StudyState
from tests import events

STUDY = Study.of(TrainSettings(), DATASETS["mnist5k"], 9, {"batch_size": [32, 64]})


class Counting(Studies):
    """Counts how often pairs are read."""

    reads = 0

    def pairs(self, study: str, known: Mapping[str, PairRun] = MappingProxyType({})) -> list[PairRun]:
        self.reads += 1
        return super().pairs(study, known)


@pytest.fixture
def studies(tmp_path: Path) -> Counting:
    found = Counting(tmp_path)
    found.open_for_writing()
    return found


def begun(studies: Studies) -> str:
    return studies.create(STUDY, "seeds", None, {})


def run_pair(studies: Studies, study: str, pair: Pair) -> str:
    store = Store(studies.data_dir)
    run = store.create(STUDY.settings(pair), {}, "", StudyPair(study, pair.cell))
    store.append(run, [Entry("", RunChanged(State.RUNNING))])
    for engine, accuracy in (("keras", 0.9), ("torch", 0.8)):
        ended = LaneChanged(LaneState.FINISHED, 1)
        store.append(run, [Entry(engine, event) for event in (events.result(test_accuracy=accuracy), ended)])
    store.append(run, [Entry("", RunChanged(State.FINISHED))])
    return run


def test_a_study_is_read_once_until_it_or_a_run_of_it_changes(studies: Counting) -> None:
    study, store = begun(studies), Store(studies.data_dir)
    outcomes = Outcomes(studies, store)
    assert (outcomes.of(study).done, outcomes.of(study).done, studies.reads) == (0, 0, 1)
    run = run_pair(studies, study, STUDY.pairs[0])
    assert (outcomes.of(study).done, outcomes.of(study).done, studies.reads) == (1, 1, 2)
    studies.set_state(study, StudyState.PAUSED, "You paused this study.")
    assert outcomes.of(study).record.state == "paused"
    store.delete(run)
    run_pair(studies, study, STUDY.pairs[1])
    assert [pair.seed for pair in outcomes.of(study).cells[1].pairs] == [0], "another run, as many as before"
    studies.add_seeds(study, 2)
    assert (outcomes.of(study).total, studies.reads) == (22, 5)


def test_few_studies_are_kept(studies: Counting) -> None:
    outcomes = Outcomes(studies, Store(studies.data_dir))
    every = [begun(studies) for _ in range(MOST_STUDIES + 1)]
    for study in (*every, *every[1:], every[0]):
        outcomes.of(study)
    assert studies.reads == len(every) + 1


def test_the_figure_is_drawn_once_for_each_measure_and_combination(studies: Counting) -> None:
    study = begun(studies)
    outcomes = Outcomes(studies, Store(studies.data_dir))
    assert outcomes.closing(study, "test_accuracy", 0).drawn is None
    run_pair(studies, study, STUDY.pairs[1])
    found = outcomes.closing(study, "test_accuracy", 1).drawn
    assert found
    assert found is outcomes.closing(study, "test_accuracy", 1).drawn
    assert "of 1 pairs" in found.finding
    (points,) = [trace["y"] for trace in json.loads(found.json)["data"] if trace["mode"] == "markers"]
    assert points == pytest.approx([10.0])
    assert outcomes.closing(study, "log_rss_mib", 1).drawn != found
    for measure, cell in (("zebra", 0), ("test_accuracy", 2), ("test_accuracy", -1)):
        with pytest.raises(LookupError):
            outcomes.closing(study, measure, cell)
    with pytest.raises(UnknownRun):
        outcomes.closing("20260101-000000-00000000", "test_accuracy", 0)
