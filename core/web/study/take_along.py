"""A study as files to take along."""

from collections.abc import Callable

import streamlit as st

from core.results import study_export, study_file
from core.results.report.study import read_report
from core.results.study_outcome import StudyOutcome, read_outcome
from core.web.server.installation import installation


def downloads(found: StudyOutcome) -> None:
    """The files, each made at the click; nothing before a pair has ended."""
    record = found.record
    if not found.done and not found.cut_short:
        return
    store, studies = installation().store, installation().studies

    def as_csv() -> str:
        return study_export.as_csv(read_outcome(studies, store, record.id), studies.machines(record.id))

    made: list[tuple[str, Callable[[], str], str, str]] = [
        ("Report (HTML)", lambda: read_report(studies, store, record.id), "html", "text/html"),
        ("All pairs (CSV)", as_csv, "csv", "text/csv"),
        ("Everything (JSON)", lambda: study_file.as_json(studies, store, record.id), "json", "application/json"),
    ]
    with st.popover("Take along", icon=":material/download:"):
        for label, make, ending, mime in made:
            name, key = f"study-{record.id}.{ending}", f"take_study_{ending}"
            st.download_button(label, make, name, mime, on_click="ignore", key=key)
        st.caption("JSON can be imported on Runs. It holds every run without the losses of single steps and weights.")
