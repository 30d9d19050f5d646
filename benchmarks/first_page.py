"""The first page beside a minimal Streamlit app."""

import logging
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.result import Result, quantile
from benchmarks.server import Server, dashboard, minimal_app
from benchmarks.visitor import TITLE, chromium, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOW = """
The Train page as a visitor finds it on an empty data folder, beside `streamlit run` on a file with one `st.title`,
both served at the same time on this machine and at rest, each visited once before. From the navigation to the page
settled: connected, script not running, title visible, and so for at least 0.5 s (a later rerun starts the wait anew);
a MutationObserver notes the moment. Every visit has a fresh browser context. First visit: nothing cached in the
browser. Second visit: a new page in the same context, so Streamlit's and our own files come from its cache. Both
sessions are new to the server. Pairs in the order A B, B A; a ratio for each pair. The goal is on the first visit.
"""

GOAL = 1.25
VISITS = ("first", "second")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many pairs."""

    pairs: int


FULL = Size(pairs=10)
QUICK = Size(pairs=2)


def visit(browser: "Browser", server: Server, title: str) -> tuple[float, ...]:
    """Seconds until the page is settled, at a person's first and second visit."""
    context = browser.new_context()
    times = []
    for _ in VISITS:
        page, settled_s = open_page(context, server.url, title)
        times.append(settled_s)
        page.close()
    context.close()
    return tuple(times)


def measure(size: Size) -> list[Result]:
    """Ratios of the first and of the second visit."""
    with dashboard(spares=True) as ours, minimal_app() as minimal, chromium() as browser:
        ours.wait_until_ready()
        sides = [(ours, TITLE), (minimal, "Minimal")]
        for side in sides:
            visit(browser, *side)
        pairs: list[dict[str, tuple[float, ...]]] = []
        for number in range(size.pairs):
            order = sides if number % 2 == 0 else sides[::-1]
            pairs.append({title: visit(browser, server, title) for server, title in order})
            log.info("  pair %d of %d: %s", number + 1, size.pairs, pairs[-1])
    found = []
    for i, name in enumerate(VISITS):
        ratio = quantile([pair[TITLE][i] / pair["Minimal"][i] for pair in pairs])
        note = ", ".join(f"{title} {median(pair[title][i] for pair in pairs):.2f} s" for _, title in sides)
        goal = GOAL if name == "first" else None
        found.append(Result(f"First page / minimal Streamlit app, {name} visit", ratio, "x", goal, note))
    return found
