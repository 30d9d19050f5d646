"""The live charts by themselves, in Chromium without a server: their axes, their words, and how they outlive what
Streamlit does with their element.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import plotly
import pytest
from playwright.sync_api import Browser, Page, Route

from core.experiment import metrics
from core.results.epoch_charts import EPOCH_CHARTS, epoch_charts
from core.web.components.assets import SCRIPTS
from core.web.components.live_chart import ASSETS, HTML, ChartLane, ChartView

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


# --- a chart's element is Streamlit's ---------------------------------------------------------------------

HOST = "http://charts.example/"
PARKED_MS = 2000
"""As in live_chart.js: how long charts wait for a new place."""


def epoch_row(seq: int) -> dict[str, object]:
    figures = {"train_loss": 0.5, "train_accuracy": 0.8, "val_loss": 0.4, "val_accuracy": 0.9}
    return {"seq": seq, "engine": "keras", "kind": "epoch", "epoch": seq, **figures, "train_s": 1.0, "val_s": 0.1,
            "images_per_s": 1000.0}  # fmt: skip


class Host:
    """A page with one live chart, and what its server says."""

    def __init__(self, page: Page) -> None:
        self.page, self.epochs = page, 1
        self.asked_from: list[int] = []
        """After which row each request asked."""
        page.route(f"{HOST}**", self._answer)
        page.goto(HOST)
        view = ChartView("one", 9, (ChartLane("keras", "Keras", "keras"),))
        page.evaluate(
            """async (data) => {
                const { default: liveChart } = await import("/live_chart.js?v=1");
                const parentElement = document.getElementById("here");
                const ignore = () => {};
                window.rerun = () =>
                    window.cleanUp = liveChart({ parentElement, data, setStateValue: ignore, setTriggerValue: ignore });
                window.chart = parentElement.firstElementChild;
                const isNumber = (value) => value !== null;
                window.points = () => {
                    const drawn = document.querySelector(".live-chart-plot").data?.find((trace) => trace.showlegend);
                    return drawn?.y.filter(isNumber).length ?? 0;
                };
            }""",
            view.to_data(),
        )

    def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(HOST)
        if path.startswith("api/"):
            after = int(path.rpartition("=")[2])
            self.asked_from.append(after)
            rows = [epoch_row(seq) for seq in range(after + 1, self.epochs + 1)]
            route.fulfill(json={"rows": rows, "next": self.epochs, "state": "running"})
        elif not path:
            route.fulfill(
                content_type="text/html", body=f'<main><div id="here" style="width: 600px">{HTML}</div></main>'
            )
        elif path.startswith("assets/plotly"):
            route.fulfill(content_type="text/javascript", path=PLOTLY)
        else:
            name = path.partition("?")[0]
            found = [each for each in SCRIPTS if each.name == name]
            route.fulfill(content_type="text/javascript", path=found[0]) if found else route.abort()

    def shows(self, epochs: int) -> None:
        """Waits until so many epochs are drawn, of as many as the server has."""
        self.epochs = epochs
        self.page.wait_for_function("epochs => points() === epochs", arg=epochs)


@pytest.fixture
def host(browser: Browser) -> Iterator[Host]:
    page = browser.new_page(viewport={"width": 640, "height": 480})
    yield Host(page)
    page.close()


def test_a_rerun_of_the_page_goes_on_with_the_same_chart(host: Host) -> None:
    host.page.evaluate("rerun()")
    host.shows(2)
    host.page.evaluate("rerun(), rerun()")
    host.shows(4)
    assert host.asked_from.count(0) == 1, "another chart began anew on the same element"


def test_a_chart_that_is_put_back_where_it_was_goes_on(host: Host) -> None:
    host.page.evaluate("rerun()")
    host.shows(2)
    host.page.evaluate("() => { chart.remove(); cleanUp(); document.getElementById('here').append(chart); }")
    host.page.wait_for_timeout(PARKED_MS + 200)
    host.shows(3)


def test_a_chart_that_comes_back_after_it_was_given_up_is_drawn_anew(host: Host) -> None:
    host.page.evaluate("rerun()")
    host.shows(2)
    host.page.evaluate("() => { chart.remove(); cleanUp(); }")
    host.page.wait_for_timeout(PARKED_MS + 200)
    assert host.page.evaluate("!chart.querySelector('.js-plotly-plot .main-svg')"), "a chart that left is purged"
    host.page.evaluate("() => { document.getElementById('here').append(chart); rerun(); }")
    host.shows(3)
