"""Rows of the catalogue with their evidence: which measurement counts, what is said of it, and the summary of all."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from core.compare import summary
from core.compare.claims import CLAIMS, Judged, all_judged
from core.compare.differences.catalogue import DIFFERENCES, find
from core.compare.differences.difference import EVERYTHING
from core.compare.differences.measured import Measured, all_measured, as_json, cost_words, failures
from core.experiment.settings import TrainSettings
from core.experiment.study import Study
from core.results.study_outcome import StudyOutcome, outcome
from core.storage.database import State
from core.storage.measurements import EVIDENCE, Measurement, read_evidence
from core.storage.records import RECORDED
from core.storage.studies import PairRun, StudyRecord, StudyState
from tests.kept_study import MACHINE

ROW = find("label-shape")
FIELDS = {
    *("difference", "part", "keras", "pytorch", "parts_at_step", "gap", "cost", "evidence", "sources", "machine"),
    "measured_at",
}


def values(parts_at: int, places: int = 10) -> dict[str, Any]:
    """What a measurement says of a row whose sides part there; 0: nowhere."""
    keras = [1.0 + place / 8 for place in range(places)]
    torch = [one if not parts_at or place < parts_at else one / 2 for place, one in enumerate(keras, start=1)]
    aligned = {"keras": keras, "pytorch": keras}
    return {"aligned": aligned, "kept": {"keras": keras, "pytorch": torch}, "elapsed_s": 1.5}


def measured(subject: str, names: dict[str, Any], hour: int = 10, **changes: Any) -> Measurement:
    """A finished one of these rows."""
    at = f"2026-12-01T{hour:02}:00:00+00:00"
    plain: dict[str, Any] = {
        **{"id": "1", "subject": subject, "program": "differences", "arguments": {}, "created_at": at, "reason": ""},
        **{"started_at": at, "ended_at": at, "state": State.FINISHED, "machine": MACHINE, "versions": {}},
        **{"fraction": 1.0, "sentence": "", "drawn_meanwhile": False, "result": {"names": names}},
    }
    return Measurement(**{**plain, **changes})


def of_row(*here: Measurement, recorded: Sequence[Measurement] = ()) -> Measured:
    """The row, after these measurements."""
    found = all_measured({one.subject: one for one in here}, {one.subject: one for one in recorded})
    (row,) = [row for row in found if row.difference is ROW]
    return row


def test_the_newest_counts_of_a_rows_own_measurement_and_that_of_all_rows() -> None:
    own = measured(ROW.subject, {ROW.name: values(1)}, hour=10)
    of_all = measured(EVERYTHING, {ROW.name: values(4)}, hour=11)
    assert (of_row(own, of_all).parts_at, of_row(own).parts_at) == (4, 1)
    older = measured(EVERYTHING, {ROW.name: values(4)}, hour=9)
    assert of_row(own, older).parts_at == 1
    others = measured(EVERYTHING, {"adam-epsilon": values(4)}, hour=11)
    assert of_row(own, others).parts_at == 1


def test_what_was_measured_here_stands_before_what_was_recorded() -> None:
    recorded = measured(EVERYTHING, {ROW.name: values(4)}, hour=12, source="recorded")
    row = of_row(measured(ROW.subject, {ROW.name: values(1)}), recorded=[recorded])
    assert [one.measurement.source for one in row.every] == ["here", "recorded"]
    assert row.parts_at == 1
    assert of_row(recorded=[recorded]).parts_at == 4


def test_a_failed_measurement_is_said_and_the_one_before_it_stays() -> None:
    own = measured(ROW.subject, {ROW.name: values(1)}, hour=10)
    failed = measured(EVERYTHING, {ROW.name: {"failed": "PyTorch: no memory"}, "gelu": values(1)}, hour=11)
    row = of_row(own, failed)
    assert (row.failure, row.parts_at) == ("PyTorch: no memory", 1)
    assert failures(failed) == {ROW.name: "PyTorch: no memory"}
    assert failures(measured(EVERYTHING, {}, state=State.STOPPED, result=None)) == {}


@pytest.mark.parametrize(
    ("parts_at", "words", "contradicts"),
    [(1, "parts at step 1", False), (4, "parts at step 4", True), (0, "does not part", True)],
)
def test_a_row_says_where_it_parts_and_whether_that_is_what_its_text_says(
    parts_at: int, words: str, contradicts: bool
) -> None:
    assert ROW.parts_within == 1
    row = of_row(measured(ROW.subject, {ROW.name: values(parts_at)}))
    assert (row.words, row.contradicts) == (words, contradicts)
    assert row.evidence
    assert ("contradicts" in row.evidence.shown.finding) == contradicts


def test_a_row_without_numbers_says_why() -> None:
    words = {row.difference.name: row.words for row in all_measured({}, {})}
    assert (words["tf32"], words["single-rows"], words["label-shape"]) == (
        "needs a GPU",
        "not measured here",
        "not measured yet",
    )


def test_every_row_is_one_json_object_of_the_same_fields() -> None:
    own = measured(ROW.subject, {ROW.name: values(4)})
    rows = [as_json(row) for row in all_measured({own.subject: own}, {})]
    assert len(rows) == len(DIFFERENCES)
    assert all(set(json.loads(json.dumps(row))) == FIELDS for row in rows)
    (row,) = [row for row in rows if row["difference"] == ROW.name]
    assert (row["parts_at_step"], row["gap"], row["measured_at"]) == (4, 0.5, own.measured_at)
    assert row["evidence"]["supports"] is False
    assert {row["parts_at_step"] for row in rows if row["difference"] != ROW.name} == {None}


def study(keras: Sequence[float], torch: Sequence[float]) -> StudyOutcome:
    """A twin that keeps one default; test accuracies of each seed."""
    settings = TrainSettings(alignment="exact-twin", keep=("adam-epsilon",))  # type: ignore[arg-type]
    asked = Study(settings, len(keras))
    plain = {"test_loss": 0.3, "train_s": 2.0, "images_per_s": 1000.0, "rss_mib": 500.0}
    lanes = [
        {lane: {**plain, "test_accuracy": accuracy} for lane, accuracy in (("keras", one), ("torch", other))}
        for one, other in zip(keras, torch, strict=True)
    ]
    runs = [PairRun((), seed, f"{seed}", State.FINISHED, found) for seed, found in enumerate(lanes)]
    day, study_id = "2026-12-01T12:00:00+00:00", "20261201-120000-00000001"
    record = StudyRecord(study_id, day, asked, "seeds", None, StudyState.FINISHED, "", "", MACHINE, "recorded")
    return outcome(record, runs, 10_000)


def rows_with_costs(**costs: StudyOutcome) -> list[Measured]:
    """All rows; what keeping some of them costs."""
    return all_measured({}, {}, {name.replace("_", "-"): {"recorded": found} for name, found in costs.items()})


LOWER = study([0.95, 0.951, 0.949, 0.95, 0.95], [0.9, 0.902, 0.899, 0.9, 0.901])
UNSEEN = study([0.95, 0.94, 0.95, 0.94, 0.95], [0.94, 0.95, 0.94, 0.95, 0.945])
SAME = study([0.95, 0.94, 0.93, 0.95, 0.94], [0.95, 0.94, 0.93, 0.95, 0.94])


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (LOWER, "PyTorch scores 5 points lower in test accuracy (Keras minus PyTorch: "),
        (UNSEEN, "No difference in test accuracy was seen (Keras minus PyTorch: "),
        (SAME, "Nothing in test accuracy: both score the same with each of 5 seeds."),
    ],
)
def test_a_cost_is_said_with_its_interval_and_its_seeds(found: StudyOutcome, words: str) -> None:
    (row,) = [row for row in rows_with_costs(adam_epsilon=found) if row.cost]
    assert row.cost
    said = cost_words(row.cost).replace("\u00a0", " ")
    assert said.startswith(words)
    assert "5 seeds" in said
    told = as_json(row)["cost"]
    assert told["seeds"] == 5
    assert told["low_points"] <= told["mean_points"] <= told["high_points"]


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    """The article's rows as they were recorded."""
    return all_judged({}, read_evidence(RECORDED / EVIDENCE))


def test_the_summary_counts_what_of_the_article_holds(judged: list[Judged]) -> None:
    true = sum(verdict == "true" for row in judged for verdict in row.verdicts.values())
    assert f"Of the 20 sides {true} are true: " in summary.holds(judged)
    assert "Release of Keras" in summary.holds(judged)


def test_the_summary_says_what_differs_and_what_it_costs() -> None:
    assert summary.differs(all_measured({}, {})) == "Nothing has been measured yet."
    own = [measured(find(name).subject, {name: values(at)}) for name, at in (("gelu", 1), ("label-shape", 3))]
    recorded = {one.subject: one for one in own}
    rows = all_measured(recorded, {}, {"adam-epsilon": {"recorded": LOWER}, "weight-decay": {"recorded": UNSEEN}})
    said = summary.differs(rows)
    assert said.startswith("2 of 2 measured defaults part the two frameworks, 1 of them at once.")
    assert "1 of the measurements contradicts our text." in said
    assert "cost something in test accuracy: Adam's epsilon (5 points)." in said


def test_the_summary_gives_what_made_no_difference_its_margin(judged: list[Judged]) -> None:
    rows = rows_with_costs(adam_epsilon=LOWER, weight_decay=UNSEEN)
    (unseen,) = [row for row in rows if row.difference.name == "weight-decay"]
    assert unseen.cost
    assert unseen.cost.interval
    margin = 100 * max(-unseen.cost.interval.low, unseen.cost.interval.high)
    said = summary.no_difference(judged, rows)
    assert f"Weight decay of Adam, SGD and RMSprop (within {margin:.1f} points)" in said
    assert "Adam's epsilon" not in said
    never = measured(find("same-padding").subject, {"same-padding": values(0)})
    said = summary.no_difference(judged, all_measured({never.subject: never}, {}))
    assert "Both computed the same to the last bit: Padding without a stride." in said


def test_every_claim_is_in_the_summarys_count(judged: list[Judged]) -> None:
    assert len(judged) == len(CLAIMS)
    assert [head for head, _ in summary.lines(judged, all_measured({}, {}))] == [
        "What of the article holds.",
        "What really differs.",
        "What made no difference.",
    ]
