"""Runs that cannot be shown, said in their own place, so that all others are shown."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.launcher.launcher import Launcher
from core.storage.database import StoreError
from core.storage.records import Damaged, DamagedRun, Run
from core.storage.runs import ALL_ROWS, Store
from core.storage.soundness import blaming
from core.web.elements.markdown import literal
from core.web.elements.presses import refused
from core.web.run.actions import confirm, place
from core.web.server.visitor import visitor

log = logging.getLogger(__name__)


OUR_FAULT = "This cannot be shown because of a fault in this program. Its log says more."


def say(run: Damaged, active: Launcher | None) -> None:
    """Which run, why, and a way to be rid of it where this visitor may."""
    refused(place(run.id))
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
        with blaming(lambda run: store.rows(run.id, limit=ALL_ROWS), *runs):
            yield
    except DamagedRun as error:
        log.warning("%s", error, exc_info=error.__cause__)
        for one in error.damaged:
            say(one, active)
    except StoreError:
        raise
    except Exception:  # nothing is wrong with the runs, so nobody shall delete them
        log.exception("cannot be shown: %s", ", ".join(run.id for run in runs))
        st.error(OUR_FAULT)
