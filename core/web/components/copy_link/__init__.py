"""A button that copies a link: to the settings that are shown, or to a run."""

from pathlib import Path

import streamlit as st

HTML = """
<div class="copy-link">
  <button type="button" class="copy-link-button">
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1"/>
      <path d="M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1"/>
    </svg>
    <span class="copy-link-word">Copy link</span>
  </button>
  <input class="copy-link-by-hand" readonly hidden>
  <span class="copy-link-spoken" role="status"></span>
</div>
"""

CSS, JS = (Path(__file__).with_name(f"copy_link.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
CLIPBOARD = Path(__file__).parents[1].joinpath("clipboard.js").read_text(encoding="utf-8")
_component = st.components.v2.component("copy_link", html=HTML, css=CSS, js=CLIPBOARD + JS, isolate_styles=False)


def copy_link(path: str, name: str, key: str) -> None:
    """The button. `path` leads from any of our pages to what is linked; `name` says what that is, after "Copy link"."""
    _component(key=key, data={"path": path, "name": f"Copy link {name}"}, width="content")
