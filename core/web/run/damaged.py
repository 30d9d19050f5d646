"""Damaged runs: each is reported in its own place, so that all others are shown."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.launcher.launcher import Launcher
from core.storage.database import StoreError
from core.storage.records import DamagedRun, DamagedRunError, Run
from core.storage.runs import ALL_ROWS, Store
from core.storage.soundness import naming_damaged
from core.web.elements.markdown import literal
from core.web.elements.presses import refused
from core.web.run.actions import confirm, place
from core.web.server.visitor import visitor

log = logging.getLogger(__name__)


OUR_FAULT = "This cannot be shown because of a fault in this program. Its log says more."


def report(run: DamagedRun, launcher: Launcher | None) -> None:
    """Shows which run is damaged and why, with a button that deletes it where this visitor may."""
    refused(place(run.id))
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":red[{literal(run)}]", width="stretch")
        if launcher is None or not launcher.may_change("", visitor()):
            return
        if st.button("Delete", icon=":material/delete:", key=f"delete_{run.id}"):
            confirm(run.id, launcher)


@contextmanager
def reporting_damage(store: Store, launcher: Launcher | None, *runs: Run) -> Iterator[None]:
    """Shows, in place of what the block draws of `runs`, which of them are damaged; the page goes on below it."""
    try:
        with naming_damaged(lambda run: store.rows(run.id, limit=ALL_ROWS), *runs):
            yield
    except DamagedRunError as error:
        log.warning("%s", error, exc_info=error.__cause__)
        for one in error.damaged:
            report(one, launcher)
    except StoreError:
        raise
    except Exception:  # nothing is wrong with the runs, so nobody shall delete them
        log.exception("cannot be shown: %s", ", ".join(run.id for run in runs))
        st.error(OUR_FAULT)
