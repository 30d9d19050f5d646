"""The report as it is handed in: photographed on a screen, on a phone and on paper, its geometry read from the page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from core.experiment.metrics import NO_BREAK
from core.results.report import as_html
from tests.reported import CASES, lanes_of

PAPER = 718
"""Pixels that A4 has between Chromium's margins."""
MEDIA = {"screen": (1280, "screen"), "phone": (390, "screen"), "paper": (PAPER, "print")}
HALF_A_MARK = 7
GEOMETRY = """() => {
    const box = (element) => {
        const { left, right, top, bottom, width, height } = element.getBoundingClientRect();
        return { left, right, top, bottom, width, height };
    };
    const texts = (root, selector) => [...root.querySelectorAll(selector)].map((text) =>
        ({ words: text.textContent, ...box(text) }));
    return {
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        figures: [...document.querySelectorAll("figure")].map(box),
        charts: [...document.querySelectorAll("figure.chart")].map((chart) => ({
            kind: chart.dataset.chart,
            area: box(chart.querySelector(".area")),
            up: texts(chart, ".up"),
            across: texts(chart, ".across:not(.title)"),
            title: texts(chart, ".title")[0],
            lines: [...chart.querySelectorAll("polyline")].map((line) => ({
                classes: [...line.classList], dashes: getComputedStyle(line).strokeDasharray, ...box(line),
            })),
            marks: [...chart.querySelectorAll("g use")].map(box),
        })),
    };
}"""

Box = dict[str, Any]


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share more than an edge."""
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    return bool(across > 0.5 and min(one["bottom"], other["bottom"]) - max(one["top"], other["top"]) > 0.5)


def overlapping(boxes: list[Box]) -> list[tuple[Any, Any]]:
    return [(a, b) for number, a in enumerate(boxes) for b in boxes[number + 1 :] if overlap(a, b)]


Open = Callable[[str], Page]


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens a case's report from its file, without a network, on a screen."""
    folder: Path = tmp_path_factory.mktemp("reports")
    asked: list[str] = []
    context = browser.new_context(offline=True, color_scheme="light")
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))

    def open_one(case: str) -> Page:
        path = folder / f"{case}.html"
        if not path.exists():
            path.write_text(as_html(*CASES[case]()), encoding="utf-8")
        on(page, "screen")
        page.goto(path.as_uri())
        return page

    yield open_one
    context.close()
    assert asked, "it was opened"
    assert all(address.startswith("file:") for address in asked), "it asks for nothing"


def on(page: Page, medium: str) -> int:
    """The page on a screen, a phone or paper; its width in pixels."""
    width, media = MEDIA[medium]
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(media="print" if media == "print" else "screen")
    return width


@pytest.mark.parametrize("case", CASES)
def test_every_figure_has_its_place(opened: Open, case: str, tmp_path: Path) -> None:
    page = opened(case)
    for medium in MEDIA:
        width = on(page, medium)
        found = page.evaluate(GEOMETRY)
        try:
            assert found["wide"] <= 0, f"nothing is wider than the page on a {medium}"
            assert overlapping(found["figures"]) == []
            assert all(0 <= figure["left"] < figure["right"] <= width for figure in found["figures"])
            assert all(figure["height"] > 100 for figure in found["figures"])
            assert [chart["kind"] for chart in found["charts"]] == expected_charts(case)
            for chart in found["charts"]:
                in_its_place(chart, width)
        except AssertionError:
            page.screenshot(path=tmp_path / f"{medium}.png", full_page=True)
            raise


def in_its_place(chart: Box, width: int) -> None:
    """A chart has its height, labels beside each other and within the page, and is drawn within its axes."""
    area = chart["area"]
    assert area["height"] == 190
    assert area["width"] > 200
    labels = [*chart["up"], *chart["across"], chart["title"]]
    assert overlapping(labels) == []
    assert all(label["left"] >= 0 and label["right"] <= width for label in labels)
    assert all(label["right"] <= area["left"] for label in chart["up"])
    for drawn in (*chart["lines"], *chart["marks"]):
        assert area["left"] - HALF_A_MARK <= drawn["left"] <= drawn["right"] <= area["right"] + HALF_A_MARK
        assert area["top"] - HALF_A_MARK <= drawn["top"] <= drawn["bottom"] <= area["bottom"] + HALF_A_MARK


def expected_charts(case: str) -> list[str]:
    if case == "failed":
        return []
    kinds = ["val_accuracy", "loss", "seconds", "throughput"]
    return sorted(kinds, key=lambda kind: kind != "loss") if case == "exact twin" else kinds


@pytest.mark.parametrize("case", [case for case in CASES if case != "failed"])
def test_curves_show_what_the_page_shows(opened: Open, case: str) -> None:
    charts = {chart["kind"]: chart for chart in opened(case).evaluate(GEOMETRY)["charts"]}
    epochs = CASES[case]()[0].settings.epochs
    for kind, chart in charts.items():
        first = 0 if kind == "loss" or epochs == 1 else 1
        assert [label["words"] for label in chart["across"]] == [str(tick) for tick in range(first, epochs + 1)]
    assert all(label["words"].endswith(f"{NO_BREAK}%") for label in charts["val_accuracy"]["up"])
    lines = charts["loss"]["lines"]
    lanes = lanes_of(CASES[case]())
    assert sum("steps" in line["classes"] for line in lines) == len(lanes)
    dashed = [line["dashes"] for line in lines if "torch" in line["classes"] and "main" in line["classes"]]
    assert dashed == ([] if epochs == 1 else ["7px, 4px"] * sum(lane.startswith("torch") for lane in lanes))
    assert "keras" not in lines[-1]["classes"], "PyTorch's dashes lie over Keras' line"


def test_one_epoch_is_a_marked_point_for_training_and_validation(opened: Open) -> None:
    page = opened("one epoch")
    marks = page.evaluate(GEOMETRY)["charts"]
    assert [len(chart["marks"]) for chart in marks] == [2, 4, 2, 2]
    training, validation = marks[1]["marks"][0], marks[1]["marks"][2]
    assert training["width"] < 0.8 * validation["width"]
    centres = [(mark["left"] + mark["right"]) / 2 for mark in marks[1]["marks"]]
    assert centres == pytest.approx(4 * [centres[0]], abs=0.5), "all at epoch 1"


def test_an_epoch_that_is_pointed_at_says_its_figures(opened: Open) -> None:
    page = opened("as shipped")
    column = page.locator("figure[data-chart=val_accuracy] .at").nth(2)
    assert not column.locator("p").is_visible()
    column.hover()
    assert column.locator("p").is_visible()
    said = column.locator("p").inner_text().splitlines()
    assert said[0] == "Epoch 3"
    assert [line.split()[0] for line in said[1:]] == ["Keras", "PyTorch"]
    assert all(line.endswith("%") for line in said[1:])


def test_paper_is_white_and_takes_a_few_pages(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    (tmp_path / "report.html").write_text(as_html(*CASES["exact twin"]()), encoding="utf-8")
    page.goto((tmp_path / "report.html").as_uri())
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert 3 <= pdf.count(b"/Type /Page\n") <= 12
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()
