"""The history in the store: search, pages, names, pins, deleting, and runs taken in from elsewhere."""

import sqlite3
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from core.experiment.dates import day_and_time
from core.experiment.settings import TrainSettings
from core.experiment.study import Study
from core.storage.database import FILE
from core.storage.records import Lane, Run, RunFilter, StudyPair, UnknownRun
from core.storage.rows import Entry, Row, RunChanged
from core.storage.runs import Store, folder_bytes
from core.storage.studies import Studies
from tests.events import epoch
from tests.own_images import NAME, written, written_again

MACHINE = {"name": "here", "processor": "a processor", "cores": 2}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "data", recorded=tmp_path / "recorded")
    store.open_for_writing()
    return store


def made(store: Store, state: str = "finished", **settings: Any) -> str:
    run_id = store.create(TrainSettings.parse(settings), MACHINE)
    if state != "queued":
        store.append(run_id, [Entry("", RunChanged("running"))])
    if state not in ("queued", "running"):
        store.append(run_id, [Entry("", RunChanged(state, "why"))])
    return run_id


def ids(store: Store, **wanted: str) -> list[str]:
    found, total = store.search(RunFilter(**wanted), 100)
    assert total == len(found)
    return [run.id for run in found]


def test_runs_are_filtered_by_what_they_are(store: Store) -> None:
    small = made(store, engines="keras")
    kmnist = made(store, dataset="kmnist", state="failed")
    assert ids(store) == [kmnist, small]
    assert ids(store, dataset="kmnist") == [kmnist]
    assert ids(store, engine="torch") == [kmnist]
    assert ids(store, engine="keras") == [kmnist, small]
    assert ids(store, state="failed") == [kmnist]
    assert ids(store, state="stopped") == []
    assert ids(store, engine="keras", dataset="mnist5k", state="finished") == [small]


def test_text_is_found_in_name_note_and_id_and_is_never_a_pattern(store: Store) -> None:
    first, second = made(store), made(store)
    store.annotate(first, "Halved 100%_rate", "for class", False)
    assert ids(store, text="HALVED") == [first]
    assert ids(store, text="or cla") == [first]
    assert ids(store, text=second[-8:]) == [second]
    assert ids(store, text="100%_r") == [first]
    assert ids(store, text="h_lved") == ids(store, text="x%y") == ids(store, text="\\") == []
    assert ids(store, text="'; DROP TABLE runs; --") == []
    assert len(ids(store)) == 2


def paired(store: Store, study: str, state: str = "finished", **settings: Any) -> str:
    run_id = store.create(TrainSettings.parse(settings), MACHINE, pair=StudyPair(study, ()))
    store.append(run_id, [Entry("", RunChanged("running")), Entry("", RunChanged(state, "why"))])
    return run_id


def listed(store: Store, **wanted: Any) -> list[object]:
    """What stands in the lines: a run's id, or a study's with how many runs."""
    found = store.lines(RunFilter(**wanted), 100)
    assert (found.total, found.runs) == (len(found.lines), len(ids(store, **wanted)))
    return [line.id if isinstance(line, Run) else (line.study, line.runs) for line in found.lines]


def test_a_study_is_one_line_where_its_newest_run_stands_whichever_of_them_are_found(store: Store) -> None:
    studies = Studies(store.data_dir)
    one, other = (studies.create(Study(TrainSettings(), 3), "seeds", None, MACHINE) for _ in range(2))
    before = made(store)
    paired(store, one, batch_size=32)
    between = paired(store, other)
    after = made(store, batch_size=32)
    newest = paired(store, one, "failed")
    gone = paired(store, "20250101-000000-00000001")
    assert listed(store) == [gone, (one, 2), after, (other, 1), before], "one whose study is gone stands alone"
    assert listed(store, state="failed") == [(one, 1)]
    assert listed(store, text="batch size 32") == [after, (one, 1)]
    assert ids(store, study=other) == [between]
    store.annotate(newest, "Kept", "", True)
    assert listed(store) == [newest, gone, after, (other, 1), (one, 1), before], "a pinned run stands alone, on top"
    assert newest not in ids(store, study=one)
    page = store.lines(RunFilter(), 2, 2)
    assert (page.total, page.runs, len(page.lines)) == (6, 6, 2)
    assert store.lines(RunFilter(), 1, by_pin=False).lines[0].id == gone


@pytest.mark.parametrize(
    "text",
    [
        "2 epochs, AS SHIPPED",
        "as shipped, fashion",
        "fashion-mnist",
        "Fashion-MNIST",
        "Keras tuned",
        "keras-tuned",
        "batch size 126",
        "failed",
    ],
)
def test_search_finds_what_a_list_shows_as_titles_and_as_codes(store: Store, text: str) -> None:
    sought = made(store, epochs=2, dataset="fashion-mnist", engines="keras-tuned,torch", state="failed")
    made(store, dataset="kmnist", alignment="same-start", epochs=3, batch_size=512)
    assert ids(store, text=text) == [sought]


def test_a_run_on_own_images_is_found_by_their_title_whatever_they_are_called_now(store: Store) -> None:
    folder = written(store.data_dir)
    pets = made(store, dataset=NAME)
    made(store)
    written_again(folder, title="Cats and dogs")
    assert ids(store, text="our PETS") == ids(store, text="as shipped, our pets") == ids(store, text=NAME) == [pets]


def test_search_finds_alignment_and_day(store: Store) -> None:
    twin, other = made(store, alignment="exact-twin"), made(store)
    assert ids(store, text="Exact twin") == ids(store, text="exact-twin") == [twin]
    assert ids(store, text=day_and_time(store.run(twin).created_at)) == [other, twin]


def test_a_run_whose_settings_say_nothing_is_still_found_by_its_name(store: Store) -> None:
    assert RunFilter(text="mine").matches_text("{damaged", "Mine", "", "id", "finished", "here", "no time")
    assert not RunFilter(text="damaged").matches_text("{damaged", "Mine", "", "id", "finished", "here", "no time")


def test_recorded_runs_stand_among_the_others_newest_first_and_are_found_like_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open_for_writing()
    older, newer, pinned = made(store), made(store), made(store)
    with store.write_transaction() as connection:
        for run_id, year in ((older, 2020), (newer, 2099), (pinned, 2019)):
            connection.execute("UPDATE runs SET created_at = ? WHERE id = ?", (f"{year}-01-01T00:00:00+00:00", run_id))
    store.annotate(pinned, "", "", True)
    recorded = sorted((run.id for run in store.recorded()), reverse=True)
    assert recorded
    assert ids(store) == [pinned, newer, *recorded, older]
    assert [run.id for run in store.runs()] == [newer, *recorded, older, pinned]
    pages = [store.search(RunFilter(), 2, offset) for offset in range(0, len(recorded) + 3, 2)]
    assert [run.id for page, _ in pages for run in page] == ids(store)
    assert [run.id for run in store.runs(limit=2, offset=1)] == recorded[:2]
    assert ids(store, text="exact twin, mnist") == [run.id for run in store.recorded() if "twin" in str(run.settings)]


def test_pinned_runs_come_first_and_pages_never_overlap(store: Store) -> None:
    runs = [made(store) for _ in range(5)]
    store.annotate(runs[1], "", "", True)
    order = [runs[1], runs[4], runs[3], runs[2], runs[0]]
    assert ids(store) == order
    pages = [store.search(RunFilter(), 2, offset) for offset in (0, 2, 4)]
    assert [run.id for page, _ in pages for run in page] == order
    assert {total for _, total in pages} == {5}


def test_an_ended_run_is_deleted_with_rows_lanes_and_files_and_no_other(store: Store) -> None:
    run_id, other = made(store), made(store)
    for one in (run_id, other):
        store.artifacts(one).mkdir(parents=True)
        (store.artifacts(one) / "keras.npz").write_bytes(b"x")
    store.delete(run_id)
    with pytest.raises(UnknownRun):
        store.run(run_id)
    assert not store.artifacts(run_id).exists()
    assert store.artifacts(other).exists()
    with sqlite3.connect(store.path) as connection:
        for table in ("rows", "lanes"):
            assert connection.execute(f"SELECT COUNT(*) FROM {table} WHERE run = ?", (run_id,)).fetchone() == (0,)
            assert connection.execute(f"SELECT COUNT(*) FROM {table} WHERE run = ?", (other,)).fetchone() != (0,)
    connection.close()


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_live_run_is_not_deleted(store: Store, state: str) -> None:
    run_id = made(store, state=state)
    store.delete(run_id)
    assert store.run(run_id).state == state


@pytest.mark.parametrize("wrong", ["../../etc", "", "20261104-081500-1a2b3c4d/..", "x" * 600_000])
def test_only_an_id_names_a_run(store: Store, wrong: str) -> None:
    for act in (store.delete, store.run, store.artifacts, lambda one: store.annotate(one, "", "", True)):
        with pytest.raises(UnknownRun):
            act(wrong)


def with_files(store: Store, run_id: str, size: int) -> str:
    store.artifacts(run_id).mkdir(parents=True)
    (store.artifacts(run_id) / "large.log").write_bytes(bytes(size))
    return run_id


def test_room_is_made_by_the_oldest_and_a_pinned_run_stays(store: Store) -> None:
    runs = [made(store) for _ in range(5)]
    store.annotate(runs[0], "", "", True)
    assert store.remove_oldest(2, None) == [runs[1], runs[2]]
    assert ids(store) == [runs[0], runs[4], runs[3]]
    live = made(store, state="running")
    assert store.remove_oldest(None, 0) == [runs[3], runs[4]]
    assert ids(store) == [runs[0], live]


def test_room_is_made_with_one_walk_through_the_files(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [with_files(store, made(store), 1_000_000) for _ in range(6)]
    walked: list[str] = []

    def counted(folder: Path) -> int:
        walked.append(folder.name)
        return folder_bytes(folder)

    monkeypatch.setattr("core.storage.runs.folder_bytes", counted)
    assert store.remove_oldest(None, 2_500_000) == runs[:4]
    assert sorted(walked) == runs
    assert folder_bytes(store.data_dir) < 2_500_000


def test_a_run_taken_in_is_marked_and_whole(store: Store) -> None:
    lanes = (Lane("keras", "finished", "", 0.1, 0.9), Lane("torch", "failed", "why"))
    settings = TrainSettings()
    run = Run("20250101-000000-00000001", "2025-01-01T00:00:00Z", None, None, "failed", "why", settings, MACHINE)
    run = Run(**{**vars(run), "lanes": lanes, "name": "From afar", "note": "n"})
    rows = [Row(7, "keras", epoch()), Row(9, "", RunChanged("failed"))]
    run_id = store.import_run(run, rows)
    found = store.run(run_id)
    assert run_id != run.id
    assert (found.source, found.name, found.lanes, found.state) == ("imported", "From afar", lanes, "failed")
    assert [(row.seq, row.kind) for row in store.rows(run_id)] == [(1, "epoch"), (2, "run")]


@pytest.mark.alone
def test_a_page_of_ten_thousand_runs_is_found_with_few_calls_for_each(store: Store) -> None:
    one = made(store)
    with sqlite3.connect(store.path) as connection:
        kept = connection.execute("SELECT * FROM runs WHERE id = ?", (one,)).fetchone()
        marks = ",".join("?" * len(kept))
        settings = kept.index(next(value for value in kept if str(value).startswith('{"batch_size"')))
        copies = [
            (
                f"20250101-{n:06d}-0000000{n % 10}",
                *kept[1:settings],
                kept[settings].replace('"seed": 0', f'"seed": {n}'),
                *kept[settings + 1 :],
            )
            for n in range(10_000)
        ]
        connection.executemany(f"INSERT INTO runs VALUES ({marks})", copies)
        lanes = [(c[0], e, i, "finished", "", 0.1, 0.9) for c in copies for i, e in enumerate(("keras", "torch"))]
        columns = "run, engine, position, state, reason, test_loss, test_accuracy"
        connection.executemany(f"INSERT INTO lanes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", lanes)
    connection.close()
    for wanted in (
        RunFilter(),
        RunFilter(text="9999"),
        RunFilter("20250101", "mnist5k", "torch", "finished"),
        RunFilter("exact twin"),
    ):
        calls = 0

        def count(frame: FrameType, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in {"call", "c_call"}

        sys.setprofile(count)  # not seconds: a busy machine has others than a quiet one
        try:
            found, total = store.search(wanted, 20, 0)
        finally:
            sys.setprofile(None)
        assert found or wanted.text == "exact twin"
        assert total >= len(found)
        assert calls < 200 * 10_000  # a hundred for each where all of their words are looked at
    assert FILE in str(store.path)
