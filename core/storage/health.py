"""How an installation does, for its operator: `python -m core health` and the foot of each page read the same here."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from core.deployment.logs import last_troubles, path_of
from core.deployment.settings import DeploymentSettings
from core.experiment.metrics import NO_BREAK
from core.experiment.titles import sentence_case
from core.storage.database import State, StoreError
from core.storage.holder import HolderInfo, left_by, who_holds
from core.storage.measurements import Measurements
from core.storage.records import DamagedRun
from core.storage.runs import Store, folder_bytes

PACKAGES = {"streamlit": "Streamlit", "tensorflow": "TensorFlow", "keras": "Keras", "torch": "PyTorch"}
PROGRAMS = ("core.worker", "core.compare.probes", "core.data.prepare")


@dataclass(frozen=True)
class ProcessSize:
    """One process of the installation: what it runs, and its resident memory."""

    what: str
    pid: int
    rss_mib: int


@dataclass(frozen=True)
class Health:
    """What there is to see from outside: nothing here needs the process that serves."""

    profile: str
    data_dir: str
    holder: HolderInfo | None
    """Who serves or trains on the data folder; None where nobody does."""
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    processes: tuple[ProcessSize, ...]
    troubles: tuple[Mapping[str, Any], ...]
    """The newest warnings, errors and failed runs of the log, newest first."""
    damaged: tuple[str, ...]
    """Which of the newest thousand runs cannot be shown, and why, as sentences."""
    fault: str
    """Why the run history cannot be read, or where no data folder is, as a sentence; empty where it can."""
    data_mb: float
    """All files of the data folder, in MB of 1,000,000 bytes."""
    versions: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether somebody serves and the history can be read."""
        return self.holder is not None and not self.fault

    def as_json(self) -> dict[str, Any]:
        """All of it, and `ok`."""
        return {"ok": self.ok, **asdict(self)}


def read_health(deployment: DeploymentSettings) -> Health:
    """Takes some milliseconds, and more where the data folder holds many files."""
    store, measurements = Store(deployment.data_dir), Measurements(deployment.data_dir)
    fault = ""
    damaged: list[DamagedRun] = []
    jobs: list[tuple[State, str]] = []
    try:
        fault = store.missing
        store.runs(damaged=damaged)
        jobs = [(run.state, run.id) for run in store.open_runs()]
        jobs += [(measurement.state, measurement.id) for measurement in measurements.open_ones()]
        if jobs and left_by(store.data_dir):
            jobs = []  # nothing goes on where nobody is: the next owner writes down how they ended
    except StoreError as error:
        fault = str(error)
    holder = who_holds(store.data_dir)
    return Health(
        profile=deployment.profile,
        data_dir=str(store.data_dir),
        holder=holder,
        running=tuple(job for state, job in jobs if state == State.RUNNING),
        waiting=tuple(sorted(job for state, job in jobs if state == State.QUEUED)),
        processes=tuple(_processes(holder)),
        troubles=tuple(last_troubles(store.data_dir)),
        damaged=tuple(map(str, damaged)),
        fault=fault,
        data_mb=round(folder_bytes(store.data_dir) / 1e6, 1),
        versions=versions(),
    )


def _processes(holder: HolderInfo | None) -> list[ProcessSize]:
    found: list[ProcessSize] = []
    with contextlib.suppress(psutil.Error):
        family = [psutil.Process(holder.pid), *psutil.Process(holder.pid).children(recursive=True)] if holder else []
        for process in family:
            with contextlib.suppress(psutil.Error):
                what = program_of(process.cmdline()) or (holder.owner if holder else "")
                found.append(ProcessSize(what, process.pid, round(process.memory_info().rss / 2**20)))
    return found


def program_of(command: Sequence[str]) -> str:
    """Which child of ours a command line starts, with its first argument; empty where none."""
    place = next((place for place, word in enumerate(command) if word.startswith(PROGRAMS)), None)
    return "" if place is None else " ".join(command[place : place + 2])


@cache
def versions() -> dict[str, str]:
    """The versions that matter, by title, without importing anything."""
    found = {}
    for name, title in PACKAGES.items():
        with contextlib.suppress(PackageNotFoundError):
            found[title] = version(name)
    return found


def queue_words(running: int, waiting: int) -> str:
    """What goes on, as a sentence."""
    return f"{running} running, {waiting} waiting." if running or waiting else "Nothing is running."


def words(health: Health) -> list[str]:
    """All of it in sentences, for a terminal."""
    lines = [
        f"{sentence_case(health.holder.owner)} holds {health.data_dir} "
        f"(process {health.holder.pid}, since {health.holder.since}, profile {health.profile})."
        if health.holder
        else f"Nobody is serving {health.data_dir}.",
        health.fault or queue_words(len(health.running), len(health.waiting)),
    ]
    lines += [f"{one.what}: process {one.pid}, {one.rss_mib}{NO_BREAK}MiB." for one in health.processes]
    lines.append(f"The data folder takes {health.data_mb:,.1f}{NO_BREAK}MB.")
    lines.append(", ".join(f"{title} {number}" for title, number in health.versions.items()) + ".")
    lines += health.damaged
    lines += [f"{one['at']} {one['level']}: {trouble_words(one)}" for one in health.troubles] or ["No problems logged."]
    return [*lines, f"Log: {path_of(Path(health.data_dir))}"]


def trouble_words(record: Mapping[str, Any]) -> str:
    """A record of the log on one line."""
    last = str(record.get("traceback", "")).strip().splitlines()[-1:]
    parts = (record.get("message", ""), record.get("job", ""), record.get("reason", ""), *last)
    return " ".join(str(part) for part in parts if part)
