"""Study: the same duel over seeds, or over a setting, watched until an interval that may be looked at has decided."""

import streamlit as st

from core.launcher.launcher import Launcher
from core.storage.database import StoreError
from core.storage.records import UnknownRun
from core.storage.studies import StudyState
from core.web.elements import address
from core.web.elements.markdown import literal
from core.web.elements.presses import available_launcher
from core.web.elements.spoken import spoken
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES
from core.web.study import ask, controls, view

store = installation().store


def new_study(launcher: Launcher | None) -> None:
    """The form, and the studies that there are."""
    if st.query_params:  # what a link says stays as it is
        address.stands("study")
    else:
        address.keep("study")
    st.title("Study", anchor=False)
    st.markdown("One run is an anecdote. Repeat it until an interval that you may watch has decided.")
    ask.form(store, launcher)
    view.listing()


def one_study(study: str, launcher: Launcher | None) -> None:
    """The study that the link names: what can be done with it, how far it is, what it says."""
    found = view.read(study)
    record = found.record
    address.keep("study", study=record.id)
    st.page_link(PAGE_FILES["Study"], label="All studies", icon=":material/arrow_back:")
    view.heading(record)
    controls.bar(found, launcher)
    if record.reason:
        st.markdown(literal(record.reason))
    if record.state == StudyState.RUNNING or found.running:
        pace = installation().audience.pace_s(record.id)
        st.fragment(view.progress_of, run_every=pace)(found, launcher, pace)
    elif not record.unchangeable_because:
        st.fragment(view.resting, run_every=view.RESTING_S)(found)
    spoken(view.said(found), "study")
    view.decided(found)
    measure = view.charts(found)
    view.numbers(found)
    view.pairs(found, measure)


try:
    launcher = available_launcher()
    if wanted := st.query_params.get("study"):
        try:
            one_study(wanted, launcher)
        except UnknownRun as error:
            st.markdown(f":red[{literal(error)}]")
            new_study(launcher)
    else:
        new_study(launcher)
except StoreError as error:
    st.error(literal(error))
