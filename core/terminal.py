"""How the command line speaks: its two consoles, a sentence with a status, one JSON object a line."""

import json
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from core.limits import read_environment
from core.settings import DeploymentSettings, InvalidSettings

out, err = Console(), Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def fail(sentence: str, status: int) -> NoReturn:
    """Ends with one plain sentence."""
    err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(status)


def deployment(**fixed: Any) -> DeploymentSettings:
    """The `DUEL_*` environment; ends with a sentence where it cannot be read."""
    try:
        return read_environment(**fixed)[0]
    except InvalidSettings as error:
        fail(str(error), 2)


def line(values: dict[str, Any]) -> None:
    """One JSON object on a line of its own, at once."""
    print(json.dumps(values), flush=True)
