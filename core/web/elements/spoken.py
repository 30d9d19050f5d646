"""What has changed on a page, for who cannot see it: a screen reader says it once, and politely."""

from html import escape

import streamlit as st


def spoken(words: str, about: str) -> None:
    """Has the words said when they differ from those that were there before `about` the same.

    Once a page, and outside of what is drawn again and again.
    """
    with st.container(key="spoken"):
        st.html(f'<span data-said-about="{escape(about)}">{escape(words)}</span>')
