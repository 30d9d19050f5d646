"""Every figure that Plotly draws for a page and that stands still: no title on its ticks, at any width."""

import json
from collections.abc import Iterator
from pathlib import Path

import plotly
import plotly.graph_objects as go
import pytest
from playwright.sync_api import Browser, Page

from core.compare.claims import all_judged
from core.results import charts, overlay
from core.results.outcome import gather
from core.storage.measurements import EVIDENCE, read_evidence
from core.storage.runs import RECORDED
from tests.reported import CASES

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
COVERED = """([figure, width]) => {
    const plot = document.getElementById("plot");
    plot.style.width = `${width}px`;
    return Plotly.newPlot(plot, figure.data, figure.layout, { displayModeBar: false }).then(() => {
        const boxes = (selector) => [...plot.querySelectorAll(selector)].map((text) =>
            ({ words: text.textContent, box: text.getBoundingClientRect() })).filter(({ words }) => words.trim());
        const covers = (one, other) => Math.min(one.right, other.right) - Math.max(one.left, other.left) > 0.5
            && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 0.5;
        const ticks = boxes(".xtick text, .ytick text");
        const titles = boxes(".xtitle, .ytitle");
        return [ticks.length, titles.flatMap((title) => ticks.filter((tick) => covers(title.box, tick.box))
            .map((tick) => `${title.words} lies on ${tick.words}`))];
    });
}"""


def static() -> Iterator[tuple[str, go.Figure]]:
    """Each figure with a name."""
    for row in all_judged({}, read_evidence(RECORDED / EVIDENCE)):
        pictures = row.evidence.shown.pictures if row.evidence else ()
        yield from ((f"row {row.claim.number}, {number}", picture.figure) for number, picture in enumerate(pictures))
    outcomes = {case: gather(*CASES[case]()) for case in ("as shipped", "three lanes", "one epoch")}
    for case, outcome in outcomes.items():
        yield f"time split, {case}", charts.time_split(outcome.lanes)[0]
        yield from ((f"{title}, {case}", figure) for title, figure, _ in charts.curves(outcome.lanes))
        yield f"confusion, {case}", charts.confusion(outcome.lanes[0], 9, outcome.dataset.class_names)[0]
    yield "overlay", overlay.overlay(list(outcomes.values()))[0]


FIGURES = dict(static())


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_content('<div id="plot"></div>')
    page.add_script_tag(path=PLOTLY)
    yield page
    page.close()


@pytest.mark.parametrize("name", FIGURES)
def test_no_title_of_an_axis_lies_on_its_ticks(page: Page, name: str) -> None:
    for width in (1040, 340):
        ticks, covered = page.evaluate(COVERED, [json.loads(FIGURES[name].to_json()), width])
        assert ticks
        assert covered == []
