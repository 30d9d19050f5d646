"""Train: set batch size, epochs and dropout, start both frameworks, watch them learn, read the result."""

import streamlit as st

from core import launcher
from core.names import ALIGNMENT_TITLES
from core.outcome import Outcome, gather
from core.settings import DeploymentSettings, InvalidSettings, TrainSettings
from core.store import Run, Store, StoreError
from core.web import run_view
from core.web.markdown import literal
from core.web.settings_form import form_problems, plan, settings_form

store = Store(DeploymentSettings().data_dir)


def here() -> launcher.Launcher | None:
    """The Launcher, or None after the sentence that says why nothing can be started."""
    try:
        return launcher.current()
    except launcher.LauncherUnavailable as error:
        st.error(literal(error))
        return None


def shown_run(active: launcher.Launcher | None) -> Run | None:
    """Whatever trains now, wherever it was started; else the newest run; else one that came with the project."""
    live = active.active() if active else []
    mine = st.session_state.get("run")
    if live:
        return store.run(mine if mine in live else live[0])
    newest = store.runs(limit=1)
    return newest[0] if newest else None


def controls(active: launcher.Launcher | None, run: Run | None) -> None:
    """The fields, then Start, or Stop in its place while a run goes on."""
    # Who presses Start is heard, even where somebody else has started a moment before.
    busy = bool(run and run.live) and not st.session_state.get("start")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        settings = settings_form(disabled=busy)
        if busy and active and run:
            if st.button("Stop", icon=":material/stop:", width=120, key="stop"):
                active.stop(run.id)
        elif st.button(
            "Start",
            icon=":material/play_arrow:",
            type="primary",
            width=120,
            key="start",
            disabled=not (settings and active),
        ):
            start(active, settings)
    for sentence in form_problems().values():
        st.markdown(f":red[{literal(sentence)}]")
    if not busy and settings:
        st.caption(plan(settings, store.last_like(settings.as_json())))


def start(active: launcher.Launcher | None, settings: TrainSettings | None) -> None:
    """Queues the run and shows it."""
    if active is None or settings is None:
        return
    try:
        st.session_state["run"] = active.submit(settings)
    except (InvalidSettings, StoreError, launcher.LauncherUnavailable) as error:
        st.error(literal(error))
    else:
        st.rerun()


@st.fragment(run_every=1)
def while_it_runs(run_id: str, last_elapsed_s: float | None, feed: bool) -> None:
    """Words, bar and cards of a live run, once a second; its charts need no rerun unless they must be fed."""
    run = store.run(run_id)
    if not run.live:
        st.rerun()
    outcome = gather(run, store.rows(run_id, steps=False))
    run_view.progress_bar(outcome, last_elapsed_s)
    run_view.heading(outcome)
    run_view.lane_cards(outcome)
    if feed:
        charts(outcome)


def ended(run: Run) -> None:
    """A run with its end: cards, one paragraph, charts, figures, code."""
    outcome = gather(run, store.rows(run.id, steps=False))
    if run.state == "failed":
        st.error(literal(run.reason), icon=":material/error:")
    elif run.reason:
        st.markdown(literal(run.reason))
    if outcome.certificate and not outcome.certificate["passed"]:
        st.warning("The fairness certificate failed: the lanes did not start alike, so this run compares nothing.")
    run_view.heading(outcome)
    run_view.lane_cards(outcome)
    run_view.paragraph(outcome)
    if any(lane.built for lane in outcome.lanes):
        charts(outcome)
    run_view.result(outcome)
    run_view.code(outcome)
    run_view.folded(outcome)


def charts(outcome: Outcome) -> None:
    """The charts of a run; what the host passes of their routes is learnt once a session."""
    known = st.session_state.get("route", "open")
    route = run_view.live_charts(outcome, store, known)
    if route != known:
        st.session_state["route"] = route
        st.rerun()


def recorded() -> Run | None:
    """One of the three duels that came with the project."""
    runs = {ALIGNMENT_TITLES[run.settings["alignment"]]: run for run in store.recorded()}
    if not runs:
        return None
    st.markdown(
        "Nothing has run here yet, so this is one of three that came with the project. Press Start for your own."
    )
    choice = st.segmented_control("Recorded duels", list(runs), default=next(iter(runs)), label_visibility="collapsed")
    return runs.get(choice or "", next(iter(runs.values())))


st.title("Keras vs PyTorch", anchor=False)
st.markdown("The same small network, trained in Keras and in PyTorch side by side, on this machine.")
try:
    active = here()
    run = shown_run(active)
    controls(active, run)
    if run is None or run.source == "recorded":
        run = recorded()
    if run is not None and run.live:
        last = store.last_like(run.settings)
        feed = st.session_state.get("route", "open") != "open"
        while_it_runs(run.id, last.elapsed_s if last else None, feed)
        if not feed:
            charts(gather(run, []))
    elif run is not None:
        ended(run)
except StoreError as error:
    if active:  # else `here` has said what is wrong with the data folder
        st.error(literal(error))
