"""Faults: one plain sentence each, every row that was shown is kept, the rest goes on, and no process is left."""

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.data import datasets
from core.launcher.ending import kept_epochs
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.results import outcome
from core.storage import runs
from core.storage.database import FILE, StoreError
from core.storage.records import Run
from core.storage.rows import Row
from core.storage.runs import Store
from core.storage.soundness import damage_of
from tests.processes.conftest import OpenLauncher, Spawn, settings, wait_for, worker, workers

NOBODY = 65534


def finished(launcher: Launcher, run_id: str, within_s: float = 30) -> Run:
    """The run once it has ended."""
    wait_for("the run has ended", lambda: not launcher.store.run(run_id).live, within_s)
    wait_for("the launcher is free", lambda: not launcher.active())
    return launcher.store.run(run_id)


def epochs(rows: list[Row], engine: str) -> list[int]:
    return [row.event.epoch for row in rows if row.kind == "epoch" and row.engine == engine]


def in_mid_epoch(launcher: Launcher, run_id: str, engine: str, epoch: int) -> None:
    wait_for(
        f"{engine} is in epoch {epoch}",
        lambda: any(
            (row.kind, row.engine, getattr(row.event, "epoch", 0)) == ("step", engine, epoch)
            for row in launcher.store.rows(run_id)
        ),
    )


# --- a lane that fails; the other goes on -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        ("fake-nan", "in epoch 2, step 2: the loss became NaN."),
        ("fake-raise", "in epoch 2, step 2: RuntimeError: a fault on order."),
        ("fake-crash", "in epoch 2: its process was ended by SIGSEGV."),
    ],
)
def test_one_lane_fails_and_the_other_finishes(open_launcher: OpenLauncher, engine: str, reason: str) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings(f"{engine},fake-a"))
    run = finished(launcher, run_id)
    assert (run.lane(engine).state, run.lane(engine).reason) == ("failed", reason)
    assert run.lane("fake-a").state == "finished"
    assert run.state == "failed"
    assert run.reason == f"{engine} failed {reason} Epoch 1 is kept. fake-a went on and finished."
    rows = launcher.store.rows(run_id)
    assert epochs(rows, engine) == [1]
    assert epochs(rows, "fake-a") == [1, 2, 3]
    assert [lane.diverged for lane in outcome.gather(run, rows).lanes] == [engine == "fake-nan", False]
    assert damage_of(run, rows) == ""


def test_a_huge_learning_rate_is_named_as_the_likely_cause(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run = finished(launcher, launcher.submit(settings("fake-nan", learning_rate=1e6)))
    likely = "in epoch 2, step 2: the loss became NaN. Likely cause: a learning rate of 1,000,000."
    assert run.lane("fake-nan").reason == likely
    assert run.reason == f"fake-nan failed {likely} Epoch 1 is kept."


def test_a_worker_killed_in_mid_epoch(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-slow,fake-a"))
    in_mid_epoch(launcher, run_id, "fake-slow", 3)
    worker("fake-slow").kill()
    run = finished(launcher, run_id)
    assert run.reason == (
        "fake-slow failed in epoch 3: its process was ended by SIGKILL, perhaps because memory ran out. "
        "Epochs 1 and 2 are kept. fake-a went on and finished."
    )


def test_a_hanging_worker_is_noticed_while_the_other_lane_is_busy(
    open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.protocol.process.SILENT_S", 4.0)  # instead of 12, for which nobody need wait here
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-hang,fake-slow", epochs=12, batch_size=126, schedule="together"))
    wait_for("it is suspended", lambda: any(p.status() == psutil.STATUS_STOPPED for p in workers()))
    wait_for("its lane failed", lambda: launcher.store.run(run_id).lane("fake-hang").state == "failed")
    hung = launcher.store.run(run_id).lane("fake-hang").reason
    assert re.fullmatch(r"in epoch 2: its process was suspended for \d s\.", hung)
    assert launcher.store.run(run_id).lane("fake-slow").state == "training"
    assert not any(process.cmdline()[-1] == "fake-hang" for process in workers())
    launcher.stop(run_id)
    run = finished(launcher, run_id)
    assert run.state == "stopped"
    assert f"fake-hang failed {hung} Epoch 1 is kept." in run.reason


@pytest.mark.alone
def test_a_suspended_worker_is_stopped_within_two_seconds(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-slow,fake-a", epochs=9))
    in_mid_epoch(launcher, run_id, "fake-slow", 2)
    worker("fake-slow").suspend()
    launcher.stop(run_id)
    assert wait_for("the run is stopped", lambda: not launcher.store.run(run_id).live) < 2.3
    run = finished(launcher, run_id)
    assert run.reason == "You stopped this run in epoch 2. Epochs 1 of fake-slow and 1 and 2 of fake-a are kept."
    assert [lane.state for lane in run.lanes] == ["stopped", "stopped"]


def test_a_framework_that_cannot_be_imported(
    open_launcher: OpenLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch.so is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    launcher = open_launcher()
    run = finished(launcher, launcher.submit(settings("torch,fake-a", epochs=1)))
    assert run.reason == (
        "PyTorch failed while importing: ImportError: libtorch.so is broken. No epoch was complete. "
        "fake-a went on and finished."
    )


def test_data_that_cannot_be_had_is_said_once(open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(*_: object, **__: object) -> None:
        raise datasets.DatasetError("The mirror does not answer: try again.")

    monkeypatch.setattr(datasets, "prepare", prepare)
    launcher = open_launcher()
    run = finished(launcher, launcher.submit(settings()))
    assert (run.state, run.reason) == ("failed", "The mirror does not answer: try again.")
    assert {lane.state for lane in run.lanes} == {"failed"}


def test_a_process_that_cannot_be_started(open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = open_launcher()
    with monkeypatch.context() as without_python:
        without_python.setattr(sys, "executable", "/nowhere/python")
        run = finished(launcher, launcher.submit(settings()))
    assert run.reason == "No lane could be started (No such file or directory): look at this machine's disk and memory."
    assert finished(launcher, launcher.submit(settings("fake-a", epochs=1))).state == "finished"


# --- the owner that dies ------------------------------------------------------------------------------------


def read_rows(process: "subprocess.Popen[str]", epochs_wanted: int) -> Iterator[dict[str, Any]]:
    """The rows that a `tests.processes.launch` shows, until it has shown so many epochs."""
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        row = json.loads(line)
        if "seq" in row:
            yield row
        seen += row.get("kind") == "epoch"
        if seen >= epochs_wanted:
            return


def test_the_owner_killed_in_mid_run(spawn: Spawn, open_launcher: OpenLauncher) -> None:
    process = spawn("tests.processes.launch", settings("fake-slow,fake-a", epochs=50).model_dump_json())
    shown = list(read_rows(process, 7))
    assert len(workers()) == 2
    process.kill()
    wait_for("no worker is left", lambda: not workers(), within_s=10)
    launcher = open_launcher()
    run = launcher.store.run(launcher.store.runs()[0].id)
    done = {lane.engine: len(epochs(launcher.store.rows(run.id), lane.engine)) for lane in run.lanes}
    assert run.state == "interrupted"
    assert run.reason == f"The dashboard was closed while this ran. {kept_epochs(done)}"
    assert [lane.state for lane in run.lanes] == ["interrupted", "interrupted"]
    kept = [row.as_json() for row in launcher.store.rows(run.id)]
    assert kept[: len(shown)] == shown
    assert min(done.values()) >= 3


def test_two_processes_start_on_one_folder_at_one_instant(spawn: Spawn) -> None:
    order = settings("fake-slow", epochs=2).model_dump_json()
    at = str(time.time() + 3)
    both = [spawn("tests.processes.launch", order, "--at", at) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    winner, loser = sorted(range(2), key=lambda i: both[i].returncode)
    assert json.loads(said[winner][0].splitlines()[-1])["state"] == "finished"
    assert said[loser][0] == ""
    assert f"is in use by the dashboard (process {both[winner].pid}, since " in said[loser][1]
    assert len(said[loser][1].splitlines()) == 1


# --- the disk -----------------------------------------------------------------------------------------------


def test_a_file_size_limit_ends_the_run_in_a_sentence(
    spawn: Spawn, data_dir: Path, open_launcher: OpenLauncher
) -> None:
    order = settings("fake-a,fake-b", epochs=100).model_dump_json()
    process = spawn("tests.processes.launch", order, "--file-limit", "61440")
    said, sentence = process.communicate(timeout=120)
    assert process.returncode == 1
    assert sentence.startswith(f"The disk of {data_dir} is full or failing (")
    assert sentence.endswith("free some space, then start again.\n")
    assert len(sentence.splitlines()) == 1
    assert not workers()
    shown = [row for row in map(json.loads, said.splitlines()) if "seq" in row]
    assert sum(row["kind"] == "epoch" for row in shown) > 4
    run = Store(data_dir).runs()[0]
    assert [row.as_json() for row in Store(data_dir).rows(run.id)][: len(shown)] == shown
    launcher = open_launcher()
    run = launcher.store.run(run.id)
    assert run.state in ("interrupted", "failed")
    assert not {lane.state for lane in run.lanes} & {"training", "waiting"}
    assert [row.as_json() for row in launcher.store.rows(run.id)][: len(shown)] == shown


def test_a_full_database_ends_the_run_which_says_so_once_it_can(
    open_launcher: OpenLauncher, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = open_launcher()
    most_pages = [2**30]
    connect = sqlite3.connect

    def limited(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.execute(f"PRAGMA max_page_count={most_pages[0]}")
        return connection

    monkeypatch.setattr(runs.sqlite3, "connect", limited)
    run_id = launcher.submit(settings("fake-a,fake-b", epochs=100))
    in_mid_epoch(launcher, run_id, "fake-b", 2)
    before = launcher.store.rows(run_id)
    most_pages[0] = 1  # SQLite takes the present size for the least
    wait_for("the launcher gave up", lambda: launcher.store_failure)
    wait_for("the lanes are gone", lambda: not workers())
    sentence = (
        f"The disk of {data_dir} is full or failing (database or disk is full): free some space, then start again."
    )
    assert launcher.store_failure == sentence
    shown = launcher.store.rows(run_id)
    assert shown[: len(before)] == before
    most_pages[0] = 2**30
    run = finished(launcher, run_id)
    assert (run.state, run.reason) == ("failed", sentence)
    assert launcher.store.rows(run_id)[: len(shown)] == shown
    assert {lane.state for lane in run.lanes} == {"failed"}


@pytest.fixture
def foreign_dir() -> Iterator[Path]:
    """A folder that anybody may look into: pytest's own are root's."""
    folder = Path(tempfile.mkdtemp(prefix="duel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(code: str, folder: Path) -> tuple[int, str, str]:
    """Runs code in a child without root's rights."""
    drop = f"import os; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})" if os.getuid() == 0 else ""
    child = subprocess.run(
        [sys.executable, "-c", f"from core.cli.app import app\n{drop}\n{code}"],
        env={**os.environ, "DUEL_DATA_DIR": str(folder), "DUEL_FAKE_ENGINES": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return child.returncode, child.stdout, child.stderr


def test_a_read_only_data_folder(open_launcher: OpenLauncher, foreign_dir: Path, data_dir: Path) -> None:
    (foreign_dir / "datasets").symlink_to(data_dir / "datasets")
    launcher = open_launcher(foreign_dir)
    run_id = launcher.submit(settings("fake-a", epochs=1))
    finished(launcher, run_id)
    launcher.close()
    for path in (foreign_dir, *foreign_dir.glob("*.*"), foreign_dir / "lock"):
        if path.exists():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o555)
    status, _, sentence = as_nobody("app(['train', '--engines', 'fake-a'])", foreign_dir)
    assert status == 1
    assert sentence == (
        f"The data folder {foreign_dir} cannot be used (Permission denied): change its rights, or set DUEL_DATA_DIR.\n"
    )
    status, listed, _ = as_nobody("app(['runs', '--json'])", foreign_dir)
    assert status == 0
    assert run_id in listed
    assert as_nobody("app(['show', 'latest'])", foreign_dir)[0] == 0
    foreign_dir.chmod(0o700 if os.getuid() == 0 else 0)
    status, _, sentence = as_nobody("app(['runs'])", foreign_dir)
    foreign_dir.chmod(0o755)
    assert status == 1
    assert "cannot be used (Permission denied): change its rights, or set DUEL_DATA_DIR." in sentence
    assert "Traceback" not in sentence


def test_a_damaged_or_newer_database_is_refused_and_the_folder_is_free(
    open_launcher: OpenLauncher, data_dir: Path
) -> None:
    path = data_dir / FILE
    path.write_bytes(b"This is no database. " * 1000)
    with pytest.raises(StoreError, match=r"is damaged \(file is not a database\): move the file away"):
        open_launcher()
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match=r"newer version of this program \(format 99, this one knows \d+\)"):
        open_launcher()
    path.unlink()
    launcher = open_launcher()
    assert finished(launcher, launcher.submit(settings("fake-a", epochs=1))).state == "finished"


def test_a_data_folder_that_is_a_file(open_launcher: OpenLauncher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LauncherUnavailable, match=r"File exists"):
        open_launcher(tmp_path / "file")
