"""A person in Chromium: opens a page, presses Start, and the browser's own clock says when what was there."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from benchmarks.result import BenchmarkError
from benchmarks.server import Dashboard
from core.experiment.settings import TrainSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

TITLE = "Keras vs PyTorch"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
WAIT_S = 60.0
SETTLED_FOR_MS = 500
"""A page is settled where it stays so for this long; what counts is when that began."""

# Milliseconds since the navigation: null while the page is not settled. A mutation is seen at once, without polling.
WATCH_SETTLING = """
window.bench = { settled: null };
new MutationObserver(() => {
  const app = document.querySelector('[data-testid="stApp"]')?.dataset;
  const title = () => [...document.querySelectorAll("h1")].find((h) => h.textContent.includes(%s));
  const settled =
    app?.testConnectionState === "CONNECTED" && app.testScriptState === "notRunning" && title()?.checkVisibility();
  bench.settled = settled ? (bench.settled ?? performance.now()) : null;
}).observe(document, { subtree: true, childList: true, attributes: true });
"""

# Unix milliseconds of the click on Start, and of the frame in which the first point of the run was painted: the
# loss chart's "Waiting for the first step." goes when it gets one. An earlier run's chart shows no such words.
WATCH_START = """
bench.clicked = bench.drawn = null;
const now = () => performance.timeOrigin + performance.now();
const waits = () => document.querySelector(".live-chart-box-loss .live-chart-waiting")?.checkVisibility();
let waited = false;
addEventListener("click", () => (bench.clicked ??= now()), { capture: true, once: true });
const watch = new MutationObserver(() => {
  if (bench.clicked === null) return;
  if (waits()) waited = true;
  else if (waited && waits() === false) {
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => (bench.drawn = now())));
  }
});
watch.observe(document, { subtree: true, childList: true, attributes: true });
"""


@contextmanager
def chromium() -> "Iterator[Browser]":
    """A browser of its own, closed at the block's end."""
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import find_chromium

    path = find_chromium()
    with sync_playwright() as playwright:
        # A Ctrl-C ends the benchmark, which then closes the browser: it must not go by itself before.
        browser = playwright.chromium.launch(
            executable_path=path, args=list(FLAGS), handle_sigint=False, handle_sigterm=False
        )
        try:
            yield browser
        finally:
            browser.close()


def wait_until(page: "Page", holds: str, argument: Any = None, limit_s: float = WAIT_S) -> None:
    """Returns once the JavaScript `holds` is true, asked every 0.05 s. Raises `BenchmarkError`.

    Playwright's own waiting evaluates text within the page, which the dashboard's Content Security Policy forbids.
    """
    end = time.monotonic() + limit_s
    while not page.evaluate(holds, argument):
        if time.monotonic() > end:
            raise BenchmarkError(f"Not within {limit_s:.0f} s: {holds.strip().splitlines()[0]}")
        time.sleep(0.05)


def open_page(context: "BrowserContext", url: str, title: str = TITLE) -> "tuple[Page, float]":
    """A new page at `url`, and the seconds from its navigation until it was settled."""
    page = context.new_page()
    page.set_default_timeout(1000 * WAIT_S)
    page.add_init_script(WATCH_SETTLING % json.dumps(title))
    page.goto(url, wait_until="commit", timeout=1000 * WAIT_S)
    settled = f"window.bench?.settled != null && performance.now() - bench.settled > {SETTLED_FOR_MS}"
    wait_until(page, settled)
    return page, page.evaluate("bench.settled") / 1000


def link(server: Dashboard, settings: TrainSettings) -> str:
    """The Train page with these settings in its fields."""
    defaults = TrainSettings().as_json()
    chosen = {name: value for name, value in settings.as_json().items() if value != defaults[name]}
    texts = {name: ",".join(value) if isinstance(value, list) else value for name, value in chosen.items()}
    return f"{server.url}/?{urlencode(texts)}"


def press_start(page: "Page", server: Dashboard) -> str:
    """Presses Start on a settled Train page; returns the run's id once the run is in the store."""
    before = server.newest()
    page.evaluate(f"() => {{ {WATCH_START} }}")
    page.get_by_role("button", name="Start", exact=True).click()
    return server.wait_for_another(before)


def start_and_leave(server: Dashboard, settings: TrainSettings) -> str:
    """Starts a run as a person does, then closes the browser altogether: from then on nobody watches."""
    with chromium() as browser:
        page, _ = open_page(browser.new_context(), link(server, settings))
        return press_start(page, server)
