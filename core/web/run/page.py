"""A run whole, as the Train page and a run's own link show it: live, or with its end."""

import streamlit as st

from core.experiment.dates import day
from core.experiment.machine import machine_words
from core.experiment.titles import brief
from core.launcher.launcher import Launcher
from core.results.estimate import estimate
from core.results.gallery import gone_words
from core.results.outcome import Outcome, gather
from core.storage.database import State
from core.storage.records import Run
from core.storage.runs import Store
from core.web.elements import queue as queue_view
from core.web.elements.lanes import ROUTE
from core.web.elements.markdown import literal
from core.web.run import view as run_view
from core.web.server.installation import installation


def show(run: Run, store: Store, launcher: Launcher | None) -> None:
    """A live run grows by itself; an ended one stands."""
    if not run.live:
        ended(run, store, launcher)
        return
    expected = estimate(store, run.settings)
    feed = st.session_state.get(ROUTE, "open") != "open"
    pace = installation().audience.pace_s(run.id)
    begun = gather(run, [])
    # Not in the fragment: the code of its button would travel each time.
    run_view.heading(begun)
    words = st.fragment(while_it_runs, run_every=pace)
    words(run, store, launcher, expected.words if expected else "", feed, pace)
    if feed:
        return
    waits = run.state == State.QUEUED and launcher is not None and launcher.queue.waits_for(run.id)
    if waits and (duel := recorded_like(run, store)):
        meanwhile(duel, store)
    else:
        charts(begun, store)


def recorded_like(run: Run, store: Store) -> Run | None:
    """The duel that came with the project whose network and alignment are most like a run's."""
    wanted = run.settings
    alike = lambda duel: (duel.settings.network != wanted.network, duel.settings.alignment != wanted.alignment)  # noqa: E731
    return min(store.recorded(), key=alike, default=None)


def meanwhile(duel: Run, store: Store) -> None:
    """For who waits for their turn: a recorded duel, whose charts grow as they did."""
    st.subheader("Until your turn comes: a recorded duel", anchor=False)
    st.caption(f"{literal(brief(duel))}, on {literal(machine_words(duel.machine))}, {day(duel.created_at)}.")
    charts(gather(duel, store.rows(duel.id, steps=False)), store, replay=True)


def while_it_runs(drawn: Run, store: Store, launcher: Launcher | None, expected: str, feed: bool, pace: int) -> None:
    """Bar and cards of a live run, once in `pace` seconds: all that is drawn here travels each time.

    Its charts need no rerun unless they must be fed. The whole page again when the run is no longer what was drawn.
    """
    run = store.run(drawn.id)
    if run.state != drawn.state or installation().audience.pace_s(run.id, pace) != pace:
        st.rerun()
    outcome = gather(run, store.rows(run.id, steps=False))
    if launcher and (launcher.queue.waits_for(run.id) or (run.state == State.QUEUED and launcher.reads_pictures())):
        st.progress(0.0, text=queue_view.waiting(launcher, run.id))
        queue_view.running_job(launcher, "before")
    else:
        run_view.progress_bar(outcome, expected)
    run_view.lane_cards(outcome)
    if feed:
        charts(outcome, store)


def ended(run: Run, store: Store, launcher: Launcher | None) -> None:
    """A run with its end: cards, one paragraph, charts, figures, code."""
    outcome = gather(run, store.rows(run.id, steps=False))
    if run.state == State.FAILED:
        st.error(literal(run.reason), icon=":material/error:")
    elif run.reason:
        st.markdown(literal(run.reason))
    run_view.heading(outcome)
    if words := gone_words(run, store.data_dir):
        st.caption(literal(words))
    run_view.lane_cards(outcome)
    run_view.fairness(run)
    run_view.paragraph(outcome)
    run_view.repeat(outcome, launcher)
    run_view.next_run(outcome, launcher)
    if any(lane.built for lane in outcome.lanes):
        charts(outcome, store)
    run_view.result(outcome)
    run_view.code(outcome)
    run_view.folded(outcome)


def charts(outcome: Outcome, store: Store, replay: bool = False) -> None:
    """The charts of a run; what the host passes of their routes is learnt once a session."""
    known = st.session_state.get(ROUTE, "open")
    route = run_view.live_charts(outcome, store, known, replay)
    if route not in (known, "open"):  # charts that have just been mounted know nothing yet
        st.session_state[ROUTE] = route
        st.rerun()
