"""What really differs, in a real browser: searched, three rows opened and measured for real, and one on a phone."""

import pytest
from playwright.sync_api import Page, expect

from core.compare.differences.catalogue import DIFFERENCES, find
from core.storage.measurements import Measurements
from tests.browser.conftest import STORY_S, OpenVisitor, Server, sideways, wait_for

MEASURED = ("gelu", "adam-epsilon", "label-shape")
"""A layer, a switch of a run, a loss."""


def row(page: Page, name: str) -> None:
    """Searches for a row and opens it."""
    search = page.get_by_role("textbox", name="Search")
    search.fill(find(name).title)
    search.press("Enter")
    expect(page.locator("details summary")).to_have_count(1)
    page.locator("details summary").filter(has_text=find(name).title).click()
    expect(page.get_by_role("button", name="Measure here")).to_be_visible()


@pytest.mark.timeout(400)
def test_three_rows_are_searched_opened_and_measured_for_real(visit: OpenVisitor, server: Server) -> None:
    page = visit().open("compare")
    page.get_by_text("What really differs", exact=True).click()
    expect(page.get_by_text(f"{len(DIFFERENCES)} defaults differ")).to_be_visible()
    wait_for("the address says so", lambda: "view=differences" in page.url, page=page)
    assert page.locator(".js-plotly-plot").count() == 0, "a figure is made when its row is opened"
    for name in MEASURED:
        row(page, name)
        page.get_by_role("button", name="Measure here").click()
        expect(page.get_by_text("Measured on")).to_be_visible(timeout=STORY_S * 1000)
        expect(page.get_by_text("parts at")).to_be_visible()
        expect(page.get_by_role("button", name="Measure here")).to_be_enabled()
    results = Measurements(server.folder).results()
    for name in MEASURED:
        found = results[find(name).subject]
        assert found.result
        assert "failed" not in found.result["names"][name]
        assert found.versions["torch"]


def test_on_a_phone_an_open_row_scrolls_no_page_sideways_and_stands_alone_by_its_link(visit: OpenVisitor) -> None:
    page = visit(width=390, height=844).open("compare", view="differences", difference="batchnorm-momentum")
    expect(page.get_by_text("To align it")).to_be_visible()
    assert sideways(page) == 0
    page.get_by_role("link", name="Show all differences").click()
    expect(page.locator("details summary")).to_have_count(len(DIFFERENCES))
    assert sideways(page) == 0
