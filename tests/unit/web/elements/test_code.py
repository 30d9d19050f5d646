"""Code as HTML: the text itself, highlighted, escaped, with its buttons, scrollable by keyboard where it scrolls."""

import xml.etree.ElementTree as ET

import pytest

from core.data import datasets
from core.experiment.settings import TrainSettings
from core.learn.lessons import LESSONS, script
from core.results.listings import FILENAMES, listing
from core.web.elements.code import Code, row_html

SCRIPTS = {
    **{engine: listing(engine, TrainSettings(), datasets.find("mnist5k")).script for engine in FILENAMES},
    **{f"{one.slug} {side}": script(one, side, None) for one in LESSONS for side in one.sides if not one.control},
    "hostile": 'print("</code></pre><script>alert(1)</script>")  # a < b & c\n\n\nif x:\n\ty = 1',
}


def block(code: Code) -> ET.Element:
    (found,) = ET.fromstring(row_html([code]))
    return found


def text_of(part: ET.Element) -> str:
    (code,) = part.iter("code")
    return "".join(code.itertext())


@pytest.mark.parametrize("name", SCRIPTS)
def test_highlighting_changes_no_letter(name: str) -> None:
    shown = block(Code(SCRIPTS[name], name))
    assert text_of(shown) == SCRIPTS[name].strip("\n")
    assert {part.get("class") for part in shown.iter("span")} & {"k", "kn", "nb", "s1", "s2", "c1"}


def test_what_a_program_printed_is_shown_as_it_is() -> None:
    shown = block(Code("<b>1 & 2</b>\n", "printed", python=False))
    assert text_of(shown) == "<b>1 & 2</b>"


@pytest.mark.parametrize(
    ("code", "focus"),
    [
        (Code("x = 1", "a script"), None),
        (Code("x = 1", "a script", height_px=340), "0"),
        (Code("│ a │", "a summary", python=False), "0"),
        (Code("a line", "a printout", python=False), None),
    ],
)
def test_only_what_scrolls_takes_the_focus(code: Code, focus: str | None) -> None:
    (pre,) = block(code).iter("pre")
    assert pre.get("tabindex") == focus
    assert pre.get("aria-label") == (code.name if focus else None)


def test_it_can_be_copied_and_a_whole_script_downloaded() -> None:
    buttons = list(block(Code("x = 1", "the script", filename='a"b.py')).iter("button"))
    assert [button.get("data-code") for button in buttons] == ["copy", "download"]
    assert [button.get("aria-label") for button in buttons] == ["Copy the script", "Download the script"]
    assert ["".join(button.itertext()) for button in buttons] == ["Copy", "Download"]
    assert buttons[1].get("data-filename") == 'a"b.py'
    assert [button.get("data-code") for button in block(Code("x = 1", "a part")).iter("button")] == ["copy"]
