"""The command line's `health`: how the installation on this data folder does."""

import typer

from core.cli.terminal import AsJson, deployment, print_json_line, say
from core.storage.health import read_health, words


def health(as_json: AsJson = False) -> None:
    """Shows queue, processes, last troubles, data folder and versions; exit status 1 where nobody serves."""
    found = read_health(deployment())
    if as_json:
        print_json_line(found.as_json())
    else:
        for sentence in words(found):
            say(sentence)
    raise typer.Exit(0 if found.ok else 1)
