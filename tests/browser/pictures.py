"""The README's pictures: `make pictures` starts the dashboard on an empty data folder, photographs the pages and
films a duel from the press of Start to its result.

What they show was trained or recorded for real; nothing is drawn by hand.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

from PIL import ExifTags, Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.experiment.dates import day
from core.experiment.machine import machine_words
from core.experiment.titles import brief
from core.protocol.messages import Built, Epoch, Ready, Result, Step
from core.results.chart_rows import chart_rows
from core.results.outcome import gather, progress
from core.storage.records import Run
from core.storage.rows import Entry, Row
from core.storage.runs import ALL_ROWS, Store
from core.web.elements.settings_link import link_to
from tests.browser.chromium import find_chromium
from tests.browser.conftest import (
    CHARTS,
    FLAGS,
    PATIENCE_S,
    ROOT,
    STORY_S,
    TITLES,
    Server,
    plot,
    settled,
    start_button,
)

FOLDER = ROOT / "docs" / "pictures"
README = ROOT / "README.md"
WIDTH, HEIGHT = 1280, 1240

DUEL = "duel"
DUEL_WIDTH, DUEL_HEIGHT = 960, 960
MARGIN_PX = 40
DRAWING_MS = 1500
"""Within this, charts have come in softly."""
SPEED = 20
"""How many times as fast as it was the duel is played."""
FRAME_S, MOVE_S = 0.2, 0.08
"""How long a frame is played while the run goes on, and while the page is scrolled."""
FIRST_S, RESULT_S, LAST_S = 1.5, 2.5, 4.5
"""How long the frames are played that are read."""


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
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()


def learn(page: Page) -> None:
    """The article's first example, with what it printed."""
    expect(page.get_by_text("printed").first).to_be_visible()


STILLS: dict[str, Callable[[Page], None]] = {"draw": draw, "compare": compare, "runs": runs, "learn": learn}


@dataclass
class Film:
    """Frames of a page, and for how many seconds each is played."""

    page: Page
    frames: list[Image.Image] = field(default_factory=list)
    played_s: list[float] = field(default_factory=list)

    def take(self, played_s: float) -> None:
        """One frame, as the page looks once what moves by itself has arrived."""
        picture = self.page.screenshot(animations="disabled")
        self.frames.append(Image.open(BytesIO(picture)).convert("RGB"))
        self.played_s.append(played_s)

    def save(self, target: Path, caption: str) -> None:
        """As an animated WebP without loss that begins anew at its end, and its last frame as a PNG beside it."""
        exif = Image.Exif()
        exif[ExifTags.Base.ImageDescription] = caption
        self.frames[0].save(
            target,
            save_all=True,
            append_images=self.frames[1:],
            duration=[round(1000 * seconds) for seconds in self.played_s],
            loop=0,
            lossless=True,
            quality=100,
            method=6,
            minimize_size=True,
            exif=exif,
        )
        self.frames[-1].save(target.with_suffix(".png"), optimize=True)


def film_duel(browser: Browser, server: Server) -> None:
    """Writes the moving picture of a recorded duel, and its caption into README.

    A browser beside it would take the processors from a run that trains, so one that is over is shown again: its own
    rows are written into the data folder in their order, each at its own moment, and the page draws them as it draws a
    live run. That Start is pressed is seen, but the press starts nothing.
    """
    store = Store(server.folder)
    recorded = store.recorded()[0]
    film = Film(open_page(browser, server, "", DUEL_WIDTH, DUEL_HEIGHT, link_to(recorded.settings.as_json())))
    press_start(film)
    replay(film, store, recorded)
    film.take(RESULT_S)
    scroll_to_charts(film)
    film.take(LAST_S)
    film.page.close()
    where = f"{machine_words(recorded.machine)}, {day(recorded.created_at)}"
    how = f"filmed from its record and played {SPEED} times as fast"
    caption = f"A real run on {where}, {how}. {brief(recorded)}"
    film.save(FOLDER / f"{DUEL}.webp", caption)
    text = README.read_text(encoding="utf-8")
    README.write_text(re.sub(r"(?<=</picture>\n\n).+", lambda _: caption, text, count=1), encoding="utf-8")


def press_start(film: Film) -> None:
    """The page as a visitor meets it, with a duel that is not the one to come, then the button held down."""
    film.page.get_by_text("Exact twin", exact=True).click()
    expect(film.page.get_by_text("fairness held")).to_be_visible()
    expect(film.page.locator(f"{CHARTS}[data-state=finished]")).to_be_visible()
    film.page.wait_for_timeout(DRAWING_MS)
    film.take(FIRST_S)
    start_button(film.page).hover()
    film.take(FRAME_S)
    film.page.mouse.down()
    film.take(FRAME_S)
    film.page.mouse.move(MARGIN_PX / 2, DUEL_HEIGHT / 2)  # released elsewhere, so that nothing is started
    film.page.mouse.up()


def replay(film: Film, store: Store, recorded: Run) -> None:
    """Shows a recorded run as if it were live, with a frame for each piece of it."""
    page, run_id = film.page, store.create(recorded.settings, recorded.machine)
    pieces = frames_of(store.rows(recorded.id, limit=ALL_ROWS))
    for number, rows in enumerate(pieces):
        if rows is pieces[-1]:
            take_as_long(store, run_id, recorded)
        store.append(run_id, [Entry(row.engine, row.event) for row in rows])
        if number == 0:
            page.reload()
            settled(page)
        run = store.run(run_id)
        drawn = len(chart_rows(store.rows_as_json(run_id)))
        expect(page.locator(f"{CHARTS}[data-rows='{drawn}']")).to_be_visible()
        if run.live:
            sentence = progress(gather(run, store.rows(run_id, steps=False))).sentence
            expect(page.get_by_test_id("stProgress")).to_contain_text(sentence)
            film.take(FRAME_S)
    expect(page.get_by_role("heading", name="Result in figures")).to_be_visible()
    page.wait_for_timeout(DRAWING_MS)


def take_as_long(store: Store, run_id: str, recorded: Run) -> None:
    """Has a run that ends now take as long as the recorded one: the page says how long runs took."""
    started_at = datetime.now(UTC) - timedelta(seconds=recorded.elapsed_s or 0)
    with store.write_transaction() as connection:
        connection.execute("UPDATE runs SET started_at = ? WHERE id = ?", (started_at.isoformat(), run_id))


def frames_of(rows: Sequence[Row]) -> list[list[Row]]:
    """A run's rows in pieces, one for each frame of the film.

    Rows hold no clock, but how long everything took; a step stands where its share of its epoch's training ends.
    """
    train_s = {(row.engine, row.event.epoch): row.event.train_s for row in rows if isinstance(row.event, Epoch)}
    pieces: list[list[Row]] = [[]]
    elapsed_s = 0.0
    for row in rows:
        moment_s = elapsed_s
        match row.event:
            case Ready(import_s=took_s) | Result(test_s=took_s):
                moment_s = elapsed_s = elapsed_s + took_s
            case Built(data_s=data_s, build_s=build_s):
                moment_s = elapsed_s = elapsed_s + data_s + build_s
            case Step(epoch, steps, points):
                moment_s += train_s[row.engine, epoch] * points[-1][0] / steps
            case Epoch(val_s=val_s):
                moment_s = elapsed_s = elapsed_s + train_s[row.engine, row.event.epoch] + val_s
        while moment_s > len(pieces) * FRAME_S * SPEED:
            pieces.append([])
        pieces[-1].append(row)
    return pieces


def scroll_to_charts(film: Film) -> None:
    """The charts of the end stand below what is concluded: scrolls until accuracy and loss are seen."""
    last = plot(film.page, "loss").bounding_box()
    assert last is not None
    left = last["y"] + last["height"] + MARGIN_PX - DUEL_HEIGHT
    while left > 0:
        step = min(left, 40)
        film.page.mouse.wheel(0, step)
        left -= step
        film.page.wait_for_timeout(200)
        film.take(MOVE_S)


def photograph(browser: Browser, server: Server, path: str) -> None:
    """Writes the picture of one page."""
    page = open_page(browser, server, path, WIDTH, HEIGHT)
    STILLS[path](page)
    page.wait_for_timeout(DRAWING_MS)
    page.screenshot(path=FOLDER / f"{path}.png")
    page.close()


def open_page(
    browser: Browser, server: Server, path: str, width: int, height: int, settings: Mapping[str, str] = {}
) -> Page:
    """A page of the dashboard in its light theme, drawn."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(f"{server.url}/{path}?{urlencode(settings)}")
    return settled(page, TITLES[path])


def main(names: Sequence[str]) -> None:
    """Writes docs/pictures anew: what is named, else all."""
    if unknown := {*names} - {DUEL, *STILLS}:
        sys.exit(f"No picture is called {', '.join(sorted(unknown))}: there are {', '.join([DUEL, *STILLS])}.")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="duel-pictures-") as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "data", Path(folder) / "server.log").wait()
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            # The duel last: the others show a fresh data folder.
            for name in names or [*STILLS, DUEL]:
                film_duel(browser, server) if name == DUEL else photograph(browser, server, name)
                print(FOLDER.relative_to(ROOT) / name)
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
