"""The Runs page with ten thousand runs."""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.result import Result, quantile
from benchmarks.server import Dashboard, dashboard
from benchmarks.visitor import chromium, open_page, wait_until
from core.experiment.machine import this_machine
from core.experiment.settings import TrainSettings
from core.storage.database import LaneState
from core.storage.runs import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOW = """
A store with 10,000 finished runs, generated. Chromium has the Train page open and clicks on Runs in the navigation:
from the click, on the browser's clock, to the page settled with its title and its twenty rows. Then a name that one run
alone has is typed into the search: from Enter to that one row. A fresh session and a fresh browser context each time.
"""

GOAL_S = 1.0
ROWS = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many runs the store holds, and how many visits."""

    runs: int
    visits: int


FULL = Size(runs=10_000, visits=10)
QUICK = Size(runs=500, visits=2)

# Milliseconds from the action to the moment from which on so many rows stand and the script rests.
WATCH = """
(rows) => {
  const began = performance.now();
  window.benchRows = null;
  new MutationObserver(() => {
    const app = document.querySelector('[data-testid="stApp"]')?.dataset;
    const title = [...document.querySelectorAll("h1")].some((h) => h.textContent === "Runs" && h.checkVisibility());
    const shown = document.querySelectorAll('[data-testid="stCheckbox"]').length;
    const there = title && shown === rows && app?.testScriptState === "notRunning";
    window.benchRows = there ? (window.benchRows ?? performance.now() - began) : null;
  }).observe(document, { subtree: true, childList: true, attributes: true });
}
"""
SETTLED = "window.benchRows !== null"


def fill(store: Store, runs: int) -> None:
    """So many finished runs, in one transaction."""
    settings, machine = json.dumps(TrainSettings().as_json()), json.dumps(this_machine())
    store.open_for_writing()
    with store.write_transaction() as connection:
        for number in range(runs):
            run_id = f"20260101-{number // 3600 % 24:02d}{number // 60 % 60:02d}{number % 60:02d}-{number:08x}"
            when = f"2026-01-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}+00:00"
            connection.execute(
                "INSERT INTO runs (id, created_at, started_at, ended_at, state, settings, machine, name) "
                "VALUES (?, ?, ?, ?, 'finished', ?, ?, ?)",
                (run_id, when, when, when, settings, machine, f"number {number} of many"),
            )
            for position, engine in enumerate(TrainSettings().engines):
                lane = (run_id, engine, position, LaneState.FINISHED, 0.05, 0.98)
                columns = "run, engine, position, state, test_loss, test_accuracy"
                connection.execute(f"INSERT INTO lanes ({columns}) VALUES (?, ?, ?, ?, ?, ?)", lane)


def visit(browser: "Browser", server: Dashboard, wanted: str) -> tuple[float, float]:
    """Seconds until the page's rows stand, and until the one that was searched for does."""
    page, _ = open_page(browser.new_context(), server.url)
    page.evaluate(WATCH, ROWS)
    page.get_by_role("link", name="Runs", exact=True).click()
    wait_until(page, SETTLED)
    opened = page.evaluate("benchRows") / 1000
    field = page.get_by_placeholder("Name, title, engine, data set")
    field.fill(wanted)
    page.evaluate(WATCH, 1)
    field.press("Enter")
    wait_until(page, SETTLED)
    found = page.evaluate("benchRows") / 1000
    page.context.close()
    return opened, found


def measure(size: Size) -> list[Result]:
    """Opening and searching, each the median over visits."""
    with dashboard(spares=False) as server, chromium() as browser:
        fill(server.store, size.runs)
        times = []
        for number in range(size.visits + 1):
            times.append(visit(browser, server, f"number {size.runs // 2} of"))
            log.info("  visit %d of %d: %.2f s, %.2f s", number, size.visits, *times[-1])
    # The first one warms the server up.
    opened, found = zip(*times[1:], strict=True)
    return [
        Result(f"Runs page with {size.runs:,} runs, opened", quantile(opened), "s", GOAL_S),
        Result(f"Runs page with {size.runs:,} runs, one found by its name", quantile(found), "s", GOAL_S),
    ]
