"""What waits names and links what goes on before it, says when it is late, asks after a lesson, and offers Stop."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st

from core.compare.claims import CLAIMS
from core.deployment.limits import HostedLimits
from core.experiment.order import Order
from core.experiment.settings import TrainSettings
from core.learn.lessons import lesson, order
from tests.pages.conftest import SHORT, Ended, MakeRun, StandInLauncher, TrainPage, read, serve, wait_for
from tests.pages.test_compare_page import ComparePage
from tests.pages.test_draw_page import DrawPage
from tests.pages.test_learn_page import LearnPage


class Clock:
    """The Launcher's clock, moved by hand."""

    def __init__(self, launcher: StandInLauncher) -> None:
        self.now = 0.0
        launcher.queue.clock = lambda: self.now


@pytest.fixture
def clock(launcher: StandInLauncher) -> Clock:
    return Clock(launcher)


def links(page: TrainPage) -> list[tuple[str, str]]:
    """Label and address of each link to what goes on."""
    found = [element.proto for element in page.app.get("page_link")]
    return [
        (read(one.label), f"{one.page}?{one.query_string}")
        for one in found
        if not one.label.startswith(("Next: ", "**Next"))
    ]


def begun(launcher: StandInLauncher, order: Order, visitor: str = "") -> str:
    """A measurement or lesson that goes on."""
    measurement = launcher.measure(order, visitor)
    wait_for("it runs", lambda: launcher.measurements.get(measurement).sentence)
    return measurement


def lesson_runs(launcher: StandInLauncher, visitor: str = "") -> str:
    return begun(launcher, held(order(lesson("mse"), None)), visitor)


def held(ordered: Order) -> Order:
    """The same order, carried out by a program that goes on for a minute."""
    return replace(ordered, program="fake", arguments={"seconds": 60}, limit_s=90.0)


def test_a_waiting_run_names_and_links_a_lesson_and_can_stop_it(launcher: StandInLauncher, clock: Clock) -> None:
    lesson = lesson_runs(launcher)
    run = launcher.submit(TrainSettings.parse({**SHORT, "epochs": "1"}))
    page = TrainPage()
    assert page.progress == "Waits for its turn: a lesson is running. It begins in about 90 s."
    assert ("Lesson: MSE", "learn?lesson=mse") in links(page)
    assert not page.says("longer than expected")
    page.press("Stop that lesson")
    wait_for("it has ended", lambda: not launcher.measurements.get(lesson).live)
    assert launcher.measurements.get(lesson).reason == "You stopped this lesson."
    wait_for("the run has its turn", lambda: launcher.store.run(run).state == "finished")


def test_a_waiting_lesson_names_and_links_a_run_by_the_name_that_somebody_gave_it(launcher: StandInLauncher) -> None:
    run = launcher.submit(TrainSettings.parse({**SHORT, "epochs": "100", "dataset": "mnist5k"}))
    wait_for("it trains", lambda: launcher.store.run(run).state == "running")
    launcher.annotate(run, "*My* run", "", False)
    launcher.measure(Order("lesson-mse", "fake", {}, 90.0, True))
    page = LearnPage(lesson="mse")
    assert page.progress.startswith("Waits for its turn: a run is training.")
    assert ("Run: *My* run", f"runs?run={run}") in links(page)
    page.press("Stop that run")
    wait_for("it has ended", lambda: not launcher.active())


def test_a_waiting_measurement_names_and_links_a_claim_once(launcher: StandInLauncher) -> None:
    begun(launcher, held(CLAIMS[0].order))
    waits = launcher.measure(Order("claim-9", "fake", {}, 60.0))
    assert (f"Claim 1: {CLAIMS[0].topic}", "compare?claim=1") in links(ComparePage(claim="9"))
    others = [link for link in links(ComparePage()) if link[0].startswith("Claim 1:")]
    assert others == [], "where all rows stand, the running one is one of them"
    launcher.stop(waits)


def test_what_takes_longer_than_expected_is_said_and_nobody_promises_a_time(
    launcher: StandInLauncher, clock: Clock
) -> None:
    lesson_runs(launcher)
    launcher.submit(TrainSettings.parse(SHORT))
    launcher.measure(Order("claim-9", "fake", {}, 60.0))
    clock.now = 240.0
    for page in (TrainPage(), ComparePage(claim="9")):
        assert "about" not in page.progress
        assert page.says("This lesson takes longer than expected: 4 min so far, not about 90 s.")


def test_a_lesson_that_nobody_looks_at_is_asked_after_until_somebody_wants_it_to_go_on(
    launcher: StandInLauncher, clock: Clock
) -> None:
    lesson = lesson_runs(launcher)
    launcher.submit(TrainSettings.parse(SHORT))
    asks = "Nobody has looked at this lesson for a minute. Shall it go on?"
    page = TrainPage()
    clock.now = 59.0
    assert not page.run().says(asks)
    clock.now = 60.0
    assert page.run().says(asks)
    page.press("Let it go on")
    assert not page.says(asks)
    clock.now = 119.0
    LearnPage(lesson="mse")  # this is a look
    clock.now = 178.0
    assert not page.run().says(asks)
    clock.now = 179.0
    assert page.run().says(asks)
    assert launcher.measurements.get(lesson).live
    page.press("Stop that lesson")


def test_before_start_is_pressed_a_lesson_is_named_linked_and_asked_after(
    launcher: StandInLauncher, clock: Clock
) -> None:
    lesson_runs(launcher)
    clock.now = 60.0
    page = TrainPage()
    assert page.says("A lesson is running now: yours would begin in about 30 s.")
    assert ("Lesson: MSE", "learn?lesson=mse") in links(page)
    assert {"Let it go on", "Stop that lesson"} <= set(page.buttons)


def test_where_models_wait_for_a_lesson_it_is_named_and_linked(
    launcher: StandInLauncher, make_run: MakeRun, shows: Callable[[Ended], None], data_dir: Path
) -> None:
    ended = make_run()
    shows(ended)
    shutil.copytree(ended.folder / "runs", data_dir / "runs")
    lesson = lesson_runs(launcher)
    page = DrawPage(launcher)
    assert ("Lesson: MSE", "learn?lesson=mse") in links(page)
    page.press("Stop that lesson")
    wait_for("it has ended", lambda: not launcher.measurements.get(lesson).live)


def test_a_lesson_is_no_measurement_to_compare(launcher: StandInLauncher) -> None:
    lesson_runs(launcher)
    page = ComparePage()
    assert not page.says("measurements to go")
    assert not page.button("Measure all").disabled


@pytest.fixture
def hosted(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInLauncher]:
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {}))
    launcher = StandInLauncher(data_dir, limits=HostedLimits.model_construct(visitor_at_once=2))
    serve(launcher)
    yield launcher
    launcher.close()


def test_where_strangers_visit_what_is_somebody_elses_is_linked_and_not_stopped(hosted: StandInLauncher) -> None:
    lesson_runs(hosted, "somebody")
    page = TrainPage()
    page.press("Start")
    assert ("Lesson: MSE", "learn?lesson=mse") in links(page)
    assert [label for label in page.buttons if label.startswith(("Stop that", "Let it"))] == []
