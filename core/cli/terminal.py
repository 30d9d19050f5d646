"""How the command line speaks: its two consoles, a sentence with a status, one JSON object a line."""

import json
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table

from core.deployment.limits import environment
from core.deployment.settings import DeploymentSettings
from core.experiment.settings import InvalidSettings

out, err = Console(), Console(stderr=True)
PROSE_LETTERS = 20
"""A column of sentences may be as narrow."""

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def say(text: str, console: Console = out) -> None:
    """Prints one paragraph: between words it is broken for a terminal alone, since a program reads lines.

    What a terminal would obey is left out: a reason or a name may come from a file.
    """
    text = "".join(letter for letter in text if letter == "\n" or unicodedata.category(letter) != "Cc")
    if console.is_terminal:
        text = _wrapped(text, console.width)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], prose: bool = False) -> None:
    """Prints a table; where it is wider than the terminal, each row as a paragraph below its first cell.

    A title may take two lines in the table, and the last column any number where it holds `prose`.
    """
    narrowest = [(*row[:-1], row[-1][:PROSE_LETTERS]) for row in rows] if prose else rows
    anyhow = out.options.update(width=10_000)
    if Measurement.get(out, anyhow, _table(titles, narrowest)).maximum <= out.width:
        out.print(_table(titles, rows, prose))
        return
    for row in rows:
        first, *rest = (f"{title} {cell}".replace("\n", " ") for title, cell in zip(titles, row, strict=True) if cell)
        below = [_wrapped(packed, out.width, "  ", "    ") for packed in _packed(rest, out.width - 2)]
        out.print("\n".join([first, *below]), markup=False, highlight=False, soft_wrap=True)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], prose: bool = False) -> Table:
    table = Table(*(Column(title, no_wrap=True) for title in titles), box=box.SIMPLE_HEAD, show_edge=False)
    table.columns[-1].no_wrap = not prose
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _packed(parts: Sequence[str], width: int) -> list[str]:
    """As many parts on a line as fit it whole."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"; {part}"
        else:
            lines.append(part)
    return lines


def _wrapped(text: str, width: int, indent: str = "", then: str = "") -> str:
    """Rich breaks where a no-break space stands; this does not."""
    return textwrap.fill(text, max(width, 20), initial_indent=indent, subsequent_indent=then, break_on_hyphens=False)


def fail(sentence: str, status: int) -> NoReturn:
    """Ends with one plain sentence."""
    say(sentence, err)
    raise typer.Exit(status)


def deployment() -> DeploymentSettings:
    """The `DUEL_*` environment without spares, which only a server's next run would use; ends with a sentence where it
    cannot be read."""
    try:
        return environment()[0].model_copy(update={"spares": False})
    except InvalidSettings as error:
        fail(str(error), 2)


def print_json_line(values: dict[str, Any]) -> None:
    """One JSON object on a line of its own, at once."""
    print(json.dumps(values), flush=True)
