"""A study as files to take along."""

from collections.abc import Callable

import streamlit as st

from core.results import study_file
from core.results.study_outcome import StudyOutcome
from core.web.server.installation import installation


def downloads(found: StudyOutcome) -> None:
    """The files, each made at the click; nothing before a pair has ended."""
    record = found.record
    if not found.done and not found.cut_short:
        return
    store, studies = installation().store, installation().studies
    made: list[tuple[str, Callable[[], str], str, str]] = [
        ("Everything (JSON)", lambda: study_file.as_json(studies, store, record.id), "json", "application/json"),
    ]
    with st.popover("Take along", icon=":material/download:"):
        for label, make, ending, mime in made:
            name, key = f"study-{record.id}.{ending}", f"take_study_{ending}"
            st.download_button(label, make, name, mime, on_click="ignore", key=key)
        st.caption("JSON can be imported on Runs. It holds every run without the losses of single steps and weights.")
