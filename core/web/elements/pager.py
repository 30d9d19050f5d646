"""Newer, which page of how many, Older: below a list that is shown a page at a time."""

from collections.abc import Callable

import streamlit as st


def pager(offset: int, total: int, page: int, key: str, back: str = "Newer", on: str = "Older") -> None:
    """Nothing where one page holds all; a press writes the new offset into the session state's `key`."""
    pages = -(-total // page)
    if pages < 2:
        return

    def show_from(first: int) -> None:
        st.session_state[key] = max(0, first)

    with st.container(horizontal=True, vertical_alignment="center"):
        _button(back, f"{key}_back", offset == 0, show_from, offset - page)
        st.markdown(f"{offset // page + 1:,} of {pages:,}", width="content")
        _button(on, f"{key}_on", offset + page >= total, show_from, offset + page)


def _button(label: str, key: str, disabled: bool, show_from: Callable[[int], None], first: int) -> None:
    st.button(label, key=key, disabled=disabled, type="tertiary", on_click=show_from, args=(first,))
