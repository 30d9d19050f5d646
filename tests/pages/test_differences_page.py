"""What really differs, without a browser: rows, search, parts, links, the network at hand, measuring, failures."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from core.compare.differences.catalogue import DIFFERENCES, find, touching
from core.compare.differences.difference import EVERYTHING, PROBE, Difference, Part
from core.data.shape import MNIST_SHAPE
from core.experiment.network import Network
from core.experiment.order import Order
from core.experiment.settings import TrainSettings
from tests.kept_study import MACHINE
from tests.pages.conftest import StandInLauncher, TrainPage, read, wait_for
from tests.pages.test_compare_page import PAGE
from tests.unit.compare.test_differences_measured import values

ROW = find("label-shape")
VIEW = {"view": "differences"}


class DifferencesPage(TrainPage):
    """The view of what really differs."""

    def __init__(self, **link: str | list[str]) -> None:
        super().__init__()
        self.app.switch_page(PAGE)
        for name, value in {**VIEW, **link}.items():
            self.app.query_params[name] = value
        self.run()

    @property
    def rows(self) -> list[str]:
        """What every row says while it is folded."""
        return [read(row.label) for row in self.app.expander if row.label.startswith("**")]

    @property
    def names(self) -> list[str]:
        """Of the rows that are shown."""
        return [row.name for label in self.rows for row in DIFFERENCES if f". {row.title} " in label]

    @property
    def html(self) -> str:
        return " ".join(element.proto.body for element in self.app.get("html"))

    @property
    def links(self) -> dict[str, dict[str, list[str]]]:
        """The query of each link by its label."""
        return {read(one.proto.label): parse_qs(one.proto.query_string) for one in self.app.get("page_link")}

    @property
    def address(self) -> dict[str, list[str]]:
        held = dict(self.app.query_params)
        return {name: value if isinstance(value, list) else [value] for name, value in held.items()}

    def parts(self) -> Any:
        (pills,) = [group for group in self.app.button_group if group.key == "differences_parts"]
        return pills


def keep(launcher: StandInLauncher, row: Difference, found: Mapping[str, Any], subject: str = "") -> None:
    """A measurement of the row that has ended."""
    store = launcher.measurements
    made = store.create(Order(subject or row.subject, PROBE, {"names": [row.name]}, 60.0), MACHINE)
    store.begin(made)
    store.finish(made, {"names": {row.name: found}}, {"keras": "3", "torch": "2"}, drawn_meanwhile=False)


def test_every_row_stands_folded_and_draws_nothing(launcher: StandInLauncher) -> None:
    page = DifferencesPage()
    assert page.names == [row.name for row in DIFFERENCES]
    assert all(f" {row.part}" in label for row, label in zip(DIFFERENCES, page.rows, strict=True))
    assert not page.figures
    assert page.says(f"{len(DIFFERENCES)} defaults differ")


def test_rows_are_searched_and_filtered_and_the_address_follows(launcher: StandInLauncher) -> None:
    page = DifferencesPage()
    page.app.text_input(key="differences_text").set_value("EPSILON adam")
    page.run()
    assert page.names == ["adam-epsilon"]
    assert page.address == {**{"view": ["differences"]}, "q": ["EPSILON adam"]}
    page.app.text_input(key="differences_text").set_value("epsilon")
    page.run()
    found = [row for row in DIFFERENCES if row.name in page.names]
    counts = [f"{part} ({sum(row.part == part for row in found)})" for part in Part]
    assert [option.content for option in page.parts().proto.options] == counts
    page.parts().set_value(["optimiser"])
    page.run()
    assert page.address["part"] == ["optimiser"]
    assert page.names == [row.name for row in found if row.part == Part.OPTIMISER]
    assert 0 < len(page.names) < len(found)
    again = DifferencesPage(q="epsilon", part="optimiser")
    assert again.names == page.names
    page.app.text_input(key="differences_text").set_value("no such words")
    page.run()
    assert page.says("No difference is like that.")


def test_a_search_may_be_any_text(launcher: StandInLauncher) -> None:
    assert DifferencesPage(q="[x](http://y) <b>*").says("No difference is like that.")


@pytest.mark.parametrize("name", ["adam-epsilon", "same-padding", "single-rows"])
def test_a_link_opens_one_row_with_both_codes_and_its_sources(launcher: StandInLauncher, name: str) -> None:
    row, page = find(name), DifferencesPage(difference=name)
    assert page.names == [name]
    codes = page.codes
    for code in filter(None, (row.keras, row.pytorch, row.align_keras, row.align_pytorch)):
        assert any(code in shown for shown in codes)
    for source in (*row.sources, *row.bitten):
        assert page.says(source.date)
    assert ("Measure here" in page.buttons) == row.measured
    assert page.says("Nothing has been measured yet.") == row.measured
    assert page.address == {"view": ["differences"], "difference": [name]}


def test_rows_that_need_a_gpu_say_so(launcher: StandInLauncher) -> None:
    page = DifferencesPage(part="GPU")
    assert page.names
    assert all("needs a GPU" in label for label in page.rows)
    alone = DifferencesPage(difference="tf32")
    assert alone.says(find("tf32").not_measured)
    assert "Measure here" not in alone.buttons


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ({"difference": "<b>no"}, "There is no difference <b>no. All of them are shown."),
        ({"part": "wheels"}, "There is no part wheels: choose some of start, optimiser,"),
        ({"network": "flatten, dense 3"}, "The last layer must be dense 10 for this data set"),
        ({"network": "mlp", "dataset": "own-gone"}, "own-gone"),
    ],
)
def test_a_wrong_link_says_so_and_shows_all(launcher: StandInLauncher, link: dict[str, str], problem: str) -> None:
    page = DifferencesPage(**link)
    (said,) = page.problems
    assert problem in said
    assert len(page.names) == len(DIFFERENCES)


def test_a_view_that_is_not_there_says_so_and_shows_the_claims(launcher: StandInLauncher) -> None:
    page = DifferencesPage(view="nothing")
    assert page.problems == ["There is no view nothing: choose claims or differences."]
    assert not page.rows


def test_the_other_view_is_one_press_away_and_the_address_says_which(launcher: StandInLauncher) -> None:
    page = DifferencesPage(q="adam")
    (choice,) = [group for group in page.app.button_group if group.key == "compare_view"]
    choice.set_value("claims")
    page.run()
    assert page.address == {}
    assert page.says("Ten claims of the article")
    (choice,) = [group for group in page.app.button_group if group.key == "compare_view"]
    choice.set_value("differences")
    page.run()
    assert page.address["view"] == ["differences"]


def test_the_summary_is_computed_from_what_was_measured(launcher: StandInLauncher) -> None:
    assert "Nothing has been measured yet." in DifferencesPage().html
    keep(launcher, ROW, values(1))
    assert "1 of 1 measured defaults part the two frameworks, 1 of them at once." in DifferencesPage().html


def test_an_open_row_shows_its_gap_where_and_when(launcher: StandInLauncher) -> None:
    keep(launcher, ROW, values(1))
    assert "parts at step 1" in next(label for label in DifferencesPage().rows if ROW.title in label)
    page = DifferencesPage(difference=ROW.name)
    assert len(page.figures) == 1
    assert page.says("Measured on one, 2 cores")
    assert not page.app.warning


def test_a_measurement_that_contradicts_the_text_is_trusted(launcher: StandInLauncher) -> None:
    keep(launcher, ROW, values(5), subject=EVERYTHING)
    assert "contradicts the text" in next(label for label in DifferencesPage().rows if ROW.title in label)
    (warning,) = DifferencesPage(difference=ROW.name).app.warning
    assert warning.value == "This measurement contradicts the text above: trust what was measured."


def test_a_row_that_failed_says_why(launcher: StandInLauncher) -> None:
    keep(launcher, ROW, {"failed": "PyTorch: it <hung>"}, subject=EVERYTHING)
    assert DifferencesPage(difference=ROW.name).problems == ["The last measurement here failed. PyTorch: it <hung>."]


@pytest.fixture
def holds(launcher: StandInLauncher) -> str:
    """A measurement that goes on, so that whatever is asked for waits."""
    return launcher.measure(Order("claim-0", "fake", {"seconds": 60}, 90.0))


def test_measure_here_queues_the_row_which_waits_and_can_be_stopped(launcher: StandInLauncher, holds: str) -> None:
    page = DifferencesPage(difference=ROW.name).press("Measure here")
    (_, own) = launcher.measurements.open_ones()
    assert (own.subject, own.program, own.arguments) == (ROW.subject, PROBE, {"names": [ROW.name]})
    assert page.progress.startswith("Waits for its turn: a measurement is running.")
    assert page.button("Measure here").disabled
    page.app.button(key=f"stop_{ROW.subject}").click()
    page.run()
    assert [one.id for one in launcher.measurements.open_ones()] == [holds]
    assert page.says("You stopped this measurement.")


def test_measure_all_asks_for_every_row_at_once(launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Order] = []
    monkeypatch.setattr(launcher, "measure", lambda order, visitor: asked.append(order))
    DifferencesPage().press("Measure all")
    (order,) = asked
    assert order.subject == EVERYTHING
    assert order.arguments["names"] == [row.name for row in DIFFERENCES if row.measured]


def test_progress_and_stop_stand_in_the_row_and_above_all_rows(launcher: StandInLauncher) -> None:
    for subject, shown in ((ROW.subject, {"difference": ROW.name}), (EVERYTHING, {})):
        going = launcher.measure(Order(subject, "fake", {"seconds": 60}, 90.0))
        wait_for("it runs", lambda going=going: launcher.measurements.get(going).sentence)  # type: ignore[misc]
        page = DifferencesPage(**shown)
        assert page.progress.startswith("Fake: doubles a number.")
        page.press("Stop")
        wait_for("it is stopped", lambda: not launcher.measuring())
        assert DifferencesPage(**shown).says("You stopped this measurement.")


def test_a_network_at_hand_has_its_own_rows_with_its_layers(launcher: StandInLauncher) -> None:
    link = {"network": "batchnorm", "optimizer": "sgd", "momentum": "0.9"}
    page = DifferencesPage(**link)
    settings = TrainSettings(network="batchnorm", optimizer="sgd", momentum=0.9)  # type: ignore[arg-type]
    wanted = touching(settings, Network.of("batchnorm", MNIST_SHAPE))
    assert page.names == [row.name for row, _ in wanted]
    assert "adam-epsilon" not in page.names
    (label,) = [label for label in page.rows if find("batchnorm-momentum").title in label]
    assert label.endswith("batchnorm1, batchnorm2")
    alone = DifferencesPage(**link, difference="batchnorm-momentum")
    assert "In this network: batchnorm1, batchnorm2." in alone.html
    kept = alone.links["Try it on Train"]
    assert (kept["keep"], kept["alignment"], kept["network"]) == (["batchnorm-momentum"], ["exact-twin"], ["batchnorm"])
    assert alone.links["Show all that touch this network"]["network"] == ["batchnorm"]


def test_train_leads_to_the_rows_that_touch_its_network(launcher: StandInLauncher) -> None:
    page = TrainPage(network="lenet5", optimizer="rmsprop", epochs="3")
    (link,) = [one.proto for one in page.app.get("page_link") if "porter" in one.proto.label]
    assert parse_qs(link.query_string) == {
        "view": ["differences"],
        "network": ["lenet5"],
        "optimizer": ["rmsprop"],
    }


def test_the_checklist_is_offered_as_markdown_and_csv(launcher: StandInLauncher) -> None:
    labels = [one.proto.label for one in DifferencesPage().app.get("download_button")]
    assert labels == ["Markdown", "CSV"]


def test_what_is_measured_of_a_folded_row_is_named_above_all_rows(launcher: StandInLauncher) -> None:
    order = replace(ROW.order, program="fake", arguments={"seconds": 60})
    going = launcher.measure(order)
    wait_for("it runs", lambda: launcher.measurements.get(going).sentence)
    page = DifferencesPage()
    assert page.links[ROW.title] == {"view": ["differences"], "difference": [ROW.name]}
    page.press("Stop that measurement")
    wait_for("it is stopped", lambda: not launcher.measuring())
