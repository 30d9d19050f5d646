"""What is around every page: the navigation, the page's frame, and the CSS of what Streamlit draws.

Lies here and not beside `pages/`: there, a fresh server whose first request is a page's own address would run
that page's file without this one.
"""

import streamlit as st

from core.launcher.launcher import LauncherUnavailable
from core.web.elements.footer import footer
from core.web.elements.markdown import literal
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES, PAGES

WIDTH_PX = 1120

CSS = """
<style>
[data-testid="stMain"] { font-variant-numeric: tabular-nums; }
[data-testid="stMain"] :focus-visible { outline: 2px solid light-dark(#0f766e, #0d8175); outline-offset: 2px; }
[data-testid="stMain"] button[data-variant][data-selected="true"] p { color: light-dark(#14161a, #eceae6); }
[data-testid="stMain"] [data-testid="stPageLink-NavLink"] { background: transparent; }
[data-testid="stMain"] [data-testid="stPageLink-NavLink"] p { font-weight: 400; text-decoration: underline; }
[data-testid="stMain"] [data-testid="stPageLink-NavLink"] :is(span, p) { white-space: normal; overflow-wrap: anywhere; }
[data-testid="stMain"] .js-plotly-plot text { fill: light-dark(#3f434b, #d5d3cf) !important; }
[data-testid="stMain"] .js-plotly-plot .gridlayer path { stroke: light-dark(#e6e6e2, #2a2e35) !important; }
[data-testid="stMain"] [data-testid="stCode"] .token { color: light-dark(#3f434b, #d5d3cf); }
[data-testid="stMain"] [data-testid="stCode"] .token.comment { color: light-dark(#5c6069, #a9a7a2); }
[data-testid="stMain"] [data-testid="stCode"] .token.keyword { color: light-dark(#0b5f59, #5fc4b8); }
[data-testid="stMain"] [data-testid="stCode"] .token.string { color: light-dark(#5b4a00, #d9c37a); }
[data-testid="stExpandSidebarButton"]::after { content: "Pages"; font-size: 0.875rem; }
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation: none !important; transition: none !important; }
}
</style>
"""

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
