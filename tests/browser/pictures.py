"""The README's pictures: `make pictures` starts the dashboard on an empty data folder and photographs every page.

What they show was trained or recorded for real; nothing is drawn by hand.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.chromium import find_chromium
from tests.browser.conftest import FLAGS, PATIENCE_S, ROOT, STORY_S, TITLES, Server, settled

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1280, 1240


def train(page: Page) -> None:
    """The recorded duel, with its curves."""
    expect(page.locator("[data-testid=live-chart][data-state=finished]")).to_be_visible()


def draw(page: Page) -> None:
    """One of the test images, and what both models read."""
    page.get_by_role("radio", name="digit 7").click()
    expect(page.locator(".digit-pad-headline")).to_have_text("Both read a 7.", timeout=STORY_S * 1000)


def compare(page: Page) -> None:
    """The first of the ten claims."""
    expect(page.get_by_text("Evidence and sources").nth(9)).to_be_attached()


def runs(page: Page) -> None:
    """Two runs laid over each other."""
    boxes = page.get_by_test_id("stCheckbox")
    for number in (0, 1):
        boxes.nth(number).locator("label").click()
        expect(boxes.nth(number).get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_role("heading", name="Two runs, one chart")).to_be_visible()


def learn(page: Page) -> None:
    """The article's first example, with what it printed."""
    expect(page.get_by_text("printed").first).to_be_visible()


PICTURES: dict[str, Callable[[Page], None]] = {
    "": train,
    "draw": draw,
    "compare": compare,
    "runs": runs,
    "learn": learn,
}


def main() -> None:
    """Writes docs/pictures anew."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="duel-pictures-") as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "data", Path(folder) / "server.log").wait()
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            for path, arrange in PICTURES.items():
                page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
                page.set_default_timeout(PATIENCE_S * 1000)
                page.goto(f"{server.url}/{path}")
                arrange(settled(page, TITLES[path]))
                page.wait_for_timeout(1500)  # charts come in softly
                target = FOLDER / f"{path or 'train'}.png"
                page.screenshot(path=target)
                print(target.relative_to(ROOT))
                page.close()
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
