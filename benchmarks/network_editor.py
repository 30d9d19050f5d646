"""A letter typed into the network editor to the network redrawn."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.result import Result, quantile
from benchmarks.server import dashboard
from benchmarks.visitor import chromium, open_page, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOW = """
The Train page of an empty data folder in Chromium, with a recorded duel below and the network editor open. Letters are
typed at the end of the text, one at a time, so that each makes another network, most of them wrong. Counted from the
key's event to the frame in which rows, drawing, shapes and totals were those of that very text, both on the browser's
own clock. The first letters, which warm up, are not counted.
"""

GOAL_P95_S = 0.3
WARM_UP = 5
TEXT = "conv 30 3 relu, maxpool 2, conv 62 3 relu, maxpool 2, flatten, dropout, dense 10"
TYPED = ", batchnorm, relu, dense 64 gelu, dropout 0.2, dense 10"

WATCH = """() => {
  window.typed = {};
  const editor = document.querySelector("[data-testid=network-editor]");
  const text = editor.querySelector("textarea");
  // Ours comes after the editor's own listener, which has numbered the text by then.
  text.addEventListener("input", (event) => (typed[editor.dataset.serial] = [event.timeStamp, null]));
  new MutationObserver(() => {
    const times = typed[editor.dataset.drawn];
    if (times) requestAnimationFrame(() => (times[1] ??= performance.now()));
  }).observe(editor, { attributes: true, attributeFilter: ["data-drawn"] });
}"""
DRAWN = """(serial) => {
  const [from, to] = window.typed[serial] ?? [null, null];
  return from !== null && to !== null ? (to - from) / 1000 : null;
}"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many letters are counted."""

    letters: int


FULL = Size(letters=100)
QUICK = Size(letters=5)


def type_one(page: "Page", letter: str) -> float:
    """Types one letter; seconds from its event to the network redrawn."""
    page.keyboard.press("Space" if letter == " " else letter)
    serial = page.get_attribute("[data-testid=network-editor]", "data-serial")
    wait_until(page, f"(serial) => ({DRAWN})(serial) !== null", serial)
    return float(page.evaluate(DRAWN, serial))


def measure(size: Size) -> list[Result]:
    """The 95th percentile over all letters."""
    times: list[float] = []
    with dashboard(spares=False) as server, chromium() as browser:
        page, _ = open_page(browser.new_context(), server.url)
        page.locator("[data-testid=network-editor] summary").click()
        area = page.locator("[data-testid=network-editor] textarea")
        page.evaluate(WATCH)
        while len(times) < WARM_UP + size.letters:
            area.fill(TEXT)
            area.press("End")
            times += [type_one(page, letter) for letter in TYPED]
    counted = times[WARM_UP : WARM_UP + size.letters]
    log.info("  %d letters", len(counted))
    return [
        Result("Letter typed to network redrawn, p50", quantile(counted), "s"),
        Result("Letter typed to network redrawn, p95", quantile(counted, 0.95), "s", GOAL_P95_S),
    ]
