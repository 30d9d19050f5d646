"""Runs: the history, one run by its link, several laid over each other, and what to do with them."""

import streamlit as st

from core.launcher.launcher import Launcher
from core.storage.database import StoreError
from core.storage.records import DamagedRun, DamagedRunError, StudyRuns, UnknownRun
from core.web.elements import address
from core.web.elements.markdown import literal
from core.web.elements.pager import pager
from core.web.elements.porting import porting
from core.web.elements.presses import available_launcher
from core.web.elements.spoken import spoken
from core.web.run import actions as run_actions
from core.web.run import damaged
from core.web.run import page as run_page
from core.web.runs import view as runs_view
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES
from core.web.server.visitor import visitor

store = installation().store


def one_run(run_id: str, launcher: Launcher | None) -> None:
    """The run that the link names, with what can be done with it."""
    try:
        run = store.run(run_id)
    except UnknownRun as error:
        st.markdown(f":red[{literal(error)}]")
        history(launcher)
        return
    except DamagedRunError as error:
        runs_view.to_all_runs()
        for one in error.damaged:
            damaged.report(one, launcher)
        return
    address.keep("runs", run=run_id)
    runs_view.to_all_runs()
    st.title(literal(runs_view.title(run)), anchor=False)
    if run.note:
        st.markdown(literal(run.note), width=720)
    if run.study:
        label, icon = "The study that it is a pair of", ":material/arrow_back:"
        st.page_link(PAGE_FILES["Study"], label=label, icon=icon, query_params={"study": run.study})
    run_actions.bar(run, store, launcher)
    porting(run.settings)
    with damaged.reporting_damage(store, launcher, run):
        run_page.show(run, store, launcher)


def history(launcher: Launcher | None) -> None:
    """Search and filter, one page of rows, and what is ticked laid over each other."""
    st.session_state[runs_view.LEFT] = unfolded = runs_view.unfolded()
    address.keep("runs", **({runs_view.UNFOLDED: unfolded} if unfolded else {}))
    st.title("Runs", anchor=False)
    wanted = runs_view.search(store, launcher)
    offset = runs_view.offset(wanted)
    left_out: list[DamagedRun] = []
    listed = store.lines(wanted, runs_view.PAGE, offset, left_out)
    spoken(runs_view.count(listed.runs, wanted), "runs")
    for line in listed.lines:
        if isinstance(line, StudyRuns):
            runs_view.study_row(line, wanted, store, launcher)
        else:
            runs_view.row(line, mine=line.visitor == visitor() != "")
    for one in left_out:
        damaged.report(one, launcher)
    pager(offset, listed.total, runs_view.PAGE, runs_view.OFFSET)
    runs_view.overlay_of_ticked(store, launcher)


try:
    launcher = available_launcher()
    if run_id := st.query_params.get("run"):
        one_run(run_id, launcher)
    else:
        history(launcher)
except StoreError as error:
    st.error(literal(error))
