"""The browser's address, kept in step with what a page shows, so that it can be copied."""

import time

import streamlit as st

ARRIVES_S = 3.0
"""A browser has a new address after so long, and sends it from then on."""


def keep(page: str, **parameters: str | list[str]) -> None:
    """Makes the address of `page` hold these parameters and no others.

    A link from a page to itself changes what is shown and leaves the browser's address as it was. Every message that
    sets it adds to the browser's history, so only a change is sent.
    """
    key = f"address_of_{page}"
    known = st.session_state.get(key)
    st.session_state[key] = parameters
    if known is None or known == parameters:
        return
    if parameters:
        st.query_params.from_dict(parameters)
    else:
        st.query_params.clear()


def stands(page: str) -> None:
    """Notes that the address of `page` holds what it was opened with."""
    st.session_state[f"address_of_{page}"] = {name: st.query_params.get_all(name) for name in st.query_params}


def replaced(page: str, before: object) -> None:
    """Notes what the address of `page` held when another one was sent."""
    now, key = time.monotonic(), f"addresses_before_of_{page}"
    recent = [(at, older) for at, older in st.session_state.get(key, ()) if at > now - ARRIVES_S]
    st.session_state[key] = [*recent, (now, before)]


def outdated(page: str, given: object) -> bool:
    """Whether the browser sent the address that `page` had before ours arrived: what was typed since is newer."""
    since = time.monotonic() - ARRIVES_S
    return any(given == before and at > since for at, before in st.session_state.get(f"addresses_before_of_{page}", ()))
