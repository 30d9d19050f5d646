"""What strangers do to a hosted server at once: submissions, connects, floods, and a client that never reads."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, TypeVar

import psutil
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import Dashboard, Server, dashboard
from benchmarks.viewer import Viewer, ViewerError
from core.deployment.limits import HostedLimits

HOW = """
`DUEL_PROFILE=hosted`, a fresh server for each storm, protocol clients (`benchmarks/viewer.py`) in another process.
Submissions: 500 visitors, each with a cookie and a session of its own, open the Train page, then all press Start at
once; accepted ones are counted in the store, refusals by the sentence on each visitor's page. Connects: 1,000 times a
visitor opens the page and leaves, ten at a time, after as many as Streamlit keeps sessions of (128, for two minutes);
memory of the web process after, less before, over before. Widget states: thousands of ids that no page has, and
messages of nearly the largest size, for 30 s; the highest memory, less before. A client that asks for the page again
and again and reads nothing for a minute: the p95 of others' requests for a live run's rows meanwhile, and memory after,
less before. Uploads: files of nearly the largest size, all into one session; the highest memory, less before.
1 MB is 1,000,000 bytes.
"""

FULL_QUEUE = "The queue is full: at most 10 wait here."
STORED_SESSIONS = 128
"""Left sessions that Streamlit keeps for two minutes, so that a lost connection can come back."""
TOGETHER = 20
"""How many sessions open at the same time: a browser's own pace, not the storm that is measured."""
SLOW_S = 600.0
MEMORY_GROWTH_GOAL, DELAY_GOAL_S, HELD_GOAL_MB = 0.10, 0.5, 50.0

log = logging.getLogger(__name__)
Found = TypeVar("Found")


@dataclass(frozen=True)
class Size:
    """How many of each, and how long the client that never reads does not read."""

    submissions: int
    connects: int
    ids: int
    messages: int
    slow_s: float
    uploads: int


FULL = Size(submissions=500, connects=1000, ids=10_000, messages=50, slow_s=60, uploads=100)
QUICK = Size(submissions=20, connects=20, ids=2000, messages=5, slow_s=5, uploads=10)


def resident_mb(server: Server) -> float:
    """The web process' resident size."""
    return float(psutil.Process(server.process.pid).memory_info().rss) / 1e6


async def at_most(together: int, tasks: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Runs all of them, so many at the same time."""
    places = asyncio.Semaphore(together)

    async def one(task: Coroutine[Any, Any, None]) -> None:
        async with places:
            await task

    await asyncio.gather(*(one(task) for task in tasks))


# --- the storms, each on a server that stands -----------------------------------------------------------


async def submit_at_once(port: int, count: int, query: str = "") -> tuple[list[str], float]:
    """So many visitors press Start at once; what each page then says, and the seconds until the last one did."""
    viewers = [Viewer(port, query=query) for _ in range(count)]
    try:
        await at_most(TOGETHER, [viewer.open() for viewer in viewers])
        began = time.monotonic()
        starts = [WidgetState(id=viewer.widget("Start").id, trigger_value=True) for viewer in viewers]
        for viewer, start in zip(viewers, starts, strict=True):
            await viewer.rerun([start])
        await asyncio.gather(*(viewer.settled(SLOW_S) for viewer in viewers))
        return [viewer.text() for viewer in viewers], time.monotonic() - began
    finally:
        await asyncio.gather(*(viewer.close() for viewer in viewers))


async def come_and_go(port: int, times: int) -> None:
    """So many visitors open the page and leave at once, ten at a time."""

    async def visit() -> None:
        async with Viewer(port):
            pass

    await at_most(10, [visit() for _ in range(times)])


async def flood_widgets(port: int, ids: int, messages: int, size: int = 1_900_000, within_s: float = 30.0) -> str:
    """Sends states that belong to no widget, never waiting for an answer.

    Returns why the server closed the connection, "held back" where it took no more in time, empty where it took all.
    """
    viewer = Viewer(port)
    await viewer.open()
    try:
        async with asyncio.timeout(within_s):
            for number in range(messages):
                await viewer.rerun([WidgetState(id=f"$$ID-{n:032x}-{number}", bool_value=True) for n in range(ids)])
                await viewer.rerun([WidgetState(id=f"$$ID-{number:032x}-big", string_value="x" * size)])
            while not (viewer.closed or viewer.answered):
                await asyncio.sleep(0.05)
        return viewer.closed
    except TimeoutError:
        return "held back"
    finally:
        await viewer.abort()


async def highest_mb(server: Server, storm: Coroutine[Any, Any, Found]) -> tuple[Found, float]:
    """What a storm gives, and the web process' highest resident size meanwhile."""
    highest, task = resident_mb(server), asyncio.ensure_future(storm)
    while not task.done():
        await asyncio.sleep(0.1)
        highest = max(highest, resident_mb(server))
    return task.result(), highest


class NeverReads:
    """A client that asks for the page again and again and takes nothing that comes."""

    def __init__(self, port: int) -> None:
        self.viewer = Viewer(port)
        self.asked = 0

    async def ask(self, for_s: float, each_s: float = 0.1) -> None:
        """Asks until the time is over, or the server has had enough."""
        await self.viewer.load()
        await self.viewer.connect(reads=False)
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            try:
                async with asyncio.timeout(max(0.1, end - time.monotonic())):
                    await self.viewer.rerun()
            except TimeoutError:
                break
            self.asked += 1
            await asyncio.sleep(each_s)

    async def close(self) -> None:
        """Cuts the connection without a word."""
        await self.viewer.abort()


async def delays_beside(viewer: Viewer, run_id: str, for_s: float) -> list[float]:
    """Seconds that each request for a live run's rows takes."""
    delays, end = [], time.monotonic() + for_s
    while time.monotonic() < end:
        began = time.monotonic()
        answer = await viewer.http.get(f"/api/runs/{run_id}/rows?after=0")
        if answer.status != 200:
            raise BenchmarkError(f"The rows' route answered {answer.status}.")
        delays.append(time.monotonic() - began)
        await asyncio.sleep(0.1)
    return delays


async def upload(port: int, files: int, size: int) -> list[int]:
    """Puts so many files into one session as a page's upload field would; the status of each answer."""
    async with Viewer(port) as viewer:
        token = viewer.http.cookies.get("_streamlit_xsrf", "")
        head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.png"\r\n\r\n'
        body, statuses = head + b"x" * size + b"\r\n--b--\r\n", []
        for number in range(files):
            answer = await viewer.http.get(
                f"/_stcore/upload_file/{viewer.session_id}/f{number}",
                "PUT",
                body,
                Content_Type="multipart/form-data; boundary=b",
                X_Xsrftoken=token,
            )
            statuses.append(answer.status)
        return statuses


# --- the figures ------------------------------------------------------------------------------------------


def submissions(server: Dashboard, size: Size) -> list[Result]:
    """How many of all too many submissions are taken, and whether each of the others gets its sentence."""
    texts, took_s = asyncio.run(submit_at_once(server.port, size.submissions))
    taken, most = len(server.store.open_runs()), 1 + (HostedLimits().queue or 0)
    told = sum(FULL_QUEUE in text for text in texts)
    silent = size.submissions - taken - told
    what = f"{size.submissions} submissions at once"
    note = f"{taken} taken, {told} refused with the sentence"
    return [
        Result(f"{what}, taken beyond 1 running and {most - 1} queued", once(max(0, taken - most)), "count", 0, note),
        Result(f"{what}, neither taken nor told why not", once(abs(silent)), "count", 0),
        Result(f"{what}, until the last one had its answer", once(took_s), "s"),
    ]


def connects(server: Dashboard, size: Size) -> list[Result]:
    """What is left of visitors who have gone."""
    asyncio.run(come_and_go(server.port, min(STORED_SESSIONS, size.connects)))
    before = resident_mb(server)
    asyncio.run(come_and_go(server.port, size.connects))
    growth = resident_mb(server) / before - 1
    note = f"from {before:.0f} MB"
    return [Result(f"{size.connects:,} connects, the web process' growth", once(growth), "x", MEMORY_GROWTH_GOAL, note)]


def floods(server: Dashboard, size: Size) -> list[Result]:
    """What widget states and uploads that nobody asked for leave behind."""
    asyncio.run(come_and_go(server.port, 3))
    before = resident_mb(server)
    closed, highest = asyncio.run(highest_mb(server, flood_widgets(server.port, size.ids, size.messages)))
    widgets, before = highest - before, resident_mb(server)
    statuses, highest = asyncio.run(highest_mb(server, upload(server.port, size.uploads, 900_000)))
    files = highest - before
    refused = f"{sum(status >= 400 for status in statuses)} of {size.uploads} refused"
    note = f"the connection: {closed}" if closed else "all of it was taken"
    return [
        Result("Widget flood, the web process' growth", once(max(0.0, widgets)), "MB", HELD_GOAL_MB, note),
        Result("Uploads into one session, the web process' growth", once(max(0.0, files)), "MB", HELD_GOAL_MB, refused),
    ]


async def beside_one_that_never_reads(server: Dashboard, for_s: float) -> tuple[list[float], float, int]:
    """The delays of others, the memory's growth in MB, and how often the client asked."""
    async with Viewer(server.port, query="epochs=10&batch_size=16") as viewer:
        await viewer.press("Start")
        before, slow = resident_mb(server), NeverReads(server.port)
        delays, _ = await asyncio.gather(delays_beside(viewer, server.newest(), for_s), slow.ask(for_s))
        growth = resident_mb(server) - before
        await slow.close()
        return delays, growth, slow.asked


def never_reads(server: Dashboard, size: Size) -> list[Result]:
    """What others feel of a client that takes nothing."""
    delays, growth, asked = asyncio.run(beside_one_that_never_reads(server, size.slow_s))
    what = f"Beside a client that reads nothing for {size.slow_s:.0f} s"
    p95 = quantiles(delays, n=20)[-1]
    note = f"it asked {asked} times; slowest request {max(delays):.2f} s"
    return [
        Result(f"{what}, a request for rows, p95", once(p95), "s", DELAY_GOAL_S, note),
        Result(f"{what}, the web process' growth", once(max(0.0, growth)), "MB", HELD_GOAL_MB),
    ]


def once(value: float) -> Any:
    """One sample."""
    return quantile([value])


def measure(size: Size) -> list[Result]:
    """Each storm on a server of its own."""
    found: list[Result] = []
    for storm in (submissions, connects, floods, never_reads):
        log.info("  %s", storm.__name__)
        with dashboard(spares=False, environment={"DUEL_PROFILE": "hosted"}) as server:
            try:
                found += storm(server, size)
            except ViewerError as error:
                raise BenchmarkError(f"{storm.__name__}: {error}") from None
    return found
