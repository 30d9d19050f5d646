"""What a stored run may hold: the others are listed all the same, and it can be deleted."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from core.experiment.machine import this_machine
from core.experiment.settings import TrainSettings
from core.storage.database import State, StoreError
from core.storage.records import DamagedRun, DamagedRunError, RunFilter
from core.storage.rows import Entry, Row, RunChanged
from core.storage.runs import Store
from core.storage.soundness import naming_damaged
from tests.events import epoch


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "data", recorded=tmp_path / "recorded")
    store.open_for_writing()
    return store


def made(store: Store, state: str = "finished") -> str:
    run_id = store.create(TrainSettings(), dict(this_machine()))
    store.append(run_id, [Entry("", RunChanged(State.RUNNING)), Entry("", RunChanged(State(state)))])
    return run_id


def told(**changed: Any) -> str:
    """Settings as they are stored."""
    return json.dumps({**TrainSettings().as_json(), **changed})


def write(store: Store, query: str, *values: object) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute(query, values)
    connection.close()


DAMAGE = [
    ("created_at", "2026-13-45T10:00:00+00:00", "created_at is 2026-13-45T10:00:00+00:00, which is no date and time"),
    ("created_at", "0001-01-01T00:00:00+00:00", "which is no date and time"),
    ("created_at", 7, "created_at is 7, which is no date and time"),
    ("started_at", "soon", "started_at is soon, which is no date and time"),
    ("ended_at", b"\x00\xff", "which is no date and time"),
    ("state", "borked", "its state is borked, which is none"),
    ("source", "mars", "its source is mars, which is none"),
    ("name", b"\xff\xfe", "its name, note or reason is no text"),
    ("settings", "{", "its settings, its machine, its data set or its verdict cannot be read"),
    ("settings", "[]", "its settings are none"),
    ("settings", "[" * 100_000, "its settings, its machine, its data set or its verdict cannot be read"),
    ("settings", "{}", "its engines are nothing"),
    ("settings", told(dataset="cifar"), "its settings cannot be: Data set must be one of"),
    ("settings", told(epochs="<b>"), "its settings cannot be: Epochs must be"),
    ("settings", told(engines=[]), "its engines are []"),
    ("settings", told(engines=["keras"]), "its lanes are not the engines of its settings"),
    ("data", "{", "its settings, its machine, its data set or its verdict cannot be read"),
    ("data", "{}", "mnist5k is no data set of one's own, and data describes one"),
    ("settings", told(dataset="own-pets"), "what it says of its data set own-pets cannot be: it must have the fields"),
    ("machine", "null", "its machine is not described"),
]


@pytest.mark.parametrize(("column", "value", "said"), DAMAGE)
def test_one_run_that_cannot_be_shown_takes_no_other_away(store: Store, column: str, value: object, said: str) -> None:
    before, broken, after = made(store), made(store), made(store)
    write(store, f"UPDATE runs SET {column} = ? WHERE id = ?", value, broken)
    damaged: list[DamagedRun] = []
    assert [run.id for run in store.runs(damaged=damaged)] == [after, before]
    assert [one.id for one in damaged] == [broken]
    assert said in damaged[0].why
    damaged.clear()
    found, total = store.search(RunFilter(dataset="mnist5k"), 20, 0, damaged)
    assert [run.id for run in found] == [after, before]
    assert total >= len(found)
    with pytest.raises(DamagedRunError, match=f"^Run {broken} is damaged and cannot be shown: "):
        store.run(broken)
    store.delete(broken)
    left: list[DamagedRun] = []
    assert store.runs(damaged=left) == store.search(RunFilter(), 20, 0, left)[0]
    assert left == []


def test_a_run_from_before_a_setting_was_there_has_its_default(store: Store) -> None:
    run_id = made(store)
    write(store, "UPDATE runs SET settings = json_remove(settings, '$.device', '$.patience') WHERE id = ?", run_id)
    assert store.run(run_id).settings == TrainSettings()


@pytest.mark.parametrize("value", ["seven", b"\x00", float("inf")])
def test_a_result_that_is_no_number(store: Store, value: object) -> None:
    run_id = made(store)
    write(store, "UPDATE lanes SET test_accuracy = ? WHERE run = ? AND engine = 'torch'", value, run_id)
    with pytest.raises(DamagedRunError, match="the test result of torch is no number"):
        store.run(run_id)


@pytest.mark.parametrize("state", ["bananas", "queued", 7])
def test_a_lane_in_a_state_that_is_none(store: Store, state: object) -> None:
    run_id = made(store)
    write(store, "UPDATE lanes SET state = ? WHERE run = ? AND engine = 'torch'", state, run_id)
    with pytest.raises(DamagedRunError, match=f"the lane torch is {state}, which is no state"):
        store.run(run_id)


def test_only_what_the_store_holds_is_called_damage(store: Store) -> None:
    sound, other = store.run(made(store, "stopped")), store.run(made(store, "stopped"))
    spoilt = [Row(1, "", RunChanged(State.STOPPED)), Row(2, "keras", epoch(99))]
    with pytest.raises(ZeroDivisionError), naming_damaged(lambda run: store.rows(run.id), sound, other):
        _ = 1 / 0
    with (
        pytest.raises(DamagedRunError) as caught,
        naming_damaged(lambda run: spoilt if run is other else [], sound, other),
    ):
        _ = 1 / 0
    assert [one.id for one in caught.value.damaged] == [other.id]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    full = StoreError("The disk is full.")
    with pytest.raises(StoreError, match="full"), naming_damaged(lambda _: spoilt, other):
        raise full


def test_a_row_that_is_no_object_is_named(store: Store) -> None:
    run_id = made(store)
    write(store, "UPDATE rows SET fields = '[1' WHERE run = ? AND seq = 2", run_id)
    with pytest.raises(DamagedRunError, match="row 2 holds no JSON object"):
        store.rows(run_id)


def test_a_damaged_run_on_a_page_takes_its_own_place_alone(store: Store) -> None:
    runs = [made(store) for _ in range(5)]
    write(store, "UPDATE runs SET settings = '{' WHERE id = ?", runs[3])
    pages: list[str] = []
    for offset in (0, 2, 4):
        damaged: list[DamagedRun] = []
        found, total = store.search(RunFilter(), 2, offset, damaged)
        pages += [run.id for run in found] + [one.id for one in damaged]
        assert total == 5
    assert sorted(pages) == runs


def test_the_latest_is_the_newest_that_was_trained_here_and_can_be_shown(store: Store) -> None:
    wanted, broken, imported = made(store), made(store), made(store)
    write(store, "UPDATE runs SET created_at = 'x' WHERE id = ?", broken)
    store.import_run(store.run(imported), [])
    store.delete(imported)
    latest = store.latest()
    assert latest is not None
    assert latest.id == wanted
