"""The Launcher as a page finds it."""

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
