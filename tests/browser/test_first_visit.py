"""A fresh server and its first visitors: deep addresses, bad links, two at once, a phone, the keyboard."""

from collections.abc import Callable
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect

from core.experiment.machine import machine_words
from core.storage.runs import Store
from tests.browser.conftest import (
    OpenVisitor,
    Server,
    field,
    settled,
    sideways,
    start_button,
    stop_button,
    wait_for,
)

TRACEBACK = "[data-testid=stException]"


def test_the_first_request_of_a_server_may_carry_settings(
    start_server: Callable[[], Server], visit: OpenVisitor
) -> None:
    page = visit(start_server().wait()).open(batch_size=64, epochs=2, dropout=0.1)
    expect(field(page, "Batch size")).to_have_value("64")
    expect(field(page, "Epochs")).to_have_value("2")
    expect(field(page, "Dropout")).to_have_value("0.1")
    assert page.url.endswith("/?batch_size=64&epochs=2&dropout=0.1")
    expect(page.get_by_text("57 steps an epoch, 2 epochs")).to_be_visible()
    expect(start_button(page)).to_be_enabled()
    assert stop_button(page).count() == 0, "a link starts nothing"
    assert page.locator("[data-testid=stSidebar]").count() == 0


@pytest.mark.parametrize("address", ["no-such-page", "a/b/c", "%3Cimg%20src=x%20onerror=alert(1)%3E"])
def test_an_unknown_address_gets_our_page_whose_links_lead_on(visit: OpenVisitor, server: Server, address: str) -> None:
    visitor = visit(width=390, height=844)
    visitor.expects_troubles = True  # the browser itself reports that address's 404
    answer = visitor.page.goto(f"{server.url}/{address}")
    assert answer is not None
    assert answer.status == 404
    page = visitor.page
    expect(page.get_by_role("heading", name="There is no page here")).to_be_visible()
    expect(page.get_by_text(f"Nothing is at /{unquote(address)}.")).to_be_visible()
    assert page.locator("img").count() == 0
    assert page.get_by_role("link").all_inner_texts() == ["Train", "Study", "Draw", "Compare", "Runs", "Learn"]
    assert sideways(page) == 0
    visitor.troubles.clear()
    page.get_by_role("link", name="Runs", exact=True).click()
    settled(page, "Runs")
    assert not visitor.troubles


def test_no_page_meets_an_error_when_its_own_address_is_opened_in_the_dark(visit: OpenVisitor) -> None:
    """The visitor notes whatever the browser reports: a 404, or something that the content policy stops."""
    visitor = visit()
    visitor.page.emulate_media(color_scheme="dark")
    for path in ("draw/", "compare", "runs", "learn"):
        visitor.open(path)


def test_two_first_visitors_at_once_both_get_the_page(start_server: Callable[[], Server], visit: OpenVisitor) -> None:
    server = start_server().wait()
    pages = [visit(server).page for _ in range(2)]
    for page in pages:
        page.goto(server.url, wait_until="commit")
    for page in pages:
        expect(start_button(settled(page))).to_be_enabled()
        assert page.locator(TRACEBACK).count() == 0


def test_the_first_visit_is_explained_and_shows_what_came_with_the_project(visit: OpenVisitor, server: Server) -> None:
    page = visit().open()
    expect(page.get_by_text("No estimate of the time yet.")).to_be_visible()
    recorded = Store(server.folder).recorded()
    if recorded:
        expect(page.get_by_role("heading", name="A recorded duel")).to_be_visible()
        expect(page.get_by_text(f"recorded on {machine_words(recorded[0].machine)}").first).to_be_visible()
    assert page.get_by_role("heading", name="A recorded duel").count() == bool(recorded)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("batch_size", "0", "Batch size must be a whole number from 1 to 3,600, not 0."),
        ("batch_size", "nan", "Batch size must be a whole number from 1 to 3,600, not nan."),
        ("engines", "<img src=x onerror=alert(1)>", "There is no engine <img src=x onerror=alert(1)>."),
        (
            "device",
            "[x](http://evil.example) *a* :b: $c$",
            "Device must be one of auto, cpu, best, not [x](http://evil.example) *a* :b: $c$.",
        ),
    ],
)
def test_a_bad_link_gets_its_sentence_in_plain_letters(visit: OpenVisitor, name: str, text: str, sentence: str) -> None:
    page = visit().open(**{name: text})
    found = page.locator("[data-testid=stMarkdown]", has_text=sentence.split("<")[0].split("[")[0])
    expect(found).to_have_count(1)
    assert sentence in found.inner_text().replace("\u2060", "")
    assert found.locator("a, img, em, code, .katex").count() == 0
    assert page.locator(TRACEBACK).count() == 0


def test_a_value_typed_is_never_clamped(visit: OpenVisitor) -> None:
    page = visit().open()
    for text in ("1000000000", "1e9", "12.7", "0,5"):
        field(page, "Batch size").fill(text)
        field(page, "Batch size").press("Enter")
        expect(page.get_by_role("paragraph").filter(has_text=f"from 1 to 3,600, not {text}.")).to_be_visible()
        expect(start_button(page)).to_be_disabled()
        assert field(page, "Batch size").input_value() == text
    field(page, "Batch size").fill("")
    field(page, "Batch size").press("Enter")
    expect(page.get_by_role("paragraph").filter(has_text="from 1 to 3,600, not nothing.")).to_be_visible()
    field(page, "Batch size").fill("64")
    field(page, "Batch size").press("Enter")
    expect(page.get_by_text("57 steps an epoch")).to_be_visible()
    expect(start_button(page)).to_be_enabled()
    page.wait_for_url("**/?batch_size=64")


NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"


@pytest.mark.parametrize("browser_has", ["", NO_CLIPBOARD], ids=["secure", "http"])
def test_the_link_is_copied_from_the_keyboard_and_the_page_says_so(visit: OpenVisitor, browser_has: str) -> None:
    visitor = visit()
    visitor.context.add_init_script(browser_has)
    page = visitor.open(batch_size=64, dropout="0,5")
    page.get_by_role("button", name="Copy link to these settings").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Link copied.")).to_have_count(1)
    expect(page.get_by_role("button", name="Copy link to these settings")).to_be_focused()
    field(page, "Batch size").fill("")
    page.keyboard.press("ControlOrMeta+V")
    expect(field(page, "Batch size")).to_have_value(f"{visitor.server.url}/?batch_size=64&dropout=0.5")


def test_where_a_browser_copies_nothing_the_link_stands_there_selected(visit: OpenVisitor) -> None:
    visitor = visit()
    visitor.context.add_init_script(NO_CLIPBOARD + "document.execCommand = () => false;")
    page = visitor.open(epochs=3)
    page.get_by_role("button", name="Copy link to these settings").click()
    by_hand = page.get_by_role("textbox", name="Copy link to these settings")
    expect(by_hand).to_have_value(f"{visitor.server.url}/?epochs=3")
    expect(by_hand).to_be_focused()
    assert page.evaluate("getSelection().toString()") == f"{visitor.server.url}/?epochs=3"


def test_back_and_forward_go_through_links(visit: OpenVisitor) -> None:
    visitor = visit()
    visitor.open(epochs=2)
    page = visitor.open(epochs=5)
    page.go_back()
    expect(field(settled(page), "Epochs")).to_have_value("2")


def test_a_phone_shows_start_at_once_and_scrolls_only_down(visit: OpenVisitor) -> None:
    page = visit(width=390, height=844).open()
    box = start_button(page).bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 844
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert sideways(page) <= 0


def test_on_a_phone_the_button_that_hides_the_pages_says_so(visit: OpenVisitor) -> None:
    page = visit(width=390, height=844).open()
    button = page.get_by_role("button", name="Pages", exact=True)
    # The page's CSS may come after the button.
    shown = "(button) => getComputedStyle(button, '::after').content"
    wait_for("its word stands", lambda: button.evaluate(shown) == '"Pages"', page=page)
    button.click()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Runs", exact=True).click()
    settled(page, "Runs")
    page.get_by_role("button", name="Collapse sidebar").click()
    expect(page.get_by_role("button", name="Pages", exact=True)).to_be_visible()


@pytest.mark.parametrize(("path", "folded"), [("", "Model summaries"), ("learn", ""), ("draw", "The lines that load")])
def test_no_line_of_code_is_cut_off_at_the_side(visit: OpenVisitor, path: str, folded: str) -> None:
    """But for a table on a phone, which scrolls: wrapped it would be none."""
    page = visit().open(path)
    if folded:
        page.get_by_text(folded).first.click()
    boxes = page.locator("pre.code-text:visible")
    expect(boxes.first).to_be_visible()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_timeout(300)
        cut = boxes.evaluate_all(
            "(all) => all.filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.innerText)"
        )
        assert not [text for text in cut if width > 390 or "━" not in text]


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''"))


def test_the_tab_key_leads_from_the_fields_to_start(visit: OpenVisitor) -> None:
    page = visit().open()
    field(page, "Batch size").focus()
    met = []
    for _ in range(15):
        page.keyboard.press("Tab")
        met.append(focused(page).strip().splitlines()[-1:])
        if start_button(page).evaluate("(button) => button === document.activeElement"):
            break
    assert start_button(page).evaluate("(button) => button === document.activeElement"), met
    outline = start_button(page).evaluate("(button) => getComputedStyle(button).outlineStyle")
    assert outline == "solid", "the focus can be seen"


def test_every_field_has_its_label(visit: OpenVisitor) -> None:
    page = visit().open()
    for label in ("Batch size", "Epochs", "Dropout"):
        expect(page.get_by_role("textbox", name=label, exact=True)).to_be_visible()
    page.get_by_role("button", name="More settings").click()
    for label in ("Learning rate", "Seed", "Patience"):
        expect(page.get_by_role("textbox", name=label, exact=True)).to_be_visible()
