"""`python -m core delete`: what it removes, and what it refuses in a sentence."""

import sqlite3
from pathlib import Path

import pytest

from core.experiment.machine import this_machine
from core.experiment.settings import TrainSettings
from core.storage.database import State
from core.storage.rows import Entry, RunChanged
from core.storage.runs import Store
from tests.events import epoch, result
from tests.processes.conftest import OpenLauncher
from tests.processes.test_cli import FAST, core, only_run

UNKNOWN = "20250101-000000-00000009"


def made(folder: Path, state: str = "finished") -> str:
    """A run of this folder with a file of its own."""
    store = Store(folder)
    store.open_for_writing()
    run_id = store.create(TrainSettings(), dict(this_machine()))
    store.append(run_id, [Entry("", RunChanged(State.RUNNING)), Entry("", RunChanged(State(state)))])
    store.artifacts(run_id).mkdir(parents=True)
    (store.artifacts(run_id) / "keras.log").write_text("x")
    return run_id


def here(folder: Path) -> list[str]:
    return [run.id for run in Store(folder).runs() if run.source == "here"]


def test_the_named_runs_go_with_their_files_and_no_other(tmp_path: Path) -> None:
    first, second, other = (made(tmp_path) for _ in range(3))
    assert core("delete", first, second, first, folder=tmp_path) == (0, f"Deleted {first}.\nDeleted {second}.\n", "")
    assert here(tmp_path) == [other]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [other]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (UNKNOWN, f"There is no run {UNKNOWN}"),
        ("../x", "This is not a run's id"),
        ("latest", "This is not a run's id"),
        (Store(Path("nowhere")).recorded()[0].id, "came with the project: it cannot be deleted."),
    ],
)
def test_one_that_cannot_be_deleted_keeps_them_all(tmp_path: Path, wrong: str, said: str) -> None:
    run_id = made(tmp_path)
    status, _, complaint = core("delete", run_id, wrong, folder=tmp_path)
    assert (status, said in complaint, complaint.endswith("Nothing was deleted.\n")) == (2, True, True)
    assert here(tmp_path) == [run_id]


def test_a_folder_that_others_hold_is_left_alone(open_launcher: OpenLauncher, data_dir: Path) -> None:
    run_id = made(data_dir)
    open_launcher()
    status, _, complaint = core("delete", run_id, folder=data_dir)
    assert (status, "is in use by" in complaint) == (1, True)
    assert here(data_dir) == [run_id]


def test_a_damaged_run_is_said_beside_the_others_and_can_be_deleted(tmp_path: Path) -> None:
    run_id, other = made(tmp_path), made(tmp_path)
    with sqlite3.connect(Store(tmp_path).path) as connection:
        connection.execute("UPDATE runs SET settings = '[', state = 'running' WHERE id = ?", (run_id,))
        connection.execute("UPDATE rows SET fields = '[' WHERE run = ?", (other,))
        connection.execute("UPDATE runs SET state = 'running' WHERE id = ?", (other,))
    connection.close()
    unread = "its settings, its machine, its data set or its verdict"
    said = f"Run {run_id} is damaged and cannot be shown: {unread} cannot be read.\n"
    status, listed, complaint = core("runs", folder=tmp_path)
    assert (status, other in listed, run_id in listed, complaint) == (0, True, False, said)
    assert said in core("health", folder=tmp_path)[1]
    assert core("show", run_id, folder=tmp_path) == (1, "", said)
    status, _, complaint = core("show", other, folder=tmp_path)
    assert (status, f"Run {other} is damaged" in complaint) == (1, True)
    assert core("delete", run_id, other, folder=tmp_path) == (0, f"Deleted {run_id}.\nDeleted {other}.\n", "")
    assert here(tmp_path) == []


@pytest.mark.parametrize("command", [("show",), ("export", "-o", "report.html"), ("predict", "x.png", "--run")])
def test_whatever_a_run_holds_a_command_ends_with_a_sentence(tmp_path: Path, command: tuple[str, ...]) -> None:
    run_id = made(tmp_path)
    store = Store(tmp_path)
    store.append(run_id, [Entry("keras", epoch()), Entry("keras", result())])
    with store.write_transaction() as connection:
        connection.execute("UPDATE rows SET fields = json_remove(fields, '$.val_loss') WHERE kind = 'epoch'")
    arguments = (command[0], run_id, *command[1:]) if command[-1] != "--run" else (*command, run_id)
    status, _, complaint = core(*arguments, folder=tmp_path)
    assert (status, complaint.startswith(f"Run {run_id} is damaged and cannot be shown: row ")) == (1, True)


def test_a_run_that_its_owner_left_open_can_be_deleted(tmp_path: Path) -> None:
    run_id = made(tmp_path, "running")
    assert core("delete", run_id, folder=tmp_path)[0] == 0
    assert here(tmp_path) == []


def test_a_run_that_fetched_its_data_is_not_called_damaged_for_an_output_that_is_full(data_dir: Path) -> None:
    (data_dir / "datasets").unlink()  # so that the run prepares its data, and says how far it is
    assert core("train", "--engines", "fake-a", *FAST, folder=data_dir)[0] == 0
    kinds = {row.kind for row in Store(data_dir).rows(only_run(data_dir).id)}
    assert "data" in kinds
    status, _, complaint = core("export", "latest", "-o", "/nonexistent/x.html", folder=data_dir)
    assert status == 1
    assert "damaged" not in complaint
