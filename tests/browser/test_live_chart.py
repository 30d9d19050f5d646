"""A long run while it lives: found again by a reload, a second tab and after a lost connection; fallbacks; Stop."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from core.experiment.names import engine_title
from core.launcher.ending import kept_epochs
from core.storage.runs import Store
from tests.browser.conftest import (
    CHARTS,
    STORY_S,
    OpenVisitor,
    Server,
    Visitor,
    field,
    plot,
    points,
    rows_shown,
    run_shown,
    run_started,
    settled,
    sideways,
    start_button,
    stop_button,
    wait_for,
)
from tests.browser.meter import Meter

WATCHED_S, HIDDEN_S = 10, 6
LOOKED_AT = """(is) => {
    const answers = { hidden: !is, visibilityState: is ? "visible" : "hidden" };
    for (const [name, value] of Object.entries(answers)) {
        Object.defineProperty(document, name, { configurable: true, get: () => value });
    }
    document.dispatchEvent(new Event("visibilitychange"));
}"""
"""What a browser says when its reader turns to another tab, and back."""


@pytest.fixture(scope="module")
def starter(browser: Browser, server: Server) -> Iterator[Visitor]:
    """Who starts the module's run, by the keyboard, and stays."""
    visitor = Visitor(browser, server)
    page = visitor.open(epochs=100, batch_size=180)
    start_button(page).focus()
    page.keyboard.press("Enter")
    run_started(page, server)
    wait_for("an epoch of both", lambda: min(points(page, "val_accuracy") or [0]) >= 1, STORY_S, page)
    yield visitor
    if stop_button(page).count():
        stop_button(page).click()
    visitor.close()


@pytest.fixture(scope="module")
def run_id(starter: Visitor, server: Server) -> str:
    """The long run."""
    return run_shown(starter.page)


def grows(page: Page) -> None:
    """Waits until more rows are drawn than now."""
    before = rows_shown(page)
    wait_for("more rows", lambda: rows_shown(page) > before, page=page)


def test_the_fields_of_a_running_run_are_disabled(starter: Visitor) -> None:
    for label in ("Batch size", "Epochs", "Dropout"):
        expect(field(starter.page, label)).to_be_disabled()
    assert start_button(starter.page).count() == 0
    expect(starter.page.get_by_test_id("stProgress")).to_contain_text("of 100.")


def test_a_reload_finds_the_run_with_all_it_has_shown(visit: OpenVisitor, starter: Visitor, run_id: str) -> None:
    page = visit().open()
    grows(page)
    seen = rows_shown(page)
    page.reload()
    settled(page)
    wait_for("what was there is there again", lambda: rows_shown(page) >= seen, page=page)
    grows(page)
    assert run_shown(page) == run_id
    expect(stop_button(page)).to_be_visible()


def test_a_second_tab_shows_the_same_run(visit: OpenVisitor, starter: Visitor, run_id: str) -> None:
    visitor = visit()
    tabs = [visitor.page, visitor.tab()]
    for tab in tabs:
        tab.goto(starter.server.url)
        settled(tab)
    for tab in tabs:
        grows(tab)
        assert run_shown(tab) == run_id


def test_a_link_with_settings_finds_the_run_too(visit: OpenVisitor, starter: Visitor, run_id: str) -> None:
    page = visit().open(epochs=2)
    grows(page)
    assert run_shown(page) == run_id
    here = [run for run in Store(starter.server.folder).runs() if run.source == "here"]
    assert len(here) == 1, "a link starts nothing"


def test_a_lost_connection_is_said_and_what_was_missed_comes_later(
    visit: OpenVisitor, starter: Visitor, run_id: str
) -> None:
    visitor = visit()
    visitor.expects_troubles = True  # the browser reports what it cannot fetch
    page = visitor.open()
    grows(page)
    page.locator(CHARTS).evaluate("(charts) => { charts.dataset.mark = 'kept' }")
    lost = page.locator(".live-chart-lost")
    visitor.context.set_offline(True)
    expect(lost).to_have_text("Connection lost, trying again.")
    store = Store(starter.server.folder)
    missed = rows_shown(page) + 3
    wait_for("rows are written meanwhile", lambda: len(store.rows(run_id, limit=10**6)) > missed, page=page)
    visitor.context.set_offline(False)
    wait_for("they are drawn", lambda: rows_shown(page) > missed, page=page)
    expect(lost).to_have_text("")
    steps = plot(page, "loss").evaluate("(plot) => plot.data[0].x")
    assert steps == sorted(steps)
    assert len(set(steps)) == len(steps), "nothing is drawn twice"
    assert page.locator(CHARTS).get_attribute("data-mark") == "kept"


def test_where_the_host_passes_no_rows_the_page_feeds_the_charts(visit: OpenVisitor, starter: Visitor) -> None:
    visitor = visit()
    visitor.expects_troubles = True
    visitor.page.route("**/api/runs/**", lambda route: route.fulfill(status=404, body="no such page"))
    page = visitor.open()
    wait_for("the first rows", lambda: rows_shown(page), page=page)
    grows(page)
    page.locator(CHARTS).evaluate("(charts) => { charts.dataset.mark = 'kept' }")
    grows(page)
    assert page.locator(CHARTS).get_attribute("data-mark") == "kept"


def test_where_the_host_passes_no_code_static_figures_stand_in(visit: OpenVisitor, starter: Visitor) -> None:
    visitor = visit()
    visitor.expects_troubles = True
    visitor.page.route("**/assets/**", lambda route: route.abort())
    page = visitor.open()
    figures = page.locator("[data-testid=stPlotlyChart] .js-plotly-plot")
    expect(figures).to_have_count(2)
    # Streamlit draws a static figure anew for new data: in between it has none.
    count = "(plot) => (plot.data ?? []).map((trace) => trace.x.length)"
    before = figures.first.evaluate(count)
    wait_for("another epoch is drawn", lambda: sum(figures.first.evaluate(count)) > sum(before), page=page)


def test_a_running_run_on_a_phone_scrolls_only_down_and_shows_stop(visit: OpenVisitor, starter: Visitor) -> None:
    page = visit(width=390, height=844).open()
    grows(page)
    assert sideways(page) <= 0
    box = stop_button(page).bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 844


def quiet(meter: Meter, page: Page) -> None:
    """Waits until the page's own files have come, Plotly among them: less than 10 kB in a second."""

    def little() -> bool:
        before = meter.received
        page.wait_for_timeout(1000)
        return meter.received - before < 10_000

    expect(page.locator(f"{CHARTS} .main-svg").first).to_be_visible()
    wait_for("the page's own files", little, page=page)


def test_a_live_run_takes_at_most_three_kilobytes_a_second_on_a_phone(
    visit: OpenVisitor, starter: Visitor, server: Server
) -> None:
    with Meter(server) as meter:
        page = visit(meter, width=390, height=844).open()
        grows(page)
        words = page.get_by_test_id("stProgress").inner_text()
        quiet(meter, page)
        before, began = meter.received, time.monotonic()
        page.wait_for_timeout(WATCHED_S * 1000)
        a_second = (meter.received - before) / (time.monotonic() - began)
        grows(page)
        assert page.get_by_test_id("stProgress").inner_text() != words
        assert 100 < a_second <= 3000
        page.close()


def test_a_page_in_the_background_asks_for_nothing_and_comes_back_with_all_rows(
    visit: OpenVisitor, starter: Visitor, run_id: str
) -> None:
    visitor, asked = visit(), list[str]()
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.on("websocket", lambda line: line.on("framesent", lambda frame: asked.append("a message")))
    page = visitor.open()
    grows(page)
    page.evaluate(LOOKED_AT, False)

    def nothing_new() -> bool:  # what was under way has come
        asked.clear()
        page.wait_for_timeout(1000)
        return not asked

    wait_for("it has fallen silent", nothing_new, page=page)
    shown, words = rows_shown(page), page.get_by_test_id("stProgress").inner_text()
    page.wait_for_timeout(HIDDEN_S * 1000)
    assert asked == []
    assert (rows_shown(page), page.get_by_test_id("stProgress").inner_text()) == (shown, words)
    missed = len(starter.server.get(f"api/runs/{run_id}/rows?after=0")["rows"])
    assert missed > shown
    page.evaluate(LOOKED_AT, True)
    wait_for("what was missed is drawn", lambda: rows_shown(page) >= missed, page=page)
    wait_for("and said", lambda: page.get_by_test_id("stProgress").inner_text() != words, page=page)
    grows(page)


@pytest.mark.alone
def test_stop_ends_the_run_within_two_seconds_and_keeps_what_there_is(
    visit: OpenVisitor, starter: Visitor, run_id: str
) -> None:
    page, other = starter.page, visit().open()
    before = points(page, "val_accuracy")
    stop_button(page).click()
    took = wait_for("the run is stopped", lambda: starter.server.state(run_id) == "stopped", page=page)
    assert took < 2
    for each in (page, other):
        expect(start_button(each)).to_be_visible()
        expect(each.get_by_text("You stopped this run in epoch ")).to_be_visible()
        expect(each.get_by_role("alert")).to_have_count(0)
    assert all(now >= then for now, then in zip(points(page, "val_accuracy"), before, strict=True))
    run = Store(starter.server.folder).run(run_id)
    done = dict(zip([engine_title(lane.engine) for lane in run.lanes], points(page, "val_accuracy"), strict=True))
    assert run.reason == f"You stopped this run in epoch {min(done.values()) + 1}. {kept_epochs(done)}"
    assert not starter.troubles
