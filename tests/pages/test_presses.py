"""No press is lost to a rerun that comes first: what it asks for is done before the page is drawn."""

import pytest
import streamlit as st

from core.launcher import LauncherUnavailable
from core.settings import Order, TrainSettings
from core.web import here as here_module
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
    look, reruns = here_module.here, [True]

    def rerun_first() -> object:
        if reruns:
            reruns.pop()
            st.rerun()
        return look()

    monkeypatch.setattr(here_module, "here", rerun_first)
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


def test_run_takes_what_the_control_says_at_the_press(launcher: StandInLauncher, holds: str) -> None:
    page = LearnPage(lesson="keras_example")
    (control,) = [one for one in page.app.button_group if one.key == "control_keras_example"]
    control.set_value(3)  # and not yet drawn
    page.press("Run")
    (_, asked) = launcher.measurements.open_ones()
    assert asked.arguments["value"] == 3


def test_a_refusal_stands_beside_the_button_and_stays(
    launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def admit(visitor: str) -> None:
        raise LauncherUnavailable("The dashboard is shutting down.")

    monkeypatch.setattr(launcher, "_admit", admit)
    for page, label in ((ComparePage(claim="1"), "Measure here"), (LearnPage(lesson="mse"), "Run")):
        page.press(label)
        assert page.errors == ["The dashboard is shutting down."]
        assert page.run().errors == ["The dashboard is shutting down."]
