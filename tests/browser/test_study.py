"""A study from its question to its end by keys alone, live: pairs and verdicts arrive in every tab without a reload.

Its lanes are those of the engine without a framework, which stand in for Keras and PyTorch.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import STORY_S, OpenVisitor, field, settled, sideways, start_button, stop_button, wait_for
from tests.browser.keyboard import Keyboard
from tests.browser.test_accessibility import faults, look_at
from tests.processes.serve import FakeDashboard, fake_dashboard

QUESTION = {"engines": "fake-a,fake-b", "batch_size": 600, "epochs": 2}
LOOKS = [(1280, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prepared_data_dir: Path) -> Iterator[FakeDashboard]:
    """In place of the other modules' server."""
    with fake_dashboard(tmp_path_factory.mktemp("served"), prepared_data_dir) as opened:
        yield opened


def ended(page: Page, least: int) -> None:
    """Waits until the page says that so many pairs have ended, with a link to each of them."""
    said = page.get_by_test_id("stProgress").first
    wait_for(f"{least} pairs", lambda: int(re.match(r"\d+", said.inner_text() or "0")[0]) >= least, STORY_S, page)  # type: ignore[index]
    expect(page.get_by_role("link", name=f"Seed {least - 1}", exact=True)).to_be_visible()


def state(page: Page, word: str) -> None:
    """Waits for the badge of the study."""
    expect(page.get_by_role("paragraph").filter(has_text=re.compile(f"^{word}$")).first).to_be_visible()


def button(page: Page, name: str) -> Keyboard:
    """Pressed by keyboard, as from a page just opened."""
    keys = Keyboard(page)
    keys.go_to(page.get_by_role("button", name=name, exact=True))
    keys.press("Enter")
    return keys


@pytest.mark.timeout(400)
def test_a_study_is_asked_watched_paused_gone_on_with_and_stopped(visit: OpenVisitor, server: FakeDashboard) -> None:
    visitor = visit()
    page = visitor.open("study", **QUESTION)
    keys = Keyboard(page)
    keys.go_to(field(page, "Seeds"))
    keys.press("ControlOrMeta+A")
    keys.type("30")
    keys.press("Enter")
    wait_for("the address follows", lambda: "seeds=30" in page.url, page=page)
    assert not faults(page, LOOKS)
    keys.go_to(start_button(page))
    keys.press("Enter")
    ended(page, 2)
    keys.was_seen()
    expect(page.get_by_text("Test accuracy is not known yet: ").first).to_be_visible()
    second = visitor.tab()
    second.goto(page.url)
    settled(second, page.get_by_role("heading", level=1).inner_text())

    button(page, "Pause")
    state(page, "paused")
    state(second, "paused")
    wait_for("its pair has ended", lambda: not server.store.open_runs(), STORY_S, page)
    page.reload()
    state(page, "paused")
    assert not faults(page, LOOKS)
    before = len(server.store.runs(limit=100))
    button(page, "Go on")
    wait_for("another pair", lambda: len(server.store.runs(limit=100)) > before + 1, STORY_S, page)
    keys = Keyboard(page)
    keys.go_to(stop_button(page))
    keys.press("Enter")
    state(page, "stopped")
    state(second, "stopped")
    wait_for("nothing runs", lambda: not server.store.open_runs(), page=page)

    page.get_by_role("button", name="More pairs", exact=True).click()
    field(page, "Seeds more").fill("5")
    page.get_by_role("button", name="Add", exact=True).click()
    state(page, "running")
    expect(page.get_by_test_id("stProgress").first).to_contain_text("of 35 pairs")
    stop_button(page).click()
    state(page, "stopped")

    look_at(page, 390, "light")
    assert sideways(page) == 0
    ring = page.locator(".figure .scatterlayer path.point").first
    ring.scroll_into_view_if_needed()
    ring.click(force=True)
    expect(page.get_by_role("link", name="The study that it is a pair of")).to_be_visible()


def test_axe_finds_nothing_at_the_lesson_on_looking(visit: OpenVisitor) -> None:
    page = visit().open("learn", lesson="peeking")
    expect(page.get_by_role("slider", name="Pairs watched")).to_be_visible()
    expect(page.locator(".figure .main-svg").first).to_be_visible()
    assert not faults(page, LOOKS)
