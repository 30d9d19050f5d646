"""What a phone loads at a first visit to each page: how much, what never, and that nothing moves while it comes."""

import math
import threading
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser
from websockets.sync.server import ServerConnection, serve

from benchmarks.page_load import KIB, PHONE, SLOW_PHONE, PageLoad, Visit
from tests.browser.conftest import TITLES, Server

QUIET_S = 1.0
MOST_KIB, MOST_SHIFT = 2600, 0.05
MOST_REQUESTS = 30
"""A minimal app makes 67: it fetches Streamlit's scripts one by one (`core/web/server/merged.py`)."""
NEVER = ("PlotlyChart", "StreamlitSyntaxHighlighter", "arrowFormatUtils")
"""Streamlit's own chart, highlighter and tables, as their files' names begin."""
HEIGHT_PX: int = PHONE["viewport"]["height"]
NEAR_PX = 400
"""As `core/web/components/figure/figure.js` has it."""

# Not by the wheel: a shift that follows an input would not count.
SCROLL_ON = """(pixels) => {
  const main = document.querySelector("[data-testid=stMain]");
  main.scrollBy(0, pixels);
  return main.scrollTop + main.clientHeight < main.scrollHeight - 1;
}"""
FIRST_FIGURE = """() => Math.min(...[...document.querySelectorAll(".figure, .live-chart-plot")]
    .filter((figure) => figure.checkVisibility()).map((figure) => figure.getBoundingClientRect().top))"""


@dataclass(frozen=True)
class Walk:
    """A first visit as it stands, and once the page was scrolled to its end."""

    path: str
    first: PageLoad
    whole: PageLoad
    first_figure_px: float
    """From the window's top, before anything was scrolled; infinite where there is no figure."""


@pytest.fixture(scope="module", params=TITLES, ids=lambda path: path or "train")
def walk(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Walk:
    path: str = request.param
    context = browser.new_context(**PHONE)
    visit = Visit(context, QUIET_S)
    first = visit.open(f"{server.url}/{path}", TITLES[path])
    first_figure_px = visit.page.evaluate(FIRST_FIGURE)
    while visit.page.evaluate(SCROLL_ON, HEIGHT_PX):
        visit.page.wait_for_timeout(100)
    visit.rest(TITLES[path])
    whole = visit.load()
    context.close()
    return Walk(path, first, whole, first_figure_px)


def files(load: PageLoad) -> list[str]:
    return [request.name for request in load.requests]


def test_a_first_visit_is_light(walk: Walk) -> None:
    assert walk.first.received_bytes / KIB <= MOST_KIB, walk.first.heaviest(10)
    assert len(walk.first.requests) <= MOST_REQUESTS, sorted(files(walk.first))


def test_nothing_moves_while_a_page_comes_or_is_scrolled(walk: Walk) -> None:
    assert walk.first.layout_shift <= MOST_SHIFT, walk.first.most_shifted()
    assert walk.whole.layout_shift <= MOST_SHIFT, walk.whole.most_shifted()


def test_streamlits_own_chart_highlighter_and_tables_never_come(walk: Walk) -> None:
    assert not [name for name in files(walk.whole) if name.startswith(NEVER)]


def test_plotly_comes_once_and_not_before_a_figure_is_near(walk: Walk) -> None:
    near = walk.first_figure_px < HEIGHT_PX + NEAR_PX
    assert files(walk.first).count("plotly.min.js") == near, f"the first figure stands at {walk.first_figure_px} px"
    assert files(walk.whole).count("plotly.min.js") == math.isfinite(walk.first_figure_px)
    if walk.path == "":
        assert not near, "Train's first screen needs no figure"


def test_the_emulated_line_holds_for_the_websocket_too(browser: Browser) -> None:
    seconds = 1.0
    payload = bytes(int(seconds * SLOW_PHONE.down_bit_s / 8))

    def send(connection: ServerConnection) -> None:
        connection.send(payload)
        connection.recv()

    context = browser.new_context(**PHONE)
    with serve(send, "127.0.0.1", 0, compression=None) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        visit = Visit(context, QUIET_S, SLOW_PHONE)
        took_ms = visit.page.evaluate(
            """(url) => new Promise((resolve) => {
                const [began, socket] = [performance.now(), new WebSocket(url)];
                socket.onmessage = () => { resolve(performance.now() - began); socket.send(""); };
            })""",
            f"ws://127.0.0.1:{listening.socket.getsockname()[1]}",
        )
        assert 0.9 * seconds <= took_ms / 1000, "Chromium lets the WebSocket by"
        while not visit.wire.socket_bytes:  # told a moment after the page has it
            visit.page.wait_for_timeout(50)
        assert visit.wire.socket_bytes == len(payload)
        context.close()
