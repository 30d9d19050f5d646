"""A lane has one colour in Python, JavaScript, CSS and Streamlit's theme, none of which can read another."""

import re
import tomllib
from pathlib import Path

import pytest

from core.results.charts import COLOURS, DASHES, SYMBOLS

ROOT = Path(__file__).resolve().parents[4]
COMPONENTS = ROOT / "core/web/components"


@pytest.mark.parametrize("lane", COLOURS)
def test_the_live_charts_draw_a_lane_as_the_finished_run_s_do(lane: str) -> None:
    script = (COMPONENTS / "live_chart/live_figure.js").read_text(encoding="utf-8")
    style = f'{lane}: {{ color: "{COLOURS[lane]}", symbol: "{SYMBOLS[lane]}", dash: "{DASHES[lane]}" }}'
    assert script.count(style) == 1


@pytest.mark.parametrize("lane", COLOURS)
def test_the_pad_s_bars_and_marks_have_their_framework_s_colour(lane: str) -> None:
    sheet = (COMPONENTS / "digit_pad/digit_pad.css").read_text(encoding="utf-8")
    rules = rf"\.digit-pad-(?:fill|text)-{lane} \{{[^}}]*?color: (#\w+)"
    assert re.findall(rules, sheet) == [COLOURS[lane]] * 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_have_the_colours_of_the_charts(theme: str) -> None:
    found = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"][theme]
    assert found["chartCategoricalColors"] == list(COLOURS.values())
    assert (found["blueColor"], found["orangeColor"]) == (COLOURS["keras"], COLOURS["torch"])


@pytest.mark.parametrize(("lane", "word"), [("keras", "blue"), ("torch", "orange")])
def test_a_mark_in_html_has_the_colour_that_it_has_in_markdown(lane: str, word: str) -> None:
    themes = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]
    light, dark = (themes[theme][f"{word}TextColor"] for theme in ("light", "dark"))
    sheet = (ROOT / "core/web/navigation.css").read_text(encoding="utf-8")
    assert f".mark-{lane} {{ color: light-dark({light}, {dark}); }}" in sheet
