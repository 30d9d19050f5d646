"""Watching a run, drawing a digit and every other page in Firefox: nothing there may go wrong or scroll sideways."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.web.draw.drawing import EXAMPLE
from tests.browser.conftest import CHARTS, SETTLED, SIDEWAYS, TITLES, Server, wait_for
from tests.browser.firefox import BLANK, Firefox
from tests.browser.test_draw import ANSWERED, CANVAS, PAD, PLACES, spots
from tests.processes.serve import FakeDashboard, fake_dashboard
from tests.strokes import PATHS

EPOCHS, STEPS = 4, 20
STREAMLITS_OWN = "blocked WebAssembly (script-src)"
"""Its 64-bit numbers try WebAssembly, which our policy refuses, and do without. Of both browsers Firefox says so."""
POINTS = """(plot) => document.querySelector(plot).data.map((trace) => trace.y.filter((y) => y !== null).length)"""
LEFT_BEFORE_ITS_FONT = "status=2152398850"
"""Firefox' word for what it no longer loads since the page was left (NS_BINDING_ABORTED)."""
ASKS_FOR = """(run) => performance.getEntriesByType("resource")
    .some(({ name }) => name.includes(`/api/runs/${run}/`))"""


@pytest.fixture(scope="module")
def one_firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """The module's Firefox."""
    browser = Firefox(tmp_path_factory.mktemp("firefox"))
    yield browser
    browser.stop()


@pytest.fixture
def firefox(one_firefox: Firefox, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Firefox]:
    """The module's Firefox, which may meet no trouble during a test."""
    one_firefox.troubles.clear()
    yield one_firefox
    failed = getattr(request.node, "has_failed", False)
    if failed:
        one_firefox.photograph(tmp_path / "page.png")
    one_firefox.open(BLANK)
    harmless = (STREAMLITS_OWN, LEFT_BEFORE_ITS_FONT)
    troubles = [trouble for trouble in one_firefox.troubles if not any(one in trouble for one in harmless)]
    if failed:
        print(f"screenshot: {tmp_path / 'page.png'}; troubles: {troubles}")
    else:
        assert not troubles


@pytest.fixture
def dashboard(tmp_path: Path, prepared_data_dir: Path) -> Iterator[FakeDashboard]:
    """A server that also offers engines without a framework: quick, and a page shows them like the others."""
    with fake_dashboard(tmp_path, prepared_data_dir) as opened:
        yield opened


def open_page(firefox: Firefox, url: str, path: str, query: str = "") -> None:
    """The page at a path of a server, drawn, and not wider than the window."""
    firefox.open(f"{url}/{path}{query}")
    wait_for(f"{TITLES[path]} is drawn", lambda: firefox.text(f"{SETTLED} h1") == TITLES[path])
    assert not firefox.text("[data-testid=stException]")
    assert firefox.evaluate(SIDEWAYS) <= 0


def data(firefox: Firefox, selector: str, name: str) -> str:
    """An element's `data-` attribute; empty where there is none."""
    script = "(selector, name) => document.querySelector(selector)?.dataset[name] ?? ''"
    return str(firefox.evaluate(script, selector, name))


@pytest.mark.parametrize("path", ["compare", "runs", "learn"])
def test_every_other_page_is_drawn(firefox: Firefox, server: Server, path: str) -> None:
    open_page(firefox, server.url, path)


def test_a_digit_is_drawn_and_both_models_answer(firefox: Firefox, server: Server) -> None:
    open_page(firefox, server.url, "draw")
    wait_for("both models are loaded", lambda: EXAMPLE in firefox.text(PAD), 90)
    box = firefox.box(CANVAS)
    for path in PATHS[7]:
        firefox.drag(spots(path, box, PLACES[0]))
    wait_for("the drawing is answered", lambda: firefox.evaluate(ANSWERED))
    assert firefox.text(f"{PAD} .digit-pad-headline") == "Both read a 7."
    assert re.fullmatch(r"●Keras: 7 .*\n+◆PyTorch: 7 .*", firefox.text(f"{PAD} .digit-pad-tops"))


def test_a_run_is_watched_from_its_start_to_its_end(dashboard: FakeDashboard, firefox: Firefox) -> None:
    open_page(firefox, dashboard.url, "", f"?engines=fake-slow,fake-a&epochs={EPOCHS}&batch_size=180")
    firefox.click(".st-key-start button")
    wait_for("the run is written", dashboard.store.open_runs)
    (run,) = dashboard.store.open_runs()
    wait_for("the charts show it", lambda: firefox.evaluate(ASKS_FOR, run.id))
    firefox.evaluate("(charts) => { document.querySelector(charts).dataset.mark = 'the same node' }", CHARTS)
    growth: list[int] = []

    def has_ended() -> bool:
        if rows := data(firefox, CHARTS, "rows"):  # for a moment they may stand nowhere
            growth.append(int(rows))
        return data(firefox, CHARTS, "state") == "finished"

    wait_for("the run's end", has_ended)
    wait_for("the result", lambda: "Result in figures" in firefox.text("h2"))
    assert growth == sorted(growth)
    assert len(set(growth)) > 3, "the charts grew while it ran"
    assert data(firefox, CHARTS, "mark") == "the same node", "without a reload"
    assert firefox.evaluate(POINTS, f"{CHARTS} [data-chart=val_accuracy]") == [EPOCHS, EPOCHS]
    assert firefox.evaluate(POINTS, f"{CHARTS} [data-chart=loss]")[:2] == [EPOCHS * STEPS, EPOCHS * STEPS]
    cards = firefox.text(".lane-value").replace("\u00a0", " ").splitlines()
    lanes = dashboard.store.run(run.id).lanes
    assert cards == [f"{100 * (lane.test_accuracy or 0):.1f} %" for lane in lanes]
