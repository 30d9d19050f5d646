"""The store: rows and their cursor, listings, recordings, and what it says of files that it cannot use."""

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from core.data.datasets import DATASETS
from core.data.own import read_own
from core.experiment.settings import SETTINGS, TrainSettings
from core.experiment.titles import duel_title
from core.storage import database
from core.storage.database import FILE, MIGRATIONS, UNSAID, LaneState, State, StoreError, new_id
from core.storage.records import Run, UnknownRun, checked_id
from core.storage.rows import Entry, LaneChanged, Row, RunChanged
from core.storage.runs import Store
from tests.events import epoch, result, step
from tests.own_images import written, written_again

MACHINE = {"name": "here"}
RECORDED_ID = "20250101-000000-00000001"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "data", recorded=tmp_path / "recorded")
    store.open_for_writing()
    return store


def created(store: Store, **changed: Any) -> str:
    return store.create(TrainSettings.parse(changed), MACHINE)


def finish(store: Store, run_id: str, state: str = "finished", reason: str = "") -> None:
    store.append(run_id, [Entry("", RunChanged(State.RUNNING))])
    store.append(run_id, [Entry("", RunChanged(State(state), reason))])


def record(folder: Path, run_id: str = RECORDED_ID, **asked: str) -> None:
    """A recording as `make record` writes it."""
    settings = TrainSettings(**asked).as_json()
    run = Run(run_id, "2025-01-01T00:00:00+00:00", None, None, "finished", "", settings, MACHINE)
    content = {
        "run": {name: value for name, value in asdict(run).items() if name not in ("source", "lanes")},
        "lanes": [{"engine": "keras", "state": "finished", "reason": "", "test_loss": 0.1, "test_accuracy": 0.98}],
        "rows": [Row(1, "keras", epoch()).as_json(), Row(2, "", RunChanged(State.FINISHED)).as_json()],
    }
    (folder / run_id).mkdir(parents=True)
    (folder / run_id / "run.json").write_text(json.dumps(content))


def test_rows_are_numbered_and_read_from_a_cursor(store: Store) -> None:
    run_id, other = created(store), created(store)
    assert store.rows(run_id) == []
    assert store.append(run_id, [Entry("keras", step(points=[[1, 2.5]])), Entry("torch", step())]) == 2
    assert store.append(other, [Entry("keras", step())]) == 1
    assert store.append(run_id, [Entry("keras", epoch())]) == 3
    assert store.rows(run_id) == [
        Row(1, "keras", step(points=[[1, 2.5]])),
        Row(2, "torch", step()),
        Row(3, "keras", epoch()),
    ]
    assert [row.seq for row in store.rows(run_id, after=2)] == [3]
    assert [row.seq for row in store.rows(run_id, after=1, limit=1)] == [2]
    assert store.rows(run_id, after=3) == store.rows(run_id, after=10**12) == []
    flat = {"seq": 1, "engine": "keras", "kind": "step", "epoch": 1, "steps_per_epoch": 40, "points": [[1, 2.5]]}
    assert store.rows(run_id)[0].as_json() == flat
    assert store.rows_as_json(run_id, limit=1) == [flat]


def test_a_run_keeps_what_its_own_images_were_when_they_are_renamed_or_gone(store: Store) -> None:
    folder = written(store.data_dir)
    run_id = created(store, dataset="own-pets", batch_size=12)
    kept = read_own(folder)
    written_again(folder, title="Our animals")
    assert store.run(run_id).dataset == kept
    shutil.rmtree(folder)
    run = store.run(run_id)
    assert (run.dataset, run.network.nodes[0].arrives) == (kept, (32, 28, 3))
    assert store.own_datasets() == {"own-pets": "Our pets"}
    taken = store.run(store.import_run(replace(run, machine={"processor": "any", "cores": 2}), []))
    assert taken.dataset == kept
    with pytest.raises(StoreError, match=r"^There is no data set own-pets in this data folder"):
        created(store, dataset="own-pets")


def test_a_run_of_the_catalogue_keeps_nothing_of_its_data(store: Store) -> None:
    run = store.run(created(store, dataset="mnist"))
    assert (run.data, run.dataset) == (None, DATASETS["mnist"])
    assert store.own_datasets() == {}


def test_a_run_goes_from_queued_to_its_end(store: Store) -> None:
    run_id = created(store, epochs=2)
    run = store.run(run_id)
    assert (run.state, run.live, run.started_at, run.elapsed_s, run.source) == ("queued", True, None, None, "here")
    assert run.settings == TrainSettings(epochs=2)
    assert [(lane.engine, lane.state) for lane in run.lanes] == [("keras", "waiting"), ("torch", "waiting")]
    store.append(run_id, [Entry("", RunChanged(State.RUNNING)), Entry("torch", LaneChanged(LaneState.TRAINING))])
    assert store.run(run_id).lane("torch").state == "training"
    assert [run.id for run in store.open_runs()] == [run_id]
    store.append(
        run_id,
        [
            Entry("torch", result(test_loss=0.25, test_accuracy=0.9)),
            Entry("torch", LaneChanged(LaneState.FINISHED)),
            Entry("keras", LaneChanged(LaneState.FAILED, reason="it broke.")),
            Entry("", RunChanged(State.FAILED, "Keras failed.")),
        ],
    )
    run = store.run(run_id)
    assert (run.state, run.live, run.reason) == ("failed", False, "Keras failed.")
    assert run.elapsed_s is not None
    assert run.elapsed_s >= 0
    assert (run.lane("torch").test_loss, run.lane("torch").test_accuracy) == (0.25, 0.9)
    assert (run.lane("keras").state, run.lane("keras").reason) == ("failed", "it broke.")
    assert store.open_runs() == []


def test_a_stored_time_without_its_offset_is_one_of_utc(store: Store) -> None:
    run_id = created(store)
    store.append(run_id, [Entry("", RunChanged(State.RUNNING)), Entry("", RunChanged(State.STOPPED))])
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE runs SET started_at = '2026-11-25T08:00:00+00:00', ended_at = '2026-11-25T08:05:00'")
    assert store.run(run_id).elapsed_s == 300


def test_a_number_that_json_cannot_hold_is_refused_and_nothing_of_its_commit_stays(store: Store) -> None:
    run_id = created(store)
    with pytest.raises(ValueError, match="JSON"):
        store.append(run_id, [Entry("keras", step()), Entry("keras", epoch(val_loss=float("nan")))])
    assert store.rows(run_id) == []
    assert store.append(run_id, [Entry("keras", step())]) == 1


def test_what_append_returned_from_is_there_for_another_process(store: Store) -> None:
    run_id = created(store)
    for n in range(1, 4):
        store.append(run_id, [Entry("keras", epoch(n))])
        query = f"sqlite3.connect({str(store.path)!r}).execute('SELECT MAX(seq) FROM rows').fetchone()[0]"
        code = f"import sqlite3; print({query})"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert int(said.stdout) == n


def test_commits_are_synced_and_the_journal_is_a_rollback_journal(store: Store) -> None:
    with store._connection("rw") as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_readers_and_the_writer_never_trip_over_each_other(store: Store) -> None:
    run_id = created(store)
    faults: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        after = 0
        try:
            while not done.is_set() or store.rows(run_id, after):
                rows = store.rows(run_id, after)
                assert [row.seq for row in rows] == list(range(after + 1, after + 1 + len(rows)))
                after += len(rows)
                assert store.run(run_id).id == run_id
            assert after == 200
        except Exception as fault:
            faults.append(fault)

    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    for n in range(200):
        store.append(run_id, [Entry("keras", step(points=[[n, 1.0]]))])
    done.set()
    for reader in readers:
        reader.join(timeout=30)
    assert faults == []


def test_no_connection_outlives_its_call(store: Store) -> None:
    run_id = created(store)

    def open_files() -> int:
        return sum(path.resolve() == store.path for path in Path("/proc/self/fd").iterdir())

    threads = [threading.Thread(target=lambda: store.rows(run_id)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.run(run_id)
    assert open_files() == 0


def test_listing_is_newest_first_then_the_recorded_ones_and_pages_add_up(store: Store, tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    ids = [created(store) for _ in range(5)]
    everything = [run.id for run in store.runs()]
    assert everything == [*sorted(ids, reverse=True), RECORDED_ID]
    assert everything[:5] == ids[::-1]
    pages = [[run.id for run in store.runs(limit=2, offset=offset)] for offset in (0, 2, 4, 6)]
    assert [run_id for page in pages for run_id in page] == everything
    assert [len(page) for page in pages] == [2, 2, 2, 0]


def test_recorded_runs_are_read_like_any_other(store: Store, tmp_path: Path) -> None:
    record(tmp_path / "recorded")
    run = store.run(RECORDED_ID)
    assert (run.source, run.live) == ("recorded", False)
    assert run.lane("keras").test_accuracy == 0.98
    assert store.recorded() == [run]
    assert [row.kind for row in store.rows(RECORDED_ID)] == ["epoch", "run"]
    assert [row.seq for row in store.rows(RECORDED_ID, after=1)] == [2]
    assert store.artifacts(RECORDED_ID) == tmp_path / "recorded" / RECORDED_ID
    bare = Store(tmp_path / "nothing was ever written here", recorded=tmp_path / "recorded")
    assert bare.runs() == [run]
    assert not bare.data_dir.exists()


def test_ids_sort_by_time() -> None:
    ids = [new_id() for _ in range(3)]
    assert all(checked_id(run_id) == run_id for run_id in ids)
    assert [run_id[:19] for run_id in ids] == sorted(run_id[:19] for run_id in ids)


@pytest.mark.parametrize(
    "run_id",
    ["", "../../etc/passwd", "20260101-000000-0000000", "20260101-000000-0000000g", "20260101-000000-00000000\n",
     " 20260101-000000-00000000", "20260101-000000-00000000/..", None, 7],
)  # fmt: skip
def test_what_is_no_id_is_refused_wherever_it_enters(store: Store, run_id: Any) -> None:
    for call in (store.run, store.rows, store.artifacts):
        with pytest.raises(UnknownRun, match=r"This is not a run's id: an id looks like 2\d"):
            call(run_id)


def test_an_id_that_no_run_has(store: Store, tmp_path: Path) -> None:
    for one in (store, Store(tmp_path / "none")):
        with pytest.raises(UnknownRun, match="There is no run 20260101-000000-00000000"):
            one.run("20260101-000000-00000000")
        assert one.rows("20260101-000000-00000000") == []


def test_last_like_finds_the_newest_finished_run_of_any_length_whose_epochs_cost_the_same(store: Store) -> None:
    first, second = created(store, seed=1), created(store, seed=2, learning_rate=0.1, dropout=0.5, epochs=9)
    for changed in ({"dataset": "mnist"}, {"batch_size": 64}, {"engines": "torch,keras"}, {"schedule": "together"}):
        finish(store, created(store, **changed))
    wanted = TrainSettings()
    assert store.newest_similar(wanted) is None
    finish(store, first)
    finish(store, second)
    finish(store, created(store), state="stopped")
    found = store.newest_similar(wanted)
    assert found is not None
    assert found.id == max(first, second)


ANOTHER = {
    "batch_size": 64, "epochs": 9, "dropout": 0.5, "learning_rate": 0.1, "seed": 1, "dataset": "mnist",
    "engines": "torch,keras", "alignment": "same-start", "schedule": "together", "patience": 3, "device": "cpu",
    "network": "mlp", "optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1, "keep": "float32",
}  # fmt: skip


LATER = ("network", "optimizer", "momentum", "weight_decay")


@pytest.mark.parametrize("name", SETTINGS)
def test_last_like_agrees_in_each_setting_that_is_declared_to_cost_and_in_no_other(store: Store, name: str) -> None:
    usual = {"momentum": {"optimizer": "sgd"}, "keep": {"alignment": "exact-twin"}}.get(name, {})  # what it needs
    finish(store, created(store, **usual, **{name: ANOTHER[name]}))
    assert (store.newest_similar(TrainSettings.parse(usual)) is None) == SETTINGS[name].costs


def test_the_index_stays_the_one_of_the_folders_that_are_there() -> None:
    assert MIGRATIONS[4] == (
        "CREATE INDEX runs_alike ON runs (CASE WHEN json_valid(settings) THEN json_array("
        "json_extract(settings, '$.dataset'), json_extract(settings, '$.batch_size'), "
        "json_extract(settings, '$.engines'), json_extract(settings, '$.alignment'), "
        "json_extract(settings, '$.schedule'), json_extract(settings, '$.device')) END, id) "
        "WHERE state = 'finished' AND source = 'here';"
    )


def test_a_run_of_before_a_setting_counts_as_its_default() -> None:
    usual = TrainSettings().as_json()
    assert {name: usual[name] for name in UNSAID} == UNSAID


def test_a_run_from_elsewhere_says_nothing_of_how_long_one_takes_here(store: Store) -> None:
    run_id = created(store)
    finish(store, run_id)
    taken = store.run(run_id)
    store.delete(run_id)
    store.import_run(taken, [])
    assert store.newest_similar(TrainSettings()) is None


def test_last_like_is_found_by_an_index_and_without_sorting(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(store, created(store))
    said: list[str] = []
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(database.sqlite3, "connect", traced)
    assert store.newest_similar(TrainSettings())
    monkeypatch.undo()
    (query,) = [statement for statement in said if "FROM runs WHERE" in statement]
    with store._connection("rw") as connection:
        plan = [line["detail"] for line in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert plan[0] == "SEARCH runs USING INDEX runs_alike (<expr>=?)"
    assert not [detail for detail in plan if "SCAN runs" in detail or "TEMP B-TREE" in detail]


# --- files that cannot be used ------------------------------------------------------------------------------


def test_a_newer_file_is_refused_by_readers_and_writers(store: Store) -> None:
    run_id = created(store)
    with store._connection("rw") as connection:
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    for call in (store.open_for_writing, store.runs, lambda: store.rows(run_id)):
        with pytest.raises(StoreError, match=r"newer version of this program .* update the program"):
            call()


def test_a_damaged_file_is_said_in_a_sentence(store: Store) -> None:
    run_id = created(store)
    content = store.path.read_bytes()
    store.path.write_bytes(b"no database" * 1000)
    for call in (store.open_for_writing, store.runs, lambda: store.rows(run_id), lambda: created(store)):
        with pytest.raises(StoreError, match=r"is damaged \(file is not a database\): move the file away"):
            call()
    store.path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreError, match=r"is damaged \(database disk image is malformed\)"):
        store.runs()
    store.path.write_bytes(content)
    with store._connection("rw") as connection:
        connection.execute("UPDATE runs SET settings = '{'")
    with pytest.raises(StoreError, match="is damaged"):
        store.run(run_id)


def test_a_file_that_vanishes_is_nothing_written(store: Store) -> None:
    run_id = created(store)
    assert store.runs()
    store.path.unlink()
    assert store.runs() == []
    assert store.rows(run_id) == []
    assert not store.path.exists()
    with pytest.raises(StoreError):
        store.append(run_id, [Entry("", RunChanged(State.RUNNING))])


def test_an_empty_file_is_a_history_not_yet_made(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    store = Store(tmp_path)
    assert store.runs() == sorted(store.recorded(), key=lambda run: run.created_at, reverse=True)
    store.open_for_writing()
    assert store.run(created(store)).state == "queued"


def test_a_reader_undoes_what_a_killed_writer_left(store: Store, tmp_path: Path) -> None:
    run_id = created(store)
    store.append(run_id, [Entry("keras", step())])
    # A writer that spilt half its transaction into the file and was then killed.
    code = f"""
import os, sqlite3
connection = sqlite3.connect({str(store.path)!r}, isolation_level=None)
connection.execute("PRAGMA cache_size=1")
connection.execute("BEGIN IMMEDIATE")
for n in range(2, 400):
    connection.execute("INSERT INTO rows VALUES (?, ?, 'keras', 'step', ?)", ({run_id!r}, n, '{{}}' + ' ' * 500))
os._exit(9)
"""
    before = store.path.stat().st_size
    subprocess.run([sys.executable, "-c", code], check=False)
    assert store.path.stat().st_size > before
    assert Path(f"{store.path}-journal").exists()
    assert [row.seq for row in store.rows(run_id)] == [1]


# --- migrations ---------------------------------------------------------------------------------------------


def test_migrations_are_numbered_and_done_once(store: Store) -> None:
    with store._connection("rw") as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    run_id = created(store)
    store.open_for_writing()
    assert store.run(run_id).id == run_id


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_the_folder_of_every_older_version_opens_with_its_runs_even_a_damaged_one(tmp_path: Path, version: int) -> None:
    with sqlite3.connect(tmp_path / FILE) as connection:
        for script in MIGRATIONS[:version]:
            connection.executescript(script)
        connection.execute(f"PRAGMA user_version={version}")
        known = TrainSettings().as_json()
        if version < 9:  # of before networks and optimisers could be chosen
            known = {name: known[name] for name in ANOTHER if name not in LATER}
        for number, settings in enumerate((json.dumps(known), "{")):
            connection.execute(
                "INSERT INTO runs (id, created_at, state, settings, machine) VALUES (?, ?, 'finished', ?, '{}')",
                (f"20250101-000000-0000000{number}", "2025-01-01T00:00:00+00:00", settings),
            )
            lanes = [(f"20250101-000000-0000000{number}", engine, i) for i, engine in enumerate(("keras", "torch"))]
            connection.executemany(
                "INSERT INTO lanes (run, engine, position, state) VALUES (?, ?, ?, 'finished')", lanes
            )
    connection.close()
    store = Store(tmp_path)
    store.open_for_writing()
    found = store.newest_similar(TrainSettings())
    assert found is not None
    assert found.id == "20250101-000000-00000000"
    assert found.data is None
    assert store.newest_similar(TrainSettings.parse({"network": "mlp"})) is None


@pytest.mark.parametrize("torn", ["SELECT no_such_function();", "INSERT INTO nowhere VALUES (1);"])
def test_a_migration_that_breaks_leaves_neither_itself_nor_its_record(
    store: Store, monkeypatch: pytest.MonkeyPatch, torn: str
) -> None:
    run_id = created(store)
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, f"CREATE TABLE more (x); {torn}"))
    with pytest.raises(StoreError):
        store.open_for_writing()
    with store._connection("rw") as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchall()
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (x);"))
    store.open_for_writing()
    assert store.run(run_id).id == run_id


def test_a_kill_between_a_migration_and_its_record_leaves_neither(tmp_path: Path) -> None:
    script = MIGRATIONS[0] + "SELECT die();"
    code = f"""
import os, sqlite3
from pathlib import Path
from core.storage import database
from core.storage.runs import Store
connect = sqlite3.connect
def deadly(*args, **kwargs):
    connection = connect(*args, **kwargs)
    connection.create_function("die", 0, lambda: os.kill(os.getpid(), 9))
    return connection
database.sqlite3.connect = deadly
database.MIGRATIONS = ({script!r},)
Store(Path({str(tmp_path)!r})).open_for_writing()
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert child.returncode == -9, child.stderr
    connection = sqlite3.connect(tmp_path / FILE)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 0
    assert connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
    connection.close()
    store = Store(tmp_path)
    store.open_for_writing()
    assert store.run(created(store)).state == "queued"


def test_the_recorded_duels_go_from_as_shipped_to_the_twin_and_the_aligned_ones_held(tmp_path: Path) -> None:
    runs = Store(tmp_path).recorded()
    assert [run.settings.alignment for run in runs[:3]] == ["as-shipped", "same-start", "exact-twin"]
    assert {(run.settings.network, run.settings.dataset) for run in runs[:3]} == {("article", "mnist")}
    assert [run.fairness and run.fairness.state for run in runs[:3]] == [None, "held", "held"]
    assert not any(run.busy for run in runs)


def test_recorded_duels_of_other_networks_and_data_stand_behind_the_articles(tmp_path: Path) -> None:
    asked = [dict(dataset="digits", network="mlp"), dict(network="batchnorm"), dict(alignment="exact-twin"), dict()]
    for number, settings in enumerate(asked):
        record(tmp_path / "recorded", f"2025010{number + 1}-000000-00000001", **{"dataset": "mnist", **settings})
    runs = Store(tmp_path / "data", tmp_path / "recorded").recorded()
    assert [duel_title(run.settings) for run in runs] == [
        "As shipped",
        "Exact twin",
        "With batch normalisation",
        "Digits, 8 x 8",
    ]
