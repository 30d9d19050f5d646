"""A study of two thousand runs: what a pair costs beside its run, its page opened, and a pair on thirty screens."""

import asyncio
import itertools
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import Dashboard, dashboard
from benchmarks.viewer import POLL_S, Viewer, ViewerError
from benchmarks.visitor import chromium, open_page, wait_until
from core.data.datasets import DATASETS
from core.experiment.dates import as_time
from core.experiment.machine import this_machine
from core.experiment.settings import TrainSettings
from core.experiment.study import MEASURES, Study
from core.launcher.inbox import Guest
from core.storage.database import LaneState
from core.storage.records import Run
from core.storage.studies import Studies, StudyState

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOW = """
A study of 2,000 runs of the fake engine, which trains at a fixed pace; all but the last were written into the store,
and the dashboard runs these. Opened: Chromium has Train open, then the list of studies, and clicks on it: from the
click, on the browser's clock, to its title, its twenty newest pairs, its first figure drawn and the script at rest. A
fresh browser context each time.
Between two pairs: from one run's end to the next one's begin, as the store has them. A pair's cost beyond the same run
alone: from one pair's end to the next one's, less the same run's time from being asked for to its end, in blocks of
alone, study, alone. Nobody watches meanwhile.
Commit to pixels: then viewers watch, protocol clients (`benchmarks/viewer.py`) that rerun what the page wants rerun and
ask for the figure every 0.25 s as it does itself; and Chromium. The web process notes the Unix time after the commit
that ends a pair (`benchmarks/clock`), the browser when it has painted the figure with it, a viewer when it has read
that.
"""

GOAL_S, OVERHEAD_GOAL_S, DELAY_GOAL_S = 1.0, 0.3, 0.5
CLOCK_FOLDER = Path(__file__).with_name("clock")
PAIRS = 20
"""On the study's page at once."""
MARKS = """() => performance.getEntriesByType("mark").filter((mark) => mark.name.startsWith("duel-study-"))
  .map((mark) => [Number(mark.name.split("-").at(-1)), (performance.timeOrigin + mark.startTime) / 1000])"""
# Milliseconds from now to the moment from which on the study stands and the script rests.
WATCH = """
([title, pairs]) => {
  const began = performance.now();
  window.benchStudy = null;
  const stands = () => {
    const headings = [...document.querySelectorAll("h1")];
    const titled = headings.some((h) => h.textContent.includes(title) && h.checkVisibility());
    const links = document.querySelectorAll('[data-testid="stMain"] a[href*="run="]').length;
    const drawn = document.querySelector(".figure .main-svg");
    const app = document.querySelector('[data-testid="stApp"]')?.dataset;
    return titled && links >= pairs && drawn && app?.testScriptState === "notRunning";
  };
  const look = () => (window.benchStudy = stands() ? (window.benchStudy ?? performance.now() - began) : null);
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
}
"""
SETTLED = "window.benchStudy !== null"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How long the study is, how many visits, pairs that nobody watches, and for how long how many watch the others."""

    runs: int
    visits: int
    pairs: int
    viewers: int
    watched_s: float


FULL = Size(runs=2000, visits=10, pairs=20, viewers=30, watched_s=240)
QUICK = Size(runs=2000, visits=1, pairs=2, viewers=5, watched_s=20)


def asked(size: Size) -> Study:
    """What is asked: one epoch of nine steps of 0.05 s in each lane."""
    base = TrainSettings(engines=("fake-slow-a", "fake-slow-b"), epochs=1, batch_size=500)
    return Study.of(base, DATASETS["mnist5k"], size.runs, {})


def fill(server: Dashboard, study: Study, ended: int) -> str:
    """A paused study of which so many pairs have finished; its id."""
    studies, machine = Studies(server.store.data_dir), json.dumps(this_machine())
    study_id = studies.create(study, "seeds", None, this_machine())
    studies.set_state(study_id, StudyState.PAUSED)
    with studies.write_transaction() as connection:
        for number, pair in enumerate(study.pairs[:ended]):
            at = f"{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}"
            run_id, when = f"20260101-{at}-{number:08x}", f"2026-01-01T{at[:2]}:{at[2:4]}:{at[4:]}"
            columns = "id, created_at, started_at, ended_at, state, settings, machine, study, cell"
            settings = json.dumps(study.settings(pair).as_json())
            connection.execute(
                f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, 'finished', ?, ?, ?, '{{}}')",
                (run_id, when, f"{when}.100+00:00", f"{when}.900+00:00", settings, machine, study_id),
            )
            for position, engine in enumerate(study.base.engines):
                figures = (0.9 + 0.001 * (number * (position + 7) % 13), 0.3, 2 + 0.01 * (number % 17), 1800.0, 300.0)
                columns = "run, engine, position, state, test_accuracy, test_loss, train_s, images_per_s, rss_mib"
                lane = (run_id, engine, position, LaneState.FINISHED, *figures)
                connection.execute(f"INSERT INTO lanes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", lane)
    return study_id


def visit(browser: "Browser", server: Dashboard, study: Study) -> float:
    """Seconds until the study's page stands."""
    page, _ = open_page(browser.new_context(), server.url)
    page.get_by_role("link", name="Study", exact=True).click()
    link = page.get_by_role("link", name=f"{study.seeds:,} seeds")
    link.wait_for()
    page.evaluate(WATCH, [f"{study.seeds:,} seeds", PAIRS])
    link.click()
    wait_until(page, SETTLED)
    opened = float(page.evaluate("benchStudy")) / 1000
    page.context.close()
    return opened


def ended(server: Dashboard, study_id: str) -> int:
    """How many pairs of it have ended."""
    return Studies(server.store.data_dir).done([study_id]).get(study_id, 0)


@contextmanager
def going_on(server: Dashboard, study_id: str) -> Iterator[None]:
    """The study goes on within the block; the pair that runs at its end is stopped."""
    guest = Guest(server.store.data_dir, lambda _: None)
    guest.go_on_study(study_id)
    try:
        yield
    finally:
        guest.stop_study(study_id)
        wait("the study stopped", lambda: not server.store.open_runs())


def wait(what: str, holds: Any, within_s: float = 120) -> None:
    """Returns once `holds` does. Raises `BenchmarkError`."""
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            raise BenchmarkError(f"Not within {within_s:.0f} s: {what}.")
        time.sleep(0.1)


def alone_s(server: Dashboard, settings: TrainSettings) -> float:
    """Seconds of one run by itself, from being asked for to its end."""
    run_id = Guest(server.store.data_dir, lambda _: None).submit(settings)
    run = server.wait_for_end(run_id, 0.1)
    return seconds(run.created_at, run.ended_at)


def seconds(begin: str | None, end: str | None) -> float:
    """Between two times of the store."""
    if begin is None or end is None:
        raise BenchmarkError("A run has no time.")
    return (as_time(end) - as_time(begin)).total_seconds()


def newest_pairs(server: Dashboard, study_id: str, count: int) -> list[Run]:
    """The newest runs of a study that finished, oldest first."""
    runs = [run for run in server.store.runs(2 * count + 20) if run.study == study_id and run.state == "finished"]
    return runs[:count][::-1]


def overhead(server: Dashboard, study_id: str, study: Study, size: Size) -> list[Result]:
    """What a pair costs beside its run, while nobody watches."""
    alone_s(server, study.base)  # the disk's cache is warm then
    log.info("  %d runs alone, as many pairs, as many alone", size.pairs)
    before = [alone_s(server, study.base) for _ in range(size.pairs)]
    there = ended(server, study_id)
    with going_on(server, study_id):
        wait("the pairs ended", lambda: ended(server, study_id) > there + size.pairs, 20 * (size.pairs + 2))
    pairs = newest_pairs(server, study_id, size.pairs + 1)
    after = [alone_s(server, study.base) for _ in range(size.pairs)]
    beyond = [
        seconds(one.ended_at, other.ended_at) - (first + last) / 2
        for one, other, first, last in zip(pairs[:-1], pairs[1:], before, after, strict=True)
    ]
    between = [seconds(one.ended_at, other.started_at) for one, other in itertools.pairwise(pairs)]
    return [
        Result("Between two pairs of a study", quantile(between), "s", OVERHEAD_GOAL_S),
        Result("A study's pair beyond the same run alone", quantile(beyond), "s", OVERHEAD_GOAL_S),
    ]


@dataclass
class Screens:
    """When how many pairs had ended, as those saw it who watched: Unix time by viewer and number."""

    seen: list[dict[int, float]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    """Of a core, the web process'."""
    bytes_a_pair: float = 0.0


async def follow(viewer: Viewer, study_id: str, seen: dict[int, float]) -> None:
    """Asks for the figure as it does itself, until cancelled."""
    version = ""
    while True:
        address = f"/api/studies/{study_id}/closing?measure={MEASURES[0].name}&cell=0&after={version}"
        answer = await viewer.http.get(address)
        if answer.status != 200:
            raise ViewerError(f"The figure's route answered {answer.status}: {answer.body[:200]!r}")
        values = json.loads(answer.body)
        version = values["version"]
        if "done" in values:
            seen.setdefault(values["done"], time.time())
        await asyncio.sleep(max(POLL_S, values["again_ms"] / 1000))


async def watch(server: Dashboard, study_id: str, size: Size) -> Screens:
    """What so many viewers see of a study that goes on."""
    screens, web = Screens(), psutil.Process(server.process.pid)
    viewers, tasks = [], []
    for _ in range(size.viewers):
        viewer = Viewer(server.port, "study", {"study": study_id})
        await viewer.open()
        viewers.append(viewer)
        screens.seen.append({})
        tasks.append(asyncio.create_task(follow(viewer, study_id, screens.seen[-1])))
    await asyncio.sleep(3)
    there, received = ended(server, study_id), sum(viewer.received_bytes for viewer in viewers)
    end = time.monotonic() + size.watched_s
    while time.monotonic() < end:
        spent, began = sum(web.cpu_times()[:2]), time.monotonic()
        await asyncio.sleep(10)
        screens.shares.append((sum(web.cpu_times()[:2]) - spent) / (time.monotonic() - began))
    pairs = ended(server, study_id) - there
    screens.bytes_a_pair = (sum(viewer.received_bytes for viewer in viewers) - received) / size.viewers / max(1, pairs)
    for viewer, task in zip(viewers, tasks, strict=True):
        if task.done() or viewer.closed:
            raise BenchmarkError(f"A viewer went away: {viewer.closed or task.exception()}.")
        task.cancel()
    await asyncio.gather(*(viewer.close() for viewer in viewers))
    return screens


def committed_at(clock: Path, first: int) -> dict[int, float]:
    """The Unix time of each pair's end, by how many pairs had ended then; `first` is the number of the first one."""
    lines = [json.loads(line) for line in clock.read_text().splitlines()]
    ends = {line["run"]: line["unix_ns"] / 1e9 for line in lines}  # a run's last commit is its end
    return dict(enumerate(ends.values(), start=first))


def delays_s(seen: Mapping[int, float], commits: Mapping[int, float]) -> dict[int, float]:
    """Commit to screen by pair, of those that were new to who watched."""
    return {done: at - commits[done] for done, at in sorted(seen.items())[1:] if done in commits}


def watched(server: Dashboard, browser: "Browser", study_id: str, clock: Path, size: Size) -> list[Result]:
    """A pair's commit to screens."""
    there = ended(server, study_id)
    clock.write_text("")
    with going_on(server, study_id), ThreadPoolExecutor(1) as aside:
        page, _ = open_page(browser.new_context(), f"{server.url}/study?study={study_id}", f"{size.runs:,} seeds")
        log.info("  %d viewers for %.0f s", size.viewers, size.watched_s)
        watching = aside.submit(asyncio.run, watch(server, study_id, size))
        marks = drawn(page, watching.done)
        screens = watching.result()
    commits = committed_at(clock, there + 1)
    pixels = list(delays_s(marks, commits).values())
    by_pair: dict[int, list[float]] = {}
    for seen in screens.seen:
        for done, delay in delays_s(seen, commits).items():
            by_pair.setdefault(done, []).append(delay)
    whole = [quantiles(each, n=20)[-1] for each in by_pair.values() if len(each) >= size.viewers / 2]
    who = f"Study of {size.runs:,} runs, {size.viewers} viewers"
    received = f"{screens.bytes_a_pair / 1024:.0f} KiB a pair and viewer over the WebSocket"
    return [
        Result(f"{who}, a pair's commit to pixels, p50", quantile(pixels), "s"),
        Result(f"{who}, a pair's commit to pixels, p95", quantile(pixels, 0.95), "s", DELAY_GOAL_S),
        Result(f"{who}, a pair's commit to client, p95 of a pair", quantile(whole), "s", DELAY_GOAL_S),
        Result(f"{who}, web process / a core", quantile(screens.shares), "x", None, received),
    ]


def drawn(page: "Page", over: Any) -> dict[int, float]:
    """When Chromium had painted the figure with so many pairs, until it is `over`."""
    while not over():
        page.wait_for_timeout(500)
    return first_of(page.evaluate(MARKS))


def first_of(marks: Sequence[tuple[int, float]]) -> dict[int, float]:
    """The first time of each number."""
    found: dict[int, float] = {}
    for number, at in marks:
        found.setdefault(number, at)
    return found


def measure(size: Size) -> list[Result]:
    """Opened, alone, watched."""
    study = asked(size)
    with tempfile.TemporaryDirectory(prefix="duel-bench-") as folder:
        clock = Path(folder) / "commits.jsonl"
        environment = {"PYTHONPATH": str(CLOCK_FOLDER), "BENCH_COMMIT_CLOCK": str(clock), "DUEL_FAKE_ENGINES": "true"}
        with dashboard(spares=False, environment=environment) as server, chromium() as browser:
            # A pair takes 1 s at least.
            study_id = fill(server, study, size.runs - 2 * size.pairs - int(size.watched_s) - 60)
            opened = [visit(browser, server, study) for _ in range(size.visits + 1)][1:]
            log.info("  opened in %s s", ", ".join(f"{each:.2f}" for each in opened))
            found = overhead(server, study_id, study, size)
            return [
                Result(f"Study of {size.runs:,} runs, opened", quantile(opened), "s", GOAL_S),
                *found,
                *watched(server, browser, study_id, clock, size),
            ]
