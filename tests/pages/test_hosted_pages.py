"""The pages where they are hosted: each visitor changes what is theirs, sees the queue, and is refused in sentences."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from core.deployment.limits import HostedLimits
from core.experiment.order import Order
from core.experiment.settings import TrainSettings
from core.experiment.study import Study
from core.launcher.launcher import Launcher
from tests.pages.conftest import SHORT, StandInLauncher, TrainPage, read, serve, wait_for
from tests.pages.test_compare_page import ComparePage
from tests.pages.test_runs_page import RunsPage
from tests.pages.test_study_page import StudyPage


@pytest.fixture
def hosted(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launcher]:
    """The Launcher with the hosted limits; each page is another visitor, since no cookie reaches it."""
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {}))
    launcher = StandInLauncher(data_dir, limits=HostedLimits.model_construct(), keras="fake-slow")
    serve(launcher)
    yield launcher
    launcher.close()


def others_run(launcher: Launcher, visitor: str = "somebody") -> str:
    run_id = launcher.submit(TrainSettings.parse({**SHORT, "epochs": "9"}), visitor)
    wait_for("it trains", lambda: launcher.store.run(run_id).state == "running")
    return run_id


def test_somebody_elses_run_can_be_watched_and_not_stopped_and_start_stays_possible(hosted: Launcher) -> None:
    others_run(hosted)
    page = TrainPage()
    assert "Stop" not in page.buttons
    assert page.startable
    assert page.says("Someone else's run:")
    assert page.says("A run is training now: yours would begin in about")
    page.press("Start")
    assert page.progress.startswith("Waits for its turn: a run is training. It begins in about")
    assert "Stop" in page.buttons
    assert hosted.queue.waiting() == 1
    page.press("Stop")
    assert hosted.queue.waiting() == 0


def test_a_second_start_is_refused_in_a_sentence(hosted: Launcher) -> None:
    page = TrainPage()
    page.press("Start")
    mine = hosted.active()[0]
    page.press("Stop")
    wait_for("it has ended", lambda: not hosted.active())
    for _ in range(4):
        hosted.admission.count(hosted.store.run(mine).visitor)
    page.run().press("Start")
    (refused,) = [read(warning.value) for warning in page.app.warning]
    assert refused.startswith("Each visitor starts at most 5 an hour here: the next in")
    assert page.errors == []


def test_ones_own_run_stays_on_the_page_when_it_has_ended_and_another_trains(hosted: Launcher) -> None:
    page = TrainPage(epochs="1", batch_size="600")
    page.press("Start")
    mine = hosted.active()[0]
    others_run(hosted)
    wait_for("mine has ended", lambda: not hosted.store.run(mine).live)
    page.run()
    assert "Result in figures" in page.headers
    assert not page.says("Someone else's run:")
    assert page.startable


def test_a_study_begins_with_as_many_pairs_as_are_allowed_and_says_so_before_start(
    hosted: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = StudyPage()
    assert page.held("seeds") == "10"
    assert page.says("A study here has at most 10 pairs")
    assert page.startable

    def check_none(*_: object) -> None:
        raise AssertionError("a link of 2,000 combinations is refused before any of them is looked at")

    monkeypatch.setattr(Study, "check_cells", check_none)
    page = StudyPage(vary="batch_size:32,64")
    assert page.problems == ["A study here has at most 10 pairs, not 20."]
    assert not page.startable


def test_fields_beyond_the_limits_get_a_sentence_and_no_start(hosted: Launcher) -> None:
    page = TrainPage(epochs="20", batch_size="8")
    assert sorted(page.problems) == [
        "A run here has at most 10 epochs, not 20.",
        "Batch size here is 16 to 1,024, not 8.",
    ]
    assert not page.startable
    page.type("epochs", 10)
    page.type("batch_size", 16)
    assert page.problems == []
    assert page.startable


def test_a_strangers_run_offers_nothing_that_changes_it(hosted: Launcher) -> None:
    run_id = hosted.submit(TrainSettings.parse({**SHORT, "epochs": "1"}), "somebody")
    wait_for("it has ended", lambda: not hosted.active())
    page = RunsPage(run=run_id)
    assert not {"Delete", "Pin", "Keep", "Stop"} & set(page.buttons)
    listed = RunsPage()
    assert "Import" not in [popover.proto.popover.label for popover in listed.app.get("popover")]
    assert not [badge for badge in listed.texts if badge == "yours"]


def test_all_rows_are_not_measured_at_once_and_a_measurement_is_its_visitors(hosted: Launcher) -> None:
    page = ComparePage()
    assert "Measure all" not in page.buttons
    hosted.measure(Order("claim-1", "fake", {"seconds": 30}, 60.0), "somebody")
    page = ComparePage()
    assert "Stop" not in page.buttons
