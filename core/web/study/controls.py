"""What can be done with a study: pause, go on, stop, lengthen, take along."""

from collections.abc import Callable

import streamlit as st

from core.experiment.study import SEEDS
from core.launcher.launcher import Launcher
from core.results.study_outcome import StudyOutcome
from core.storage.studies import StudyRecord, StudyState
from core.web.elements.presses import attempt, refused
from core.web.server.installation import installation
from core.web.server.visitor import visitor
from core.web.study.take_along import downloads

MORE = "study_more_seeds"
USUAL_MORE = "10"


def bar(found: StudyOutcome, launcher: Launcher | None) -> None:
    """The row of buttons under a study's title: those that change it where this visitor may, and its files."""
    record = found.record
    refused(place(record))
    with st.container(horizontal=True, vertical_alignment="center"):
        mine = launcher is not None and launcher.may_change(record.visitor, visitor())
        if launcher is not None and mine and not record.unchangeable_because:
            _changes(record, launcher)
        downloads(found)


def _changes(record: StudyRecord, launcher: Launcher) -> None:
    """What pauses, stops or lengthens it."""
    if record.state == StudyState.RUNNING:
        _button("Pause", "pause", record, launcher.pause_study)
    elif record.state in (StudyState.PAUSED, StudyState.STOPPED):
        _button("Go on", "play_arrow", record, launcher.go_on_study)
    if record.state in (StudyState.RUNNING, StudyState.PAUSED):
        _button("Stop", "stop", record, launcher.stop_study)
    with st.popover("More pairs", icon=":material/add:"):
        st.text_input("Seeds more", USUAL_MORE, key=MORE, autocomplete="off")
        cells = len(record.study.cells)
        each = f", in each of {cells:,} combinations" if cells > 1 else ""
        most = installation().limits.study_pairs
        limit = "" if most is None else f" A study here has at most {most:,} pairs."
        st.caption(f"{SEEDS.allowed}{each}. A study that has ended goes on with them.{limit}")
        st.button("Add", key="add_seeds", on_click=_add, args=(record, launcher))


def place(record: StudyRecord) -> str:
    """Where it is said why something could not be done with a study."""
    return f"study_{record.id}"


def _button(label: str, icon: str, record: StudyRecord, do: Callable[[str, str], object]) -> None:
    # As a callback: a rerun that comes first would else swallow the press.
    st.button(label, icon=f":material/{icon}:", key=f"study_{icon}", on_click=_do, args=(record, do))


def _do(record: StudyRecord, do: Callable[[str, str], object]) -> None:
    attempt(place(record), lambda: do(record.id, visitor()))


def _add(record: StudyRecord, launcher: Launcher) -> None:
    attempt(place(record), lambda: launcher.more_pairs(record.id, st.session_state[MORE], visitor()))
