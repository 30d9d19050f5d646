"""Many viewers of one live run: how late its rows are, what the web process and the training pay for it."""

import asyncio
import bisect
import json
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil

from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import Dashboard, dashboard
from benchmarks.viewer import Viewer
from core.experiment.settings import TrainSettings
from core.protocol.messages import Epoch

HOW = """
One run of Keras and PyTorch in turns. Viewers are protocol clients (`benchmarks/viewer.py`) in another process than the
web: each loads the Train page over Streamlit's WebSocket, reruns what the page wants rerun, and fetches the run's rows
every 0.25 s. First the training's loss, in blocks of A B B A: A nobody watches, B all viewers do; an epoch counts where
it lay whole within one part. Then one viewer, then all of them for five minutes.
Commit to client: the web process notes the Unix time after each commit (`benchmarks/clock`), a viewer the time
at which it has read a row; one p95 over all viewers for each 10 s. CPU: the web process' own, user and system, for each
10 s; the clients' is measured apart and is none of it. Memory: the web process' highest resident size with all viewers,
less that with one. The training's loss: the median epoch of B over that of A, less the clients' share of the machine's
cores; it may be the web process' share of a core and 3 %.
"""

DELAY_GOAL_S, CPU_GOAL, MEMORY_GOAL_MB, LOSS_BEYOND_CPU = 0.5, 0.25, 100.0, 0.03
CLOCK_FOLDER = Path(__file__).with_name("clock")
WINDOW_S = 10.0
SETTLE_S = 3.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many watch for how long, and a run that lasts as long as all of it."""

    viewers: int
    watched_s: float
    blocks: int
    part_s: float
    batch_size: int


FULL = Size(viewers=30, watched_s=300, blocks=2, part_s=40, batch_size=3)
QUICK = Size(viewers=5, watched_s=20, blocks=1, part_s=15, batch_size=252)


@dataclass
class Watch:
    """What was seen while viewers watched: a share of a core for each window, and each row's arrival."""

    began: float = 0.0
    ended: float = 0.0
    web_shares: list[float] = field(default_factory=list)
    client_shares: list[float] = field(default_factory=list)
    highest_mb: float = 0.0
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """Unix time and `seq` of every row of every viewer."""


class Crowd:
    """Viewers of one run, from `come` to `go`."""

    def __init__(self, server: Dashboard, run_id: str) -> None:
        self.server, self.run_id = server, run_id
        self.web, self.clients = psutil.Process(server.process.pid), psutil.Process()
        self.viewers: list[Viewer] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._watch = Watch()

    async def come(self, count: int) -> None:
        """They open the page one after the other, as people do; returns once all of them watch."""
        for _ in range(count):
            viewer = Viewer(self.server.port)
            await viewer.open()
            self.viewers.append(viewer)
            self._tasks.append(asyncio.create_task(viewer.watch(self.run_id, self._note)))
        await asyncio.sleep(SETTLE_S)

    def _note(self, viewer: Viewer, rows: list[dict[str, Any]]) -> None:
        now = time.time()
        self._watch.arrivals += [(now, row["seq"]) for row in rows]

    async def watch(self, for_s: float) -> Watch:
        """What happens within so many seconds. Raises `BenchmarkError` where a viewer was dropped or the run ended."""
        self._watch = watch = Watch(began=time.time())
        end, spent = time.monotonic() + for_s, self._spent_s()
        while time.monotonic() < end:
            await asyncio.sleep(min(WINDOW_S, max(0.1, end - time.monotonic())))
            watch.highest_mb = max(watch.highest_mb, self.web.memory_info().rss / 1e6)
            now = self._spent_s()
            web_s, clients_s, wall_s = (after - before for after, before in zip(now, spent, strict=True))
            watch.web_shares.append(web_s / wall_s)
            watch.client_shares.append(clients_s / wall_s)
            spent = now
        watch.ended = time.time()
        for viewer, task in zip(self.viewers, self._tasks, strict=True):
            if task.done() or viewer.closed:
                why = viewer.closed or (task.exception() if not task.cancelled() else "") or "the run ended too early"
                raise BenchmarkError(f"A viewer went away: {why}.")
        return watch

    def _spent_s(self) -> tuple[float, float, float]:
        return sum(self.web.cpu_times()[:2]), sum(self.clients.cpu_times()[:2]), time.monotonic()

    async def go(self) -> None:
        """All of them leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(viewer.close() for viewer in self.viewers))
        self.viewers, self._tasks = [], []
        await asyncio.sleep(SETTLE_S)


@dataclass
class Watches:
    """All that was watched, in order."""

    run_id: str = ""
    quiet: list[Watch] = field(default_factory=list)
    crowded: list[Watch] = field(default_factory=list)
    one_viewer: Watch = field(default_factory=Watch)
    long: Watch = field(default_factory=Watch)


async def watch_run(server: Dashboard, size: Size) -> Watches:
    """Starts the run, then all parts of the measurement, one after the other."""
    settings = TrainSettings(epochs=100, batch_size=size.batch_size)
    async with Viewer(server.port, query={"epochs": "100", "batch_size": str(settings.batch_size)}) as starter:
        await starter.press("Start")
    seen = Watches(server.newest())
    await wait_for_epochs(server, seen.run_id, 2 * len(settings.engines))
    crowd = Crowd(server, seen.run_id)
    for number in range(1, size.blocks + 1):
        log.info("  block %d of %d: nobody, %d viewers, %d viewers, nobody", number, size.blocks, *2 * [size.viewers])
        seen.quiet.append(await crowd.watch(size.part_s))
        await crowd.come(size.viewers)
        seen.crowded += [await crowd.watch(size.part_s), await crowd.watch(size.part_s)]
        await crowd.go()
        seen.quiet.append(await crowd.watch(size.part_s))
    await crowd.come(1)
    seen.one_viewer = await crowd.watch(size.part_s)
    log.info("  %d viewers for %.0f s", size.viewers, size.watched_s)
    await crowd.come(size.viewers - 1)
    seen.long = await crowd.watch(size.watched_s)
    await crowd.go()
    return seen


async def wait_for_epochs(server: Dashboard, run_id: str, count: int) -> None:
    """Returns once the lanes have traced and compiled."""
    end = time.monotonic() + 180
    while sum(row.kind == "epoch" for row in server.store.rows(run_id, steps=False)) < count:
        if time.monotonic() > end or not server.store.run(run_id).live:
            raise BenchmarkError("The run did not get going.")
        await asyncio.sleep(0.5)


def committed_at(clock: Path, run_id: str) -> tuple[list[int], list[float]]:
    """The last `seq` of each commit of a run, and its Unix time."""
    lines = [json.loads(line) for line in clock.read_text().splitlines()]
    own = [line for line in lines if line["run"] == run_id]
    return [line["seq"] for line in own], [line["unix_ns"] / 1e9 for line in own]


def delays_s(watch: Watch, commits: tuple[list[int], list[float]]) -> list[list[float]]:
    """Commit to client of the rows that were committed while they watched, a list for each window."""
    lasts, times = commits
    windows: dict[int, list[float]] = {}
    for arrived, seq in watch.arrivals:
        committed = times[bisect.bisect_left(lasts, seq)]
        if committed >= watch.began:
            windows.setdefault(int((arrived - watch.began) // WINDOW_S), []).append(arrived - committed)
    return [window for window in windows.values() if len(window) >= 20]


def epoch_s(server: Dashboard, seen: Watches, parts: Sequence[Watch], commits: tuple[list[int], list[float]]) -> float:
    """The sum over the engines of their median epoch among those that lay whole within one of the parts."""
    lasts, times = commits
    found: dict[str, list[float]] = {}
    for row in server.store.rows(seen.run_id, limit=10**6, steps=False):
        if isinstance(row.event, Epoch):
            ended = times[bisect.bisect_left(lasts, row.seq)]
            began = ended - row.event.train_s - row.event.val_s
            if any(part.began <= began and ended <= part.ended for part in parts):
                found.setdefault(row.engine, []).append(row.event.train_s)
    if len(found) < 2:
        raise BenchmarkError("No epoch of each lane lay within one part: take longer parts.")
    return sum(median(times) for times in found.values())


def results(server: Dashboard, seen: Watches, clock: Path, size: Size) -> list[Result]:
    """Delay, CPU, memory, and what the training loses."""
    commits, who = committed_at(clock, seen.run_id), f"{size.viewers} viewers"
    windows = delays_s(seen.long, commits)
    slowest = [quantiles(window, n=20)[-1] for window in windows]
    pooled = quantiles([delay for window in windows for delay in window], n=20)
    cores = os.cpu_count() or 1
    losses, web, clients = [], [], []
    for half in range(2 * size.blocks):
        a, b = seen.quiet[half : half + 1], seen.crowded[half : half + 1]
        clients.append(median(b[0].client_shares))
        web.append(median(b[0].web_shares))
        losses.append(epoch_s(server, seen, b, commits) / epoch_s(server, seen, a, commits) - clients[-1] / cores)
    own = f"the clients' own: {median(seen.long.client_shares):.3f} of a core, not counted"
    memory = seen.long.highest_mb - seen.one_viewer.highest_mb
    at_most = f"all delays: p50 {pooled[9]:.2f} s, p95 {pooled[-1]:.2f} s; slowest 10 s: p95 {max(slowest):.2f} s"
    with_one = f"{seen.one_viewer.highest_mb:.0f} MB with one"
    return [
        Result(f"{who}, commit to client, p95 of 10 s", quantile(slowest), "s", DELAY_GOAL_S, at_most),
        Result(f"{who}, web process / a core", quantile(seen.long.web_shares), "x", CPU_GOAL, own),
        Result(f"{who}, web process' memory above one viewer's", quantile([memory]), "MB", MEMORY_GOAL_MB, with_one),
        Result(
            f"{who}, epochs watched / unwatched",
            quantile(losses),
            "x",
            round(1 + median(web) + LOSS_BEYOND_CPU, 3),
            f"goal: 1 + the web process' {median(web):.3f} of a core + {LOSS_BEYOND_CPU:g}",
        ),
    ]


def measure(size: Size) -> list[Result]:
    """One run, watched."""
    with tempfile.TemporaryDirectory(prefix="duel-bench-") as folder:
        clock = Path(folder) / "commits.jsonl"
        environment = {"PYTHONPATH": str(CLOCK_FOLDER), "BENCH_COMMIT_CLOCK": str(clock)}
        with dashboard(spares=False, environment=environment) as server:
            seen = asyncio.run(watch_run(server, size))
            return results(server, seen, clock, size)
