"""The network editor on Train in a real browser: mouse, finger and keys, text and rows, undo, links, and Start."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from core.data.shape import MNIST_SHAPE
from core.experiment.network import PRESETS, Network
from core.storage.runs import Store
from tests.browser import axe
from tests.browser.conftest import (
    OpenVisitor,
    Server,
    run_started,
    sideways,
    start_button,
    stop_button,
    wait_for,
)
from tests.browser.keyboard import Keyboard

EDITOR = "[data-testid=network-editor]"
OWN = "conv 8 3 stride 2 relu, batchnorm, maxpool 2, flatten, dense 10"
DRAWN = """() => {
    const { serial, drawn } = document.querySelector("[data-testid=network-editor]").dataset;
    return drawn !== "" && drawn === serial;
}"""

FADED = """(part) => {
    let faded = 0;
    for (; part; part = part.parentElement) faded += getComputedStyle(part).opacity < 1;
    return faded;
}"""
"""How much around it is faded: what a rerun has not drawn yet is."""


def opened(visit: OpenVisitor, width: int = 1280, **settings: object) -> Page:
    """The Train page with its editor open."""
    page = visit(width=width, has_touch=width < 500).open(**settings)
    page.locator(f"{EDITOR} summary").click()
    expect(area(page)).to_be_visible()
    return page


def area(page: Page) -> Locator:
    return page.get_by_label("Layers with commas between them")


def settle(page: Page) -> None:
    """Until the newest text is shown as rows."""
    wait_for("the newest text is drawn", lambda: page.evaluate(DRAWN), page=page)


def rows(page: Page) -> list[str]:
    """Each row's kind."""
    settle(page)
    return list(
        page.locator(f"{EDITOR} li").evaluate_all("(all) => all.map((row) => row.querySelector('select').value)")
    )


def text(page: Page) -> str:
    settle(page)
    return area(page).input_value()


def totals(page: Page) -> str:
    settle(page)
    return page.locator(f"{EDITOR} .network-editor-totals").inner_text()


def problem(page: Page) -> str:
    settle(page)
    return page.locator(f"{EDITOR} .network-editor-inside .network-editor-problem").inner_text()


def button(page: Page, name: str) -> Locator:
    return page.locator(EDITOR).get_by_role("button", name=name, exact=True)


def test_it_is_folded_until_it_is_wanted_and_says_what_will_train(visit: OpenVisitor) -> None:
    page = visit().open()
    expect(page.locator(f"{EDITOR} summary")).to_have_text(re.compile(r"Network\s+The article's, 32,612 parameters"))
    expect(area(page)).not_to_be_visible()


def test_what_is_typed_is_drawn_counted_linked_and_started(visit: OpenVisitor, server: Server) -> None:
    page = opened(visit, epochs=1, batch_size=600)
    area(page).fill(OWN)
    made = Network.of(OWN, MNIST_SHAPE)
    assert totals(page) == (
        f"{made.parameters:,} parameters, {made.multiply_adds:,} multiply-adds an image: the same in both frameworks."
    )
    picture = page.locator(EDITOR).get_by_role("img")
    expect(picture).to_have_attribute(
        "aria-label",
        "The network: input 28 x 28 x 1, conv1 13 x 13 x 8, pool1 6 x 6 x 8, flatten 288, dense 10.",
    )
    assert rows(page) == ["conv", "batchnorm", "maxpool", "flatten", "dense"]
    start_button(page).click()
    run_id = run_started(page, server)
    assert Store(server.folder).run(run_id).settings.network == OWN
    expect(area(page)).not_to_be_editable()
    stop_button(page).click()
    expect(start_button(page)).to_be_visible()
    expect(area(page)).to_be_editable()
    wait_for("the address has it", lambda: "network=" in page.url, page=page)
    page.reload()
    page.locator(f"{EDITOR} summary").click()
    expect(area(page)).to_have_value(OWN)


def test_what_cannot_be_stays_as_typed_with_its_sentence_and_is_not_started(visit: OpenVisitor) -> None:
    page = opened(visit)
    area(page).fill("conv 30 3 relu, maxpool 40, dense 10")
    assert problem(page) == "Layer 2, maxpool 40: size must be a whole number from 1 to 32, not 40."
    assert page.locator(f"{EDITOR} .network-editor-row-fault").get_attribute("aria-label") == "Layer 2, maxpool 40"
    expect(start_button(page)).to_be_disabled()
    page.locator(f"{EDITOR} summary").click()
    expect(page.locator(f"{EDITOR} .network-editor-problem-folded")).to_be_visible()
    wait_for("the address has it", lambda: "maxpool" in page.url, page=page)
    page.reload()
    page.locator(f"{EDITOR} summary").click()
    expect(area(page)).to_have_value("conv 30 3 relu, maxpool 40, dense 10")
    area(page).fill("mlp")
    expect(start_button(page)).to_be_enabled()
    assert rows(page) == ["flatten", "dense", "dropout", "dense"], "a preset's name is as good as its layers"


def test_by_mouse_rows_are_added_changed_moved_removed_and_each_step_is_taken_back(visit: OpenVisitor) -> None:
    page = opened(visit)
    button(page, "Multilayer perceptron").click()
    texts = [PRESETS["article"], text(page)]
    assert texts[1] == PRESETS["mlp"]
    button(page, "Add a layer below dense1").click()
    texts.append(text(page))
    assert texts[-1] == "flatten, dense 128 relu, relu, dropout, dense 10"
    page.get_by_label("Kind of relu").select_option("dense")
    texts.append(text(page))
    assert texts[-1] == "flatten, dense 128 relu, dense 10, dropout, dense 10"
    row = page.locator(f"{EDITOR} li").nth(2)
    row.get_by_label("units").fill("32")
    texts.append(text(page))
    row.get_by_label("activation").select_option("gelu")
    texts.append(text(page))
    assert texts[-1] == "flatten, dense 128 relu, dense 32 gelu, dropout, dense 10"
    button(page, "Move dropout up").click()
    button(page, "Remove dense1").click()
    assert text(page) == "flatten, dropout, dense 32 gelu, dense 10"
    for _ in range(2):
        button(page, "Undo").click()
    for before in reversed(texts[1:]):
        assert text(page) == before
        button(page, "Undo").click()
    assert text(page) == texts[0]
    assert button(page, "Undo").get_attribute("aria-disabled") == "true"


SLOWLY_MS = 1300
"""A pause while one types."""


def type_slowly(page: Page, *parts: str) -> None:
    for part in parts:
        page.keyboard.type(part)
        settle(page)
        page.wait_for_timeout(SLOWLY_MS)


def test_undo_goes_back_a_whole_edit_however_slowly_it_was_typed(visit: OpenVisitor) -> None:
    page = opened(visit)
    filters = page.get_by_label("filters").first
    filters.fill("")
    type_slowly(page, "1", "6")
    assert text(page).startswith("conv 16 3 relu")
    button(page, "Undo").click()
    assert text(page) == PRESETS["article"]
    area(page).focus()
    page.keyboard.press("ControlOrMeta+Home")
    type_slowly(page, "dro", "pout, ")
    assert text(page).startswith("dropout, conv 30")
    page.keyboard.type("relu, ")
    assert text(page).startswith("dropout, relu, conv 30")
    button(page, "Undo").click()
    assert text(page) == f"dropout, {PRESETS['article']}", "a pause at what can be ends an edit of the text"
    button(page, "Undo").click()
    assert text(page) == PRESETS["article"]
    assert button(page, "Undo").get_attribute("aria-disabled") == "true"


def test_a_comma_in_a_row_is_read_as_in_other_fields_or_refused_and_never_ends_the_layer(visit: OpenVisitor) -> None:
    page = opened(visit)
    filters = page.get_by_label("filters").first
    filters.fill("1,024")
    assert text(page).startswith("conv 1024 3 relu, maxpool 2")
    filters.fill("3,5")
    assert "filters must be a whole number from 1 to 4,096, not 3.5." in problem(page)
    expect(filters).to_have_value("3,5")
    filters.fill("8")
    page.get_by_label("rate").fill("0,25")
    assert "flatten, dropout 0.25, dense 10" in text(page)
    assert not problem(page)


def test_without_a_row_it_says_what_is_needed_and_nothing_is_lost(visit: OpenVisitor) -> None:
    page = opened(visit, network="flatten, dense 10")
    for name in ("flatten", "dense"):
        button(page, f"Remove {name}").click()
        settle(page)
    assert problem(page).startswith("A network needs layers: ")
    expect(start_button(page)).to_be_disabled()
    button(page, "Add a layer").click()
    assert rows(page) == ["relu"]
    for _ in range(3):
        button(page, "Undo").click()
    assert text(page) == "flatten, dense 10"
    expect(start_button(page)).to_be_enabled()


def test_its_buttons_have_their_names_while_it_is_folded(visit: OpenVisitor) -> None:
    page = visit().open()
    buttons = page.locator(f"{EDITOR} details button")
    expect(buttons.first).to_be_attached()
    unnamed = "(all) => all.filter((one) => !one.innerText && !one.ariaLabel && !one.title).length"
    assert buttons.evaluate_all(unnamed) == 0


def test_where_the_network_does_not_fit_the_data_one_press_takes_one_that_does(visit: OpenVisitor) -> None:
    page = visit().open(dataset="digits")
    expect(page.locator(f"{EDITOR} .network-editor-problem-folded")).to_have_text(
        "Maxpool 2 after conv 62 3 relu would leave 0 pixels."
    )
    expect(start_button(page)).to_be_disabled()
    page.get_by_role("group", name="Networks that fit").get_by_role("button", name="Multilayer perceptron").click()
    expect(start_button(page)).to_be_enabled()
    page.wait_for_url("**/?*network=mlp*")
    expect(page.get_by_role("group", name="Networks that fit")).to_be_hidden()


def test_start_is_disabled_by_the_press_that_makes_what_cannot_be(visit: OpenVisitor) -> None:
    page = opened(visit)
    expect(start_button(page)).to_be_enabled()
    button(page, "Remove flatten").click()
    expect(start_button(page)).to_be_disabled()
    button(page, "Undo").click()
    expect(start_button(page)).to_be_enabled()


def test_a_number_that_is_none_yet_keeps_its_row_and_what_was_typed(visit: OpenVisitor) -> None:
    page = opened(visit)
    filters = page.get_by_label("filters").first
    filters.fill("")
    assert "conv" in problem(page)
    expect(filters).to_be_visible()
    filters.press_sequentially("7")
    assert text(page).startswith("conv 7 3 relu, ")
    assert not problem(page)


@pytest.mark.parametrize("width", [1280, 390])
def test_by_keyboard_alone_a_layer_is_added_made_another_and_moved(visit: OpenVisitor, width: int) -> None:
    page = visit(width=width).open()
    keys = Keyboard(page)
    keys.go_to(page.locator(f"{EDITOR} summary"))
    keys.press("Enter")
    keys.go_to(button(page, "Multilayer perceptron"))
    keys.press("Space")
    assert text(page) == PRESETS["mlp"]
    keys.go_to(button(page, "Add a layer"))
    keys.press("Enter")
    keys.comes_to(page.get_by_label("Kind of relu"))
    keys.type("tanh")
    assert rows(page) == ["flatten", "dense", "dropout", "tanh", "dense"]
    keys.go_to(button(page, "Move tanh up"))
    keys.press("Enter")
    settle(page)
    assert keys.is_on(button(page, "Move tanh up")), "the focus goes with the row"
    keys.press("Enter")
    assert rows(page) == ["flatten", "tanh", "dense", "dropout", "dense"]
    keys.go_to(button(page, "Remove tanh"))
    keys.press("Enter")
    assert text(page) == PRESETS["mlp"]
    keys.go_to(button(page, "Undo"), "Shift+Tab")
    keys.press("Enter")
    assert rows(page) == ["flatten", "tanh", "dense", "dropout", "dense"]
    keys.was_seen()


def test_on_a_phone_it_fits_and_a_finger_does_all_of_it(visit: OpenVisitor) -> None:
    page = opened(visit, width=390)
    assert sideways(page) == 0
    drawing, first = page.locator(f"{EDITOR} svg[role=img]"), page.locator(f"{EDITOR} li").first
    expect(drawing).to_be_visible()
    boxes = drawing.bounding_box(), first.bounding_box()
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"], "the drawing comes first"
    button(page, "Four convolutions").tap()
    assert len(rows(page)) == 11
    button(page, "Remove conv4").tap()
    button(page, "Move pool2 up").tap()
    assert text(page).startswith("conv 32 3 same relu, conv 32 3 same relu, maxpool 2, maxpool 2, conv 64 3 same relu")
    assert sideways(page) == 0
    small = page.locator(f"{EDITOR} button").evaluate_all(
        "(all) => all.filter((one) => Math.min(one.offsetWidth, one.offsetHeight) < 34).map((one) => one.title)"
    )
    assert not small, "a finger hits each of them"


def test_a_change_of_page_forgets_neither_the_network_nor_the_way_back(visit: OpenVisitor) -> None:
    page = opened(visit)
    button(page, "LeNet-5").click()
    settle(page)
    page.get_by_role("link", name="Learn").click()
    expect(page.get_by_role("heading", name="Learn", exact=True)).to_be_visible()
    page.get_by_role("link", name="Train").click()
    expect(area(page)).to_have_value(PRESETS["lenet5"])
    button(page, "Undo").click()
    assert text(page) == PRESETS["article"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_open_editor_has_no_fault_that_axe_finds(visit: OpenVisitor, scheme: str) -> None:
    page = opened(visit)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    area(page).fill("conv 8 3, oops, dense 10")
    expect(start_button(page)).to_be_disabled()
    wait_for("nothing is faded any more", lambda: page.locator(EDITOR).evaluate(FADED) == 0, page=page)
    assert not axe.found(page)
