"""A small table of text, as HTML: Streamlit's own would load 740 kB into the browser that read Arrow."""

from collections.abc import Mapping
from html import escape

import pandas as pd
import streamlit as st

from core.web.elements.lanes import mark_html

MOST_ON_A_PHONE = 3
"""Columns that fit there side by side; more of them scroll, or stack."""


def table(frame: pd.DataFrame, engines: Mapping[str, str] = {}, stacks: bool = False) -> None:
    """Shows a frame of texts; its index is the first column, and the index' name heads it.

    `engines`: the columns that belong to one, which stands before their name as its mark. `stacks`: on a phone each
    line's cells stand one below the other, each under its column's name.
    """
    st.html(as_html(frame, engines, stacks))


def as_html(frame: pd.DataFrame, engines: Mapping[str, str] = {}, stacks: bool = False) -> str:
    """The same as HTML, every text escaped."""
    if stacks:
        return _stacking(frame)
    heads = [escape(str(frame.index.name or ""))]
    heads += [_mark(name, engines) + escape(str(name)) for name in frame.columns]
    lines = [
        f'<tr><th scope="row">{escape(str(name))}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in cells)}</tr>'
        for name, cells in zip(frame.index, frame.to_numpy(), strict=True)
    ]
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    # What scrolls must take the focus, or a keyboard cannot scroll it.
    scrolls = f' tabindex="0" role="group" aria-label="{heads[0]}, table"' if len(heads) > MOST_ON_A_PHONE else ""
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="figures-table"{scrolls}>{body}</div>'


def _stacking(frame: pd.DataFrame) -> str:
    """Roles are said, since what is laid out as a block is no table to some browsers."""
    names = [escape(str(name)) for name in frame.columns]
    lines = []
    for name, cells in zip(frame.index, frame.to_numpy(), strict=True):
        said = zip(names, map(escape, map(str, cells)), strict=True)
        own = "".join(f'<td role="cell" data-column="{column}">{cell}</td>' for column, cell in said)
        lines.append(f'<tr role="row"><th role="rowheader">{escape(str(name))}</th>{own}</tr>')
    heads = "".join(f'<th role="columnheader">{name}</th>' for name in (escape(str(frame.index.name or "")), *names))
    head = f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
    body = f'<table role="table">{head}<tbody role="rowgroup">{"".join(lines)}</tbody></table>'
    return f'<div class="figures-table stacks">{body}</div>'


def _mark(column: str, engines: Mapping[str, str]) -> str:
    return f"{mark_html(engines[column])} " if column in engines else ""
