"""One's own images in a real browser: a zip is uploaded, looked at, kept, trained on and deleted."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.data import datasets
from tests.browser.conftest import (
    PATIENCE_S,
    STORY_S,
    OpenVisitor,
    Server,
    field,
    run_started,
    settled,
    sideways,
    start_button,
    wait_for,
)
from tests.pictures import pets, zipped


@pytest.mark.parametrize("width", [1280, 390])
def test_a_zip_becomes_a_data_set_that_a_run_trains_on_and_that_goes_again(
    visit: OpenVisitor, server: Server, tmp_path: Path, width: int
) -> None:
    # The tests of other modules share what is below this link.
    if (server.folder / "datasets").is_symlink():
        shared = (server.folder / "datasets").resolve()
        (server.folder / "datasets").unlink()
        (server.folder / "datasets").mkdir()
        (server.folder / "datasets" / "mnist5k").symlink_to(shared / "mnist5k")
    name = f"Pets {width}"
    page = visit(width=width).open(batch_size=16, epochs=1)
    page.get_by_text("Your own images", exact=True).click()
    expect(page.get_by_role("button", name="Read the pictures")).to_be_disabled()
    page.locator("input[type=file]").set_input_files(zipped(pets(), tmp_path / "pets.zip"))
    expect(page.get_by_role("button", name="Read the pictures")).to_be_enabled()
    field(page, "Name").fill(name)
    page.get_by_role("button", name="Read the pictures").click()
    expect(page.get_by_text("always guessing cat would be right in 66.7")).to_be_visible()
    expect(page.get_by_role("img", name="8 images of cat")).to_be_visible()
    expect(page.get_by_role("img", name="8 images of dog")).to_be_visible()
    assert sideways(page) == 0
    page.get_by_role("button", name="Keep", exact=True).click()
    kept = page.get_by_test_id("stMain").get_by_role("paragraph")
    expect(kept.filter(has_text=f"{name} is kept, and chosen as the data set above.")).to_be_visible()
    assert f"own-pets-{width}" in datasets.all_datasets(server.folder)
    expect(page.get_by_text(f"{name}: 44 for training, 4 for validation, 12 for testing.").first).to_be_visible()
    settled(page)
    start_button(page).click()
    run_id = run_started(page, server)
    wait_for("the run has ended", lambda: server.state(run_id) not in ("queued", "running"), STORY_S, page)
    assert server.state(run_id) == "finished"
    expect(start_button(page)).to_be_visible(timeout=PATIENCE_S * 1000)
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Delete", exact=True)).to_have_count(0)
    assert f"own-pets-{width}" not in datasets.all_datasets(server.folder)
    expect(page.get_by_role("heading", name="Result in figures")).to_be_visible()
