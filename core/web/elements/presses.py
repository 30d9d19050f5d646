"""What a press asks of the Launcher, and why it did nothing, in words."""

import time
from collections.abc import Callable

import streamlit as st

from core.data.dataset import DatasetError
from core.experiment.settings import InvalidSettings
from core.launcher.launcher import Launcher, LauncherUnavailable, Refused
from core.storage.database import StoreError
from core.web.elements.markdown import literal
from core.web.server.installation import installation

READ_S = 60.0
"""So long a refusal stays to be read: the page may be drawn anew before somebody has read it."""


def available_launcher() -> Launcher | None:
    """The Launcher, or None after the sentence that says why nothing can be started or changed."""
    try:
        return installation().launcher
    except LauncherUnavailable as error:
        st.error(literal(error))
        return None


def say(error: Exception) -> None:
    """Why something was not done: what is not allowed is no fault."""
    show = st.warning if isinstance(error, Refused) else st.error
    show(literal(error))


def attempt(where: str, do: Callable[[], object]) -> bool:
    """Does what a press asks for; whether it was done. Why not is kept for `refused`.

    Meant for callbacks: they run before the page is drawn, so a rerun that comes first swallows no press.
    """
    st.session_state.pop(f"refused_{where}", None)
    try:
        do()
    except (InvalidSettings, StoreError, LauncherUnavailable, DatasetError) as error:
        st.session_state[f"refused_{where}"] = time.monotonic(), error
        return False
    return True


def refused(where: str) -> None:
    """Why the last press there did nothing, for a while."""
    at, error = st.session_state.get(f"refused_{where}", (0.0, None))
    if error is not None and time.monotonic() - at < READ_S:
        say(error)
