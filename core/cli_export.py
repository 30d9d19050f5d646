"""`python -m core export` and `import`: a run as a file to take along, and one from elsewhere taken in."""

from pathlib import Path
from typing import Annotated

import typer

from core import export as files
from core.importing import MAX_IMPORT_BYTES, ImportRefused, read_json
from core.launcher import Launcher, LauncherUnavailable
from core.outside import look
from core.report import as_html
from core.store import Row, Run, Store, StoreError, UnknownRun
from core.terminal import deployment, fail, out, say

FORMATS = ("html", "csv", "json", "tensorboard")


def find(store: Store, name: str) -> Run:
    """A run by its id, or the `latest` of this folder. Raises `StoreError`."""
    if name != "latest":
        try:
            return store.run(name)
        except UnknownRun as error:
            raise UnknownRun(store.missing or str(error)) from None
    found = [run for run in store.runs(limit=1) if run.source != "recorded"]
    if not found:
        raise UnknownRun(store.missing or "There is no run yet.")
    return found[0]


def export(
    run: Annotated[str, typer.Argument(help="A run's id, or `latest`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write; for tensorboard a folder.")],
    form: Annotated[str, typer.Option("--format", help="html, csv, json or tensorboard.")] = "html",
) -> None:
    """Writes a run as one HTML report, as CSV or JSON of all rows, or as TensorBoard's event files."""
    if form not in FORMATS:
        fail(f"--format must be one of {', '.join(FORMATS)}, not {form[:40]}.", 2)
    store = Store(deployment().data_dir)
    try:
        found, rows = look(store, find(store, run))
        _write(found, rows, form, output)
    except UnknownRun as error:
        fail(str(error), 2)
    except StoreError as error:
        fail(str(error), 1)
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror or error}.", 1)
    say(f"Wrote {output}.")


def _write(run: Run, rows: list[Row], form: str, output: Path) -> None:
    if form == "tensorboard":
        files.write_tensorboard(run, rows, output)
        return
    if form == "html":
        text = as_html(run, rows)
    else:
        text = files.as_csv(run, rows) if form == "csv" else files.as_json(run, rows)
    output.write_text(text, encoding="utf-8")


def take_in(file: Annotated[Path, typer.Argument(help="A run that was exported as JSON.")]) -> None:
    """Takes in a run that was exported as JSON; it is marked as imported."""
    try:
        with file.open("rb") as opened:
            run, rows = read_json(opened.read(MAX_IMPORT_BYTES + 1))
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror or error}.", 2)
    except ImportRefused as error:
        fail(str(error), 2)
    try:
        launcher = Launcher(deployment(spares=False), "the command line")
    except (LauncherUnavailable, StoreError) as error:
        fail(str(error), 1)
    try:
        out.print(f"Imported as {launcher.take_in(run, rows)}.", highlight=False)
    except StoreError as error:
        fail(str(error), 1)
    finally:
        launcher.close()
