"""A run as files: JSON there and back, and cells that run nothing."""

import csv
import io
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.experiment.order import Order
from core.results.export import as_csv, as_json, harmless
from core.results.importing import read_json
from core.storage.database import LaneState, State
from core.storage.measurements import EVIDENCE, Measurements, write_evidence
from core.storage.records import RECORDED, Run
from core.storage.rows import Row
from core.storage.runs import Store

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


def test_the_states_of_a_run_and_its_lanes_are_no_texts_wherever_it_is_read(
    recorded: tuple[Run, list[Row]], tmp_path: Path
) -> None:
    run, rows = recorded
    imported, taken, _ = read_json(as_json(run, rows).encode())
    store = Store(tmp_path)
    store.open_for_writing()
    for one in (run, imported, store.run(store.import_run(imported, taken))):
        assert type(one.state) is State
        assert {type(lane.state) for lane in one.lanes} == {LaneState}


def test_a_column_more_in_the_store_changes_no_export(recorded: tuple[Run, list[Row]], tmp_path: Path) -> None:
    store, measurements = Store(tmp_path), Measurements(tmp_path, tmp_path)
    store.open_for_writing()
    run_id = store.import_run(*recorded)
    measured = measurements.create(Order("claim-7", "fake", {}, 60.0), {})

    def exports() -> tuple[str, str]:
        write_evidence(tmp_path / EVIDENCE, [measurements.get(measured)])
        return as_json(store.run(run_id), store.rows(run_id, limit=LONG)), (tmp_path / EVIDENCE).read_text()

    before = exports()
    with closing(sqlite3.connect(store.path)) as connection:
        for table in ("runs", "lanes", "rows", "measurements"):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'")
    assert exports() == before


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
