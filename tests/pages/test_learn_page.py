"""The Learn page without a browser: every lesson, its control in the code, running, stopping, and its output."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.experiment.order import Order
from core.learn import peeking
from core.learn.lessons import LESSONS, Lesson, lesson, script
from core.storage.measurements import EVIDENCE, Measurements, read_evidence
from core.storage.records import RECORDED
from tests.pages.conftest import StandInLauncher, TrainPage, read, wait_for

PAGE = "../../pages/learn.py"


class LearnPage(TrainPage):
    """The Learn page."""

    def __init__(self, **link: str) -> None:
        super().__init__()
        self.app.switch_page(PAGE)
        for name, value in link.items():
            self.app.query_params[name] = value
        self.run()

    def set_control(self, found: Lesson, value: Any) -> "LearnPage":
        key = f"control_{found.slug}"
        widgets = [*self.app.toggle, *self.app.button_group]
        (widget,) = [one for one in widgets if one.key == key]
        widget.set_value(value)
        self.run()
        return self


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Measurements.__init__, "__defaults__", (RECORDED,))
    yield
    read_evidence.cache_clear()


@pytest.mark.parametrize("found", LESSONS, ids=lambda found: found.slug)
def test_a_lesson_shows_its_words_the_code_of_each_side_and_the_recorded_output(
    launcher: StandInLauncher, recorded: None, found: Lesson
) -> None:
    page = LearnPage(lesson=found.slug)
    assert page.headers == [found.title]
    assert page.says(read(found.words))
    default = found.control.default if found.control else None
    output = read_evidence(RECORDED / EVIDENCE)[found.subject].result
    assert output is not None
    expected = [script(found, side, default) for side in found.sides]
    expected += ["\n".join(output["sides"][side]["lines"]) for side in found.sides]
    assert [text.strip() for text in page.codes] == [text.strip() for text in expected]
    assert page.button("Run")


@pytest.mark.parametrize("found", [one for one in LESSONS if one.control], ids=lambda found: found.slug)
def test_the_control_stands_in_the_code(launcher: StandInLauncher, found: Lesson) -> None:
    control = found.control
    assert control is not None
    other = next(value for value in (control.options or (True, False)) if value != control.default)
    page = LearnPage(lesson=found.slug).set_control(found, other)
    assert [text.strip() for text in page.codes] == [script(found, side, other).strip() for side in found.sides]


def test_a_link_to_no_lesson_says_so(launcher: StandInLauncher) -> None:
    page = LearnPage(lesson="<b>")
    assert len(page.problems) == 1
    assert page.headers == [LESSONS[0].title]


def test_run_queues_the_lesson_with_its_control_and_shows_it_going_on(
    launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lesson("mse")
    page = LearnPage(lesson="mse")
    hold = launcher.measure(Order("claim-0", "fake", {"seconds": 60}, 90.0))
    page.press("Run")
    (_, queued) = launcher.measuring()
    assert found.control is not None
    asked = launcher.measurements.get(queued)
    assert (asked.program, asked.arguments) == ("lesson", {"slug": "mse", "value": found.control.default})
    assert page.progress.startswith("Waits for its turn: a measurement is running. It begins in about")
    page.press("Stop")
    launcher.stop(hold)
    wait_for("all are stopped", lambda: not launcher.measuring())
    assert LearnPage(lesson="mse").says("You stopped this lesson.")


def test_looking_is_simulated_for_as_many_pairs_as_the_slider_says(data_dir: Path) -> None:
    page = LearnPage(lesson="peeking")
    assert page.headers == [peeking.TITLE]
    assert page.says(peeking.WORDS)
    page.app.slider(key="pairs_watched").set_value(20)
    page.run()
    found = peeking.simulate()
    watched, interval = (f"{100 * one.rate(20):.1f} %" for one in (found.t_test, found.interval))
    assert page.says(f"looked at after every pair up to pair 20, the t test finds a difference in {watched}, the inter")
    assert page.says(
        f"the interval in {interval}. The price is width: after 20 pairs the interval is 1.7 times as wide."
    )
    rates, *studies = page.figures
    assert watched in read(rates["finding"])
    assert len(studies) == 3
    assert all("The t interval left zero out at pair" in study["finding"] for study in studies)


def test_after_one_look_the_interval_says_nothing_yet(data_dir: Path) -> None:
    page = LearnPage(lesson="peeking")
    page.app.slider(key="pairs_watched").set_value(2)
    page.run()
    assert page.says("After 2 pairs the interval says nothing yet.")
