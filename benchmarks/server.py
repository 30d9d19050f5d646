"""The servers that are measured, each in a fresh folder and gone afterwards: the dashboard, and a minimal app."""

import http.client
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.result import BenchmarkError
from core.experiment.engine_names import SPARE_ENGINES
from core.storage.records import Run
from core.storage.runs import Store

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = "127.0.0.1"
START_S = 60
QUIET_S = 180
CLOSE_S = 15
RUN_S = 600
QUIET_SHARE = 0.05
"""Of one core, over a second: a server that takes less has nothing under way."""

log = logging.getLogger(__name__)


class Server:
    """One server process and what it starts."""

    def __init__(self, command: Sequence[str], folder: Path, cwd: Path, port: int, environment: Mapping[str, str]):
        """Starts it; its output goes to a file in `folder`."""
        self.port, self.url = port, f"http://{ADDRESS}:{port}"
        self._log = folder / "server.log"
        with self._log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=clean_environment() | {"PORT": str(port)} | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C reaches the benchmark alone, which then closes this
            )

    def wait_until_it_answers(self) -> None:
        """Returns once the server is healthy. Raises `BenchmarkError` with the last line of its output."""
        for _ in range(START_S * 10):
            if self.process.poll() is not None:
                break
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=5)
                connection.request("GET", "/_stcore/health")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.1)
        said = self._log.read_text(errors="replace").strip() or "it said nothing"
        raise BenchmarkError(f"The server did not start: {said.splitlines()[-1]}")

    def tree(self) -> list[psutil.Process]:
        """The server and its children."""
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def _cpu_s(self) -> dict[int, float]:
        spent = {}
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                spent[process.pid] = sum(process.cpu_times()[:2])
        return spent

    def wait_until_quiet(self, children: int = 0, for_s: int = 2) -> None:
        """Returns once it has at least so many children, and all of them did nothing for so many seconds."""
        still, end = 0, time.monotonic() + QUIET_S
        before = self._cpu_s()
        while still < for_s:
            if time.monotonic() > end:
                raise BenchmarkError(f"The server did not come to rest within {QUIET_S} s.")
            time.sleep(1)
            now = self._cpu_s()
            busy = any(now[pid] - before.get(pid, 0.0) > QUIET_SHARE for pid in now)
            still = 0 if busy or len(now) <= children else still + 1
            before = now

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The server takes no time at all while the block runs: what is timed there is timed without it."""
        processes = self.tree()
        try:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def close(self) -> None:
        """Ends it, and makes sure that it and everything that it started is gone."""
        processes = self.tree()
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=CLOSE_S)
        _, alive = psutil.wait_procs(processes, timeout=3)
        for process in alive:
            log.warning("process %d outlived its server and was killed", process.pid)
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(timeout=CLOSE_S)
        psutil.wait_procs(alive, timeout=CLOSE_S)


class Dashboard(Server):
    """`python -m core.serve` on a data folder of its own."""

    def __init__(self, folder: Path, spares: bool, environment: Mapping[str, str]) -> None:
        self.spares = spares
        self.store = Store(folder / "data")
        settings = {"DUEL_DATA_DIR": str(self.store.data_dir), "DUEL_SPARES": str(spares).lower()}
        command = [sys.executable, "-m", "core.serve"]
        super().__init__(command, folder, ROOT, free_port(), settings | dict(environment))

    def wait_until_ready(self) -> None:
        """Returns once the warm spares are there, if it keeps any, and nothing is under way."""
        self.wait_until_quiet(len(SPARE_ENGINES) if self.spares else 0)

    def newest(self) -> str:
        """The id of the run that was started last; empty where none was."""
        return next((run.id for run in self.store.runs(limit=1) if run.source == "here"), "")

    def wait_for_another(self, than: str) -> str:
        """The id of the run that comes after `than`."""
        end = time.monotonic() + 30
        while (run_id := self.newest()) == than:
            if time.monotonic() > end:
                raise BenchmarkError("Start was pressed, and no run began.")
            time.sleep(0.02)
        return run_id

    def wait_for_end(self, run_id: str, look_each_s: float = 1.0) -> Run:
        """The run once it has finished, without any request to the dashboard."""
        end = time.monotonic() + RUN_S
        while (run := self.store.run(run_id)).live and time.monotonic() < end:
            time.sleep(look_each_s)
        if run.state != "finished":
            raise BenchmarkError(f"A run did not finish: {run.reason or run.state}")
        return run


class RowsClient:
    """A protocol client: asks for a run's rows as the live chart does, over one connection."""

    def __init__(self, server: Server, run_id: str) -> None:
        self._connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=15)
        self._path, self._next = f"/api/runs/{run_id}/rows", 0
        self.state = "queued"

    def fetch(self) -> list[dict[str, Any]]:
        """The rows that are new since the last call."""
        self._connection.request("GET", f"{self._path}?after={self._next}")
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise BenchmarkError(f"The rows' route answered {response.status}: {body[:200]!r}")
        answer = json.loads(body)
        self._next, self.state = answer["next"], answer["state"]
        return list(answer["rows"])

    @property
    def live(self) -> bool:
        """Whether rows may still come."""
        return self.state in ("queued", "running")


def clean_environment() -> dict[str, str]:
    """This process' environment without what would steer Python, Streamlit, Keras or the dashboard."""
    ours = ("DUEL_", "STREAMLIT_", "PYTHON", "KERAS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


@contextmanager
def dashboard(spares: bool, environment: Mapping[str, str] | None = None) -> Iterator[Dashboard]:
    """The dashboard on a fresh data folder, from when it answers until the block ends."""
    with tempfile.TemporaryDirectory(prefix="duel-bench-", ignore_cleanup_errors=True) as folder:
        server = Dashboard(Path(folder), spares, environment or {})
        try:
            server.wait_until_it_answers()
            yield server
        finally:
            server.close()


@contextmanager
def minimal_app() -> Iterator[Server]:
    """`streamlit run` on a file with one title, with Streamlit's own settings, away from this project's."""
    with tempfile.TemporaryDirectory(prefix="duel-bench-", ignore_cleanup_errors=True) as folder:
        (Path(folder) / "minimal.py").write_text('import streamlit as st\n\nst.title("Minimal")\n')
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", "minimal.py", "--server.port", str(port)]
        command += ["--server.address", ADDRESS, "--server.headless", "true", "--browser.gatherUsageStats", "false"]
        server = Server(command, Path(folder), Path(folder), port, {})
        try:
            server.wait_until_it_answers()
            yield server
        finally:
            server.close()
