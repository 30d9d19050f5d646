"""`python -m core delete`: what it removes, and what it refuses in a sentence."""

from pathlib import Path

import pytest

from core.settings import TrainSettings
from core.store import Entry, Store
from tests.processes.conftest import OpenLauncher
from tests.processes.test_cli import core

UNKNOWN = "20250101-000000-00000009"


def made(folder: Path, state: str = "finished") -> str:
    """A run of this folder with a file of its own."""
    store = Store(folder)
    store.open_for_writing()
    run_id = store.create(TrainSettings().as_json(), {"name": "here"})
    store.append(run_id, [Entry("", "run", {"state": "running"}), Entry("", "run", {"state": state})])
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


def test_a_run_that_its_owner_left_open_can_be_deleted(tmp_path: Path) -> None:
    run_id = made(tmp_path, "running")
    assert core("delete", run_id, folder=tmp_path)[0] == 0
    assert here(tmp_path) == []
