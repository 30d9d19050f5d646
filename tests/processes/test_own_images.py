"""Data sets of one's own images: kept or gone, whatever ends what makes them, and what the terminal does with them."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.data import datasets, own_images
from core.data.dataset import DatasetError
from core.data.datasets import PreparationCancelled
from core.data.own_images import Draft, Wanted
from core.launcher.launcher import Launcher, Refused
from core.launcher.own_images import OwnImages
from core.storage.runs import Store
from core.web.elements import queue as queue_view
from tests.pictures import pets, unzipped, zipped
from tests.processes.conftest import PROJECT_DIR, OpenLauncher, Spawn, settings, wait_for

PETS = Wanted("Pets", 28, colour=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return zipped(pets(), tmp_path / "pets.zip")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data folder: nothing of another test's is beside what is made."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def left(data_dir: Path) -> list[str]:
    """What lies beside the data sets, without locks."""
    return sorted(path.name for path in (data_dir / "datasets").iterdir() if not path.name.endswith("lock"))


def keep(data_dir: Path, source: Path, wanted: Wanted = PETS) -> None:
    draft = Draft(data_dir, wanted)
    draft.make(source)
    draft.keep()


def makers() -> list[psutil.Process]:
    found = [process for process in psutil.process_iter(["cmdline"])]
    return [process for process in found if "core.data.make_own" in (process.info["cmdline"] or [])]


# --- made, kept, discarded -------------------------------------------------------------------------------


def test_a_set_is_nobodys_until_it_is_kept_and_then_like_any_other(data_dir: Path, source: Path) -> None:
    draft = Draft(data_dir, PETS)
    draft.make(source)
    assert draft.look().counts == (40, 20)
    assert "own-pets" not in datasets.all_datasets(data_dir)
    dataset = draft.keep()
    assert dataset == datasets.find("own-pets", data_dir)
    assert left(data_dir) == ["own-pets"]
    prepared = datasets.prepare("own-pets", data_dir, program=("not.there",))
    arrays = prepared.load()
    assert arrays.train_images.shape == (44, 28, 28, 3)
    assert arrays.validation_images.shape == (4, 28, 28, 3)
    assert prepared.provenance["source"].startswith("60 own pictures; the square in the middle of each, resized by")


def test_what_is_discarded_and_what_is_refused_leaves_nothing(data_dir: Path, source: Path) -> None:
    draft = Draft(data_dir, PETS)
    draft.make(source)
    draft.discard()
    assert left(data_dir) == []
    draft = Draft(data_dir, PETS)
    with pytest.raises(DatasetError, match="neither a folder nor a zip"):
        draft.make(source.with_name("gone"))
    draft.discard()
    assert left(data_dir) == []


def test_a_name_can_be_taken_once(data_dir: Path, source: Path) -> None:
    drafts = []
    for _ in range(2):
        drafts.append(Draft(data_dir, PETS))
        drafts[-1].make(source)
    first, second = drafts
    first.keep()
    with pytest.raises(DatasetError, match="There is already a data set"):
        second.keep()
    second.discard()
    with pytest.raises(DatasetError, match="There is already a data set own-pets: choose another name"):
        Draft(data_dir, Wanted("pets!", 28))
    assert left(data_dir) == ["own-pets"]


def test_cancelling_ends_the_process(data_dir: Path, tmp_path: Path) -> None:
    source = unzipped(pets({"cat": 2000, "dog": 2000}), tmp_path / "many")
    draft = Draft(data_dir, PETS)
    with pytest.raises(PreparationCancelled):
        draft.make(source, cancelled=lambda: bool(makers()))
    draft.discard()
    assert left(data_dir) == []
    wait_for("no process is left", lambda: not makers())


# --- whatever ends it ------------------------------------------------------------------------------------


def test_a_maker_that_is_killed_is_a_sentence(data_dir: Path, tmp_path: Path) -> None:
    source = unzipped(pets({"cat": 2000, "dog": 2000}), tmp_path / "many")
    draft = Draft(data_dir, PETS)
    with pytest.raises(DatasetError, match=r"^The preparation of Pets broke down \(its process was ended by SIGKILL"):
        draft.make(source, on_progress=lambda _: [process.kill() for process in makers()])
    draft.discard()
    assert left(data_dir) == []


def test_what_a_killed_terminal_left_goes_with_the_next_start_and_what_is_in_use_stays(
    data_dir: Path, tmp_path: Path, source: Path, spawn: Spawn
) -> None:
    many = unzipped(pets({"cat": 2000, "dog": 2000}), tmp_path / "many")
    adding = spawn("core", "data", "add", str(many), "--name", "Many")
    wait_for("it makes the set", makers)
    adding.kill()
    adding.wait()
    wait_for("its maker has ended with it", lambda: not makers())
    assert len(left(data_dir)) == 1
    in_use = Draft(data_dir, PETS)
    assert left(data_dir) == [in_use.folder.name]
    in_use.make(source)
    own_images.remove_leftovers(data_dir)
    in_use.keep()
    assert left(data_dir) == ["own-pets"]


def test_a_full_disk_is_a_sentence(data_dir: Path, source: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-m", "core.data.make_own", str(source), str(draft), "--title=Pets", "--side=28"],
        cwd=PROJECT_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert child.stdout is not None
    said = [json.loads(line) for line in child.stdout]
    child.communicate()
    assert said[-1]["kind"] == "failed"
    assert said[-1]["reason"].startswith(f"The disk that holds {tmp_path} is full: free ")
    assert child.returncode == 1


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data(spawn: Spawn) -> Run:
    """`python -m core data ...`: its status, and what it said."""

    def run(*arguments: str) -> tuple[int, str, str]:
        process = spawn("core", "data", *arguments, COLUMNS="100")
        out, err = process.communicate(timeout=60)
        return process.returncode, out.replace("\N{NO-BREAK SPACE}", " "), err

    return run


# --- with runs -------------------------------------------------------------------------------------------


def test_a_set_that_a_run_needs_is_not_deleted_and_a_run_keeps_what_it_found(
    data_dir: Path, source: Path, open_launcher: OpenLauncher
) -> None:
    keep(data_dir, source)
    launcher: Launcher = open_launcher()
    run_id = launcher.submit(settings("fake-slow", dataset="own-pets", batch_size=4, epochs=50))
    wait_for("it trains", lambda: launcher.store.run(run_id).state == "running")
    with pytest.raises(Refused, match=f"Run {run_id} needs own-pets: delete it when that has ended, or stop it"):
        launcher.own_images.delete("own-pets")
    launcher.stop(run_id)
    wait_for("it has ended", lambda: not launcher.active())
    launcher.own_images.delete("own-pets")
    assert left(data_dir) == []
    assert launcher.store.run(run_id).dataset.title == "Pets"


def test_no_pictures_are_read_beside_a_run_and_no_run_begins_beside_pictures(
    data_dir: Path, source: Path, open_launcher: OpenLauncher, data: Run
) -> None:
    launcher: Launcher = open_launcher()
    busy = "Pictures are read while nothing trains, is measured or reads others: wait until that has ended."
    run_id = launcher.submit(settings("fake-slow", epochs=50))
    wait_for("it trains", lambda: launcher.store.run(run_id).state == "running", within_s=60)
    with pytest.raises(Refused, match=busy):
        launcher.own_images.draft(PETS)
    status, _, said = data("add", str(source), "--name", "Pets")
    assert (status, said.replace("\n", " ").strip()) == (2, busy)
    launcher.stop(run_id)
    wait_for("it has ended", lambda: not launcher.active(), within_s=60)
    draft = launcher.own_images.draft(PETS)
    with pytest.raises(Refused, match=busy):
        launcher.own_images.draft(Wanted("Others"))
    run_id = launcher.submit(settings("fake-a", epochs=1))
    time.sleep(1.5)  # the launcher looks twice a second
    assert launcher.store.run(run_id).state == "queued"
    assert queue_view.waiting(launcher, run_id) == "Waits for its turn: pictures are read, which would slow it."
    draft.make(source)
    wait_for("it has ended", lambda: not launcher.active(), within_s=60)
    assert launcher.store.run(run_id).state == "finished"
    assert not launcher.reads_pictures()
    draft.discard()


def test_a_set_that_goes_while_its_run_waits_is_that_runs_reason(
    data_dir: Path, source: Path, open_launcher: OpenLauncher
) -> None:
    keep(data_dir, source)
    launcher: Launcher = open_launcher()
    before = launcher.submit(settings("fake-slow", epochs=50))
    waits = launcher.submit(settings("fake-a", dataset="own-pets", batch_size=4))
    shutil.rmtree(data_dir / "datasets" / "own-pets")
    launcher.stop(before)
    wait_for("both have ended", lambda: not launcher.active(), within_s=60)
    run = launcher.store.run(waits)
    sentence = "There is no data set own-pets in this data folder: it was deleted, or its images were never added."
    assert (run.state, run.reason) == ("failed", sentence)
    assert [lane.state for lane in run.lanes] == ["failed"]


def test_a_set_is_not_deleted_between_the_check_of_a_run_and_its_place_in_the_queue(
    data_dir: Path, source: Path, open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(data_dir, source)
    launcher: Launcher = open_launcher()
    refusals: list[str] = []

    def delete() -> None:
        try:
            OwnImages(Store(data_dir)).delete("own-pets")
        except Refused as refused:
            refusals.append(str(refused))

    create, deleting = launcher.store.create, threading.Thread(target=delete)

    def create_slowly(*arguments: Any) -> str:
        deleting.start()
        deleting.join(timeout=1)
        return create(*arguments)

    monkeypatch.setattr(launcher.store, "create", create_slowly)
    run_id = launcher.submit(settings("fake-slow", dataset="own-pets", batch_size=4, epochs=50))
    deleting.join(timeout=30)
    assert refusals == [f"Run {run_id} needs own-pets: delete it when that has ended, or stop it."]
    assert left(data_dir) == ["own-pets"]
    launcher.stop(run_id)


def test_a_dashboard_that_starts_removes_what_was_left(data_dir: Path, open_launcher: OpenLauncher) -> None:
    (data_dir / "datasets" / ".own-123" / "ready").mkdir(parents=True)
    open_launcher()
    assert left(data_dir) == []


# --- the terminal ----------------------------------------------------------------------------------------


def test_the_terminal_adds_lists_renames_and_deletes(data: Run, data_dir: Path, tmp_path: Path) -> None:
    folder = unzipped(pets(), tmp_path / "pets")
    status, said, _ = data("add", str(folder), "--name", "Pets", "--size", "48", "--colour", "--seed", "3")
    assert status == 0
    assert ["cat", "40"] in [line.split() for line in said.splitlines()]
    assert "always guessing cat would be right in 66.7 % of the tests." in said
    assert "Pets: 44 for training, 4 for validation, 12 for testing. Train on it with --dataset own-pets." in said
    assert datasets.find("own-pets", data_dir).image_shape == (48, 48, 3)
    assert data("rename", "own-pets", "Cats and dogs")[:2] == (0, "own-pets is called Cats and dogs.\n")
    _, listed, _ = data("list")
    assert "own-pets" in listed
    assert "Cats and dogs" in listed
    assert "mnist5k" in listed
    _, lines, _ = data("list", "--json")
    (own,) = [line for line in map(json.loads, lines.splitlines()) if line["dataset"] == "own-pets"]
    assert (own["title"], own["here"], own["class_names"]) == ("Cats and dogs", True, ["cat", "dog"])
    assert data("delete", "own-pets")[:2] == (0, "Deleted own-pets.\n")
    assert left(data_dir) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "FOLDER", "--name", "x" * 300), "The name has 300 letters: at most 40 fit into the pages' fields."),
        (("add", "FOLDER", "--name", " "), "The data set needs a name."),
        (("add", "FOLDER", "--name", "a\u202eb"), "The name holds a letter that cannot be shown: type it anew."),
        (("add", "FOLDER", "--name", "mnist"), "There is already a data set called mnist: choose another name."),
        (("add", "FOLDER", "--name", "Pets", "--size", "27"), "Images can have 28 to 64 pixels a side, not 27."),
        (("add", "/nowhere", "--name", "Pets"), "/nowhere is neither a folder nor a zip."),
        (("delete", "own-gone"), "There is no data set 'own-gone' of your own here."),
        (("delete", "../own-gone"), "There is no data set '../own-gone' of your own here."),
        (("rename", "mnist", "Digits"), "mnist comes with the project: only your own images can be renamed"),
    ],
)
def test_what_cannot_be_is_a_sentence_in_the_terminal(
    arguments: tuple[str, ...], sentence: str, data: Run, data_dir: Path, tmp_path: Path
) -> None:
    folder = unzipped(pets(), tmp_path / "pets")
    status, _, said = data(*(str(folder) if argument == "FOLDER" else argument for argument in arguments))
    assert status == 2
    assert sentence in said
    assert not (data_dir / "datasets").exists() or left(data_dir) == []


def test_ctrl_c_leaves_nothing(data_dir: Path, tmp_path: Path, spawn: Spawn) -> None:
    many = unzipped(pets({"cat": 2000, "dog": 2000}), tmp_path / "many")
    adding = spawn("core", "data", "add", str(many), "--name", "Many")
    wait_for("it makes the set", makers)
    adding.send_signal(signal.SIGINT)
    assert adding.wait(timeout=30) == 130
    assert left(data_dir) == []
    assert not makers()
