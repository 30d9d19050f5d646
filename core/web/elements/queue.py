"""Whose turn it is, as every page shows it: what goes on, by name and link, how long still, and Stop where one may."""

import contextlib
from collections.abc import Sequence

import streamlit as st

from core.experiment.metrics import roughly
from core.launcher.jobs import Job
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.storage.database import StoreError
from core.web.elements.markdown import literal
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES
from core.web.server.visitor import visitor

READS = "Waits for its turn: pictures are read, which would slow it."


def waiting(launcher: Launcher, job_id: str) -> str:
    """What a queued run or measurement waits for, and when it should begin, as sentences."""
    waits_for = launcher.queue.waits_for(job_id)
    if waits_for is None:
        return READS if launcher.reads_pictures() else "Begins at once."
    kind, ahead = waits_for
    more = f", {ahead} more before it" if ahead else ""
    wait_s = launcher.queue.wait_s(job_id)
    when = "" if wait_s is None else f" It begins in about {roughly(wait_s)}."
    return f"Waits for its turn: a {kind} is {kind.verb}{more}.{when}"


def queue_words(launcher: Launcher) -> str:
    """Who is before a run that would be started now, as a sentence; empty where nobody is."""
    turn = launcher.queue.running
    if turn is None:
        return " Pictures are read now: yours would begin after that." if launcher.reads_pictures() else ""
    kind = turn.job.kind
    ahead, wait_s = launcher.queue.waiting(), launcher.queue.wait_s()
    wait = f", {ahead} waiting" if ahead else ""
    when = "" if wait_s is None else f": yours would begin in about {roughly(wait_s)}"
    return f" A {kind} is {kind.verb} now{wait}{when}."


def running_job(launcher: Launcher, place: str) -> None:
    """What others wait for: its name as a link, Stop where one may, whether it is late, whether it shall go on.

    To be drawn again and again, in a fragment; `place` tells it from the same one elsewhere on a page.
    """
    turn = launcher.queue.running
    if turn is None:
        return
    job = turn.job
    mine = launcher.may_change(job.visitor, visitor())
    # Where strangers visit it ends by itself: nobody is there to be asked.
    asks = mine and turn.unattended and not installation().limits.hosted
    if turn.late and turn.expected_s is not None:
        so_far = f"{roughly(turn.elapsed_s)} so far, not about {roughly(turn.expected_s)}"
        st.markdown(f"This {job.kind} takes longer than expected: {so_far}.")
    if asks:
        st.markdown("Nobody has looked at this lesson for a minute. Shall it go on?")
    with st.container(horizontal=True, vertical_alignment="center"):
        link(job)
        # As callbacks: a rerun that comes first would else swallow the press.
        if asks:
            st.button("Let it go on", key=f"go_on_{place}_{job.id}", on_click=launcher.queue.mark_seen, args=(job.id,))
        if mine:
            key, its = f"stop_{place}_{job.id}", (launcher, [job.id])
            st.button(f"Stop that {job.kind}", icon=":material/stop:", key=key, on_click=stop, args=its)


def link(job: Job) -> None:
    """A link to a job's place, called by its name; nothing where it has none, or where the store cannot be read."""
    with contextlib.suppress(StoreError):
        if place := job.place():
            icon = ":material/arrow_forward:"
            st.page_link(PAGE_FILES[place.page], label=literal(place.title), icon=icon, query_params=place.query)


@st.fragment(run_every=2)
def meanwhile(launcher: Launcher, job_id: str) -> None:
    """What goes on before a run that would be started now; the whole page again when something else does."""
    turn = launcher.queue.running
    if turn is None or turn.job.id != job_id:
        st.rerun()
    running_job(launcher, "meanwhile")


def stop(launcher: Launcher, job_ids: Sequence[str]) -> None:
    """Stops runs, measurements and lessons, the last in the queue first, so that none of them begins meanwhile."""
    for job_id in reversed(job_ids):
        # The page says what is wrong with the data folder; what is somebody else's has no button.
        with contextlib.suppress(StoreError, LauncherUnavailable):
            launcher.stop(job_id, visitor())
