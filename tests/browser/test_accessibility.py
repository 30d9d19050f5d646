"""Everybody can use every page: axe-core finds nothing, keys alone lead to every result, a screen reader hears it once.

One server and one story: first visits, a run from its start to its result, one that fails, one that goes on while
another waits. Runs are of the engine without a framework; models that draw and lessons are real.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.storage.records import RECORDED
from core.web.draw.drawing import EXAMPLE
from tests.browser import axe
from tests.browser.conftest import (
    CHARTS,
    STORY_S,
    TITLES,
    OpenVisitor,
    Visitor,
    field,
    settled,
    sideways,
    start_button,
    stop_button,
    wait_for,
)
from tests.browser.keyboard import Keyboard
from tests.browser.test_draw import PAD, answered, tops
from tests.processes.serve import FakeDashboard, fake_dashboard

SHORT = {"engines": "fake-slow,fake-a", "batch_size": 600}
EPOCHS = 5
FAILS = {"engines": "fake-nan,fake-a", "batch_size": 600, "epochs": 3}
LONG = {"engines": "fake-slow,fake-a", "batch_size": 20, "epochs": 100}
SAID = """() => {
    const regions = "[role=status], [role=alert], [role=log], [aria-live]:not([aria-live=off]), output";
    const known = new Map([...document.querySelectorAll(regions)].map((each) => [each, each.textContent.trim()]));
    window.said = [];
    new MutationObserver((records) => {
        const changed = new Set();
        for (const { target, addedNodes } of records) {
            changed.add((target.nodeType === 1 ? target : target.parentElement)?.closest(regions));
            for (const node of addedNodes) {
                if (node.nodeType !== 1) continue;
                [node, ...node.querySelectorAll("*")].filter((each) => each.matches(regions))
                    .forEach((each) => changed.add(each));
            }
        }
        for (const region of changed) {
            const text = region?.textContent.trim();
            if (!region?.isConnected || text === known.get(region)) continue;
            known.set(region, text);
            if (text) window.said.push(text);
        }
    }).observe(document, { childList: true, subtree: true, characterData: true });
}"""
"""From now on notes what every live region says, one that is new with its words included."""
CUT_OFF = """() => [...document.querySelectorAll("[data-testid=stMain] *")].filter((each) => {
    const { overflowX, clipPath } = getComputedStyle(each);
    return ["hidden", "clip"].includes(overflowX) && clipPath === "none" && each.innerText?.trim()
        && each.checkVisibility() && each.scrollWidth > each.clientWidth + 1;
}).map((each) => `${each.innerText.slice(0, 60)}: ${each.outerHTML.slice(0, 200)}`)"""
"""What hides a part of its own text at the side."""
RUNNING = """() => document.getAnimations().filter(({ playState }) => playState === "running")
    .map(({ effect, animationName, transitionProperty }) =>
        `${animationName ?? transitionProperty} ${effect.target?.outerHTML.slice(0, 200)}`)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prepared_data_dir: Path) -> Iterator[FakeDashboard]:
    """In place of the other modules' server."""
    with fake_dashboard(tmp_path_factory.mktemp("served"), prepared_data_dir) as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(browser: Browser, server: FakeDashboard) -> Iterator[Visitor]:
    """Who goes from state to state; meets no error."""
    visitor = Visitor(browser, server)
    yield visitor
    visitor.close()
    assert not visitor.troubles


# --- axe-core ----------------------------------------------------------------------------------------------

Look = tuple[int, str]
"""The window's width and the theme."""
LOOKS = [
    pytest.param([(1280, "light"), (390, "dark")], id=""),
    pytest.param([(1280, "dark"), (390, "light")], id="other looks", marks=pytest.mark.more),
]


def look_at(page: Page, width: int, scheme: str) -> None:
    """The window and the theme, once the page has taken them."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    shown = "(app) => getComputedStyle(app).colorScheme"
    wait_for(f"the page is {scheme}", lambda: page.locator(".stApp").evaluate(shown) == scheme, page=page)
    page.wait_for_timeout(300)


def faults(page: Page, looks: list[Look]) -> list[str]:
    """What axe finds in each look; the page is wide and light again afterwards."""
    found = []
    for width, scheme in looks:
        look_at(page, width, scheme)
        found += [f"{width} {scheme}: {fault}" for fault in axe.found(page)]
    look_at(page, 1280, "light")
    return found


def open_at(visitor: Visitor, path: str) -> Page:
    """A page, drawn, in a wide light window."""
    page = visitor.page
    page.goto(f"{visitor.server.url}/{path}")
    return settled(page, TITLES[path.partition("?")[0]])


def press(page: Page, name: str) -> None:
    """Presses a button, which opens something."""
    page.get_by_role("button", name=name).first.click()
    expect(page.get_by_test_id("stPopoverBody").or_(page.get_by_role("dialog")).first).to_be_visible()


def unfold(page: Page) -> None:
    """Opens all that is folded on the page of a run or a drawing."""
    folded = page.get_by_test_id("stExpander")
    expect(folded.first).to_be_visible()
    for number in range(folded.count()):
        folded.nth(number).locator("summary").click()


def recorded_duel(page: Page) -> None:
    """With its charts and all that is folded."""
    expect(page.locator(f"{CHARTS}[data-state=finished]")).to_be_visible(timeout=STORY_S * 1000)
    unfold(page)


def duel_and_settings(page: Page) -> None:
    """A duel that came with the project, and the settings that hide behind a button."""
    recorded_duel(page)
    press(page, "More settings")


def refused(page: Page) -> None:
    """A link with values that cannot be."""
    expect(page.get_by_role("paragraph").filter(has_text="There is no setting colour")).to_be_visible()


def image_read(page: Page) -> None:
    """A test image, its answers, swapped weights, all that is folded, and the upload."""
    wait_for("both models are loaded", lambda: EXAMPLE in page.locator(PAD).inner_text(), STORY_S, page)
    page.get_by_role("radio", name="digit 7").click()
    answered(page)
    page.get_by_text("Each model uses the other's weights").click()
    expect(page.get_by_text("Largest difference of the outputs.")).to_be_visible()
    unfold(page)
    press(page, "Upload")


def evidence(page: Page) -> None:
    """What was found of a claim, with figures and tables, and the files."""
    page.locator("summary").nth(3).click()
    expect(page.locator(".figure .main-svg").first).to_be_visible()
    press(page, "Download")


def difference(page: Page) -> None:
    """What really differs, one row of it open, and the files."""
    page.locator("summary").first.click()
    expect(page.get_by_text("To align it")).to_be_visible()
    press(page, "Checklist for porting")


def two_ticked(page: Page) -> None:
    """Two runs laid over each other, and what narrows the list."""
    boxes = page.get_by_test_id("stCheckbox")
    for number in (0, 1):
        boxes.nth(number).locator("label").click()
        expect(boxes.nth(number).get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_role("heading", name="Two runs, one chart")).to_be_visible()
    press(page, "Filter")


def importing(page: Page) -> None:
    """What takes a run from elsewhere."""
    press(page, "Import")


def exact_twin(page: Page) -> None:
    """A run's own page, and what can be taken along."""
    page.get_by_role("link", name="Exact twin").click()
    expect(page.get_by_role("link", name="All runs")).to_be_visible()
    recorded_duel(page)
    press(page, "Take along")


def lesson(page: Page) -> None:
    """What it printed elsewhere."""
    expect(page.get_by_role("region", name="what Keras printed")).to_be_visible()


FIRST: list[object] = [
    ("", duel_and_settings),
    ("?batch_size=0&epochs=many&colour=red", refused),
    ("draw", image_read),
    ("compare", evidence),
    ("compare?view=differences&q=epsilon", difference),
    ("runs", two_ticked),
    ("learn", lesson),
    pytest.param("runs", importing, marks=pytest.mark.more),
    pytest.param("runs", exact_twin, marks=pytest.mark.more),
]
"""Pages before anything has run here, each with all open that can be open at once."""


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize(("path", "arrange"), FIRST, ids=lambda one: getattr(one, "__name__", ""))
def test_axe_finds_nothing_at_a_first_visit(
    reader: Visitor, path: str, arrange: Callable[[Page], None], looks: list[Look]
) -> None:
    page = open_at(reader, path)
    arrange(page)
    assert not faults(page, looks)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_there_is_no_page(visit: OpenVisitor, server: FakeDashboard, scheme: str) -> None:
    visitor = visit()
    visitor.expects_troubles = True  # the browser itself reports that address's 404
    visitor.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    visitor.page.goto(f"{server.url}/nowhere")
    assert not axe.found(visitor.page)


# --- by keyboard alone -------------------------------------------------------------------------------------


def test_by_keyboard_a_test_image_is_taken_and_both_answers_are_read(visit: OpenVisitor) -> None:
    """The pad itself needs a pen; these images are the way without."""
    page = visit().open("draw")
    wait_for("both models are loaded", lambda: EXAMPLE in page.locator(PAD).inner_text(), STORY_S, page)
    keys = Keyboard(page)
    keys.go_to(page.get_by_role("radio", name="digit 0"))
    for _ in range(7):
        keys.press("ArrowRight")
    keys.comes_to(page.get_by_role("radio", name="digit 7"))
    assert answered(page) == "Both read a 7."
    assert tops(page) == ["7", "7"]
    keys.press("Shift+Tab")
    keys.holds()
    keys.was_seen()


def test_by_keyboard_a_row_is_opened(visit: OpenVisitor) -> None:
    page = visit().open("compare")
    keys = Keyboard(page)
    keys.go_to(page.locator("summary"))
    keys.press("Enter")
    expect(page.get_by_role("button", name="Measure here")).to_be_visible()
    keys.go_to(page.get_by_role("button", name="Measure here"))
    keys.was_seen()


@pytest.mark.timeout(400)
def test_by_keyboard_a_lesson_is_picked_and_run_for_real(visit: OpenVisitor, server: FakeDashboard) -> None:
    page = visit().open("learn")
    page.evaluate(SAID)
    keys = Keyboard(page)
    keys.go_to(page.get_by_role("radio", name="Keras example"))
    keys.go_to(page.get_by_role("radio", name="PyTorch example"), "ArrowRight")
    keys.press("Space")
    expect(page.get_by_role("heading", name="PyTorch example")).to_be_visible()
    keys.go_to(page.get_by_role("button", name="Run", exact=True))
    keys.press("Enter")
    keys.comes_to(stop_button(page))
    expect(page.get_by_text("run on")).to_be_visible(timeout=STORY_S * 1000)
    keys.comes_to(page.get_by_role("button", name="Run", exact=True))
    keys.was_seen()
    wait_for("its end is said", lambda: "has ended" in "".join(page.evaluate("window.said")), page=page)
    said = page.evaluate("window.said")
    assert said[-1] == "The lesson has ended: what it found is on the page."
    assert len(said) == len(set(said)) <= 3


def test_by_keyboard_runs_are_searched_opened_and_laid_over_each_other(visit: OpenVisitor) -> None:
    page = visit().open("runs")
    page.evaluate(SAID)
    keys = Keyboard(page)
    search = page.get_by_role("textbox", name="Search")
    keys.go_to(search)
    keys.type("twin")
    keys.press("Enter")
    expect(page.get_by_test_id("stCheckbox")).to_have_count(1)
    wait_for("it is said", lambda: page.evaluate("window.said") == ["1 run, newest first."], page=page)
    keys.comes_to(search)
    keys.go_to(page.get_by_role("link", name="Exact twin"))
    keys.press("Enter")
    keys.comes_to(page.get_by_role("heading", name="Exact twin, MNIST"))
    keys.go_to(page.get_by_role("link", name="All runs"), "Shift+Tab")
    keys.press("Enter")
    keys.comes_to(page.get_by_role("heading", name="Runs", exact=True))
    keys.go_to(search)
    keys.press("ControlOrMeta+A")
    keys.press("Delete")
    keys.press("Enter")
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(len(list(RECORDED.glob("*/run.json"))))
    for number in (0, 1):
        keys.go_to(boxes.nth(number))
        keys.press("Space")
        expect(boxes.nth(number)).to_be_checked()
    expect(page.get_by_role("heading", name="Two runs, one chart")).to_be_visible()
    keys.holds()
    keys.was_seen()


# --- a run from its start to its result --------------------------------------------------------------------


@dataclass
class Finished:
    """A run that was set, started and awaited by keyboard alone, in a page whose live regions were heard."""

    visitor: Visitor
    keys: Keyboard
    said: list[str]
    ticks: set[str]
    """What the line of progress showed."""


def said_in_the_end(page: Page) -> None:
    """Waits until the run's end was said, and a while for what would be said after it."""
    wait_for("the end is said", lambda: "The run has ended" in "".join(page.evaluate("window.said")), page=page)
    page.wait_for_timeout(1000)


@pytest.fixture(scope="module")
def finished(browser: Browser, server: FakeDashboard) -> Iterator[Finished]:
    """The first run here."""
    visitor = Visitor(browser, server)
    page = visitor.open(**SHORT)
    page.evaluate(SAID)
    keys = Keyboard(page)
    keys.go_to(field(page, "Epochs"))
    keys.press("ControlOrMeta+A")
    keys.type(str(EPOCHS))
    keys.go_to(start_button(page))
    keys.press("Enter")
    keys.comes_to(stop_button(page))
    ticks: set[str] = set()

    def has_ended() -> bool:
        ticks.update(page.get_by_test_id("stProgress").all_inner_texts())
        return page.get_by_role("heading", name="Result in figures").count() > 0

    wait_for("the run's end", has_ended, STORY_S, page)
    keys.comes_to(start_button(page))
    said_in_the_end(page)
    yield Finished(visitor, keys, page.evaluate("window.said"), ticks)
    visitor.close()


def test_by_keyboard_a_run_is_set_started_and_its_result_is_there(finished: Finished, server: FakeDashboard) -> None:
    run = server.store.run(server.newest())
    assert run.state == "finished"
    assert run.settings.epochs == EPOCHS
    finished.keys.was_seen()
    assert not finished.visitor.troubles


def test_progress_and_result_are_said_once_and_no_tick(finished: Finished) -> None:
    said = [" ".join(text.split()) for text in finished.said]
    assert finished.ticks
    assert len(said) == len(set(said)), said
    *epochs, last = said
    assert epochs
    assert all(re.match(rf"Epoch \d of {EPOCHS}: .* %, .* %\.$", text) for text in epochs), said
    assert last.startswith("The run has ended: finished.")


@pytest.mark.parametrize("looks", LOOKS)
def test_axe_finds_nothing_at_a_finished_run(reader: Visitor, finished: Finished, looks: list[Look]) -> None:
    page = open_at(reader, "")
    expect(page.get_by_role("heading", name="What they confuse")).to_be_visible()
    unfold(page)
    assert not faults(page, looks)


@pytest.mark.more
@pytest.mark.parametrize("name", ["Name and note", "Delete"])
def test_axe_finds_nothing_where_a_run_is_named_or_deleted(reader: Visitor, finished: Finished, name: str) -> None:
    page = open_at(reader, "runs")
    page.get_by_role("link", name="As shipped").first.click()
    press(page, name)
    assert not faults(page, [(1280, "light"), (390, "dark")])


# --- one that fails, one that goes on, one that waits ------------------------------------------------------


@pytest.fixture(scope="module")
def failed(browser: Browser, server: FakeDashboard, finished: Finished) -> Iterator[Page]:
    """The page on which a run has just failed."""
    visitor = Visitor(browser, server)
    page = visitor.open(**FAILS)
    page.evaluate(SAID)
    start_button(page).click()
    expect(page.get_by_role("alert")).to_be_visible()
    said_in_the_end(page)
    yield page
    visitor.close()


def test_a_failure_is_said_once(failed: Page) -> None:
    said = failed.evaluate("window.said")
    assert len(said) == len(set(said)), said
    assert sum("The run has ended: failed." in text for text in said) == 1, said
    assert sum("Epoch 1 is kept" in text for text in said) == 1, said


@pytest.mark.parametrize("looks", LOOKS)
def test_axe_finds_nothing_at_a_failed_run(failed: Page, looks: list[Look]) -> None:
    assert not faults(failed, looks)


@pytest.fixture(scope="module")
def live(browser: Browser, server: FakeDashboard, failed: Page) -> Iterator[Visitor]:
    """Whose run goes on, started by keyboard."""
    visitor = Visitor(browser, server)
    page = visitor.open(**LONG)
    start_button(page).focus()
    page.keyboard.press("Enter")
    wait_for("an epoch", lambda: "Epoch" in page.get_by_test_id("stProgress").first.inner_text(), STORY_S, page)
    yield visitor
    visitor.close()


@pytest.mark.parametrize("looks", LOOKS)
def test_axe_finds_nothing_at_a_live_run(live: Visitor, looks: list[Look]) -> None:
    assert not faults(live.page, looks)


@pytest.mark.parametrize(("path", "button"), [("learn", "Run"), ("compare?claim=9", "Measure here")])
def test_what_waits_is_right_for_axe_and_stopped_by_keyboard(
    live: Visitor, visit: OpenVisitor, path: str, button: str
) -> None:
    page = open_at(visit(), path)
    keys = Keyboard(page)
    keys.go_to(page.get_by_role("button", name=button, exact=True))
    keys.press("Enter")
    expect(page.get_by_role("paragraph").filter(has_text="Waits for its turn")).to_be_visible()
    assert not faults(page, [(1280, "light"), (390, "dark")])
    if not keys.is_on(stop_button(page)):  # on Compare it stands above all evidence
        keys.go_to(stop_button(page), "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_role("paragraph").filter(has_text="You stopped")).to_be_visible()
    keys.holds()
    keys.was_seen()


def test_at_200_percent_pages_are_whole_and_without_motion_they_stand_still(live: Visitor, visit: OpenVisitor) -> None:
    """At 200 % a window of 1280 pixels has half of them, each twice as large."""
    page = visit(width=640, height=450, device_scale_factor=2, reduced_motion="reduce").page
    for path, title in TITLES.items():
        page.goto(f"{live.server.url}/{path}")
        settled(page, title)
        for _ in range(5):
            assert not page.evaluate(RUNNING), path
            page.wait_for_timeout(100)
        assert sideways(page) == 0, path
        assert not page.evaluate(CUT_OFF), path


def test_by_keyboard_a_run_is_stopped(live: Visitor, server: FakeDashboard) -> None:
    keys = Keyboard(live.page)
    keys.press("Shift+Tab")
    keys.go_to(stop_button(live.page))
    keys.press("Enter")
    keys.comes_to(start_button(live.page))
    keys.was_seen()
    assert server.store.run(server.newest()).state == "stopped"
    assert not live.troubles
