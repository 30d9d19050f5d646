"""The live charts' figures by themselves, in Chromium without a server: their axes, their words."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import plotly
import pytest
from playwright.sync_api import Browser, Page

from core.experiment import metrics
from core.results.epoch_charts import EPOCH_CHARTS, epoch_charts
from core.web.components.live_chart import ASSETS

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
LANES = [
    {"engine": "keras", "name": "Keras", "framework": "keras", "open": False},
    {"engine": "torch", "name": "PyTorch", "framework": "torch", "open": False},
]
CHARTS = [asdict(chart) for chart in EPOCH_CHARTS]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 640, "height": 480})
    page.set_content('<div><div id="plot" style="width: 600px"></div><p class="live-chart-waiting"></p></div>')
    page.add_script_tag(path=PLOTLY)
    code = (ASSETS / "live_figure.js").read_text(encoding="utf-8")
    page.evaluate(
        "async (code) => { window.ours = await import('data:text/javascript,' + encodeURIComponent(code)) }", code
    )
    yield page
    page.close()


def drawn(page: Page, chart: str, epochs: int, values: list[tuple[int, float]]) -> list[str]:
    """The labels on both axes of a chart of so many epochs, with these points (epoch, value) in both lanes."""
    return list(
        page.evaluate(
            """([chart, data, lanes, values]) => {
                const plot = document.getElementById("plot");
                plot.dataset.chart = chart;
                const figure = new ours.Figure(plot);
                figure.restart(data, lanes);
                figure.draw(window.Plotly);
                for (const { engine } of lanes) values.forEach(([x, y]) => figure.add("main", engine, x, y));
                figure.flush();
                return [...plot.querySelectorAll(".xtick text, .ytick text")].map((text) => text.textContent);
            }""",
            [
                chart,
                {"run": "one", "epochs": epochs, "charts": [asdict(chart) for chart in EPOCH_CHARTS], "lanes": LANES},
                LANES,
                values,
            ],
        )
    )


@pytest.mark.parametrize("chart", ["val_accuracy", "loss", "seconds", "throughput"])
def test_one_epoch_is_a_point_on_an_axis_from_0_to_1(page: Page, chart: str) -> None:
    labels = drawn(page, chart, 1, [(1, 0.97)])
    assert labels[:2] == ["0", "1"]
    x0, x1 = page.evaluate("document.getElementById('plot').layout.xaxis.range")
    assert x0 < 0 < 1 < x1 < 1.1


def test_a_loss_far_from_one_is_a_power_of_ten_with_a_minus(page: Page) -> None:
    labels = drawn(page, "loss", 2, [(1, 3e8), (2, 2e-9)])
    assert {metrics.power_of_ten(value) for value in (1e-7, 1e7)} <= set(labels), labels
    assert not [label for label in labels if "e" in label]


def test_no_label_of_an_axis_covers_its_title(page: Page) -> None:
    drawn(page, "loss", 100, [(epoch, 1e-7 * epoch) for epoch in range(1, 101)])
    overlaps = page.evaluate(
        """() => {
            const title = document.querySelector("#plot .xtitle").getBoundingClientRect();
            return [...document.querySelectorAll("#plot .xtick text")].map((text) => text.getBoundingClientRect())
                .filter((box) => box.bottom > title.top && box.right > title.left && box.left < title.right).length
        }"""
    )
    assert overlaps == 0


def test_a_figure_is_said_as_the_report_says_it(page: Page) -> None:
    values = {"val_accuracy": 98.64, "loss": 0.07891, "seconds": 12.345, "throughput": 3312.4}
    for chart in epoch_charts(600):
        said = page.evaluate("([chart, value]) => ours.say(chart, value)", [asdict(chart), values[chart.key]])
        assert said == chart.say(values[chart.key])
