"""Train: set batch size, epochs and dropout, start both frameworks, watch them learn, read the result."""

import contextlib

import streamlit as st

from core.experiment.names import NUMBER_WORDS
from core.experiment.settings import TrainSettings
from core.experiment.titles import duel_title
from core.launcher.launcher import Launcher
from core.results.estimate import estimate
from core.storage.database import StoreError
from core.storage.records import DamagedRunError, Run, UnknownRun
from core.web.components.copy_link import copy_link
from core.web.elements import queue as queue_view
from core.web.elements.markdown import literal
from core.web.elements.porting import porting
from core.web.elements.presses import attempt, available_launcher, refused
from core.web.elements.spoken import spoken
from core.web.run import damaged
from core.web.run import page as run_page
from core.web.server.installation import installation
from core.web.server.visitor import visitor
from core.web.train import own_images
from core.web.train.form import (
    button_in_field_row,
    form_problems,
    network_editor,
    plan,
    read_as,
    settings_form,
    settings_path,
)

store = installation().store
PRESSED = "start_pressed"


def shown_run(launcher: Launcher | None) -> Run | None:
    """What trains now, wherever it was started; else the newest run that was trained here, if there is one.

    Where visitors are told apart, their own run comes first, and stays when it has ended.
    """
    live = [store.run(run_id) for run_id in launcher.active()] if launcher else []
    mine = st.session_state.get("run")
    own = [run for run in live if launcher and launcher.may_change(run.visitor, visitor())]
    if mine and launcher and installation().limits.only_own and mine not in launcher.active():
        with contextlib.suppress(UnknownRun, DamagedRunError):
            own.append(store.run(mine))
    for run in own:
        if run.id == mine:
            return run
    if own or live:
        return (own or live)[0]
    return store.latest()


def controls(launcher: Launcher | None, run: Run | None) -> None:
    """The fields, then Start, or Stop in its place while a run goes on."""
    # Who presses Start is heard, even where somebody else has started a moment before.
    mine = bool(run and launcher and launcher.may_change(run.visitor, visitor()))
    busy = bool(run and run.live) and mine and not st.session_state.get(PRESSED)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        settings = settings_form(disabled=busy, launcher=launcher)
        with button_in_field_row():
            if busy and launcher and run:
                stop, its = queue_view.stop, (launcher, [run.id])
                st.button("Stop", icon=":material/stop:", width=120, key="stop", on_click=stop, args=its)
            else:
                icon, idle = ":material/play_arrow:", not (settings and launcher)
                # As a callback: a rerun that comes first would else swallow the press.
                st.button("Start", icon=icon, type="primary", width=120, key="start", disabled=idle, on_click=press)
        with button_in_field_row():
            copy_link(settings_path(), "to these settings", key="copy_settings")
    if st.session_state.get(PRESSED):
        start(launcher, settings)
    # One place however many lines it has: what stands below is not moved, and whoever types there goes on.
    with st.container():
        refused("start")
        problems()
        if not busy and settings:
            waiting = queue_view.queue_words(launcher) if launcher else ""
            st.caption(literal(read_as(settings)) + plan(settings, estimate(store, settings)) + waiting)
    network_editor(disabled=busy, launcher=launcher)
    if settings:
        porting(settings)
    if launcher:
        own_images.section(launcher)
    if launcher and (turn := launcher.queue.running) and not (run and run.live):
        queue_view.meanwhile(launcher, turn.job.id)
    if run and run.live and not mine:
        st.markdown("Someone else's run:")


def problems() -> None:
    """What is wrong with a field, seen and said."""
    sentences = form_problems().values()
    for sentence in sentences:
        st.markdown(f":red[{literal(sentence)}]")
    spoken(" ".join([*sentences, own_images.said()]), "settings")


def press() -> None:
    """Start was pressed: it is remembered until it is done."""
    st.session_state[PRESSED] = True


def start(launcher: Launcher | None, settings: TrainSettings | None) -> None:
    """Queues the run and shows it; else keeps the reason."""
    del st.session_state[PRESSED]
    if launcher is None or settings is None:
        return

    def submit() -> None:
        st.session_state["run"] = launcher.submit(settings, visitor())

    if attempt("start", submit):
        st.rerun()


def recorded() -> Run | None:
    """One of the duels that came with the project."""
    runs = {duel_title(run.settings): run for run in store.recorded()}
    if not runs:
        return None
    st.markdown(
        f"Nothing has run here yet, so this is one of {NUMBER_WORDS[len(runs)]} duels that came with the project. "
        "Press Start for your own."
    )
    choice = st.segmented_control("Recorded duels", list(runs), default=next(iter(runs)), label_visibility="collapsed")
    return runs.get(choice or "", next(iter(runs.values())))


st.title("Keras vs PyTorch", anchor=False)
st.markdown("The same small network, trained in Keras and in PyTorch side by side, on this machine.")
try:
    launcher = available_launcher()
    run = shown_run(launcher)
    controls(launcher, run)
    run = run or recorded()
    if run is not None:
        with damaged.reporting_damage(store, launcher, run):
            run_page.show(run, store, launcher)
except StoreError as error:
    if launcher:  # else `available_launcher` has said what is wrong with the data folder
        st.error(literal(error))
