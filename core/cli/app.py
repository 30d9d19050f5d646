"""The command line: the same Launcher and store as the dashboard's, without the web.

Exit status: 0 finished, 1 failed, 2 bad input, 130 stopped by Ctrl-C, 141 nobody reads the output.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from core.cli import record as recording
from core.cli.claims import claims, print_measurement
from core.cli.data import data
from core.cli.delete import delete
from core.cli.differences import differences
from core.cli.export import damage_as_sentence, export, find, import_file
from core.cli.health import health
from core.cli.runs import runs, summary
from core.cli.starting import open_launcher, with_settings
from core.cli.streams import OutputGone
from core.cli.study import print_study, studies, study
from core.cli.terminal import AsJson, deployment, err, fail, out, print_json_line, print_table, say
from core.data import datasets, inputs
from core.data.dataset import Dataset
from core.data.pictures import UPLOAD, ImageError
from core.experiment import metrics
from core.experiment.engine_names import missing_module
from core.experiment.fairness import FairnessVerdict
from core.experiment.machine import machine_words
from core.experiment.names import engine_title, joined
from core.experiment.parity import Certificate
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.titles import in_full, run_title, sentence_case
from core.launcher.inbox import Guest
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.launcher.outside import read_run
from core.launcher.predictors import PredictorError, Predictors
from core.protocol.messages import Epoch, Preparing, Ready, Result, Step
from core.protocol.process import WORKER, ChildProcess
from core.results.fairness_words import badge_of, words_of
from core.results.gallery import gone_words
from core.results.models import Model, models_of
from core.results.outcome import gather
from core.storage.database import State, StoreError
from core.storage.holder import Owner
from core.storage.records import Run, UnknownRun
from core.storage.rows import LaneChanged, Provenance, Row, to_fields
from core.storage.runs import ALL_ROWS, Store

app = typer.Typer(
    help="Keras vs PyTorch in the terminal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
RESULT_FIGURES = ("test_loss", "test_accuracy", "rss_mib")
EPOCH_FIGURES = tuple(name for name in metrics.FIGURES if name in Epoch.__dataclass_fields__ and name != "first_step_s")


app.command()(claims)
app.add_typer(data)
app.command()(delete)
app.command()(differences)
app.command()(export)
app.command()(health)
app.command()(runs)
app.command()(study)
app.command()(studies)
app.command("import")(import_file)


@app.command()
@with_settings
def train(*, as_json: AsJson = False, **raw: str) -> None:
    """Trains one run and shows it while it goes on."""
    try:
        settings = TrainSettings.parse(raw)
        launcher = open_launcher()
    except InvalidSettings as error:
        fail(str(error), 2)
    except (LauncherUnavailable, StoreError) as error:
        fail(str(error), 1)
    try:
        run = _train(launcher, settings, print_json if as_json else print_progress)
        if not as_json:
            _print_run(run, launcher.store.rows(run.id, limit=ALL_ROWS))
    except InvalidSettings as error:
        fail(str(error), 2)
    except (StoreError, datasets.DatasetError, LauncherUnavailable) as error:
        fail(str(error), 1)
    finally:
        launcher.close()
    _exit_with_status(run, launcher.store_failure, as_json)


def _exit_with_status(run: Run, store_failure: str, as_json: bool) -> None:
    """Ends the command with what is wrong: nothing, a run that did not finish, or lanes that parted."""
    if run.state == State.FINISHED and not run.parted:
        return
    why = run.reason if run.state != State.FINISHED else words_of(run)
    if store_failure or as_json:
        say(store_failure or why, err)
    raise typer.Exit(130 if run.state == State.STOPPED else 1)


ShowRows = Callable[[Run, Iterator[Row]], None]


def _train(launcher: Launcher | Guest, settings: TrainSettings, show: ShowRows) -> Run:
    """Shows a run to its end. Ctrl-C or an output that takes no more stop it; a second Ctrl-C leaves at once."""
    run_id = ""
    try:
        if isinstance(launcher, Launcher) and launcher.reads_pictures():
            say("Pictures are read now: this run begins after that. Ctrl-C stops it.", err)
        run_id = launcher.submit(settings)
        show(launcher.store.run(run_id), launcher.follow(run_id))
    except (KeyboardInterrupt, OutputGone) as error:
        try:
            for waiting in launcher.active():
                launcher.stop(waiting)
            while launcher.active():
                time.sleep(0.05)
        except KeyboardInterrupt:
            # The workers end by themselves when our end of their pipes closes.
            os._exit(130)
        if not run_id or isinstance(error, OutputGone):
            raise
    return read_run(launcher.store, launcher.store.run(run_id))[0]


def print_json(run: Run, rows: Iterator[Row]) -> None:
    """One object a line: every epoch, then each lane's result."""
    facts: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = facts.setdefault(row.engine, dict.fromkeys((*RESULT_FIGURES, "import_s", "first_step_s")))
        match event := row.event:
            case Ready():
                known["import_s"] = event.import_s
            case Epoch():
                known["first_step_s"] = known["first_step_s"] or event.first_step_s
                figures = {name: getattr(event, name) for name in EPOCH_FIGURES}
                print_json_line(
                    {"event": "epoch", "run": run.id, "engine": row.engine, "epoch": event.epoch, **figures}
                )
            case Certificate() | FairnessVerdict():
                print_json_line({"event": row.kind, "run": run.id, **to_fields(event)})
            case Result():
                known |= {name: getattr(event, name) for name in RESULT_FIGURES}
            case LaneChanged(state, _, reason) if state.ended:
                ended = {"state": state, "reason": reason}
                print_json_line({"event": "result", "run": run.id, "engine": row.engine, **ended, **known})


def print_progress(run: Run, rows: Iterator[Row]) -> None:
    """A bar for each lane, in epochs, and one for the data while it is fetched."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        tasks: dict[str, TaskID] = {}
        for row in rows:
            event = row.event
            if isinstance(event, Provenance) and "" in tasks:
                progress.update(tasks[""], total=1, completed=1, words="ready")
            if not isinstance(event, Preparing | LaneChanged | Step | Epoch):
                continue
            if row.engine not in tasks:
                title, total = (engine_title(row.engine), run.settings.epochs) if row.engine else ("Data", None)
                tasks[row.engine] = progress.add_task(title, words="", total=total)
            task = tasks[row.engine]
            match event:
                case Preparing(phase, received, total):
                    progress.update(task, completed=received, total=total or None, words=phase)
                case LaneChanged(state):
                    progress.update(task, words=state)
                case Epoch():
                    words = f"epoch {event.epoch}, validation {100 * event.val_accuracy:.1f} %"
                    progress.update(task, completed=event.epoch, words=words)
                case Step():
                    done = event.points[-1][0] / event.steps_per_epoch
                    progress.update(task, completed=event.epoch - 1 + done)


@app.command()
def show(run: Annotated[str, typer.Argument(help="A run's id, or `latest`.")], as_json: AsJson = False) -> None:
    """Shows one run: its settings, every epoch and the result."""
    store = Store(deployment().data_dir)
    try:
        found, rows = read_run(store, find(store, run))
    except UnknownRun as error:
        fail(str(error), 2)
    except StoreError as error:
        fail(str(error), 1)
    if as_json:
        print_json_line({**summary(found), "rows": [row.as_json() for row in rows]})
    else:
        with damage_as_sentence(found, rows):
            _print_run(found, rows)


def _print_run(run: Run, rows: list[Row]) -> None:
    """Settings, a line an epoch, and the article's last two lines for each lane."""
    say(run_title(run))
    origin = "" if run.source == "here" else f", {run.source}"
    say(f"Run {run.id}: {run.state}{origin}. {run.reason}".strip())
    say(f"{in_full(run)} {machine_words(run.machine)}, {run.created_at[:10]}.")
    if gone := gone_words(run, deployment().data_dir):
        say(gone)
    images = run.dataset
    listed = [
        (
            str(row.event.epoch),
            engine_title(row.engine),
            metrics.loss(row.event.train_loss),
            metrics.loss(row.event.val_loss),
            metrics.percent(row.event.val_accuracy, images.validation_images),
            metrics.duration(row.event.train_s),
            metrics.throughput(row.event.images_per_s),
        )
        for row in rows
        if isinstance(row.event, Epoch)
    ]
    print_table(
        ("epoch", "lane", "training\nloss", "validation\nloss", "validation\naccuracy", "time", "throughput"), listed
    )
    for lane in run.lanes:
        result = f"{lane.state}: {lane.reason}" if lane.reason else lane.state
        if lane.test_accuracy is not None:
            accuracy = metrics.percent(lane.test_accuracy, images.test_images)
            result = f"test loss {metrics.loss(lane.test_loss)}, test accuracy {accuracy}"
        say(f"{engine_title(lane.engine)}: {result}")
    if run.busy:
        say("The machine was busy, so the lanes' times cannot be compared.")
    if said := badge_of(run):
        say(f"{sentence_case(said[0])}. {words_of(run)}")


@app.command()
def predict(
    files: Annotated[list[str], typer.Argument(help="PNG or JPEG files, one digit or picture each.")],
    run: Annotated[str, typer.Option(help="A run's id, or `latest`.")] = "latest",
    as_json: AsJson = False,
) -> None:
    """Predicts what is on pictures with both models of a run."""
    store = Store(deployment().data_dir)
    try:
        found = find(store, run, to_predict=True)
        rows = store.rows(found.id, steps=False, limit=ALL_ROWS)
    except UnknownRun as error:
        fail(str(error), 2)
    except StoreError as error:
        fail(str(error), 1)
    with damage_as_sentence(found, rows):
        outcome = gather(found, rows)
        models = models_of(outcome, store)
    if not models:
        done = [lane for lane in outcome.lanes if lane.result]
        if absent := [lane.title for lane in done if missing_module(lane.engine)]:
            fail(f"Run {found.id} cannot be read with here: {joined(absent)} is not installed.", 2)
        why = "came without them" if done else "did not finish"
        fail(f"Run {found.id} has no weights: it {why}.", 2)
    with tempfile.TemporaryDirectory() as logs:
        predictors = Predictors(lambda engine: ChildProcess(WORKER, engine, log=Path(logs) / f"{engine}.log"))
        try:
            answered = [_predict(file, predictors, models, outcome.dataset, as_json) for file in files]
        except PredictorError as error:
            fail(str(error), 1)
        finally:
            predictors.close()
    raise typer.Exit(0 if all(answered) else 2)


def _predict(file: str, predictors: Predictors, models: list[Model], dataset: Dataset, as_json: bool) -> bool:
    """One file's answers, or the sentence that says why there are none; whether it could be read."""
    try:
        with Path(file).open("rb") as opened:
            seen = inputs.from_upload(opened.read(UPLOAD.most_bytes + 1), file, dataset)
    except OSError as error:
        say(f"{file} cannot be read: {error.strerror}.", err)
        return False
    except ImageError as error:
        say(str(error), err)
        return False
    for answer in predictors.ask(models, seen[None]):
        shares = answer.probabilities[0]
        name = dataset.class_names[int(shares.argmax())]
        if as_json:
            values = {"file": file, "engine": answer.engine, "class": name, "probabilities": shares.tolist()}
            print_json_line({**values, "compute_ms": answer.compute_ms})
        else:
            words = (
                f"{engine_title(answer.engine)}: {name}, {100 * shares.max():.1f} % sure, {answer.compute_ms:.1f} ms"
            )
            say(f"{file}  {words}")
    return True


@app.command()
def record(
    data_note: Annotated[str, typer.Option(help="What is special about the data; shown with every figure.")] = "",
    only: Annotated[str, typer.Option(help="duels, studies, evidence or differences; all where it is not given.")] = "",
) -> None:
    """Makes what comes with the project: the duels of the first visit, studies, every claim's evidence, every lesson's
    output, where the frameworks really part and what that costs.
    """
    parts: dict[str, Callable[[Launcher], list[Path]]] = {
        "duels": lambda launcher: recording.record(launcher, data_note, print_progress),
        "studies": lambda launcher: recording.record_studies(launcher, data_note, print_study),
        "evidence": lambda launcher: [recording.record_evidence(launcher, print_measurement)],
        "differences": lambda launcher: [
            recording.record_partings(launcher, print_measurement),
            *recording.record_costs(launcher, data_note, print_study),
        ],
    }
    if only not in ("", *parts):
        fail(f"--only must be one of {', '.join(parts)}.", 2)
    try:
        launcher = Launcher(deployment(), Owner.COMMAND_LINE)
    except (LauncherUnavailable, StoreError) as error:
        fail(str(error), 1)
    try:
        for path in (path for name, make in parts.items() if only in ("", name) for path in make(launcher)):
            out.print(f"Recorded {path.name}.", highlight=False)
    except (recording.RecordingError, StoreError, datasets.DatasetError) as error:
        fail(str(error), 1)
    finally:
        launcher.close()
