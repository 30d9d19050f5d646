"""A study as a file: there and back, what it leaves out of its runs, and what is refused when it is taken in."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.results import study_file
from core.results.export import as_json
from core.results.importing import ImportedRun, ImportRefused
from core.results.outcome import gather
from core.results.report import as_html
from core.results.study_file import ImportedStudy, read_file
from core.results.study_outcome import StudyOutcome, read_outcome
from core.storage.database import State, StoreError
from core.storage.runs import ALL_ROWS, Store
from core.storage.studies import Studies, StudyState
from core.storage.taken_in import take_in_study
from tests.kept_study import keep_study, recorded_duel

Change = Callable[[dict[str, Any]], object]


def opened(folder: Path, study: str) -> tuple[Studies, Store, str]:
    return Studies(folder), Store(folder), study


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("study")
    return study_file.as_json(*opened(folder, keep_study(folder)))


def said_of(found: StudyOutcome) -> list[object]:
    """All that a study's pairs say, whatever its runs are called."""
    return [
        (cell.cell, cell.findings, [(pair.seed, pair.state, pair.differences, pair.figures) for pair in cell.pairs])
        for cell in found.cells
    ]


def test_it_comes_back_marked_with_the_same_verdicts_and_every_run_opens(tmp_path: Path) -> None:
    studies, store, made = opened(tmp_path / "here", keep_study(tmp_path / "here", seeds=1, dropout=[0.3, 0.4]))
    taken = read_file(study_file.as_json(studies, store, made).encode())
    assert isinstance(taken, ImportedStudy)
    other = Store(tmp_path / "other")
    other.open_for_writing()
    again = take_in_study(other, *taken, "somebody")
    there = Studies(other.data_dir)
    before, after = read_outcome(studies, store, made), read_outcome(there, other, again)
    assert said_of(after) == said_of(before)
    assert (after.done, after.record.source, after.record.visitor) == (2, "imported", "somebody")
    same = ("study", "stop", "budget_s", "state", "reason", "machine", "created_at")
    assert all(getattr(after.record, name) == getattr(before.record, name) for name in same)
    curves = [
        list(kept.epochs([pair.run for pair in kept.pairs(one)]).values())
        for kept, one in ((studies, made), (there, again))
    ]
    assert curves[0] == curves[1]
    for pair in there.pairs(again):
        run = other.run(pair.run)
        assert (run.source, run.study) == ("imported", again)
        rows = other.rows(run.id, limit=ALL_ROWS)
        assert [epoch.val_accuracy for epoch in gather(run, rows).lanes[0].epochs]
        assert "Faint:" not in as_html(run, rows), "which no step is drawn for"
    texts = [study_file.as_json(studies, store, made), study_file.as_json(there, other, again)]
    assert len({text.count('"seq"') for text in texts}) == 1, "an import can be taken along again"


def test_a_run_is_small_and_none_of_its_figures_is_missing(text: str) -> None:
    _, rows = recorded_duel()
    (kinds, *_) = [[row["kind"] for row in run["rows"]] for run in json.loads(text)["runs"]]
    assert kinds == [row.kind for row in rows if row.kind != "step"]
    assert len(text) / 2 < 22_000


def test_of_an_epoch_that_was_cut_short_the_steps_stay() -> None:
    _, rows = recorded_duel()
    cut = [row for row in rows if row.seq < 60]
    assert study_file.carried(cut) == cut, "no epoch has ended yet"
    assert not [row for row in study_file.carried(rows) if row.kind == "step"]


def test_one_that_goes_on_is_taken_along_as_far_as_it_is(tmp_path: Path) -> None:
    studies, store, made = opened(tmp_path, keep_study(tmp_path, 1, StudyState.RUNNING))
    taken = read_file(study_file.as_json(studies, store, made).encode())
    assert isinstance(taken, ImportedStudy)
    assert (taken.record.state, taken.record.reason) == ("stopped", "It was going on when this file was made.")


def test_one_run_does_not_pass_as_many_pairs(text: str) -> None:
    values = json.loads(text)
    values["runs"][1]["rows"] = values["runs"][0]["rows"]
    with pytest.raises(ImportRefused, match=r"is a copy of run .*: their epochs are the same, times included\."):
        read_file(json.dumps(values).encode())


def test_how_a_study_ended_is_not_believed_but_made_of_its_pairs(text: str) -> None:
    values = json.loads(text)
    for seeds, state, said in (
        (2, "finished", ("finished", "All 2 pairs have ended.")),
        (2000, "finished", ("stopped", "")),
        (2000, "paused", ("paused", "")),
    ):
        values["study"] |= {"state": state, "reason": "Everything was decided after 6 of 6 pairs. Keras wins."}
        values["study"]["plan"]["seeds"] = seeds
        taken = read_file(json.dumps(values).encode())
        assert isinstance(taken, ImportedStudy)
        assert (taken.record.state, taken.record.reason) == said


def test_how_many_pairs_were_deleted_goes_along(tmp_path: Path) -> None:
    studies, store, made = opened(tmp_path, keep_study(tmp_path, 2))
    store.delete(studies.pairs(made)[0].run)
    taken = read_file(study_file.as_json(studies, store, made).encode())
    assert isinstance(taken, ImportedStudy)
    assert studies.get(take_in_study(store, *taken)).deleted == 1


def test_of_nothing_that_has_ended_there_is_nothing_to_take_along(tmp_path: Path) -> None:
    studies, store, made = opened(tmp_path, keep_study(tmp_path, 1))
    for pair in studies.pairs(made):
        store.delete(pair.run)
    with pytest.raises(StoreError, match="nothing to take along"):
        study_file.as_json(studies, store, made)


def test_a_run_s_file_is_still_a_run_s() -> None:
    assert isinstance(read_file(as_json(*recorded_duel()).encode()), ImportedRun)


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def figures(values: dict[str, Any]) -> dict[str, Any]:
    """Those of the first pair's Keras."""
    found: dict[str, Any] = values["pairs"][0]["figures"]["keras"]
    return found


def of_seed(values: dict[str, Any], seed: int) -> None:
    """The first pair and its run are said to be of another seed."""
    values["pairs"][0]["seed"] = values["runs"][0]["run"]["settings"]["seed"] = seed


WRONG: list[tuple[Change, str]] = [
    (lambda v: v.update(format=2), "The file is of format 2, and this version reads 1: update the program."),
    (lambda v: v.pop("runs"), "no exported study: runs is missing"),
    (lambda v: v.update(more=1), "more is no field that can be"),
    (lambda v: v["study"].update(state="running"), "the study is running, and only one that does not go on"),
    (lambda v: v["study"].update(created_at="soon"), "created_at is soon, which is no date"),
    (lambda v: v["study"].update(created_at=tomorrow()), "which is still to come"),
    (lambda v: v["study"].update(stop="never"), "stop is never, and must be one of decided, seeds"),
    (lambda v: v["study"].update(budget_s=-1.0), "budget_s is -1.0: Budget"),
    (lambda v: v["study"]["plan"].update(seeds=0), "settings cannot be: Seeds must be"),
    (lambda v: v["study"]["plan"].update(seeds=1), "is no pair of its plan"),
    (lambda v: v["study"]["plan"].update(vary={"dropout": [0.3, 0.3]}), "Dropout has the same value twice"),
    (lambda v: v["study"]["plan"].update(vary={"dropout": [0.3]}), "is no pair of its plan"),
    (lambda v: v["study"]["plan"].update(vary={"zebra": [1]}), "zebra cannot vary in a study"),
    (lambda v: v["study"]["plan"]["base"].update(epochs=9), "has other settings than its plan"),
    (lambda v: v["study"]["plan"]["base"].update(epochs=0), "settings cannot be: Epochs must be"),
    (lambda v: v["pairs"].pop(), "its runs are not those of its pairs"),
    (lambda v: v["pairs"].reverse(), "its runs are not those of its pairs"),
    (lambda v: (v["pairs"].append(v["pairs"][0]), v["runs"].append(v["runs"][0])), "has ended twice"),
    (lambda v: v["pairs"][0].update(cell={"dropout": 0.5}), "is no pair of its plan"),
    (lambda v: v["pairs"][0].update(seed=1), "seed of run 20261125-"),
    (lambda v: of_seed(v, 7), "is no pair of its plan"),
    (lambda v: v["pairs"][0].update(state="failed"), "is failed, and the run makes it finished"),
    (lambda v: v["pairs"][0].update(busy=True), "busy of run"),
    (lambda v: figures(v).update(train_s=1.5), "train_s (keras) of run"),
    (lambda v: figures(v).update(test_accuracy=0.5), "test_accuracy (keras) of run"),
    (lambda v: figures(v).pop("rss_mib"), "rss_mib (keras) of run"),
    (lambda v: v["pairs"][0]["figures"].update(third={"train_s": 1.0}), "train_s (third) of run"),
    (lambda v: v["runs"][1]["run"].update(state="failed"), "run 2: the run is failed, and its last row says finished"),
    (lambda v: v["runs"][1]["rows"].pop(), "run 2: "),
    (lambda v: v["runs"][1].pop("lanes"), "run 2: lanes is missing"),
    (lambda v: v["runs"][1]["run"]["settings"].update(seed="x"), "settings cannot be: Seed must be"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_file_that_is_wrong_in_one_thing_is_refused_in_words(text: str, change: Change, said: str) -> None:
    values = json.loads(text)
    for pair, run in zip(values["pairs"], values["runs"], strict=True):
        pair["run"] = run["run"]["id"] = f"20261125-120000-{values['runs'].index(run):08x}"
    change(values)
    with pytest.raises(ImportRefused) as refused:
        read_file(json.dumps(values).encode())
    sentence = str(refused.value)
    assert said in sentence
    assert sentence.startswith("The file")
    assert sentence.endswith(".")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_half_a_file_is_refused_in_words(text: str, part: float) -> None:
    with pytest.raises(ImportRefused, match=r"^The file is no JSON"):
        read_file(text[: int(part * len(text))].encode())


def test_a_file_that_is_too_large_is_not_even_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_file, "MAX_STUDY_VALUES", 100)
    with pytest.raises(ImportRefused, match="more than 100 values"):
        read_file(text.encode())
    with pytest.raises(ImportRefused, match="larger than 60 MB"):
        read_file(text[:200].encode() + b" " * study_file.MAX_STUDY_BYTES)


def test_nothing_is_left_of_a_study_that_cannot_be_written(text: str, tmp_path: Path) -> None:
    taken = read_file(text.encode())
    assert isinstance(taken, ImportedStudy)
    store = Store(tmp_path)
    store.open_for_writing()
    bad = taken.pairs[-1]._replace(run=replace(taken.pairs[-1].run, state="\ud800"))  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        take_in_study(store, taken.record, [*taken.pairs[:-1], bad])
    assert Studies(tmp_path).all() == []
    assert [run for run in store.runs() if run.source == "imported"] == []
    assert State.FINISHED in {pair.run.state for pair in taken.pairs}
