"""A small table as HTML: every text escaped, every column and line headed, scrollable by keyboard where it is wide."""

import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from core.web.elements.table import as_html


def cells(html: str) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in line] for line in ET.fromstring(html).iter("tr")]


def test_every_text_is_shown_as_it_is_written() -> None:
    hostile = '<img src=x onerror="alert(1)"> & **bold**'
    frame = pd.DataFrame({hostile: [hostile]}, index=[hostile]).rename_axis(hostile)
    html = as_html(frame)
    assert "<img" not in html
    assert cells(html) == [[hostile, hostile], [hostile, hostile]]


def test_columns_and_lines_are_headed_and_an_engines_column_has_its_mark() -> None:
    frame = pd.DataFrame({"Keras": ["1"], "Other": ["2"]}, index=["Loss"]).rename_axis("Figure")
    table = ET.fromstring(as_html(frame, {"Keras": "keras"}))
    assert [head.get("scope") for head in table.iter("th")] == ["col", "col", "col", "row"]
    assert cells(as_html(frame, {"Keras": "keras"})) == [["Figure", "● Keras", "Other"], ["Loss", "1", "2"]]
    assert [mark.get("class") for mark in table.iter("b")] == ["mark-keras"]


@pytest.mark.parametrize(("columns", "focus"), [(2, None), (3, "0")])
def test_only_a_table_too_wide_for_a_phone_takes_the_focus(columns: int, focus: str | None) -> None:
    frame = pd.DataFrame({str(place): ["1"] for place in range(columns)}, index=["one"]).rename_axis("Run")
    table = ET.fromstring(as_html(frame))
    assert table.get("tabindex") == focus
    assert bool(table.get("aria-label")) == bool(focus)


def test_a_table_that_stacks_says_each_columns_name_beside_its_cell_and_what_is_a_table() -> None:
    frame = pd.DataFrame({"A <b>": ["1"], "B": ["2 & 3"]}, index=["one"]).rename_axis("Run")
    table = ET.fromstring(as_html(frame, stacks=True))
    assert cells(as_html(frame, stacks=True)) == [["Run", "A <b>", "B"], ["one", "1", "2 & 3"]]
    assert [cell.get("data-column") for cell in table.iter("td")] == ["A <b>", "B"]
    roles = ["columnheader"] * 3 + ["rowheader"]
    assert [head.get("role") for head in table.iter("th")] == roles
