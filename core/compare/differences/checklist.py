"""The list as a file for who ports a model: Markdown to tick off, CSV to sort."""

import csv
import io
from collections.abc import Sequence

from core.compare.differences.difference import Difference

COLUMNS = (
    *("difference", "title", "part", "touches", "keras", "pytorch", "happens", "align_keras", "align_pytorch"),
    *("bites", "sources"),
)
BITES = {1: "almost everyone", 2: "who ports a model", 3: "rarely"}

Rows = Sequence[tuple[Difference, Sequence[str]]]
"""Rows with the layers that each touches; none where the list is of no network in particular."""


def checklist_markdown(rows: Rows, about: str = "") -> str:
    """A box to tick for each row; `about` says in a sentence of which network."""
    parts = ["# Keras and PyTorch: what really differs", *([about] if about else [])]
    for row, layers in rows:
        lines = [f"- [ ] **{row.title}** ({row.part}; bites {BITES[row.bites]})"]
        lines += [f"  Here: {', '.join(layers)}."] if layers else []
        lines += [f"  {row.happens}", "", *_code("Keras by default:", row.keras)]
        lines += _code("PyTorch by default:", row.pytorch)
        lines += _code("Keras as PyTorch:", row.align_keras) + _code("PyTorch as Keras:", row.align_pytorch)
        lines += [f"  Sources: {', '.join(f'[{source.title}]({source.url})' for source in row.sources)}"]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _code(words: str, code: str) -> list[str]:
    return [f"  {words}", "", "  ```python", *(f"  {line}" for line in code.splitlines()), "  ```", ""]


def checklist_csv(rows: Rows) -> str:
    """One line a row, under `COLUMNS`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row, layers in rows:
        code = (row.keras, row.pytorch, row.happens, row.align_keras, row.align_pytorch)
        sources = "; ".join(source.url for source in row.sources)
        writer.writerow((row.name, row.title, row.part, ", ".join(layers), *code, row.bites, sources))
    return out.getvalue()
