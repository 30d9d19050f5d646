"""Runs in a real browser: a run's own link, several laid over each other, files to take along, import, deleting."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.results.export import as_json
from core.storage.records import Run
from core.storage.runs import Store
from tests.browser.conftest import OpenVisitor, Server, settled, wait_for

NOWHERE = Path("nowhere")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A duel that came with the project, as a file."""
    store = Store(NOWHERE)
    run = store.recorded()[0]
    path = tmp_path_factory.mktemp("exported") / "run.json"
    path.write_text(as_json(run, store.rows(run.id, limit=10**9)))
    return path


def test_a_runs_own_link_survives_a_reload_and_leads_back(visit: OpenVisitor) -> None:
    page = visit().open("runs")
    page.get_by_role("link", name="Exact twin").click()
    wait_for("the address names the run", lambda: "runs?run=2" in page.url, page=page)
    expect(page.get_by_text("Exact twin. Largest")).to_be_visible()
    page.reload()
    settled(page, "Exact twin, MNIST")
    expect(page.get_by_text("98.81").first).to_be_visible()
    page.get_by_role("link", name="All runs").click()
    wait_for("the address names no run", lambda: page.url.endswith("/runs"), page=page)


def test_two_ticked_runs_are_one_chart(visit: OpenVisitor) -> None:
    page = visit().open("runs")
    for title in ("Exact twin, MNIST", "Same start, MNIST"):
        box = page.get_by_test_id("stCheckbox").filter(has_text=f"Lay {title} of ")
        box.locator("label").click()
        expect(box.get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_role("heading", name="Two runs, one chart")).to_be_visible()
    expect(page.get_by_text("They differ in: alignment exact twin, same start.")).to_be_visible()
    page.locator(".figure").scroll_into_view_if_needed()  # it is drawn when it comes near the window
    expect(page.locator(".js-plotly-plot")).to_be_visible()


@pytest.mark.parametrize(
    ("label", "ending"),
    [("Report (HTML)", ".html"), ("All rows (CSV)", ".csv"), ("Everything (JSON)", ".json"), ("TensorBoard", ".zip")],
)
def test_a_run_is_taken_along(visit: OpenVisitor, label: str, ending: str) -> None:
    page = visit().open("runs")
    page.get_by_role("link", name="As shipped, MNIST", exact=True).click()
    page.get_by_role("button", name="Take along").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    assert download.value.suggested_filename.endswith(ending)
    assert Path(download.value.path()).stat().st_size > 1000


def imported(server: Server) -> list[Run]:
    return [run for run in Store(server.folder).runs() if run.source == "imported"]


def test_an_imported_run_is_marked_named_and_deleted_after_one_question(
    visit: OpenVisitor, server: Server, exported: Path
) -> None:
    page = visit().open("runs")
    page.get_by_role("button", name="Import").click()
    page.locator("input[type=file]").set_input_files(exported)
    expect(page.get_by_text("imported", exact=True)).to_be_visible()
    (run,) = imported(server)
    page = visit().open("runs")
    page.get_by_role("link", name=re.compile("^As shipped")).first.click()
    page.get_by_role("button", name="Name and note").click()
    page.get_by_label("Name", exact=True).fill("<b>Mine</b>")
    page.get_by_label("Name", exact=True).press("Enter")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", name="<b>Mine</b>", exact=True)).to_be_visible()
    assert json.loads(exported.read_text())["run"]["id"] != run.id
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    wait_for("it is deleted", lambda: not imported(server), page=page)
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
