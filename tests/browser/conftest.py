"""What the browser tests share: a real server on a free port, Chromium, and pages that are watched while they live."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlparse

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from core.storage.runs import Store
from tests.browser.chromium import find_chromium

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
PATIENCE_S = 30.0
"""How long anything may take on a busy machine before it counts as never."""
STORY_S = 180.0
"""The same for a whole run of both frameworks."""
expect.set_options(timeout=PATIENCE_S * 1000)

CONNECTED = "[data-testid=stApp][data-test-connection-state=CONNECTED]"
SETTLED = f"{CONNECTED}[data-test-script-state=notRunning]"
TITLES = {
    "": "Keras vs PyTorch",
    "study": "Study",
    "draw": "Draw",
    "compare": "Compare",
    "runs": "Runs",
    "learn": "Learn",
}
CHARTS = "[data-testid=live-chart]"
SIDEWAYS = """() => Math.max(...[document.scrollingElement, document.querySelector("[data-testid=stMain]")]
    .map((element) => element ? element.scrollWidth - element.clientWidth : 0))"""
"""By how many pixels the page can be scrolled sideways."""


def wait_for(
    what: str, condition: Callable[[], object], within_s: float = PATIENCE_S, page: Page | None = None
) -> float:
    """Waits until `condition` holds, in the browser's own time where there is a page; returns the seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s} s: {what}"
        if page is None:
            time.sleep(0.05)
        else:
            page.wait_for_timeout(50)
    return time.monotonic() - began


class Server:
    """`python -m core.serve` on a free port and a data folder of its own."""

    def __init__(self, folder: Path, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url, self.folder, self.log = f"http://127.0.0.1:{self.port}", folder, log
        environment = {"PORT": str(self.port), "DUEL_DATA_DIR": str(folder), "DUEL_SPARES": "false"}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core.serve"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> "Server":
        """Until it answers; looks at no page, so that a test can be the first to."""
        wait_for(f"the server answers ({self.log})", self._healthy)
        return self

    def _healthy(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(urllib.error.URLError, OSError):
            return bool(urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2).status == 200)
        return False

    def get(self, path: str) -> Any:
        """What a route answers, as JSON."""
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=10) as answer:
            return json.load(answer)

    def state(self, run_id: str) -> str:
        """A run's state, as the charts learn it."""
        return str(self.get(f"api/runs/{run_id}/rows?after=1000000000")["state"])

    def stop(self) -> None:
        """Ends it as a terminal would. Neither it nor any process of it may be left."""
        family = [self.process, *psutil.Process(self.process.pid).children(recursive=True)]
        pids = [process.pid for process in family]
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
            wait_for("no process is left", lambda: not any(psutil.pid_exists(pid) for pid in pids), within_s=10)
        finally:
            for process in family:
                with contextlib.suppress(psutil.Error, OSError):
                    process.kill()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()


@pytest.fixture(scope="module")
def start_server(prepared_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Server]]:
    """Starts servers with mnist5k ready, and ends them after the module."""
    started: list[Server] = []

    def start() -> Server:
        folder = tmp_path_factory.mktemp("served") / "data"
        folder.mkdir()
        (folder / "datasets").symlink_to(prepared_data_dir / "datasets")
        started.append(Server(folder, folder.parent / "server.log"))
        return started[-1]

    yield start
    faults = []
    for server in started:
        try:
            if server.process.poll() is None:
                server.stop()
        except AssertionError as fault:
            faults.append(fault)
    assert not faults, faults


@pytest.fixture(scope="module")
def server(start_server: Callable[[], Server]) -> Server:
    """The module's server."""
    return start_server().wait()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; of the package and not the session, since Playwright's loop would be in the way of asyncio's."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """A browser page on one server, and what went wrong while it lived."""

    def __init__(self, browser: Browser, server: Server, width: int = 1280, height: int = 900, **options: Any) -> None:
        self.server = server
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="light", accept_downloads=True, **options
        )
        self.context.set_default_timeout(PATIENCE_S * 1000)
        self.troubles: list[str] = []
        self.expects_troubles = False
        self.page = self.tab()

    def tab(self) -> Page:
        """Another tab of the same browser."""
        page = self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.troubles.append(f"script error: {error}"))
        page.on("request", self._check_host)
        return page

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text}")

    def _check_host(self, request: Any) -> None:
        address = urlparse(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != urlparse(self.server.url).netloc:
            self.troubles.append(f"asks another host: {request.url}")

    def open(self, path: str = "", **settings: object) -> Page:
        """The page at a path, drawn."""
        self.page.goto(f"{self.server.url}/{path}" + (f"?{urlencode(settings)}" if settings else ""))
        return settled(self.page, TITLES.get(path.strip("/"), TITLES[""]))

    def close(self, screenshot: Path | None = None) -> None:
        """Closes it all; a screenshot first where something failed."""
        if screenshot is not None:
            for number, page in enumerate(self.context.pages):
                target = screenshot / f"page-{number}.png"
                with contextlib.suppress(Exception):
                    page.screenshot(path=target, full_page=True, timeout=10_000)
                    print(f"screenshot: {target}")
        self.context.close()


def settled(page: Page, title: str = "Keras vs PyTorch") -> Page:
    """The page once its script has run, its title stands, and the code of every element has come: all can be read."""
    page.wait_for_selector(SETTLED, state="attached")
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    assert not page.locator("[data-testid=stException]").count()
    return page


OpenVisitor = Callable[..., Visitor]


@pytest.fixture
def visit(browser: Browser, server: Server, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenVisitor]:
    """Opens visitors of the module's server, or of another; none may meet an error or ask another host."""
    visitors: list[Visitor] = []

    def open_one(at: Server | None = None, width: int = 1280, height: int = 900, **options: Any) -> Visitor:
        visitors.append(Visitor(browser, at or server, width, height, **options))
        return visitors[-1]

    yield open_one
    failed = getattr(request.node, "has_failed", False)
    for visitor in visitors:
        visitor.close(tmp_path if failed else None)
    if not failed:
        assert not [trouble for visitor in visitors if not visitor.expects_troubles for trouble in visitor.troubles]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.failed:
        item.has_failed = True  # type: ignore[attr-defined]
    return report


# --- what is on the page ---------------------------------------------------------------------------------


def start_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Start", exact=True)


def stop_button(page: Page) -> Locator:
    main = page.get_by_test_id("stMain")  # Streamlit's header has a Stop of its own
    return main.get_by_role("button", name="Stop", exact=True)


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def plot(page: Page, chart: str) -> Locator:
    return page.locator(f"{CHARTS} [data-chart={chart}]")


def rows_shown(page: Page) -> int:
    """How many rows the charts have taken."""
    # The first: where the page begins to feed the charts they move into its fragment, and for a moment there are two.
    return int(page.locator(CHARTS).first.get_attribute("data-rows") or 0)


def run_shown(page: Page) -> str:
    """The id of the run that the charts fetch, from what they asked for last, whenever the answer came."""
    names = page.evaluate(
        "performance.getEntriesByType('resource').sort((a, b) => a.startTime - b.startTime).map((entry) => entry.name)"
    )
    ids = [name.split("/api/runs/")[1].split("/")[0] for name in names if "/api/runs/" in name]
    return str(ids[-1]) if ids else ""


def run_started(page: Page, server: Server) -> str:
    """The id of the run that was just started, once the charts show it and nothing else."""
    expect(stop_button(page)).to_be_visible()
    (run,) = Store(server.folder).open_runs()
    wait_for("the charts show the run", lambda: run_shown(page) == run.id, page=page)
    return run.id


def points(page: Page, chart: str) -> list[int]:
    """How many points each trace of a chart has."""
    script = "(plot) => (plot.data ?? []).map((trace) => trace.y.filter((y) => y !== null).length)"
    return list(plot(page, chart).evaluate(script))


def sideways(page: Page) -> int:
    """By how many pixels the page can be scrolled sideways."""
    return int(page.evaluate(SIDEWAYS))
