"""Drawing in a real browser with the recorded duel's weights: pen, keyboard, uploads, downloads, how well they read."""

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.data import images
from core.storage.runs import Store
from core.web.draw.drawing import EMPTY, EXAMPLE
from tests import strokes as hand
from tests.browser.conftest import STORY_S, OpenVisitor, Server, sideways, wait_for
from tests.strokes import OTHER_PATHS, PATHS, drawn

PAD = "[data-testid=digit-pad]"
CANVAS = f"{PAD} .digit-pad-canvas"
ANSWERED = """() => {
    const pad = document.querySelector("[data-testid=digit-pad]").dataset;
    return pad.answered !== "" && pad.answered === pad.serial;
}"""
ENOUGH = 0.9
PLACES = ((0.14, 0.08, 0.74, 0.84), (0.36, 0.34, 0.3, 0.34), (0.04, 0.04, 0.24, 0.28))
"""Large, middle, and small in a corner: left, top, width and height as shares of the pad."""


@pytest.fixture(scope="module")
def drawing_page(browser: object, server: Server) -> None:
    """The recorded duels must be there: this module reads with their weights."""
    assert Store(server.folder).recorded(), "make record has not been run"


def open_pad(visit: OpenVisitor, **options: int) -> Page:
    """The Draw page of a first visitor, with both models loaded."""
    page = visit(**options).open("draw")
    expect(page.locator(CANVAS)).to_be_visible()
    wait_for("both models are loaded", lambda: EXAMPLE in page.locator(PAD).inner_text(), 90, page)
    return page


def spots(path: hand.Path, box: Mapping[str, float], place: tuple[float, float, float, float]) -> hand.Path:
    """A path at a place of the pad, which stands in this box of the page."""
    left, top, width, height = place
    return [
        (box["x"] + box["width"] * (left + width * x), box["y"] + box["height"] * (top + height * y)) for x, y in path
    ]


def draw(page: Page, paths: list[hand.Path], place: tuple[float, float, float, float]) -> None:
    """Moves the pointer along the paths, pen down on each."""
    box = page.locator(CANVAS).bounding_box()
    assert box is not None
    for path in paths:
        first, *rest = spots(path, box, place)
        page.mouse.move(*first)
        page.mouse.down()
        for spot in rest:
            page.mouse.move(*spot)
        page.mouse.up()


def answered(page: Page) -> str:
    """The headline of the answer to what is on the pad now."""
    wait_for("the newest drawing is answered", lambda: page.evaluate(ANSWERED), page=page)
    return page.locator(f"{PAD} .digit-pad-headline").inner_text()


def tops(page: Page) -> list[str]:
    """What each model reads first, in the order of the lanes."""
    lines = page.locator(f"{PAD} .digit-pad-tops").inner_text().splitlines()
    return [line.partition(":")[2].split()[0] for line in lines if ":" in line]


def clear(page: Page) -> None:
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(PAD)).to_contain_text(EMPTY)


def test_a_first_visitor_draws_and_both_recorded_models_answer(drawing_page: None, visit: OpenVisitor) -> None:
    page = open_pad(visit)
    draw(page, PATHS[7], PLACES[0])
    assert answered(page) == "Both read a 7."
    assert tops(page) == ["7", "7"]
    expect(page.get_by_label("Models of")).to_have_value(re.compile("recorded on .*: Keras 9.*PyTorch 9"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(PAD)).to_contain_text(EMPTY)


def test_a_drawing_that_finds_its_model_gone_is_answered_without_another_stroke(
    drawing_page: None, server: Server, visit: OpenVisitor
) -> None:
    page = open_pad(visit)
    for process in psutil.Process(server.process.pid).children(recursive=True):
        if process.cmdline()[-1] == "torch":
            process.kill()
            process.wait(timeout=10)
    draw(page, PATHS[7], PLACES[0])
    assert answered(page) == "Both read a 7."


@pytest.mark.parametrize(
    "paths", [pytest.param(PATHS, id="one manner"), pytest.param(OTHER_PATHS, id="other", marks=pytest.mark.more)]
)
def test_most_drawings_are_read_right_by_each_model(
    drawing_page: None, visit: OpenVisitor, paths: dict[int, list[hand.Path]]
) -> None:
    page = open_pad(visit)
    misses: dict[str, list[str]] = {"Keras": [], "PyTorch": []}
    count = 0
    for digit, strokes in paths.items():
        for number, place in enumerate(PLACES):
            draw(page, strokes, place)
            answered(page)
            count += 1
            for name, read in zip(misses, tops(page), strict=True):
                if read != str(digit):
                    misses[name].append(f"{digit} (place {number}) read as {read}")
            clear(page)
    print(f"{count} drawings; misses: {misses}")
    assert count == 30
    for name, missed in misses.items():
        assert len(missed) <= (1 - ENOUGH) * count, f"{name}: {missed}"


def test_a_sample_can_be_chosen_by_keyboard_alone(drawing_page: None, visit: OpenVisitor) -> None:
    page = open_pad(visit)
    page.get_by_role("radio", name="digit 0").focus()
    page.keyboard.press("ArrowRight")
    assert answered(page).startswith(("Both read a 1", "They disagree"))
    page.keyboard.press("End")
    expect(page.get_by_role("radio", name="digit 9")).to_be_focused()
    assert answered(page).startswith(("Both read a 9", "They disagree"))


def test_an_upload_is_read_dark_on_light_too(drawing_page: None, visit: OpenVisitor, tmp_path: Path) -> None:
    page = open_pad(visit)
    picture = images.rasterise(drawn(3, "middle"))
    Image.fromarray(255 - picture).save(tmp_path / "three.png")
    page.get_by_role("button", name="Upload").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "three.png")
    expect(page.locator(f"{PAD} .digit-pad-headline")).to_have_text("Both read a 3.")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.png", b"not a picture", "only PNG and JPEG"),
        ("torn.jpg", b"\xff\xd8\xff\xe0 torn", "torn.jpg"),
    ],
)
def test_a_bad_upload_is_a_sentence_and_the_page_goes_on(
    drawing_page: None, visit: OpenVisitor, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    page = open_pad(visit)
    draw(page, PATHS[7], PLACES[0])
    answered(page)
    (tmp_path / name).write_bytes(content)
    page.get_by_role("button", name="Upload").click()
    page.locator("input[type=file]").set_input_files(tmp_path / name)
    expect(page.locator("[data-testid=stPopoverBody]")).to_contain_text(words)
    expect(page.locator(f"{PAD} .digit-pad-words")).to_contain_text(words)
    assert "Both read" not in page.locator(PAD).inner_text(), "no answer to what was drawn before"
    page.keyboard.press("Escape")
    draw(page, PATHS[1], PLACES[0])
    assert answered(page)


def test_the_picture_and_the_weights_can_be_taken_along(drawing_page: None, visit: OpenVisitor) -> None:
    page = open_pad(visit)
    draw(page, PATHS[0], PLACES[0])
    answered(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download picture and answers").click()
    sheet = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert sheet.width == 680
    for suffix in (".safetensors", ".keras", ".pt"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"keras{suffix}", exact=True).click()
        assert download.value.suggested_filename == f"keras{suffix}"
        assert Path(download.value.path()).stat().st_size > 100_000


def test_swapping_the_weights_compares_both_models(drawing_page: None, visit: OpenVisitor) -> None:
    page = open_pad(visit)
    draw(page, PATHS[5], PLACES[0])
    answered(page)
    page.get_by_text("Each model uses the other's weights").click()
    expect(page.get_by_text("Largest difference of the outputs.")).to_be_visible()
    expect(page.get_by_text("the same answer").first).to_be_visible()
    for words in ("Each model uses the other's weights", "Both read a 5. Keras with PyTorch's weights is", "Largest"):
        expect(page.locator("p", has_text=words).last).to_be_in_viewport()
    assert page.get_by_text("another answer").count() == 0


def test_inside_both_models_a_layer_is_chosen_by_keyboard_and_of_the_same_weights_rounding_is_left(
    drawing_page: None, visit: OpenVisitor
) -> None:
    page = open_pad(visit)
    expect(page.locator(f"{PAD} .digit-pad-headline")).to_have_text(re.compile("^(Both read|They disagree)"))
    draw(page, PATHS[3], PLACES[0])
    answered(page)
    assert EXAMPLE not in page.locator(PAD).inner_text()
    page.get_by_text("Look inside both models").click()
    inside = page.locator(".inside")
    expect(inside).to_contain_text("conv1 (conv 30 3 relu)")
    expect(inside).to_contain_text("The models part most at")
    page.get_by_role("radio", name="conv1").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(inside).to_contain_text("pool1 (maxpool 2)")
    shown = inside.locator("img")
    assert shown.count() == 5
    for place in range(5):
        assert shown.nth(place).evaluate("picture => picture.naturalWidth > 0 && picture.clientWidth > 50")
    page.get_by_text("Each model uses the other's weights").click()
    expect(inside).to_contain_text("The differences vanish")
    expect(inside).to_contain_text("pool1 (maxpool 2)")


def test_the_drawing_survives_a_change_of_run_and_of_page(drawing_page: None, visit: OpenVisitor) -> None:
    page = open_pad(visit)
    draw(page, PATHS[4], PLACES[0])
    answered(page)
    before = page.locator(f"{PAD} .digit-pad-canvas").get_attribute("aria-label")
    page.get_by_role("link", name="Train").first.click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    page.get_by_role("link", name="Draw").first.click()
    expect(page.locator(CANVAS)).to_be_visible()
    assert answered(page)
    assert page.locator(f"{PAD} .digit-pad-canvas").get_attribute("aria-label") == before
    page.get_by_label("Models of").click()
    page.get_by_role("option").nth(1).click()
    headline = page.locator(f"{PAD} .digit-pad-headline")
    expect(headline).to_have_text(re.compile("^(Both read a 4|They disagree)"), timeout=STORY_S * 1000)


def test_on_a_phone_the_answer_stands_right_under_the_pad(drawing_page: None, visit: OpenVisitor) -> None:
    page = open_pad(visit, width=390, height=844)
    draw(page, PATHS[7], PLACES[0])
    answered(page)
    pad, words = page.locator(CANVAS).bounding_box(), page.locator(f"{PAD} .digit-pad-headline").bounding_box()
    assert pad is not None
    assert words is not None
    assert pad["width"] <= 320
    assert 0 < words["y"] - (pad["y"] + pad["height"]) < 120
    assert sideways(page) <= 2


def test_a_server_whose_first_request_is_for_draw_is_right(
    drawing_page: None, start_server: Callable[[], Server], visit: OpenVisitor
) -> None:
    page = visit(start_server().wait()).open("draw")
    expect(page.locator(CANVAS)).to_be_visible()
    expect(page.get_by_role("link", name="Train").first).to_be_visible()
    assert page.locator("[data-testid=stSidebar]").count() == 0


def test_a_pressed_number_of_the_matrix_opens_the_images_behind_it(drawing_page: None, visit: OpenVisitor) -> None:
    page = open_pad(visit)
    # The list is a new one after the press; while Streamlit redraws, the old one stands before it.
    chosen = page.get_by_label("Mistakes of Keras").last
    before = chosen.input_value()
    matrix = page.locator(".figure").first
    matrix.scroll_into_view_if_needed()
    # Any mistake but the first of the list: one that a single image stands behind.
    number = matrix.locator(".scatterlayer").get_by_text("1", exact=True).first
    box = number.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_for("the list follows", lambda: chosen.input_value() != before, page=page)
    assert chosen.input_value().endswith("(1)")
