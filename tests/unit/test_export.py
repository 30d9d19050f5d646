"""A run as files: JSON there and back, cells that run nothing, and what is refused when a file is taken in."""

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import export
from core.export import ExportError, as_csv, as_json, harmless, read_json
from core.store import RECORDED, Row, Run, Store

LONG = 10**9


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[Row]]:
    """A duel that came with the project: real rows of every kind."""
    store = Store(tmp_path_factory.mktemp("empty"), RECORDED)
    run = next(run for run in store.recorded() if run.settings["alignment"] == "same-start")
    return run, store.rows(run.id, limit=LONG)


def test_json_comes_back_whole(recorded: tuple[Run, list[Row]], tmp_path: Path) -> None:
    run, rows = recorded
    back, taken = read_json(as_json(run, rows).encode())
    assert (back.source, back.settings, back.lanes, back.created_at) == (
        "imported",
        run.settings,
        run.lanes,
        run.created_at,
    )
    assert [(row.engine, row.kind, row.fields) for row in taken] == [(row.engine, row.kind, row.fields) for row in rows]
    store = Store(tmp_path)
    store.open_for_writing()
    again = store.take_in(back, taken)
    assert store.run(again).lanes == run.lanes


def test_csv_holds_every_row(recorded: tuple[Run, list[Row]]) -> None:
    run, rows = recorded
    lines = list(csv.DictReader(io.StringIO(as_csv(run, rows))))
    assert len(lines) == len(rows)
    epochs = [row for row in rows if row.kind == "epoch"]
    read = [line for line in lines if line["kind"] == "epoch"]
    assert [float(line["val_loss"]) for line in read] == [row.fields["val_loss"] for row in epochs]
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


def changed(change: Callable[[dict[str, Any]], object], recorded: tuple[Run, list[Row]]) -> bytes:
    values = json.loads(as_json(*recorded))
    change(values)
    return json.dumps(values).encode()


def first(values: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first row of a kind."""
    found: dict[str, Any] = next(row for row in values["rows"] if row["kind"] == kind)
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.pop("lanes"), "no exported run: lanes"),
        (lambda v: v.update(format=2), "no exported run: format"),
        (lambda v: v.update(extra=1), "no exported run: extra"),
        (lambda v: v["run"].update(state="running"), "no exported run: run.state"),
        (lambda v: v["run"].update(name="x" * 201), "no exported run: run.name"),
        (lambda v: v["run"].update(created_at="yesterday"), "no exported run: run.created_at"),
        (lambda v: v["run"]["settings"].update(epochs=1000), "settings cannot be: Epochs must be"),
        (lambda v: v["lanes"].reverse(), "lanes are not the engines"),
        (lambda v: v["lanes"][0].update(test_accuracy=7.0), "no exported run: lanes.0.test_accuracy"),
        (lambda v: v["rows"][-2].update(engine="../x"), "lacks what a row of its kind has"),
        (lambda v: first(v, "epoch").update(val_loss="<b>"), "values that cannot be"),
        (lambda v: first(v, "epoch").update(epoch=99), "values that cannot be"),
        (lambda v: first(v, "step").update(points=[1]), "values that cannot be"),
        (lambda v: first(v, "ready").update(versions={"keras": math.inf}), "values that cannot be"),
        (
            lambda v: first(v, "result").update(confusion=[[1]]),
            "values that cannot be",
        ),
        (lambda v: first(v, "result").pop("rss_mib"), "lacks what a row"),
    ],
)
def test_a_file_that_is_wrong_in_one_thing_is_refused_in_words(
    recorded: tuple[Run, list[Row]], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(ExportError, match=r"^The file") as refused:
        read_json(changed(change, recorded))
    assert said in str(refused.value)


def test_rows_of_a_kind_that_no_page_reads_are_left_out(recorded: tuple[Run, list[Row]]) -> None:
    extra = {"seq": 1, "engine": "", "kind": "<script>", "x": 1}
    _, rows = read_json(changed(lambda values: values["rows"].append(extra), recorded))
    assert len(rows) == len(recorded[1])


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_what_is_no_run_at_all_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ExportError, match=r"^The file is no "):
        read_json(data)


def test_a_file_that_is_too_large_is_not_even_read() -> None:
    with pytest.raises(ExportError, match="larger than 20 MB"):
        read_json(b" " * (export.MAX_IMPORT_BYTES + 1))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["format", "run", "lanes", "rows"]), anything))
def test_no_json_makes_it_fail_in_another_way(values: dict[str, Any]) -> None:
    with pytest.raises(ExportError):
        read_json(json.dumps(values).encode())


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_in_another_way(data: bytes) -> None:
    with pytest.raises(ExportError):
        read_json(data)
