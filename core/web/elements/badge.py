"""Badges as HTML, where they stand in an element that is HTML itself: each of Streamlit's own is an element more."""

from html import escape


def badge_html(label: str, colour: str, icon: str = "") -> str:
    """A badge as Streamlit draws it; `icon` is a name of its icon font, and only looks."""
    sign = f'<span class="badge-icon" aria-hidden="true" translate="no">{escape(icon)}</span> ' if icon else ""
    return f'<span class="badge badge-{colour}">{sign}{escape(label)}</span>'
