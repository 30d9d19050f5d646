"""Newer, which page of how many, Older: below a list that is shown a page at a time."""

import streamlit as st


def pager(offset: int, total: int, page: int, key: str, back: str = "Newer", on: str = "Older") -> None:
    """Nothing where one page holds all; a press writes the new offset into the session state's `key`."""
    pages = -(-total // page)
    if pages < 2:
        return

    def show_from(first: int) -> None:
        st.session_state[key] = max(0, first)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(back, disabled=offset == 0, type="tertiary", on_click=show_from, args=(offset - page,))
        st.markdown(f"{offset // page + 1:,} of {pages:,}", width="content")
        st.button(on, disabled=offset + page >= total, type="tertiary", on_click=show_from, args=(offset + page,))
