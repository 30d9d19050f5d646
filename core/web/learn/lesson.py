"""A lesson as the Learn page shows it: its control, the code of both frameworks, and what it printed."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.launcher.launcher import Launcher
from core.learn.lessons import SIDES, Lesson, order, script
from core.storage.database import State
from core.storage.measurements import Measurement, Measurements
from core.web.elements import measuring
from core.web.elements.code import Code, code_blocks
from core.web.elements.markdown import literal
from core.web.elements.presses import attempt
from core.web.server.installation import installation
from core.web.server.visitor import visitor

CODE_PX = 340
"""How high a script is; a longer one scrolls."""


def control(lesson: Lesson, disabled: bool) -> Any:
    """The lesson's one control; None where it has none."""
    found = lesson.control
    if found is None:
        return None
    key = f"control_{lesson.slug}"
    if found.kind == "toggle":
        return st.toggle(found.label, value=bool(found.default), key=key, disabled=disabled, persist_state="session")
    options = list(found.options)
    return st.segmented_control(
        found.label,
        options,
        default=None if key in st.session_state else found.default,
        required=True,
        format_func=str,
        key=key,
        disabled=disabled,
        persist_state="session",
    )


def code(lesson: Lesson, value: Any) -> None:
    """Each side's complete script with the control's value in it."""
    code_blocks(
        *(
            Code(
                script(lesson, side, value),
                f"{SIDES[side]}'s script",
                engine=side,
                filename=f"{lesson.slug}_{SIDES[side].lower()}.py",
                height_px=CODE_PX,
            )
            for side in lesson.sides
        )
    )


def run(launcher: Launcher, lesson: Lesson) -> None:
    """Queues the lesson's scripts with the value that its control has now.

    Streamlit calls this for a forged state of any kind, too: only a press makes the button `True`.
    """
    if st.session_state.get(f"run_{lesson.slug}") is not True:
        return
    value = st.session_state.get(f"control_{lesson.slug}", lesson.control.default) if lesson.control else None
    attempt(lesson.subject, lambda: launcher.measure(order(lesson, value), visitor()))


@st.fragment(run_every=1)
def while_it_runs(launcher: Launcher, measurement: Measurement, going: list[str]) -> None:
    """Progress, Stop and what has been printed so far, once a second; the whole page again at its beginning and end."""
    measurements = installation().measurements
    now = measurements.get(measurement.id)
    if now.state != measurement.state or launcher.measuring() != going:
        st.rerun()
    # Who looks is known from here alone: a page that is closed, left or hidden behind another draws this no more.
    launcher.queue.mark_seen(now.id)
    results = measurements.results().get(now.subject) or measurements.recorded().get(now.subject)
    measuring.progress(launcher, now, results.elapsed_s if results else None, key=f"stop_{now.subject}")
    printed: dict[str, list[str]] = {}
    for line in measurements.lines(now.id):
        printed.setdefault(line.part, []).append(line.text)
    output(printed)


def ended(lesson: Lesson, measurements: Measurements) -> None:
    """The newest output: this machine's own, else the recorded one; and why the last try has none."""
    name = lesson.subject
    newest = measurements.newest(name)
    if failure := measuring.ended_words(newest):
        st.markdown(f":red[{literal(failure)}]" if newest and newest.state == State.FAILED else literal(failure))
    shown = measurements.results().get(name) or measurements.recorded().get(name)
    if shown is None or shown.result is None:
        return
    recorded = shown.source == "recorded"
    st.badge(
        literal(measuring.where_and_when(shown, "run")),
        icon=":material/history:" if recorded else ":material/play_arrow:",
        color="gray",
    )
    if lesson.control is not None:
        st.caption(f"With `{lesson.control.constant} = {shown.arguments.get('value')!r}`.")
    output({side: values["lines"] for side, values in shown.result["sides"].items()})
    st.caption(literal(measuring.versions_words(shown)))


def output(printed: Mapping[str, Sequence[str]]) -> None:
    """What each side printed, as it printed it."""
    if printed:
        code_blocks(
            *(
                Code("\n".join(lines), f"what {SIDES.get(side, side)} printed", side, "printed", python=False)
                for side, lines in printed.items()
            )
        )
