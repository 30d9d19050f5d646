"""`python -m core train` while a dashboard holds the folder: it queues there, follows, and stops its run."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.deployment.limits import HostedLimits
from core.deployment.settings import DeploymentSettings
from core.experiment.settings import TrainSettings
from core.launcher import inbox
from core.launcher.inbox import FOLDER, Guest, Inbox, SubmissionRefused, is_answered
from core.launcher.launcher import Launcher
from core.storage.rows import Entry
from core.web.server.lifespan import lifespan
from tests.events import certificate
from tests.processes.conftest import Spawn, settings
from tests.processes.test_cli import FAST, core, only_run

LONG = ("train", "--engines", "fake-slow", "--batch-size", "600", "--epochs", "40", "--json")
OpenDashboard = Callable[..., Launcher]


@pytest.fixture
def dashboard(data_dir: Path, no_process_left: None) -> Iterator[OpenDashboard]:
    """Opens what the dashboard holds, and closes it after the test."""
    opened: list[tuple[Inbox, Launcher]] = []

    def open_one(**limits: object) -> Launcher:
        found = DeploymentSettings(data_dir=data_dir, spares=False, fake_engines=True)
        launcher = Launcher(found, "the dashboard", HostedLimits.model_construct(**limits))
        opened.append((Inbox(launcher), launcher))
        return launcher

    yield open_one
    for answering, launcher in opened:
        answering.close()
        launcher.close()


def test_train_queues_at_the_dashboard_that_holds_the_folder_and_follows(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"DATA_DIR": str(data_dir), "FAKE_ENGINES": "1", "SPARES": "0"}.items():
        monkeypatch.setenv(f"DUEL_{name}", value)

    async def train_beside() -> tuple[int, str, str]:
        async with lifespan(None):
            return await asyncio.to_thread(
                core, "train", "--engines", "fake-a,fake-b", *FAST, "--json", folder=data_dir
            )

    status, said, complaint = asyncio.run(train_beside())
    assert status == 0
    assert complaint.startswith(f"The dashboard (process {os.getpid()}, since ")
    assert complaint.endswith(" holds the data folder: this run is queued there. Ctrl-C stops it.\n")
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["event"] for line in lines] == ["epoch"] * 4 + ["result"] * 2
    assert {line["run"] for line in lines} == {only_run(data_dir).id}
    assert not (data_dir / FOLDER).exists()


def test_a_run_that_waits_there_is_stopped_by_ctrl_c_alone(
    dashboard: OpenDashboard, spawn: Spawn, data_dir: Path
) -> None:
    launcher = dashboard(epochs=None)
    before = launcher.submit(settings("fake-slow", epochs=100), "somebody")
    process = spawn("core", *LONG)
    assert process.stderr is not None
    assert process.stderr.readline().endswith("this run is queued there, behind 1 other. Ctrl-C stops it.\n")
    (_, mine) = launcher.active()
    # Nobody presses while the sentence is still being written: it is when a row is shown.
    launcher.store.append(mine, [Entry("", certificate())])
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "certificate"
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (130, "Its visitor stopped this run before it began.\n")
    assert launcher.store.run(mine).state == "stopped"
    assert launcher.active() == [before]
    launcher.stop(before, "somebody")


def test_who_follows_is_told_when_the_dashboard_goes(dashboard: OpenDashboard, spawn: Spawn, data_dir: Path) -> None:
    launcher = dashboard(epochs=None)
    process = spawn("core", *LONG)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "epoch"
    launcher.close()
    _, complaint = process.communicate(timeout=10)
    assert process.returncode == 1
    assert complaint.endswith(f"{only_run(data_dir).reason}\n")
    assert "The dashboard was closed while this ran. Epoch" in complaint


def test_the_dashboards_limits_hold_in_their_own_words(dashboard: OpenDashboard, data_dir: Path) -> None:
    dashboard(epochs=10, queue=10, visitor_at_once=0)
    status, said, complaint = core("train", "--engines", "fake-a", "--epochs", "11", folder=data_dir)
    assert (status, said, complaint) == (2, "", "A run here has at most 10 epochs, not 11.\n")
    status, _, complaint = core("train", "--engines", "fake-a", "--epochs", "1", folder=data_dir)
    assert (status, complaint.split(":")[0]) == (1, "Each visitor has 0 of them at a time here")


def test_who_answers_no_more_is_not_waited_for(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "ANSWER_S", 0.2)
    assert not is_answered(data_dir)
    (data_dir / FOLDER).mkdir()
    assert is_answered(data_dir)
    with pytest.raises(SubmissionRefused, match=r"^The dashboard does not answer: restart it\.$"):
        Guest(data_dir, print).submit(TrainSettings())
    assert list((data_dir / FOLDER).iterdir()) == []  # it is not run later, when nobody waits for it
