"""The browser's address, kept in step with what a page shows, so that it can be copied."""

import streamlit as st


def keep(page: str, **parameters: str) -> None:
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
