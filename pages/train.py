"""Train: set batch size, epochs and dropout, start both frameworks, watch them learn, read the result."""

import streamlit as st

from core import launcher
from core.names import ALIGNMENT_TITLES
from core.settings import DeploymentSettings, InvalidSettings, TrainSettings
from core.store import Run, Store, StoreError
from core.web import run_page
from core.web.here import here
from core.web.markdown import literal
from core.web.settings_form import form_problems, plan, settings_form

store = Store(DeploymentSettings().data_dir)


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
    if run is not None:
        run_page.show(run, store, active)
except StoreError as error:
    if active:  # else `here` has said what is wrong with the data folder
        st.error(literal(error))
