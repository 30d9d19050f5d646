"""How lanes are drawn on every page: their marks, one beside the other, figures, and what a program printed."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import plotly.graph_objects as go
import streamlit as st

from core.experiment.names import engine_title, framework, is_variant
from core.web.elements.markdown import literal

SIGNS = {"keras": "●", "torch": "◆", "other": "■"}
VARIANT_SIGNS = {"keras": "○", "torch": "◇"}
COLOUR_NAMES = {"keras": "blue", "torch": "orange", "other": "gray"}
"""As Markdown names them: they follow the theme."""
CARDS_IN_A_ROW, WIDE_IN_A_ROW = 4, 2
"""Of more than two lanes: cards, and what needs room (matrices, summaries, code)."""
TABLE_LINES = frozenset("│┃─━")
"""What a table is drawn with in a terminal."""
T = TypeVar("T")


def sign(engine: str) -> str:
    """The letter that stands for an engine's framework, open for a variant."""
    return (VARIANT_SIGNS if is_variant(engine) else SIGNS)[framework(engine)]


def mark(engine: str) -> str:
    """The same in the framework's colour, as Markdown."""
    return f":{COLOUR_NAMES[framework(engine)]}[{sign(engine)}]"


def marked(engine: str) -> str:
    """An engine's name with its mark, as Markdown."""
    return f"{mark(engine)} {literal(engine_title(engine))}"


def side_by_side(items: Sequence[T], most: int = WIDE_IN_A_ROW, **columns: Any) -> Iterator[tuple[Any, T]]:
    """Each item with its column: rows of at most `most`, one `st.columns` a row, so that neighbours stay neighbours."""
    for first in range(0, len(items), most):
        row = items[first : first + most]
        # A last, shorter row keeps the others' widths.
        yield from zip(st.columns(min(len(items), most), **columns), row, strict=False)


def plot(figure: go.Figure, finding: str, key: str, **more: Any) -> Any:
    """A Plotly figure in its own colours, without buttons; `finding` is what it shows, for who cannot see it."""
    return st.plotly_chart(figure, config={"displayModeBar": False}, theme=None, alt=finding, key=key, **more)


def printout(text: str) -> None:
    """What a program printed. A table wrapped is no table; any other long line scrolled is no line."""
    st.code(text, language=None, wrap_lines=not TABLE_LINES.intersection(text))
