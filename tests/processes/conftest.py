"""What the tests of processes share: a data folder, Launchers with the fake engine, and no process left behind."""

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.deployment.limits import HostedLimits, Limits
from core.deployment.settings import DeploymentSettings
from core.experiment import busy_machine
from core.experiment.settings import TrainSettings
from core.launcher.launcher import Launcher

PROJECT_DIR = Path(__file__).resolve().parents[2]
MARK, MARKED = "DUEL_TEST_SESSION", uuid.uuid4().hex
"""Every process that descends from this test session carries it: other people's workers are none of ours."""

OpenLauncher = Callable[..., Launcher]
OpenHosted = Callable[..., Launcher]
Spawn = Callable[..., "subprocess.Popen[str]"]


def workers() -> list[psutil.Process]:
    """The worker processes that this test session started, dead but unreaped ones left out."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = "core.worker" in process.cmdline() and process.environ().get(MARK) == MARKED
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def worker(engine: str) -> psutil.Process:
    """The one worker of an engine."""
    (found,) = [process for process in workers() if process.cmdline()[-1] == engine]
    return found


def wait_for(what: str, condition: Callable[[], object], within_s: float = 20.0) -> float:
    """Waits until `condition` holds; returns the seconds that it took."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < within_s, f"not within {within_s} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began


def settings(engines: str = "fake-a,fake-b", **changed: object) -> TrainSettings:
    """A short run with few steps an epoch, unless told otherwise."""
    return TrainSettings.parse({"engines": engines, "epochs": 3, "batch_size": 600, **changed})


@pytest.fixture(autouse=True)
def no_process_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(MARK, MARKED)
    monkeypatch.setattr(busy_machine, "FREE_SHARE", 0.0)  # whatever else this machine does, no run is busy
    yield
    try:
        wait_for("no worker is left", lambda: not workers(), within_s=10)
    finally:
        for process in workers():
            with contextlib.suppress(psutil.Error):
                process.kill()


@pytest.fixture
def data_dir(tmp_path: Path, prepared_data_dir: Path) -> Path:
    """A data folder of this test's own, with mnist5k ready."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "datasets").symlink_to(prepared_data_dir / "datasets")
    return folder


@pytest.fixture
def open_launcher(data_dir: Path, no_process_left: None) -> Iterator[OpenLauncher]:
    """Opens Launchers on `data_dir`, with the fake engine and without spares, and closes them after the test."""
    opened: list[Launcher] = []

    def open_one(folder: Path = data_dir, spares: bool = False, owner: str = "the dashboard") -> Launcher:
        opened.append(Launcher(DeploymentSettings(data_dir=folder, spares=spares, fake_engines=True), owner))
        return opened[-1]

    yield open_one
    for launcher in opened:
        launcher.close()


@pytest.fixture
def spawn(data_dir: Path, no_process_left: None) -> Iterator[Spawn]:
    """Starts `python -m ARGUMENTS` on `data_dir` with pipes; whatever still runs after the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, folder: Path = data_dir, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DUEL_DATA_DIR": str(folder), "DUEL_FAKE_ENGINES": "1", **environment},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def hosted(data_dir: Path, no_process_left: None) -> Iterator[OpenHosted]:
    """Opens a Launcher with the hosted limits, some of them changed."""
    opened: list[Launcher] = []

    def open_one(**changed: object) -> Launcher:
        limits: Limits = HostedLimits.model_construct(**changed)
        deployment = DeploymentSettings(data_dir=data_dir, spares=False, fake_engines=True)
        opened.append(Launcher(deployment, "the dashboard", limits))
        return opened[-1]

    yield open_one
    for launcher in opened:
        launcher.close()
