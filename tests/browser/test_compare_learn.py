"""Compare and Learn in a real browser: three probes and two lessons for real, links, stopping, a phone."""

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from core.compare.claims import CLAIMS, Claim
from core.storage.measurements import Measurements
from tests.browser.conftest import STORY_S, OpenVisitor, Server, sideways, wait_for

MEASURED = "measured on"


def measure(page: Page) -> None:
    """Presses the row's button and waits until its own result stands there."""
    page.get_by_role("button", name="Measure here").click()
    expect(page.get_by_text(MEASURED)).to_be_visible(timeout=STORY_S * 1000)
    expect(page.get_by_role("button", name="Measure here")).to_be_enabled()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [9, *(pytest.param(number, marks=pytest.mark.more) for number in (1, 8))])
def test_a_probe_runs_for_real_and_its_result_stands_beside_the_recorded_one(
    visit: OpenVisitor, server: Server, number: int
) -> None:
    page = visit().open("compare", claim=number)
    expect(page.get_by_text("recorded on")).to_be_visible()
    measure(page)
    expect(page.get_by_text("recorded on")).to_be_visible()
    found = Measurements(server.folder).results()[f"claim-{number}"]
    assert found.result
    assert found.versions["torch"]
    expect(page.get_by_text(f"torch {found.versions['torch']}").first).to_be_visible()


@pytest.mark.timeout(400)
def test_a_measurement_waits_for_a_lesson_and_can_be_stopped(visit: OpenVisitor, server: Server) -> None:
    learn, compare = visit().open("learn", lesson="tuning"), visit().open("compare", claim=4)
    learn.get_by_role("button", name="Run", exact=True).click()
    expect(learn.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    compare.get_by_role("button", name="Measure here").click()
    expect(compare.get_by_text("Waits for its turn: a lesson is running.")).to_be_visible()
    expect(compare.get_by_role("link", name="Lesson: Tuning")).to_be_visible()
    compare.get_by_role("button", name="Stop that lesson").click()
    expect(learn.get_by_text("You stopped this lesson.", exact=True)).to_be_visible()
    expect(compare.get_by_text("Waits for its turn: a lesson is running.")).to_be_hidden()
    compare.get_by_role("button", name="Stop", exact=True).click()
    expect(compare.get_by_text("You stopped this measurement.", exact=True)).to_be_visible()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("slug", "printed"),
    [("summary", "Total params"), pytest.param("pytorch_example", "Net(", marks=pytest.mark.more)],
)
def test_a_lesson_runs_for_real_and_prints_on_the_page(
    visit: OpenVisitor, server: Server, slug: str, printed: str
) -> None:
    page = visit().open("learn", lesson=slug)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("run on")).to_be_visible(timeout=STORY_S * 1000)
    expect(page.get_by_text(printed).last).to_be_visible()
    found = Measurements(server.folder).results()[f"lesson-{slug}"]
    assert found.result
    assert not any(side["fault"] for side in found.result["sides"].values()), json.dumps(found.result)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_slider_says_how_often_looking_is_wrong_and_draws_it(visit: OpenVisitor, width: int) -> None:
    page = visit(width=width, height=844).open("learn", lesson="peeking")
    told = page.get_by_role("paragraph").filter(has_text="simulated studies in which nothing differs")
    expect(told).to_contain_text("up to pair 50,")
    charts = page.locator(".figure .main-svg:visible")
    page.get_by_text("The first 3 of").scroll_into_view_if_needed()
    wait_for("all four figures are drawn", lambda: charts.count() >= 4, page=page)
    page.get_by_role("slider", name="Pairs watched").press("ArrowRight")
    expect(told).to_contain_text("up to pair 51,")
    assert sideways(page) == 0


def test_the_control_changes_the_code_that_is_shown(visit: OpenVisitor) -> None:
    page = visit().open("learn", lesson="cross_entropy")
    code = page.locator(".code-text").first
    expect(code).to_contain_text("SOFTMAX_TWICE = False")
    page.get_by_test_id("stCheckbox").get_by_text("Softmax twice").click()
    expect(code).to_contain_text("SOFTMAX_TWICE = True")
    page.reload()
    expect(page.get_by_role("heading", name="Cross-entropy")).to_be_visible()


def test_a_script_is_copied_and_downloaded_as_it_is_shown(visit: OpenVisitor) -> None:
    page = visit().open("learn", lesson="cross_entropy")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = page.locator(".code-text").first.inner_text().strip()
    page.get_by_role("button", name="Copy Keras's script").click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").strip() == shown
    with page.expect_download() as download:
        page.get_by_role("button", name="Download Keras's script").click()
    assert download.value.suggested_filename == "cross_entropy_keras.py"
    assert download.value.path().read_text().strip() == shown


def test_where_nothing_hovers_no_button_lies_on_the_code(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(f"{server.url}/learn?lesson=cross_entropy")
    box = page.locator(".code-box").first
    expect(box).to_have_css("position", "relative")  # the page's CSS has come
    overlap_px = box.evaluate("""(box) => {
        const [button, text] = ["button", ".code-text"].map((part) => box.querySelector(part).getBoundingClientRect());
        return Math.min(button.bottom, text.bottom) - Math.max(button.top, text.top);
    }""")
    context.close()
    assert overlap_px <= 0


def test_a_row_opens_at_a_press_and_its_link_leads_to_it_alone(visit: OpenVisitor) -> None:
    page = visit().open("compare")
    assert page.locator(".js-plotly-plot").count() == 0, "evidence is made when it is asked for"
    page.get_by_text("Evidence and sources").nth(6).click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.get_by_role("link", name="Link to claim 7").click()
    wait_for("the link names the row", lambda: page.url.endswith("/compare?claim=7"), page=page)
    expect(page.get_by_text("6. Community")).to_have_count(0)
    page.get_by_role("link", name="Show all ten claims").click()
    expect(page.get_by_text("6. Community")).to_be_visible()


@pytest.mark.parametrize("path", ["compare", "learn", "runs"])
def test_on_a_phone_nothing_scrolls_sideways(visit: OpenVisitor, path: str) -> None:
    page = visit(width=390, height=844).open(path)
    assert sideways(page) == 0


@pytest.mark.parametrize(
    "claim",
    [CLAIMS[0], *(pytest.param(claim, marks=pytest.mark.more) for claim in CLAIMS[1:])],
    ids=lambda claim: claim.topic,
)
def test_on_a_phone_no_claims_evidence_scrolls_sideways(visit: OpenVisitor, claim: Claim) -> None:
    page = visit(width=390, height=844).open("compare", claim=claim.number)
    expect(page.get_by_text("Sources", exact=True)).to_be_visible()
    assert sideways(page) == 0
