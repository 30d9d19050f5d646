"""A figure that stands still, or changes as a whole now and then, drawn by the same Plotly file as the live charts when
it comes near the window.

Streamlit's own chart would load Plotly a second time, three times as large. `figure.js` owns what happens in the
browser, and how the live charts load Plotly, too.
"""

from dataclasses import dataclass

import plotly.graph_objects as go
import streamlit as st

from core.web.components.assets import PLOTLY_URL, loading

HTML = '<div class="figure"></div>'
CSS = """
.figure { width: 100%; }
.figure, .figure * { touch-action: pan-y pinch-zoom; }
"""
_component = st.components.v2.component(
    "figure",
    html=HTML,
    css=CSS,
    js=loading("figure.js", otherwise='component.setStateValue("route", "no-assets");'),
    isolate_styles=False,  # in a shadow root Plotly's own style does not reach its figures
)


@dataclass(frozen=True)
class FigureAnswer:
    """What a figure reports: whether its code arrived, and the mark that was pressed last, by its custom data."""

    arrived: bool
    pressed: str | None


def _rerun_only() -> None:
    """A callback makes its name part of the result; the rerun itself is all that is wanted."""


def figure(
    drawn: go.Figure, finding: str, key: str, pressable: bool = False, follows: str = "", as_json: str = ""
) -> FigureAnswer:
    """Shows a figure of a stated height in pixels; `finding` is what it shows, for who cannot see it.

    `pressable`: a press on a point that has custom data reruns the page. `follows`: the address, from the page's base
    on, that gives the figure anew whenever it has changed (`study_closing` in `core/web/server/routes.py`). `as_json`:
    the same figure, where somebody has it as JSON already.
    """
    data = {
        **{"figure": as_json or drawn.to_json(), "finding": finding, "pressable": pressable},
        **{"follows": follows, "plotly_url": PLOTLY_URL},
    }
    result = _component(
        key=key,
        data=data,
        # So that it has its room before it is drawn.
        height=int(drawn.layout.height),  # type: ignore[arg-type]
        default={"route": "open", "pressed": None},
        on_route_change=_rerun_only,
        on_pressed_change=_rerun_only,
    )
    return FigureAnswer(result.get("route") != "no-assets", pressed_mark(result.get("pressed")))


def pressed_mark(pressed: object) -> str | None:
    """What a browser says was pressed; it can say anything, and whatever is no text counts as nothing."""
    return pressed if isinstance(pressed, str) else None
