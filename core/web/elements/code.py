"""Scripts and what programs print, as HTML: highlighted here, since the browser's highlighter has 1.5 MB.

The buttons are served by `core/web/server/code_buttons.js`, which every page carries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

import streamlit as st
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from core.experiment.names import engine_title
from core.web.elements.lanes import mark_html

TABLE_LINES = frozenset("│┃─━")
"""What a table is drawn with in a terminal."""


@dataclass(frozen=True)
class Code:
    """One block of text in a fixed width."""

    text: str
    name: str
    """What it is, for who cannot see it: a script, what one printed."""
    engine: str = ""
    """Stands above it with its mark."""
    verb: str = ""
    """Stands after the engine: what it did to give this."""
    python: bool = True
    filename: str = ""
    """Under which it can be downloaded."""
    height_px: int = 0
    """Of a block that scrolls when it is longer; 0: as high as its text."""


def code_blocks(*blocks: Code) -> None:
    """Blocks beside each other, below each other where the page is narrow."""
    st.html(row_html(blocks))


def code_rows(rows: Sequence[tuple[str, Sequence[Code]]]) -> None:
    """Rows of blocks, each under its heading."""
    st.html("".join(f'<h3 class="code-heading">{escape(heading)}</h3>{row_html(blocks)}' for heading, blocks in rows))


def row_html(blocks: Sequence[Code]) -> str:
    """Blocks beside each other as HTML, every text escaped."""
    return f'<div class="code-row">{"".join(map(_block, blocks))}</div>'


def _block(block: Code) -> str:
    text = block.text.strip("\n")
    # A table wrapped is no table; any other long line scrolled is no line.
    wrapped = block.python or not TABLE_LINES.intersection(text)
    shown = _highlighted(text) if block.python else escape(text)
    who = f'<p class="code-name">{mark_html(block.engine)} {escape(_heading(block))}</p>' if block.engine else ""
    attributes = [f'class="code-text{"" if wrapped else " code-lines"}"']
    if block.height_px:
        attributes.append(f'style="max-height: {block.height_px}px"')
    if block.height_px or not wrapped:  # what scrolls must take the focus, or a keyboard cannot scroll it
        attributes.append(f'tabindex="0" role="region" aria-label="{escape(block.name)}"')
    return (
        f'<div class="code-block">{who}<div class="code-box">'
        f"<pre {' '.join(attributes)}><code>{shown}</code></pre>{_buttons(block)}</div></div>"
    )


def _heading(block: Code) -> str:
    return f"{engine_title(block.engine)} {block.verb}".strip()


def _buttons(block: Code) -> str:
    verbs = {"Copy": "", "Download": f' data-filename="{escape(block.filename)}"'}
    buttons = [
        f'<button type="button" class="code-button" data-code="{verb.lower()}"{more}'
        f' aria-label="{verb} {escape(block.name)}">{verb}</button>'
        for verb, more in verbs.items()
        if verb == "Copy" or block.filename
    ]
    return f'<div class="code-buttons">{"".join(buttons)}<span class="only-spoken" role="status"></span></div>'


@lru_cache(maxsize=512)
def _highlighted(text: str) -> str:
    """The text as spans of Pygments' short classes, which the pages' CSS colours."""
    return str(highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))).rstrip("\n")
