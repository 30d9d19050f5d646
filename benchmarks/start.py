"""Start to the first live point: what a protocol client gets, and what is seen in Chromium."""

import logging
import time
from dataclasses import dataclass

from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import Dashboard, RowsClient, dashboard
from benchmarks.visitor import chromium, link, open_page, press_start, wait_until
from core.experiment.settings import TrainSettings

HOW = """
A run as shipped (Keras and PyTorch in turns, every setting its default but one epoch), started by a click in Chromium
on the same machine. The clock starts at the click, as the browser notes it, and stops when a protocol client that asks
every 0.1 s has the first `step` row of either lane. The browser's live chart follows the same run; its first point
counts when the frame that shows it was painted. Warm: the spares of both frameworks are imported and wait. Cold:
DUEL_SPARES=false, and each time a fresh server on an empty data folder, so that the imports and the preparation of the
embedded data are inside; the disk's cache is warm.
"""

POLL_S = 0.1
LIMIT_S = 120
WARM_GOAL_S, COLD_GOAL_S = 2.0, 15.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many times Start is pressed."""

    warm: int
    cold: int


FULL = Size(warm=5, cold=3)
QUICK = Size(warm=1, cold=1)


@dataclass(frozen=True)
class Started:
    """Seconds from the click."""

    client_s: float
    drawn_s: float


def trial(server: Dashboard) -> Started:
    """One press of Start; returns when the run has ended."""
    with chromium() as browser:
        page, _ = open_page(browser.new_context(), link(server, TrainSettings(epochs=1)))
        server.wait_until_ready()
        run_id = press_start(page, server)
        arrived = first_step(RowsClient(server, run_id))
        wait_until(page, "bench.drawn !== null")
        clicked, drawn = page.evaluate("[bench.clicked / 1000, bench.drawn / 1000]")
    server.wait_for_end(run_id)
    return Started(arrived - clicked, drawn - clicked)


def first_step(client: RowsClient) -> float:
    """The Unix time at which the client had the first step."""
    end = time.monotonic() + LIMIT_S
    while client.live and time.monotonic() < end:
        if any(row["kind"] == "step" for row in client.fetch()):
            return time.time()
        time.sleep(POLL_S)
    raise BenchmarkError("No step came.")


def warm(times: int) -> list[Started]:
    """One server, its spares ready before each press."""
    with dashboard(spares=True) as server:
        found = []
        for number in range(1, times + 1):
            server.wait_until_ready()
            found.append(trial(server))
            log.info("  warm %d of %d: %.2f s, drawn %.2f s", number, times, found[-1].client_s, found[-1].drawn_s)
        return found


def cold(times: int) -> list[Started]:
    """A fresh server each."""
    found = []
    for number in range(1, times + 1):
        with dashboard(spares=False) as server:
            found.append(trial(server))
        log.info("  cold %d of %d: %.2f s, drawn %.2f s", number, times, found[-1].client_s, found[-1].drawn_s)
    return found


def measure(size: Size) -> list[Result]:
    """Warm, then cold."""
    found = []
    for name, starts, goal in (
        ("warm", warm(size.warm), WARM_GOAL_S),
        ("cold", cold(size.cold), COLD_GOAL_S),
    ):
        arrived, drawn = [start.client_s for start in starts], [start.drawn_s for start in starts]
        found.append(Result(f"Start to the first live point, {name}", quantile(arrived), "s", goal))
        found.append(Result(f"Start to the first point drawn in Chromium, {name}", quantile(drawn), "s"))
    return found
