"""`python -m core export` and `import`: a run or a study as a file to take along, and one from elsewhere taken in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from core.cli.terminal import deployment, fail, out, say
from core.experiment.names import joined
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.launcher.outside import read_run
from core.results import export as files
from core.results import study_export, study_file
from core.results.carried import can_carry
from core.results.gallery import gone_words
from core.results.importing import ImportRefused
from core.results.models import can_predict, has_weights
from core.results.report import as_html
from core.results.report.study import read_report
from core.results.study_outcome import read_outcome
from core.storage.database import StoreError
from core.storage.holder import Owner
from core.storage.records import DamagedRunError, Run, UnknownRun
from core.storage.rows import Row
from core.storage.runs import Store
from core.storage.soundness import naming_damaged
from core.storage.studies import Studies

FORMATS = ("html", "csv", "json", "tensorboard")
STUDY_FORMATS = ("html", "csv", "json")


def find(store: Store, name: str, to_predict: bool = False) -> Run:
    """A run by its id, or the `latest` that was trained in this folder, `to_predict` with weights.

    Raises `StoreError`.
    """
    if name != "latest":
        try:
            return store.run(name)
        except UnknownRun as error:
            raise UnknownRun(store.missing or str(error)) from None
    # An import is the latest where nothing was trained.
    found = [run for run in store.runs() if run.source != "recorded" and (not to_predict or can_predict(run, store))]
    if not found:
        none = (
            "No run here has weights to read with: train one first." if to_predict else "No run was trained here yet."
        )
        raise UnknownRun(store.missing or none)
    return next((run for run in found if run.source == "here"), found[0])


@contextmanager
def damage_as_sentence(run: Run, rows: list[Row]) -> Iterator[None]:
    """Ends the command with one sentence where the rows of the block's run are damaged."""
    try:
        with naming_damaged(lambda _: rows, run):
            yield
    except DamagedRunError as error:
        fail(str(error), 1)


def export(
    run: Annotated[str, typer.Argument(help="A run's id, or `latest`; or a study's id.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write; for tensorboard a folder.")],
    form: Annotated[str, typer.Option("--format", help="html, csv, json or tensorboard.")] = "html",
    with_weights: Annotated[bool, typer.Option("--with-weights", help="With json: weights, predictions.")] = False,
) -> None:
    """Writes a run as one HTML report, as CSV or JSON of all rows, or as TensorBoard's event files.

    A study as one HTML report, as CSV of its pairs, or as JSON with all its runs.
    """
    if form not in FORMATS:
        fail(f"--format must be one of {', '.join(FORMATS)}, not {form[:40]}.", 2)
    if with_weights and form != "json":
        fail(f"--with-weights goes with --format json, not {form}.", 2)
    store, studies = Store(deployment().data_dir), Studies(deployment().data_dir)
    try:
        if studies.holds(run):
            _export_study(studies, store, run, form, output, with_weights)
            return
        found, rows = read_run(store, find(store, run))
        if with_weights and not has_weights(found, store):
            fail(f"Run {found.id} has no weights to take along.", 2)
        if with_weights and not can_carry(found, store):
            fail(f"The weights of run {found.id} are too large for a file of everything: take each lane's own.", 2)
        with damage_as_sentence(found, rows):
            _write(found, rows, form, output, store.artifacts(found.id) if with_weights else None)
    except UnknownRun as error:
        fail(str(error), 2)
    except StoreError as error:
        fail(str(error), 1)
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror or error}.", 1)
    say(f"Wrote {output}.")


def _export_study(studies: Studies, store: Store, study: str, form: str, output: Path, with_weights: bool) -> None:
    """Writes a study with its runs. Raises `StoreError`, `OSError`."""
    if form not in STUDY_FORMATS:
        fail(f"A study is written as {joined(STUDY_FORMATS, 'or')}, not {form}.", 2)
    if with_weights:
        fail("A study is written without weights: export a run of it --with-weights.", 2)
    if form == "html":
        text = read_report(studies, store, study)
    elif form == "csv":
        text = study_export.as_csv(read_outcome(studies, store, study), studies.machines(study))
    else:
        text = study_file.as_json(studies, store, study)
    output.write_text(text, encoding="utf-8")
    say(f"Wrote {output}.")


def _write(run: Run, rows: list[Row], form: str, output: Path, weights: Path | None) -> None:
    if form == "tensorboard":
        files.write_tensorboard(run, rows, output)
        return
    if form == "html":
        text = as_html(run, rows, gone_words(run, deployment().data_dir))
    else:
        text = files.as_csv(run, rows) if form == "csv" else files.as_json(run, rows, weights)
    output.write_text(text, encoding="utf-8")


def import_file(file: Annotated[Path, typer.Argument(help="A run or a study that was exported as JSON.")]) -> None:
    """Takes in a run or a study that was exported as JSON; it is marked as imported."""
    try:
        with file.open("rb") as opened:
            taken = study_file.read_file(opened.read(study_file.MAX_STUDY_BYTES + 1))
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror or error}.", 2)
    except ImportRefused as error:
        fail(str(error), 2)
    try:
        launcher = Launcher(deployment(), Owner.COMMAND_LINE)
    except (LauncherUnavailable, StoreError) as error:
        fail(str(error), 1)
    try:
        if isinstance(taken, study_file.ImportedStudy):
            runs = f" with {len(taken.pairs):,} run{'s' if len(taken.pairs) > 1 else ''}"
            out.print(f"Imported as study {launcher.import_study(*taken)}{runs}.", highlight=False)
        else:
            out.print(f"Imported as {launcher.import_run(*taken)}.", highlight=False)
    except (LauncherUnavailable, StoreError) as error:
        fail(str(error), 1)
    finally:
        launcher.close()
