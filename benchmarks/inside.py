"""A layer chosen inside both models to its pictures on screen."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.pen import ANSWERED, LOADED
from benchmarks.result import Result, quantile
from benchmarks.server import dashboard
from benchmarks.visitor import chromium, open_page, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOW = """
The Draw page in Chromium, with the weights of a recorded duel and both predictors warm, a test image drawn and both
models unfolded. The network's layers are chosen one after the other, by pressing. Counted from the press' event to
the frame in which the words to the chosen layer stood there and all pictures beside them were decoded, both on the
browser's own clock. The first layers, which warm up, are not counted.
"""

GOAL_P95_S = 0.4
WARM_UP = 6

PRESS = """(layer) => {
  const button = [...document.querySelectorAll("[role=radio]")].find((each) => each.textContent === layer);
  window.chosen = { from: performance.now(), to: null };
  const look = async () => {
    const shown = document.querySelector(".inside");
    if (!shown?.textContent.startsWith(layer)) return requestAnimationFrame(look);
    await Promise.all([...shown.querySelectorAll("img")].map((each) => each.decode()));
    requestAnimationFrame(() => (window.chosen.to = performance.now()));
  };
  button.click();
  look();
}"""
SHOWN = "() => window.chosen.to !== null"
TOOK_S = "() => (window.chosen.to - window.chosen.from) / 1000"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many choices are counted."""

    choices: int


FULL = Size(choices=100)
QUICK = Size(choices=5)


def choose(page: "Page", layer: str) -> float:
    """Chooses a layer that is not the one shown; seconds from the press to its pictures."""
    page.evaluate(PRESS, layer)
    wait_until(page, SHOWN)
    return float(page.evaluate(TOOK_S))


def measure(size: Size) -> list[Result]:
    """The median and the 95th percentile over all choices."""
    with dashboard(spares=True) as server, chromium() as browser:
        server.wait_until_ready()
        page, _ = open_page(browser.new_context(), f"{server.url}/draw", "Draw")
        wait_until(page, LOADED, limit_s=120)
        page.locator(".digit-pad-sample").nth(3).click()
        wait_until(page, ANSWERED, limit_s=20)
        page.get_by_text("Look inside both models").click()
        page.locator(".inside").wait_for()
        layers = page.locator("[role=radiogroup]:not(.digit-pad-samples) [role=radio]").all_text_contents()
        times = [choose(page, layers[number % len(layers)]) for number in range(1, 1 + WARM_UP + size.choices)][
            WARM_UP:
        ]
    log.info("  %d layers", len(times))
    return [
        Result("Layer chosen to its pictures on screen, p50", quantile(times), "s"),
        Result("Layer chosen to its pictures on screen, p95", quantile(times, 0.95), "s", GOAL_P95_S),
    ]
