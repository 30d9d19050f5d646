"""The Launcher as a page finds it, and what it answers in words."""

import streamlit as st

from core import launcher
from core.web.markdown import literal


def here() -> launcher.Launcher | None:
    """The Launcher, or None after the sentence that says why nothing can be started or changed."""
    try:
        return launcher.current()
    except launcher.LauncherUnavailable as error:
        st.error(literal(error))
        return None


def say(error: Exception) -> None:
    """Why something was not done: what is not allowed is no fault."""
    show = st.warning if isinstance(error, launcher.Refused) else st.error
    show(literal(error))
