"""Runs that cannot be shown, said in their own place, so that all others are shown."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.launcher import Launcher
from core.soundness import fault
from core.store import ALL_ROWS, Damaged, DamagedRun, Run, Store, StoreError
from core.web.markdown import literal
from core.web.run_actions import confirm
from core.web.visitor import visitor

log = logging.getLogger(__name__)


def say(run: Damaged, active: Launcher | None) -> None:
    """Which run, why, and a way to be rid of it where this visitor may."""
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":red[{literal(run)}]", width="stretch")
        if active is None or not active.may_change("", visitor()):
            return
        if st.button("Delete", icon=":material/delete:", key=f"delete_{run.id}"):
            confirm(run.id, active)


@contextmanager
def or_said(store: Store, active: Launcher | None, *runs: Run) -> Iterator[None]:
    """Draws runs whatever the store holds of them: what cannot be drawn is said, and the page goes on."""
    try:
        yield
    except DamagedRun as error:
        say(error.damaged, active)
    except StoreError:
        raise
    except Exception as error:  # a stored row can hold anything, and nothing of it may take the page away
        log.exception("cannot be shown: %s", ", ".join(run.id for run in runs))
        faults = {run.id: fault(run, store.rows(run.id, limit=ALL_ROWS)) for run in runs}
        for run_id, why in faults.items():
            if why or not any(faults.values()):
                say(Damaged(run_id, why or f"{type(error).__name__}: {error}"), active)
