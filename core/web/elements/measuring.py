"""Measurements, as Compare and Learn show them: asked for, whose turn it is, how far they are, time left, Stop."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

from core.experiment import metrics
from core.experiment.dates import as_time, day
from core.experiment.machine import machine_words
from core.experiment.order import Order
from core.launcher.launcher import Launcher
from core.storage.database import State
from core.storage.measurements import Measurement
from core.web.elements import queue as queue_view
from core.web.elements.markdown import literal
from core.web.elements.presses import attempt, refused
from core.web.server.installation import installation
from core.web.server.visitor import visitor

ABOUT_FROM = 0.15
"""Before this share is done, how long it took before says more about the time left than the share itself."""
UNKNOWN_S = 60.0
"""What a measurement counts in a sum of times where nothing is known of it."""


def button(launcher: Launcher | None, order: Order, busy: bool, words: str) -> None:
    """Measure here, which queues a measurement, and `words` of it; `busy`: its subject is being measured already."""
    with st.container(horizontal=True, vertical_alignment="center"):
        key, icon, idle = f"measure_{order.subject}", ":material/speed:", busy or launcher is None
        its = launcher, [order], key
        st.button("Measure here", icon=icon, key=key, disabled=idle, on_click=measure, args=its)
        st.caption(literal(words), width="content")
    refused(key)


def measure(launcher: Launcher, orders: Sequence[Order], where: str) -> None:
    """Queues measurements; `where` is the button that asks for them."""
    attempt(where, lambda: [launcher.measure(order, visitor()) for order in orders])


def standing(
    launcher: Launcher | None, newest: Measurement | None, before_s: float | None, going: list[str], alone: bool = False
) -> None:
    """How far the newest one of a subject is, with Stop, or why it has no result; nothing where it has one.

    The one that runs looks every second; those that wait stand still, for `all_of_them` above looks for them. `going`:
    all that run or wait; `alone`: nothing else on the page looks.
    """
    if newest is not None and newest.live:
        if launcher is None:
            return
        if alone or going[:1] == [newest.id]:
            _while_it_runs(launcher, newest, before_s, going)
        else:
            progress(launcher, newest, before_s, key=f"stop_{newest.subject}", names=False)
    elif failure := ended_words(newest):
        st.markdown(f":red[{literal(failure)}]" if newest and newest.state == State.FAILED else literal(failure))


@st.fragment(run_every=1)
def _while_it_runs(launcher: Launcher, drawn: Measurement, before_s: float | None, going: list[str]) -> None:
    """One measurement, once a second; the whole page again when it begins or ends, or another one's turn begins."""
    measurement = installation().measurements.newest(drawn.subject)
    if measurement is None or measurement.state != drawn.state or launcher.measuring(lessons=False) != going:
        st.rerun()
    progress(launcher, measurement, before_s, key=f"stop_{drawn.subject}")


@st.fragment(run_every=1)
def all_of_them(launcher: Launcher, going: list[str], before: Mapping[str, float]) -> None:
    """How many measurements are still to come, once a second, and the button that stops them all.

    `before`: how long each took the last time, by subject.
    """
    if launcher.measuring(lessons=False) != going:
        st.rerun()
    found = [(one, before.get(one.subject, UNKNOWN_S)) for one in installation().measurements.open_ones()]
    left = sum(left_s(one, took) or took for one, took in found)
    with st.container(horizontal=True, vertical_alignment="center"):
        its = launcher, going
        st.button("Stop all", icon=":material/stop:", key="stop_all", on_click=queue_view.stop, args=its)
        st.markdown(f"{len(going)} measurements to go. {about(left)}", width="content")


def left_s(measurement: Measurement, before_s: float | None) -> float | None:
    """Seconds until a running one is done; `before_s`: how long one like it took. None where nothing is known."""
    if measurement.started_at is None:
        return before_s
    gone = (datetime.now(UTC) - as_time(measurement.started_at)).total_seconds()
    if measurement.fraction >= ABOUT_FROM:
        return gone * (1 - measurement.fraction) / measurement.fraction
    return None if before_s is None or gone > before_s else max(1.0, before_s - gone)


def about(seconds: float | None) -> str:
    """`About 40 s left.`, or nothing."""
    if seconds is None:
        return ""
    return f"About {metrics.roughly(seconds)} left."


def progress(
    launcher: Launcher, measurement: Measurement, before_s: float | None, key: str, names: bool = True
) -> None:
    """Bar, sentence and Stop of one measurement; while it waits, what goes on before it, unless not `names`."""
    waits = measurement.state == State.QUEUED
    if waits:
        sentence = queue_view.waiting(launcher, measurement.id)
    else:
        doing = f"{literal(measurement.sentence)}." if measurement.sentence else "Starts its processes."
        sentence = f"{doing} {about(left_s(measurement, before_s))}"
    st.progress(measurement.fraction, text=sentence)
    # As a callback: a rerun that comes first would else swallow the press.
    if launcher.may_change(measurement.visitor, visitor()):
        its = launcher, [measurement.id]
        st.button("Stop", icon=":material/stop:", key=key, on_click=queue_view.stop, args=its)
    if waits and names:
        queue_view.running_job(launcher, key)


def ended_words(measurement: Measurement | None) -> str:
    """Why the newest one has no result, as a sentence; empty where it has one or goes on."""
    if measurement is None or measurement.live or measurement.state == State.FINISHED:
        return ""
    return measurement.reason


def said(what: str, measurement: Measurement | None) -> str:
    """How the newest one of `what` stands, as a sentence for who cannot see it; empty where there is none."""
    if measurement is None:
        return ""
    if measurement.live:
        return f"{what} waits for its turn." if measurement.state == State.QUEUED else f"{what} is running."
    failure = ended_words(measurement)
    return f"{what} has ended. {failure}" if failure else f"{what} has ended: what it found is on the page."


def where_and_when(measurement: Measurement, done: str = "measured") -> str:
    """`measured on MACHINE, 4 Nov 2026`; `done` is the verb for one of this machine's own."""
    verb = "recorded" if measurement.source == "recorded" else done
    return f"{verb} on {machine_words(measurement.machine)}, {day(measurement.measured_at)}"


def versions_words(measurement: Measurement) -> str:
    """Versions, the machine's name and Python, how long it took."""
    versions = ", ".join(f"{name} {version}" for name, version in measurement.versions.items())
    took = f", in {metrics.duration(measurement.elapsed_s)}" if measurement.elapsed_s is not None else ""
    drawn = " Somebody drew meanwhile, so its times are a little too long." if measurement.drawn_meanwhile else ""
    return f"{versions}, Python {measurement.machine['python']}{took}.{drawn}"
