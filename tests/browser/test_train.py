"""One real duel, Keras against PyTorch, from a click on Start to its result; then everything the result shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from core.data import datasets
from core.experiment.settings import TrainSettings
from core.results.listings import listing
from core.storage.records import Run
from core.storage.runs import Store
from tests.browser.conftest import (
    CHARTS,
    STORY_S,
    OpenVisitor,
    Server,
    Visitor,
    plot,
    points,
    rows_shown,
    run_started,
    sideways,
    start_button,
    wait_for,
)

SETTINGS = {"epochs": "3", "batch_size": "180", "dropout": "0.2"}
STEPS = 20
REMEMBER_WHAT_IS_SPOKEN = """(charts) => {
    const spoken = charts.querySelector('.live-chart-spoken');
    window.spokenTexts = [spoken.textContent];
    new MutationObserver(() => window.spokenTexts.push(spoken.textContent))
        .observe(spoken, { childList: true, characterData: true, subtree: true });
}"""


@dataclass
class Story:
    """What was seen while the duel ran, and the run that it left."""

    run_id: str = ""
    first_point_s: float = 0.0
    growth: list[int] = field(default_factory=list)
    """Rows that the charts had, whenever it was looked."""
    progress: list[str] = field(default_factory=list)
    same_node: bool = False
    zoom: list[Any] = field(default_factory=list)
    """The loss chart's x range: as it was, after the zoom, after more rows, after the run's end."""
    hidden: list[Any] = field(default_factory=list)
    """What is hidden in the accuracy chart: before, after the click, after more rows, after the end."""
    spoken: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    run: Run | None = None


def x_range(page: Page) -> list[float]:
    return [round(edge, 6) for edge in plot(page, "loss").evaluate("(plot) => plot.layout.xaxis.range")]


def hidden(page: Page) -> list[str]:
    script = "(plot) => plot.data.filter((trace) => trace.visible === 'legendonly').map((trace) => trace.name)"
    return list(plot(page, "val_accuracy").evaluate(script))


def zoom_in(page: Page) -> None:
    """Draws a box over the middle of the loss chart, as a mouse would."""
    plot(page, "loss").scroll_into_view_if_needed()
    box = page.locator(f"{CHARTS} [data-chart=loss] .nsewdrag").bounding_box()
    assert box is not None
    x, y = box["x"], box["y"] + box["height"] / 2
    page.mouse.move(x + 0.1 * box["width"], y)
    page.mouse.down()
    page.mouse.move(x + 0.4 * box["width"], y, steps=4)
    page.mouse.move(x + 0.6 * box["width"], y, steps=4)
    page.mouse.up()


def tell(story: Story, visitor: Visitor) -> None:
    """Runs the duel and watches it."""
    page, server = visitor.open(**SETTINGS), visitor.server
    start_button(page).click()
    story.run_id = run_started(page, server)
    page.locator(CHARTS).evaluate("(charts) => { charts.dataset.mark = 'the same node' }")
    page.locator(CHARTS).evaluate(REMEMBER_WHAT_IS_SPOKEN)

    def look() -> bool:
        story.growth.append(rows_shown(page))
        story.progress.extend(page.locator("[data-testid=stProgress]").all_inner_texts())
        return page.locator(CHARTS).get_attribute("data-state") == "finished"

    def epochs_of_both(number: int) -> bool:
        look()
        return min(points(page, "val_accuracy") or [0]) >= number

    story.first_point_s = wait_for("a first point", lambda: look() or any(points(page, "loss")), STORY_S, page)
    wait_for("an epoch of both", lambda: epochs_of_both(1), STORY_S, page)
    story.zoom.append(x_range(page))
    zoom_in(page)
    story.zoom.append(x_range(page))
    story.hidden.append(hidden(page))
    page.locator(f"{CHARTS} [data-chart=val_accuracy] .legendtoggle").last.click()
    wait_for("the trace is hidden", lambda: hidden(page), page=page)
    story.hidden.append(hidden(page))
    wait_for("another epoch of both", lambda: epochs_of_both(2), STORY_S, page)
    story.zoom.append(x_range(page))
    story.hidden.append(hidden(page))
    wait_for("the run's end", look, STORY_S, page)
    expect(page.get_by_role("heading", name="Result in figures")).to_be_visible()
    story.zoom.append(x_range(page))
    story.hidden.append(hidden(page))
    story.same_node = page.locator(CHARTS).get_attribute("data-mark") == "the same node"
    story.spoken = page.evaluate("window.spokenTexts")
    story.troubles = visitor.troubles
    story.run = Store(server.folder).run(story.run_id)


@pytest.fixture(scope="module")
def story(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The duel of this module."""
    story, visitor = Story(), Visitor(browser, server)
    try:
        tell(story, visitor)
    except BaseException:
        visitor.close(tmp_path_factory.mktemp("failed"))
        raise
    visitor.close()
    return story


# --- while it ran ----------------------------------------------------------------------------------------


def test_the_run_has_the_settings_of_the_fields(story: Story) -> None:
    assert story.run is not None
    assert story.run.state == "finished"
    assert story.run.settings == TrainSettings.parse(SETTINGS)
    assert {lane.state for lane in story.run.lanes} == {"finished"}


def test_the_charts_grew_while_it_ran_in_one_node(story: Story) -> None:
    assert story.growth == sorted(story.growth)
    assert len(set(story.growth)) > 5
    assert story.same_node


def test_progress_named_the_epoch_the_turn_and_the_time_left(story: Story) -> None:
    said = [" ".join(text.split()) for text in story.progress]
    whose = r"(Keras|PyTorch) (trains|builds the network), (Keras|PyTorch) waits for its turn\."
    assert any(re.match(rf"Epoch [123] of 3\. {whose}", text) for text in said), said
    assert any(re.search(r"About \d+ s left\.", text) for text in said), said


def test_a_zoom_survives_every_update_and_the_end(story: Story) -> None:
    before, zoomed, later, ended = story.zoom
    assert zoomed != before
    assert later == ended == zoomed


def test_a_hidden_trace_stays_hidden(story: Story) -> None:
    assert story.hidden == [[], ["PyTorch"], ["PyTorch"], ["PyTorch"]]


def test_each_epoch_and_the_end_are_spoken(story: Story) -> None:
    said = [" ".join(text.split()) for text in story.spoken if text]
    for epoch in (1, 2):
        assert any(re.match(rf"Epoch {epoch} of 3: Keras [\d.]+ %, PyTorch [\d.]+ %\.", text) for text in said), said
    assert said[-1].startswith("The run has ended: finished."), said
    assert len(said) == len(set(said)), "nothing is said twice"


def test_no_error_and_no_other_host_while_it_ran(story: Story) -> None:
    assert not story.troubles, "\n".join(story.troubles)


def test_the_server_has_loaded_no_framework(story: Story, server: Server) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("this system shows no process' libraries")
    loaded = maps.read_text()
    assert "site-packages/numpy/" in loaded
    assert not re.search(r"site-packages/(tensorflow|torch|keras|scipy|sklearn)/", loaded)


# --- the result ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(story: Story, browser: Browser, server: Server) -> Iterator[Page]:
    """The result, as one finds it later, in a light and in a wide window."""
    visitor = Visitor(browser, server)
    page = visitor.open()
    page.get_by_role("heading", name="What they confuse").wait_for()
    yield page
    visitor.close()


def _has_points(page: Page, chart: str, counts: list[int]) -> bool:
    return points(page, chart) == counts


def test_a_finished_run_is_found_by_who_comes_later(result: Page, story: Story) -> None:
    assert story.run is not None
    for lane in story.run.lanes:
        percent = f"{100 * (lane.test_accuracy or 0):.1f}"
        expect(result.locator(".lane-value").filter(has_text=percent).first).to_be_visible()
    plot(result, "val_accuracy").scroll_into_view_if_needed()
    wait_for("all rows are drawn", lambda: min(points(result, "val_accuracy"), default=0) == 3, page=result)
    counts = points(result, "loss")
    assert counts[:2] == [3 * STEPS, 3 * STEPS]
    assert counts[2:] == [3, 3, 3, 3]
    for chart in ("seconds", "throughput"):
        plot(result, chart).scroll_into_view_if_needed()  # it is drawn when it comes near the window
        wait_for(f"{chart} is drawn", partial(_has_points, result, chart, [3, 3]), page=result)


def test_the_table_holds_both_test_figures(result: Page, story: Story) -> None:
    assert story.run is not None
    table = result.get_by_role("table").first
    for name, figures in (
        ("Test accuracy", [f"{100 * (lane.test_accuracy or 0):.1f}" for lane in story.run.lanes]),
        ("Test loss", [f"{lane.test_loss:.4f}" for lane in story.run.lanes]),
        ("Parameters", ["32,612", "32,612"]),
    ):
        row = table.get_by_role("row").filter(has_text=name)
        for figure in figures:
            expect(row).to_contain_text(figure)
    for name in ("Training time", "Throughput", "Peak memory", "Device"):
        row = table.get_by_role("row").filter(has_text=name)
        assert "–" not in row.inner_text()


def test_time_split_and_both_confusion_matrices_are_drawn_and_described(result: Page) -> None:
    for heading in ("Where the time went", "What they confuse"):
        expect(result.get_by_role("heading", name=heading)).to_be_visible()
    figures = result.locator(".figure")
    expect(figures).to_have_count(3)
    for number in range(3):  # each is drawn when it comes near the window
        figures.nth(number).scroll_into_view_if_needed()
        expect(figures.nth(number).locator(".main-svg").first).to_be_visible()
    assert figures.nth(0).locator(".bars path").count() == 6
    for number, name in ((1, "Keras"), (2, "PyTorch")):
        expect(result.locator(f"[aria-label^='{name}: '], [alt^='{name}: ']").first).to_be_attached()
        assert figures.nth(number).locator(".textpoint, .text text").count() >= 10


def test_both_summaries_come_from_the_frameworks(result: Page) -> None:
    result.get_by_text("Model summaries").click()
    summaries = result.get_by_test_id("stExpander").filter(has_text="Model summaries")
    expect(summaries).to_contain_text("Conv2D")
    expect(summaries).to_contain_text("Conv2d(1, 30")
    result.get_by_text("Machine and versions").click()
    versions = result.get_by_test_id("stExpander").filter(has_text="Machine and versions")
    expect(versions).to_contain_text("tensorflow 2.")
    expect(versions).to_contain_text("torch 2.")
    assert "\\" not in versions.inner_text(), "escapes are for Markdown, not for readers"


def test_the_code_stands_in_rows_of_one_purpose_each(result: Page) -> None:
    titles = ("Data", "Model", "Loss and optimiser", "Training loop", "Evaluation")
    for title in titles:
        expect(result.get_by_role("heading", name=title, exact=True)).to_be_visible()
    codes = result.locator(".code-text").filter(visible=True)
    boxes = [codes.nth(number).bounding_box() for number in range(10)]
    for left, right in zip(boxes[::2], boxes[1::2], strict=True):
        assert left is not None
        assert right is not None
        assert abs(left["y"] - right["y"]) < 2
        assert left["x"] + left["width"] <= right["x"]


@pytest.mark.parametrize(("engine", "filename"), [("keras", "keras_duel.py"), ("torch", "pytorch_duel.py")])
def test_a_download_is_the_whole_script(result: Page, engine: str, filename: str) -> None:
    with result.expect_download() as download:
        result.get_by_role("button", name=f"Download {filename}").click()
    assert download.value.suggested_filename == filename
    settings = TrainSettings.parse(SETTINGS)
    assert download.value.path().read_text() == listing(engine, settings, datasets.find(settings.dataset)).script


def test_a_theme_switch_recolours_every_charts_text(visit: OpenVisitor, story: Story) -> None:
    page = visit().open()
    page.get_by_role("heading", name="What they confuse").wait_for()
    wait_for("the charts are drawn", lambda: min(points(page, "val_accuracy") or [0]) == 3, page=page)

    def colours() -> set[str]:
        script = "(texts) => texts.map((text) => getComputedStyle(text).fill)"
        return set(page.locator(".js-plotly-plot text").evaluate_all(script))

    marks = "(plot) => [...plot.querySelectorAll('.point')].map((point) => getComputedStyle(point).fill)"
    wait_for("the text is dark", lambda: colours() == {"rgb(63, 67, 75)"}, page=page)
    before = plot(page, "val_accuracy").evaluate(marks)
    page.emulate_media(color_scheme="dark")
    wait_for("the text is light", lambda: colours() == {"rgb(213, 211, 207)"}, page=page)
    assert plot(page, "val_accuracy").evaluate(marks) == before


def test_the_result_on_a_phone_scrolls_only_down(visit: OpenVisitor, story: Story) -> None:
    page = visit(width=390, height=844).open()
    page.get_by_role("heading", name="Evaluation").wait_for()
    assert sideways(page) <= 0
    box = start_button(page).bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 844


def test_where_the_host_passes_no_rows_the_result_is_fed(visit: OpenVisitor, story: Story) -> None:
    visitor = visit()
    visitor.expects_troubles = True  # the 404s are meant
    visitor.page.route("**/api/runs/**", lambda route: route.fulfill(status=404, body="no such page"))
    page = visitor.open()
    wait_for("all epochs are drawn", lambda: min(points(page, "val_accuracy") or [0]) == 3, page=page)
    assert page.locator(CHARTS).get_attribute("data-state") == "finished"


def test_where_the_host_passes_no_code_static_figures_stand_in(visit: OpenVisitor, story: Story) -> None:
    visitor = visit()
    visitor.expects_troubles = True
    visitor.page.route("**/assets/**", lambda route: route.abort())
    page = visitor.open()
    expect(page.get_by_role("heading", name="Validation accuracy").last).to_be_visible()
    expect(page.locator("[data-testid=stPlotlyChart]")).to_have_count(5, timeout=STORY_S * 1000)
    expect(page.locator(CHARTS)).to_be_hidden()
