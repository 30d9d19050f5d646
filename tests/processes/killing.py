"""kill -9 of a server and of its workers, and what may not come of it: for tests, and for the benchmark.

After the next start on the same folder every row that a client had is there and unchanged, the run is `interrupted`
or, where a worker was killed, its lane `failed` while the other went on; no process is left, and no other run of the
folder has changed by a byte.
"""

import contextlib
import hashlib
import http.client
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.result import BenchmarkError
from benchmarks.server import ROOT, RowsClient, Server, free_port
from core.deployment.settings import DeploymentSettings
from core.experiment.settings import TrainSettings
from core.launcher.launcher import Launcher
from core.results.chart_rows import chart_rows
from core.storage.database import ENDED_STATES, FILE
from core.storage.records import Run
from core.storage.runs import ALL_ROWS, Store

GONE_WITHIN_S = 10.0
"""A worker ends within a second of its owner; a busy machine may need longer."""
POLL_S = 0.02


def wait_for(what: str, condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Waits until `condition` holds. Raises `TimeoutError`."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s} s: {what}")
        time.sleep(POLL_S)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Whatever runs with this data folder in its environment, but for this process."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("DUEL_DATA_DIR") == str(data_dir) and process.pid != psutil.Process().pid
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kept(data_dir: Path) -> dict[str, tuple[Any, ...]]:
    """Each run's lines in every table, and its files' digests."""
    found: dict[str, list[Any]] = {}
    connection = sqlite3.connect(f"file:{data_dir / FILE}?mode=ro", uri=True, timeout=30)
    with contextlib.closing(connection):
        connection.execute("BEGIN")
        for table, key in (("runs", "id"), ("lanes", "run"), ("rows", "run")):
            for run_id, *line in connection.execute(f"SELECT {key}, * FROM {table} ORDER BY 1, 2, 3"):
                found.setdefault(run_id, []).append((table, *line))
    for run_id, lines in found.items():
        files = sorted(path for path in (data_dir / "runs" / run_id).rglob("*") if path.is_file())
        lines += [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return {run_id: tuple(lines) for run_id, lines in found.items()}


class Viewer(threading.Thread):
    """A client that fetches a run's rows until its server is gone: `shown` is what it was given."""

    def __init__(self, server: Server, run_id: str) -> None:
        super().__init__(daemon=True)
        self.run_id = run_id
        self.shown: list[dict[str, Any]] = []
        self._client = RowsClient(server, run_id)
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        """Fetches."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, BenchmarkError):
            while not self._done.is_set():
                self.shown += self._client.fetch()
                time.sleep(POLL_S)

    def end(self) -> None:
        """Returns once it has taken its last answer."""
        self._done.set()
        self.join(timeout=20)


@dataclass
class Toll:
    """What the kills have cost so far; all but the first three are faults."""

    webs: int = 0
    workers: int = 0
    shown: int = 0
    lost: int = 0
    """Rows that a client had and that are not there, or are others, after the next start."""
    left: int = 0
    """Processes that outlived their owner."""
    changed: list[str] = field(default_factory=list)
    """Runs that had ended before, and changed."""
    wrong: list[str] = field(default_factory=list)
    """Sentences of what else was not as it must be."""

    def expect(self, holds: bool, what: str) -> None:
        """Notes what does not hold."""
        if not holds:
            self.wrong.append(what)


@dataclass
class Aftermath:
    """What was there when the web process was killed, to be looked at once another has started."""

    viewers: list[Viewer]
    others: dict[str, tuple[Any, ...]]


class Lives:
    """One data folder, and the servers that live on it one after the other, each killed in the end."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self.data_dir, self.store, self.toll = data_dir, Store(data_dir), Toll()
        self._environment = dict(environment or {})
        self._viewers: list[Viewer] = []
        self._after: Aftermath | None = None
        self._server: Server | None = None

    def begin(self, *orders: TrainSettings) -> list[str]:
        """Starts a server on the folder, looks at what the last kill has left, and gives the ids of its new runs."""
        before = {run.id for run in self._runs()}
        settings = {"DUEL_DATA_DIR": str(self.data_dir), "DUEL_FAKE_ENGINES": "1", "DUEL_SPARES": "false"}
        command = [sys.executable, "-m", "tests.processes.serve", *(order.model_dump_json() for order in orders)]
        server = Server(command, self.data_dir.parent, ROOT, free_port(), self._environment | settings)
        self._server = server
        server.wait_until_it_answers()
        wait_for("its runs are there", lambda: len(self._runs()) >= len(before) + len(orders))
        self._settle()
        return [run.id for run in reversed(self._runs()) if run.id not in before]

    def _runs(self) -> list[Run]:
        return [run for run in self.store.runs() if run.source == "here"]

    def view(self, run_id: str) -> Viewer:
        """A client of a run."""
        assert self._server is not None
        self._viewers.append(Viewer(self._server, run_id))
        return self._viewers[-1]

    def worker(self, engine: str) -> psutil.Process | None:
        """The server's worker of an engine."""
        assert self._server is not None
        for process in self._server.tree():
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[-3:] == ["-m", "core.worker", engine]:
                    return process
        return None

    def kill_worker(self, run_id: str, engine: str) -> None:
        """Kills a lane's worker, and waits until the run knows; the other lanes must go on."""
        process = self.worker(engine)
        assert process is not None
        process.kill()
        self.toll.workers += 1
        wait_for("the lane failed", lambda: self.store.run(run_id).lane(engine).state in ENDED_STATES)
        lane = self.store.run(run_id).lane(engine)
        self.toll.expect(lane.state == "failed" and "SIGKILL" in lane.reason, f"{engine} {lane.state}: {lane.reason}")

    def has_gone_on(self, run_id: str, killed: str) -> None:
        """Waits for a run's end: its other lanes have finished, and the run says what happened."""
        wait_for("the run has ended", lambda: not self.store.run(run_id).live)
        run = self.store.run(run_id)
        states = {lane.engine: lane.state for lane in run.lanes}
        right = run.state == "failed" and {**states, killed: "finished"} == dict.fromkeys(states, "finished")
        self.toll.expect(right, f"run {run.state} with {states}: {run.reason}")

    def kill_web(self, *live: str) -> None:
        """Kills the web process while the runs `live` train or wait; all that it had started must go."""
        assert self._server is not None
        others = {run_id: all_of_it for run_id, all_of_it in kept(self.data_dir).items() if run_id not in live}
        self.toll.expect(len(processes_of(self.data_dir)) > 1, "no worker was seen beside the server")
        self._server.process.kill()
        self._server.process.wait()
        self.toll.webs += 1
        for viewer in self._viewers:
            viewer.end()
        with contextlib.suppress(TimeoutError):
            wait_for("nothing is left", lambda: not processes_of(self.data_dir), GONE_WITHIN_S)
        left = processes_of(self.data_dir)
        self.toll.left += len(left)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._after, self._viewers, self._server = Aftermath(self._viewers, others), [], None

    def _settle(self) -> None:
        """Looks at what the last kill of a web process has left, once the next one has started."""
        if self._after is None:
            return
        now = kept(self.data_dir)
        self.toll.changed += [
            run_id for run_id, all_of_it in self._after.others.items() if now.get(run_id) != all_of_it
        ]
        for viewer in self._after.viewers:
            rows = chart_rows(row.as_json() for row in self.store.rows(viewer.run_id, limit=ALL_ROWS))
            found = rows[: len(viewer.shown)] + [{}] * (len(viewer.shown) - len(rows))
            self.toll.shown += len(viewer.shown)
            self.toll.lost += sum(one != other for one, other in zip(viewer.shown, found, strict=True))
            if viewer.run_id not in self._after.others:
                self._was_interrupted(self.store.run(viewer.run_id), bool(viewer.shown))
        self._after = None

    def _was_interrupted(self, run: Run, began: bool) -> None:
        states = {lane.state for lane in run.lanes}
        right = run.state == "interrupted" and states <= {"interrupted", "finished", "failed"}
        words = "The dashboard was closed " + ("while this ran." if began else "")
        self.toll.expect(right and run.reason.startswith(words), f"run {run.state} with {states}: {run.reason}")

    def end(self) -> Toll:
        """Opens a Launcher on the folder, looks a last time, closes it; the whole toll."""
        launcher = Launcher(DeploymentSettings(data_dir=self.data_dir, spares=False), "the dashboard")
        try:
            self._settle()
        finally:
            launcher.close()
        return self.toll

    def close(self) -> None:
        """Ends a server that still lives, after a fault."""
        if self._server is not None:
            self._server.close()


@contextlib.contextmanager
def lives(data_dir: Path, environment: Mapping[str, str] | None = None) -> Iterator[Lives]:
    """A folder to be harmed; nothing of it runs afterwards."""
    found = Lives(data_dir, environment)
    try:
        yield found
    finally:
        found.close()


def stepping(viewer: Viewer, *engines: str) -> bool:
    """Whether each of these lanes is in mid-epoch, as far as the client knows."""
    last = {row["engine"]: row["kind"] for row in list(viewer.shown) if row["kind"] in ("step", "epoch", "lane")}
    return all(last.get(engine) == "step" for engine in engines)


def order(engines: str, **changed: object) -> TrainSettings:
    """A run of so many lanes."""
    return TrainSettings.parse({"engines": engines, "batch_size": 600, **changed})
