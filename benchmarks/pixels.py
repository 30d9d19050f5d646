"""An epoch's end in the worker to its pixels in Chromium, on the same busy machine."""

import json
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import dashboard
from benchmarks.visitor import chromium, link, open_page, press_start
from core.experiment.settings import TrainSettings

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOW = """
One run of Keras and PyTorch in turns, watched in Chromium from its start to its end, everything on one
machine. The worker's clock: the Unix time at which an `epoch` event is about to be written, training and validation
behind it; a wrapper around `core.protocol.lines.encode` notes it (`benchmarks/clock`). The browser's clock: the
performance mark that the live chart sets after the frame with that epoch was painted, `performance.timeOrigin` added.
The two clocks are compared at the end, and must agree to 5 ms. One sample for each epoch of each lane.
"""

GOALS_S = {0.5: 0.25, 0.95: 0.5}
CLOCK_FOLDER = Path(__file__).with_name("clock")
MOST_SKEW_MS = 5.0
# How far performance's clock is from Date's, which shows whole milliseconds: the smallest difference of many looks.
SKEW = """() => Math.min(...Array.from({ length: 2000 }, () =>
  performance.timeOrigin + performance.now() - Date.now()))"""
MARKS = """() => performance.getEntriesByType("mark")
  .map((mark) => [mark.name, performance.timeOrigin + mark.startTime])"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """The run that is watched."""

    epochs: int
    batch_size: int


FULL = Size(epochs=40, batch_size=126)
QUICK = Size(epochs=3, batch_size=1200)


def delays_s(page: "Page", clock: Path, settings: TrainSettings) -> list[float]:
    """Seconds from the end to the pixels, for every epoch. Raises `BenchmarkError` where one was never drawn."""
    skew_ms = page.evaluate(SKEW)
    if abs(skew_ms) > MOST_SKEW_MS:
        raise BenchmarkError(f"The browser's clock is {skew_ms:.0f} ms from the machine's: no time can be told.")
    marks = page.evaluate(MARKS)
    ended = [json.loads(line) for line in clock.read_text().splitlines()]
    if len(ended) != settings.epochs * len(settings.engines):
        raise BenchmarkError(f"The workers noted {len(ended)} epochs.")
    delays = []
    for end in ended:
        name, ended_ms = f"duel-row-{end['engine']}-{end['epoch']}", end["unix_ns"] / 1e6
        # A first visit draws a recorded run, whose epochs have the same names: only what comes after counts.
        drawn = [at for mark, at in marks if mark == name and at >= ended_ms]
        if not drawn:
            raise BenchmarkError(f"Chromium never drew {name}.")
        delays.append((min(drawn) - ended_ms) / 1000)
    return delays


def measure(size: Size) -> list[Result]:
    """One run, two quantiles."""
    settings = TrainSettings(epochs=size.epochs, batch_size=size.batch_size)
    with tempfile.TemporaryDirectory(prefix="duel-bench-") as folder:
        clock = Path(folder) / "epochs.jsonl"
        environment = {"PYTHONPATH": str(CLOCK_FOLDER), "BENCH_EPOCH_CLOCK": str(clock)}
        with dashboard(spares=True, environment=environment) as server, chromium() as browser:
            server.wait_until_ready()
            page, _ = open_page(browser.new_context(), link(server, settings))
            run_id = press_start(page, server)
            log.info("  one run of %d epochs", size.epochs)
            server.wait_for_end(run_id)
            page.wait_for_timeout(1000)  # the last epoch's frame
            delays = delays_s(page, clock, settings)
    log.info("  %d epochs: fastest %.3f s, slowest %.3f s", len(delays), min(delays), max(delays))
    return [
        Result(f"Epoch's end in the worker to pixels, p{100 * fraction:.0f}", quantile(delays, fraction), "s", goal)
        for fraction, goal in GOALS_S.items()
    ]
