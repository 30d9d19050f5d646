"""What is around every page: the navigation, the page's frame, and the CSS of what Streamlit draws.

Lies here and not beside `pages/`: there, a fresh server whose first request is a page's own address would run
that page's file without this one.
"""

from pathlib import Path

import streamlit as st

from core.launcher.launcher import LauncherUnavailable
from core.web.elements.footer import footer
from core.web.elements.markdown import literal
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES, PAGES

WIDTH_PX = 1120

CSS = Path(__file__).with_suffix(".css")

st.set_page_config(page_title="Keras vs PyTorch", layout="wide")
st.html(CSS)
pages = [st.Page(file, title=title, default=title == "Train") for title, file in PAGE_FILES.items()]
page = st.navigation(pages, position="top")
with st.container(horizontal_alignment="center"), st.container(width=WIDTH_PX):
    try:
        installation()
    except LauncherUnavailable as error:  # not even the data folder is known
        st.error(literal(error))
        st.stop()
    page.run()
    # On a phone the pages hide behind an arrow: each page ends with the way to the next.
    following = pages[(pages.index(page) + 1) % len(pages)]
    st.space("small")
    st.page_link(following, label=f"Next: {PAGES[following.title]}", icon=":material/arrow_forward:")
    footer()
