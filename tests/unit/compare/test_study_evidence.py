"""Studies as evidence: which count for claim 7 and may decide it, and which tell what a default costs."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.compare.claims import as_json, claim, judged
from core.compare.export import as_csv
from core.compare.study_evidence import costs, show, strongest
from core.experiment.settings import TrainSettings
from core.experiment.study import Study
from core.results.study_outcome import StudyOutcome, outcome
from core.storage.database import State
from core.storage.measurements import EVIDENCE, Measurement, read_evidence
from core.storage.records import RECORDED
from core.storage.runs import Store
from core.storage.studies import PairRun, Studies, StudyRecord, StudyState
from tests.kept_study import MACHINE, keep_study

PYTORCH_FASTER = [-0.2, -0.21, -0.19, -0.2, -0.21, -0.19]


def study(differences: Sequence[float], study_id: str = "20261201-120000-00000001") -> StudyOutcome:
    """One of the article's settings; `differences` of the logarithms of images/s, Keras minus PyTorch."""
    asked = Study(TrainSettings(dataset="mnist"), len(differences))
    torch = {"test_accuracy": 0.9, "test_loss": 0.3, "train_s": 2.0, "images_per_s": 1000.0, "rss_mib": 500.0}
    runs = [
        PairRun((), seed, f"{seed}", State.FINISHED, {"keras": {**torch, "images_per_s": rate}, "torch": torch})
        for seed, rate in enumerate(1000 * math.exp(difference) for difference in differences)
    ]
    day = "2026-12-01T12:00:00+00:00"
    record = StudyRecord(study_id, day, asked, "seeds", None, StudyState.FINISHED, "", "", MACHINE, "recorded")
    return outcome(record, runs, 10_000)


@pytest.fixture
def measured() -> Measurement:
    """The recorded measurement of the row, of five repeats."""
    return read_evidence(RECORDED / EVIDENCE)["claim-7"]


@pytest.mark.parametrize(
    ("differences", "verdict", "words"),
    [
        (PYTORCH_FASTER, "true", "PyTorch trains 19 to 25 % more images a second than Keras."),
        ([-one for one in PYTORCH_FASTER], "false", "Keras trains 19 to 25 % more images a second than PyTorch."),
        ([-0.2, 0.2, -0.1, 0.1, 0.0, 0.1], "no difference seen", "no difference was seen in images a second"),
    ],
)
def test_the_whole_interval_decides(differences: list[float], verdict: str, words: str) -> None:
    shown = show(study(differences))
    assert shown.verdicts == {"keras": verdict, "pytorch": verdict}
    finding = shown.finding.replace("\u00a0", " ")
    assert finding.startswith(f"In a study of 6 pairs: {words}")
    assert finding.endswith("Training time is identical in all 6 pairs.")


def test_the_row_stands_on_a_study_of_more_pairs_than_its_measurement_has_repeats(measured: Measurement) -> None:
    strong = study([-one for one in PYTORCH_FASTER])
    row = judged(claim(7), None, measured, {"recorded": strong})
    assert row.verdicts["keras"] == "false", "the measurement says true"
    assert [one.study is None for one in row.every] == [False, True]
    told = as_json(row)
    assert (told["evidence"]["study"], told["evidence"]["source"]) == (strong.record.id, "recorded")
    assert (told["machine"], told["measured_at"]) == (MACHINE, strong.record.created_at)
    assert "In a study of 6 pairs" in as_csv([row])
    as_strong = judged(claim(7), None, measured, {"recorded": study(PYTORCH_FASTER[:5])})
    assert as_strong == judged(claim(7), None, measured), "five pairs are no more than five repeats"
    assert judged(claim(3), None, None, {"recorded": strong}).evidence is None


def test_what_was_measured_on_this_machine_comes_before_a_study_of_another(measured: Measurement) -> None:
    strong = study([-one for one in PYTORCH_FASTER])
    here = replace(measured, source="here")
    row = judged(claim(7), here, measured, {"recorded": strong})
    assert row.verdicts == judged(claim(7), here, measured).verdicts
    assert [(one.source, one.study is not None) for one in row.every] == [
        ("here", False), ("recorded", True), ("recorded", False),
    ]  # fmt: skip


def test_only_finished_studies_of_the_article_s_settings_made_here_count(tmp_path: Path) -> None:
    keep_study(tmp_path, seeds=1, dropout=[0.3, 0.4])
    keep_study(tmp_path, seeds=5, state=StudyState.STOPPED)
    keep_study(tmp_path, seeds=4)
    nowhere = tmp_path / "recorded"
    studies, store = Studies(tmp_path, nowhere), Store(tmp_path, nowhere)
    assert strongest(studies, store) == {}, "of four pairs there is no interval yet"
    wanted = keep_study(tmp_path, seeds=6)
    keep_study(tmp_path, seeds=5)
    (found,) = strongest(studies, store).values()
    assert found.record.id == wanted
    with studies.write_transaction() as connection:
        connection.execute("UPDATE studies SET source = 'imported' WHERE id = ?", (wanted,))
    assert strongest(studies, store)["here"].record.study.seeds == 5


def test_the_cost_of_a_default_is_told_by_the_longest_study_that_keeps_it_alone(tmp_path: Path) -> None:
    keep_study(tmp_path, seeds=2)
    keep_study(tmp_path, seeds=3, keep=["adam-epsilon", "batch-order"])
    keep_study(tmp_path, seeds=3, keep=["adam-epsilon"], state=StudyState.STOPPED)
    wanted = keep_study(tmp_path, seeds=3, keep=["adam-epsilon"])
    keep_study(tmp_path, seeds=2, keep=["adam-epsilon"])
    nowhere = tmp_path / "recorded"
    found = costs(Studies(tmp_path, nowhere), Store(tmp_path, nowhere))
    assert {name: {place: one.record.id for place, one in places.items()} for name, places in found.items()} == {
        "adam-epsilon": {"here": wanted}
    }
    (cell,) = found["adam-epsilon"]["here"].cells
    assert len(cell.finding("test_accuracy").differences) == 3, "a twin that keeps a default is there to part"
