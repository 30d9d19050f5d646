"""A run's own verdict and what its lanes got of the machine, from the worker to the store and the terminal."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.experiment import busy_machine
from core.experiment.busy_machine import FREE_SHARE
from core.launcher import spares
from core.results.export import as_json
from core.results.importing import read_json
from core.results.outcome import conclusion, gather
from core.storage.runs import ALL_ROWS, Store
from tests.processes.conftest import OpenLauncher, settings, wait_for
from tests.processes.test_cli import core, only_run

TWIN = ("train", "--alignment", "exact-twin", "--batch-size", "600", "--epochs", "2", "--dropout", "0")


@pytest.fixture
def without_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "WORKER", "tests.processes.planted_worker")


def assert_taken_in(store: Store, run_id: str) -> None:
    """Exported, the run is accepted elsewhere: what it says of its fairness is what its rows make."""
    run, rows = store.run(run_id), store.rows(run_id, limit=ALL_ROWS)
    assert [row for row in read_json(as_json(run, rows).encode()).rows if row.kind == "fairness"] == [
        row for row in rows if row.kind == "fairness"
    ]


@pytest.mark.usefixtures("without_frameworks")
@pytest.mark.parametrize("changed", [{}, {"engines": "torch,keras"}, {"schedule": "together"}, {"patience": 1}])
def test_a_clean_twin_holds_in_every_order(open_launcher: OpenLauncher, changed: dict[str, object]) -> None:
    asked = {"engines": "keras,torch", "alignment": "exact-twin", "batch_size": 70, **changed}
    launcher = open_launcher()
    run_id = launcher.submit(settings(**asked))
    rows = list(launcher.follow(run_id))
    said = launcher.store.run(run_id).fairness
    assert said is not None
    assert (said.state, said.steps, said.epochs) == ("held", 3 * 52, 3)
    assert said.complete
    assert said.weighed
    assert said.certified is True
    assert [row.kind for row in rows][-2:] == ["fairness", "run"]
    assert_taken_in(launcher.store, run_id)


@pytest.mark.usefixtures("without_frameworks")
def test_every_step_is_compared_and_the_store_keeps_what_is_drawn(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("keras,torch", alignment="exact-twin", batch_size=8, epochs=1))
    kept = [row for row in launcher.follow(run_id) if (row.engine, row.kind) == ("torch", "step")]
    said = launcher.store.run(run_id).fairness
    assert said is not None
    assert said.steps == 450
    assert [step for row in kept for step, _ in row.event.points] == list(range(1, 451, 5))


@pytest.mark.usefixtures("without_frameworks")
def test_a_stopped_twin_is_compared_as_far_as_both_got(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("keras,torch", alignment="exact-twin", batch_size=4, epochs=100))
    wait_for("both have an epoch", lambda: sum(row.kind == "epoch" for row in launcher.store.rows(run_id)) >= 2)
    launcher.stop(run_id)
    wait_for("it has ended", lambda: not launcher.store.run(run_id).live)
    run = launcher.store.run(run_id)
    assert run.state == "stopped"
    assert run.fairness is not None
    assert run.fairness.state == "not compared"
    assert not run.fairness.complete
    assert run.fairness.steps >= 900
    assert_taken_in(launcher.store, run_id)


@pytest.mark.usefixtures("without_frameworks")
def test_as_shipped_says_nothing_of_fairness(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("keras,torch"))
    assert "fairness" not in {row.kind for row in launcher.follow(run_id)}
    assert launcher.store.run(run_id).fairness is None


@pytest.mark.usefixtures("without_frameworks")
def test_train_says_that_a_twin_held_and_succeeds(data_dir: Path) -> None:
    status, said, _ = core(*TWIN, folder=data_dir)
    assert status == 0, said
    assert "Fairness held. Both lanes computed the same numbers." in said
    status, said, _ = core("show", only_run(data_dir).id, folder=data_dir)
    assert (status, "Fairness held." in said) == (0, True)


@pytest.mark.usefixtures("without_frameworks")
def test_train_says_that_a_twin_parted_and_exits_1(data_dir: Path) -> None:
    status, said, _ = core(*TWIN, folder=data_dir, DUEL_TEST_PLANT="torch")
    assert status == 1
    assert "Parted at step 1. The lanes parted at step 1 (step 1 of epoch 1): their losses differ by" in said
    assert only_run(data_dir).state == "finished"
    assert_taken_in(Store(data_dir), only_run(data_dir).id)


@pytest.mark.usefixtures("without_frameworks")
def test_train_as_json_says_it_too(data_dir: Path) -> None:
    status, said, complaints = core(*TWIN, "--json", folder=data_dir, DUEL_TEST_PLANT="keras")
    (verdict,) = [found for line in said.splitlines() if (found := json.loads(line))["event"] == "fairness"]
    assert status == 1
    assert (verdict["state"], verdict["parting"]["run_step"]) == ("parted", 1)
    assert "parted at step 1" in complaints
    _, said, _ = core("runs", "--json", folder=data_dir)
    assert json.loads(said.splitlines()[0])["fairness"]["state"] == "parted"


def test_the_frameworks_themselves_hold(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("torch,keras", alignment="exact-twin", batch_size=600, epochs=2))
    list(launcher.follow(run_id))
    run = launcher.store.run(run_id)
    assert run.state == "finished", run.reason
    assert run.fairness is not None
    assert (run.fairness.state, run.fairness.steps, run.fairness.weighed) == ("held", 12, True)
    assert run.fairness.step_loss_difference < 1e-13


# --- a busy machine --------------------------------------------------------------------------------------


@pytest.fixture
def load() -> Iterator[None]:
    """Programs that take every processor."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    yield
    for process in burning:
        process.kill()
        process.wait()


@pytest.mark.alone
@pytest.mark.usefixtures("load")
def test_a_load_beside_a_run_is_measured_and_no_speed_is_compared(
    open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy_machine, "FREE_SHARE", FREE_SHARE)
    launcher = open_launcher()
    asked = settings("fake-slow,fake-a", epochs=2)
    run_id = launcher.submit(asked)
    rows = list(launcher.follow(run_id))
    # The other lane's epochs are over before the system's clock of processor time has ticked.
    epochs = [row.event for row in rows if (row.engine, row.kind) == ("fake-slow", "epoch")]
    assert len(epochs) == 2
    for epoch in epochs:
        assert epoch.others_share + epoch.stolen_share > 0.5
        assert 0 < epoch.cpu_s < epoch.train_s
        assert epoch.processors >= 1
    run = launcher.store.run(run_id)
    assert run.busy
    assert "their times cannot be compared" in conclusion(gather(run, rows)).finding
    assert launcher.store.newest_similar(asked) is None  # no estimate comes from such a run
