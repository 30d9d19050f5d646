"""`python -m core ...`: see `core.cli`."""

from core.cli import app

app(prog_name="python -m core")
