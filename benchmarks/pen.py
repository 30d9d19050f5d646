"""Pen up to both answers on screen."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import dashboard
from benchmarks.visitor import chromium, open_page, wait_until
from tests.strokes import PATHS

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOW = """
The Draw page in Chromium, with the weights of a recorded duel and both predictors warm. A digit is drawn by moving the
mouse along its path; the pad marks pen up and the frame after the one in which both answers to that very drawing were
painted, both on the browser's own clock. Answers while the pen is still down, up to five a second, are not counted, nor
are the first drawings, which warm up.
"""

GOAL_P50_S, GOAL_P95_S = 0.1, 0.25
WARM_UP = 5
ANSWER_S = 20.0

MARKED = """(serial) => {
  const at = (name) => performance.getEntriesByName(name + serial).at(-1)?.startTime;
  const up = at("duel-pen-up-"), answer = at("duel-answer-");
  return up !== undefined && answer !== undefined ? (answer - up) / 1000 : null;
}"""
ANSWERED = """() => {
  const pad = document.querySelector("[data-testid=digit-pad]").dataset;
  return pad.answered !== "" && pad.answered === pad.serial;
}"""
LOADED = "() => document.querySelector('.digit-pad-words')?.innerText.includes('Loading') === false"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many drawings are counted."""

    drawings: int


FULL = Size(drawings=100)
QUICK = Size(drawings=5)


def draw(page: "Page", digit: int) -> float:
    """Draws one digit; seconds from its last pen up to its answer on screen."""
    box = page.locator(".digit-pad-canvas").bounding_box()
    if box is None:
        raise BenchmarkError("The drawing pad is not on the page.")
    for path in PATHS[digit]:
        spots = [
            (box["x"] + box["width"] * (0.2 + 0.6 * x), box["y"] + box["height"] * (0.1 + 0.8 * y)) for x, y in path
        ]
        page.mouse.move(*spots[0])
        page.mouse.down()
        for spot in spots[1:]:
            page.mouse.move(*spot)
        page.mouse.up()
    serial = page.get_attribute("[data-testid=digit-pad]", "data-serial")
    wait_until(page, ANSWERED, limit_s=ANSWER_S)
    wait_until(page, MARKED, serial, ANSWER_S)
    seconds = page.evaluate(MARKED, serial)
    page.get_by_role("button", name="Clear").click()
    page.wait_for_timeout(300)
    return float(seconds)


def measure(size: Size) -> list[Result]:
    """The median and the 95th percentile over all drawings."""
    with dashboard(spares=True) as server, chromium() as browser:
        server.wait_until_ready()
        page, _ = open_page(browser.new_context(), f"{server.url}/draw", "Draw")
        wait_until(page, LOADED, limit_s=120)
        times = [draw(page, number % 10) for number in range(WARM_UP + size.drawings)][WARM_UP:]
    log.info("  %d drawings", len(times))
    return [
        Result("Pen up to both answers on screen, p50", quantile(times), "s", GOAL_P50_S),
        Result("Pen up to both answers on screen, p95", quantile(times, 0.95), "s", GOAL_P95_S),
    ]
