"""Every figure that Plotly draws for a page and that stands still: no title on its ticks, at any width."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import plotly
import plotly.graph_objects as go
import pytest
from playwright.sync_api import Browser, Page

from core.compare.claims import all_judged
from core.results import charts, overlay
from core.results.outcome import gather
from core.storage.measurements import EVIDENCE, read_evidence
from core.storage.records import RECORDED
from tests.reported import CASES

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
RESULTS = ("as shipped", "three lanes", "one epoch")
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


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_content('<div id="plot"></div>')
    page.add_script_tag(path=PLOTLY)
    yield page
    page.close()


def assert_titles_are_free(page: Page, figures: Mapping[str, go.Figure]) -> None:
    for name, figure in figures.items():
        for width in (1040, 340):
            ticks, covered = page.evaluate(COVERED, [json.loads(figure.to_json()), width])
            assert ticks, name
            assert covered == [], f"{name}, {width} pixels wide"


@pytest.fixture(scope="module")
def evidence() -> dict[int, list[go.Figure]]:
    """The pictures of each claim's recorded evidence."""
    judged = all_judged({}, read_evidence(RECORDED / EVIDENCE))
    return {row.claim.number: [each.figure for each in row.evidence.shown.pictures] for row in judged if row.evidence}


def test_no_title_of_recorded_evidence_lies_on_its_ticks(page: Page, evidence: dict[int, list[go.Figure]]) -> None:
    named = {f"claim {claim}, {place}": each for claim, all_of in evidence.items() for place, each in enumerate(all_of)}
    assert len(named) >= 8
    assert_titles_are_free(page, named)


@pytest.mark.parametrize("case", RESULTS)
def test_no_title_of_a_result_lies_on_its_ticks(page: Page, case: str) -> None:
    outcome = gather(*CASES[case]())
    figures = {title: figure for title, figure, _ in charts.curves(outcome.lanes)}
    figures["time split"] = charts.time_split(outcome.lanes)[0]
    figures["confusion"] = charts.confusion(outcome.lanes[0], 9, outcome.dataset.class_names)[0]
    assert_titles_are_free(page, figures)


def test_no_title_of_overlaid_runs_lies_on_its_ticks(page: Page) -> None:
    assert_titles_are_free(page, {"overlay": overlay.overlay([gather(*CASES[case]()) for case in RESULTS])[0]})
