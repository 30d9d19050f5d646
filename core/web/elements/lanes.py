"""How lanes are drawn on every page: their marks, one beside the other, and figures."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import plotly.graph_objects as go
import streamlit as st

from core.experiment.names import engine_title, framework, is_variant
from core.web.components.figure import figure
from core.web.elements.markdown import literal

SIGNS = {"keras": "●", "torch": "◆", "other": "■"}
VARIANT_SIGNS = {"keras": "○", "torch": "◇"}
COLOUR_NAMES = {"keras": "blue", "torch": "orange", "other": "gray"}
"""As Markdown names them: they follow the theme."""
WIDE_IN_A_ROW = 2
"""Of what needs room: matrices, summaries."""
ROUTE = "route"
"""Of a session: what its host passes of our routes, as far as the live charts or a figure have found out."""
T = TypeVar("T")


def sign(engine: str) -> str:
    """The letter that stands for an engine's framework, open for a variant."""
    return (VARIANT_SIGNS if is_variant(engine) else SIGNS)[framework(engine)]


def mark(engine: str) -> str:
    """The same in the framework's colour, as Markdown."""
    return f":{COLOUR_NAMES[framework(engine)]}[{sign(engine)}]"


def mark_html(engine: str) -> str:
    """The same as HTML."""
    return f'<b class="mark-{framework(engine)}" aria-hidden="true">{sign(engine)}</b>'


def marked(engine: str) -> str:
    """An engine's name with its mark, as Markdown."""
    return f"{mark(engine)} {literal(engine_title(engine))}"


def side_by_side(items: Sequence[T], most: int = WIDE_IN_A_ROW, **columns: Any) -> Iterator[tuple[Any, T]]:
    """Each item with its column: rows of at most `most`, one `st.columns` a row, so that neighbours stay neighbours."""
    for first in range(0, len(items), most):
        row = items[first : first + most]
        # A last, shorter row keeps the others' widths.
        yield from zip(st.columns(min(len(items), most), **columns), row, strict=False)


def plot(
    drawn: go.Figure, finding: str, key: str, pressable: bool = False, follows: str = "", as_json: str = ""
) -> str | None:
    """A Plotly figure in its own colours, without buttons; `finding` is what it shows, for who cannot see it.

    With `pressable` returns the custom data of the mark that was pressed last, as text; `follows` and `as_json` as of
    `figure`. Where the host does not pass our code, Streamlit's own chart shows the same.
    """
    if st.session_state.get(ROUTE) != "no-assets":
        answer = figure(drawn, finding, key, pressable, follows, as_json)
        if answer.arrived:
            return answer.pressed
        st.session_state[ROUTE] = "no-assets"
        st.rerun()
    more: dict[str, Any] = {"on_select": "rerun", "selection_mode": "points"} if pressable else {}
    event = st.plotly_chart(
        drawn, config={"displayModeBar": False}, theme=None, alt=finding, key=f"{key}_by_streamlit", **more
    )
    points = event["selection"]["points"] if pressable else []
    return str(points[0].get("customdata")) if points else None
