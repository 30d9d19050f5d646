"""A run as files: JSON there and back, and cells that run nothing."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from core.results.export import as_csv, as_json, harmless
from core.results.importing import read_json
from core.storage.records import Run
from core.storage.rows import Row
from core.storage.runs import RECORDED, Store

LONG = 10**9


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[Row]]:
    """A duel that came with the project: real rows of every kind."""
    store = Store(tmp_path_factory.mktemp("empty"), RECORDED)
    run = next(run for run in store.recorded() if run.settings.alignment == "same-start")
    return run, store.rows(run.id, limit=LONG)


def test_json_comes_back_whole(recorded: tuple[Run, list[Row]], tmp_path: Path) -> None:
    run, rows = recorded
    back, taken, _ = read_json(as_json(run, rows).encode())
    assert (back.source, back.settings, back.lanes, back.created_at) == (
        "imported",
        run.settings,
        run.lanes,
        run.created_at,
    )
    assert [row.as_json() for row in taken] == [row.as_json() for row in rows]
    store = Store(tmp_path)
    store.open_for_writing()
    again = store.import_run(back, taken)
    assert store.run(again).lanes == run.lanes


def test_csv_holds_every_row(recorded: tuple[Run, list[Row]]) -> None:
    run, rows = recorded
    lines = list(csv.DictReader(io.StringIO(as_csv(run, rows))))
    assert len(lines) == len(rows)
    epochs = [row for row in rows if row.kind == "epoch"]
    read = [line for line in lines if line["kind"] == "epoch"]
    assert [float(line["val_loss"]) for line in read] == [row.event.val_loss for row in epochs]
    assert {line["run"] for line in lines} == {run.id}
    assert {line["title"] for line in lines} == {"Same start, MNIST"}


def test_csv_names_a_run_as_its_owner_does_and_runs_nothing(recorded: tuple[Run, list[Row]]) -> None:
    run, rows = recorded
    (line,) = csv.DictReader(io.StringIO(as_csv(replace(run, name="=1+1"), rows[:1])))
    assert line["title"] == "'=1+1"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_a_cell_that_begins_like_a_formula_is_made_harmless(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "1", "a=1", 3, -2.5, None])
def test_other_cells_stay(cell: object) -> None:
    assert harmless(cell) == cell
