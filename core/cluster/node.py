"""A node's side: one run at a time, by the code and the lane processes that execute it on the Launcher's own machine.

Rows and files wait here until the head takes them; nothing of a run stays when it has ended.
"""

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from core.data import datasets
from core.deployment.limits import read_environment
from core.experiment.machine import Machine, this_machine, usable_processors
from core.experiment.settings import TrainSettings
from core.launcher import ending
from core.launcher.job_context import JobContext, JobRequests
from core.launcher.run import RunInProgress
from core.protocol.messages import Result
from core.protocol.process import WORKER, ChildProcess
from core.storage.rows import Entry, to_text

PACKAGES = ("ray", "keras", "tensorflow", "torch", "numpy")
"""Nodes that differ in one of these, or in Python, would compare something else."""
FOLDER = "cluster"
"""Of the data folder: the files of a run until they are taken."""
TAKE_S = 1.0
"""So long `take` waits for something to be there."""


def versions() -> dict[str, str]:
    """The versions of Python and of `PACKAGES` here; a CPU and a CUDA build are the same version."""
    found = {"Python": this_machine()["python"]}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name).split("+")[0]
    return found


def describe() -> tuple[Machine, dict[str, str]]:
    """What a node is, and its `versions`. Raises `InvalidSettings` where its environment is wrong."""
    read_environment()
    return this_machine(), versions()


class Batch(NamedTuple):
    """What of a run is new since the last one."""

    rows: list[tuple[str, str, str]]
    """Engine, kind and text."""
    files: dict[str, tuple[str, bytes]]
    """SHA-256 and content by name: those of which the rows tell, and at the end all others."""
    ended: bool
    failed: str
    """Why it could go on nowhere, as a sentence."""
    lacks: str
    """Why it did not begin: its data set cannot be had here, as a sentence."""


class Outgoing:
    """The `Sink` of a run on a node: what it is given waits to be taken."""

    def __init__(self, artifacts: Path) -> None:
        self.artifacts = artifacts
        self._there = threading.Condition()
        self._rows: list[tuple[str, str, str]] = []
        self._files: dict[str, tuple[str, bytes]] = {}
        self._sent: set[str] = set()
        self._ended, self._failed, self._lacks = False, "", ""

    def append(self, entries: Sequence[Entry]) -> None:
        """See `Sink`."""
        results = [entry.event for entry in entries if isinstance(entry.event, Result)]
        names = [name for result in results for name in (result.weights_file, result.predictions_file)]
        with self._there:
            self._rows += [(entry.engine, entry.kind, to_text(entry.event)) for entry in entries]
            self._add_files(names)
            self._there.notify_all()

    def _add_files(self, names: Sequence[str]) -> None:
        for name in names:
            content = (self.artifacts / name).read_bytes()
            self._files[name] = hashlib.sha256(content).hexdigest(), content
            self._sent.add(name)

    def end(self, failed: str = "", lacks: str = "") -> None:
        """Nothing more will come: what is left of the files goes along."""
        with self._there:
            with contextlib.suppress(OSError):
                self._add_files([path.name for path in self.artifacts.iterdir() if path.name not in self._sent])
            self._ended, self._failed, self._lacks = True, failed, lacks
            self._there.notify_all()

    def take(self) -> Batch:
        """What is new, as soon as there is something, else after `TAKE_S`."""
        with self._there:
            self._there.wait_for(lambda: self._rows or self._ended, TAKE_S)
            batch = Batch(self._rows, self._files, self._ended, self._failed, self._lacks)
            self._rows, self._files = [], {}
        return batch


class RunsOnNode:
    """Executes one run after the other on this node; an actor of Ray, whose methods are called by several threads."""

    def __init__(self, processors: float) -> None:
        """`processors`: how many of them the node gives to the cluster."""
        self._threads = max(1, min(int(processors), usable_processors()))
        # Ray sets it to what it gave this process; what a lane's libraries read shall be what its framework is told.
        os.environ["OMP_NUM_THREADS"] = str(self._threads)
        self._deployment, _ = read_environment()
        self._folder = self._deployment.data_dir / FOLDER
        _remove_leftovers(self._folder)

    def begin(self, run: str, settings: Mapping[str, Any], owner: str, visitor: str, limit_s: float | None) -> None:
        """Begins a run, of which `take` then tells."""
        self._outgoing, self._requests = Outgoing(self._folder / f"{os.getpid()}-{run}"), JobRequests()
        deployment = self._deployment
        context = JobContext(
            deployment.data_dir,
            deployment.datasets_dir,
            lambda engine, folder: ChildProcess(WORKER, engine, log=folder / f"{engine}.log"),
            owner,
            visitor,
            limit_s,
            threads=self._threads,
        )
        execution = (run, TrainSettings.parse(settings), self._outgoing, context, self._requests)
        threading.Thread(target=_execute, args=execution, daemon=True).start()

    def take(self) -> Batch:
        """See `Outgoing.take`."""
        return self._outgoing.take()

    def stop(self) -> None:
        """The run shall stop; it says so in its rows."""
        self._requests.stop.set()


def _execute(run: str, settings: TrainSettings, outgoing: Outgoing, context: JobContext, requests: JobRequests) -> None:
    """Executes a run to its end, whatever that is; none of its files is left."""
    failed = lacks = ""
    try:
        with contextlib.suppress(datasets.PreparationCancelled):  # the run says who wanted it
            datasets.prepare(
                settings.dataset, context.data_dir, context.datasets_dir, cancelled=requests.stop.is_set
            )  # fmt: skip
        RunInProgress(run, settings, outgoing, context, requests).execute()
    except datasets.DatasetError as error:
        lacks = str(error)
    except Exception as error:
        failed = ending.launcher_failed(error)
    finally:
        outgoing.end(failed, lacks)
        shutil.rmtree(outgoing.artifacts, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """What a process left that was killed in the middle of a run."""
    for left in folder.glob("*-*"):
        pid = left.name.partition("-")[0]
        if not (pid.isdigit() and psutil.pid_exists(int(pid))):
            shutil.rmtree(left, ignore_errors=True)
