"""No press is lost to a rerun that comes first: what it asks for is done before the page is drawn."""

import pytest
import streamlit as st

from core.experiment.order import Order
from core.experiment.settings import TrainSettings
from core.storage.database import StoreError
from core.web.elements import presses
from tests.pages.conftest import SHORT, StandInLauncher, TrainPage
from tests.pages.test_compare_page import PROBED, ComparePage
from tests.pages.test_learn_page import LearnPage
from tests.pages.test_runs_page import RunsPage


@pytest.fixture
def holds(launcher: StandInLauncher) -> str:
    """A measurement that goes on, so that whatever is asked for waits."""
    return launcher.measure(Order("claim-0", "fake", {"seconds": 60}, 90.0))


def press_before_a_rerun(page: TrainPage, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Presses a button; before the page has come as far as that button, it is drawn anew."""
    available_launcher, reruns = presses.available_launcher, [True]

    def rerun_first() -> object:
        if reruns:
            reruns.pop()
            st.rerun()
        return available_launcher()

    monkeypatch.setattr(presses, "available_launcher", rerun_first)
    page.press(label)
    assert not reruns


def test_measure_here_and_run_are_heard(launcher: StandInLauncher, holds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    press_before_a_rerun(ComparePage(claim="1"), "Measure here", monkeypatch)
    press_before_a_rerun(LearnPage(lesson="mse"), "Run", monkeypatch)
    assert [one.subject for one in launcher.measurements.open_ones()] == ["claim-0", "claim-1", "lesson-mse"]


def test_measure_all_is_heard(launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ComparePage()
    launcher.measure(Order("claim-0", "fake", {"seconds": 60}, 90.0))
    press_before_a_rerun(page, "Measure all", monkeypatch)
    assert len(launcher.measurements.open_ones()) == 1 + len(PROBED)


@pytest.mark.parametrize("page_of", [lambda run: TrainPage(), lambda run: RunsPage(run=run)], ids=["train", "runs"])
def test_stop_is_heard(launcher: StandInLauncher, holds: str, page_of: object, monkeypatch: pytest.MonkeyPatch) -> None:
    run = launcher.submit(TrainSettings.parse(SHORT))
    press_before_a_rerun(page_of(run), "Stop", monkeypatch)  # type: ignore[operator]
    assert launcher.store.run(run).state == "stopped"


@pytest.fixture
def over(launcher: StandInLauncher, holds: str) -> str:
    """A run that has ended."""
    run = launcher.submit(TrainSettings.parse(SHORT))
    launcher.stop(run)
    return run


def test_pin_and_keep_are_heard(launcher: StandInLauncher, over: str, monkeypatch: pytest.MonkeyPatch) -> None:
    press_before_a_rerun(RunsPage(run=over), "Pin", monkeypatch)
    assert launcher.store.run(over).pinned
    page = RunsPage(run=over)
    page.app.text_input(key=f"name_{over}").set_value(" My run ")  # and not yet drawn
    press_before_a_rerun(page, "Keep", monkeypatch)
    assert launcher.store.run(over).name == "My run"


def test_why_a_run_was_not_changed_stays_on_its_page_alone(
    launcher: StandInLauncher, over: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = launcher.submit(TrainSettings.parse(SHORT))

    def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    for act in ("annotate", "delete"):
        monkeypatch.setattr(launcher, act, full)
    for buttons in (["Pin"], ["Keep"], ["Delete", "delete_for_good"]):
        page = RunsPage(run=over)
        for one in buttons:
            page.app.button(key=one).click() if one == "delete_for_good" else page.button(one).click()
            page.run()
        assert page.errors == ["The disk is full."], presses
        assert page.run().errors == ["The disk is full."], presses
        page.app.query_params["run"] = other
        assert page.run().errors == [], presses


def test_run_takes_what_the_control_says_at_the_press(launcher: StandInLauncher, holds: str) -> None:
    page = LearnPage(lesson="keras_example")
    (control,) = [one for one in page.app.button_group if one.key == "control_keras_example"]
    control.set_value(3)  # and not yet drawn
    page.press("Run")
    (_, asked) = launcher.measurements.open_ones()
    assert asked.arguments["value"] == 3


def test_a_refusal_stands_beside_the_button_and_stays(launcher: StandInLauncher) -> None:
    launcher.admission.closed = True
    for page, label in ((ComparePage(claim="1"), "Measure here"), (LearnPage(lesson="mse"), "Run")):
        page.press(label)
        assert page.errors == ["The dashboard is shutting down."]
        assert page.run().errors == ["The dashboard is shutting down."]
