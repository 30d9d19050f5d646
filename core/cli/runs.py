"""`python -m core runs`: the history, a study on one line of it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from core.cli.terminal import AsJson, deployment, err, fail, print_json_line, print_table, say
from core.experiment import metrics
from core.experiment.machine import machine_words
from core.experiment.names import engine_title
from core.experiment.titles import run_title
from core.launcher.outside import with_current_states
from core.results.fairness_words import badge_of
from core.results.study_line import read_line
from core.storage.database import StoreError
from core.storage.records import DamagedRun, Run, RunFilter, StudyRuns, UnknownRun
from core.storage.runs import ALL_ROWS, Store
from core.storage.studies import Studies


def runs(
    study: Annotated[str, typer.Option(help="A study's id: its runs alone.", metavar="ID")] = "",
    as_json: AsJson = False,
) -> None:
    """Lists the runs of the data folder, newest first, and those that came with the project; a study on one line."""
    damaged: list[DamagedRun] = []
    try:
        store = Store(deployment().data_dir)
        kept = Studies(store.data_dir)
        if study:
            kept.get(study)
        lines = _lines(store, study, damaged, one_by_one=as_json)
        current = {run.id: run for run in with_current_states(store, [one for one in lines if isinstance(one, Run)])}
        cells = [
            _study_cells(kept, store, one.study) if isinstance(one, StudyRuns) else _run_cells(current[one.id])
            for one in lines
        ]
        missing = store.missing
    except UnknownRun as error:
        fail(str(error), 2)
    except StoreError as error:
        fail(str(error), 1)
    for sentence in (missing, *map(str, damaged)):
        if sentence:
            say(sentence, err)
    if as_json:
        for run in current.values():
            print_json_line(summary(run))
    else:
        print_table(("run", "title", "begun", "state", "test accuracy"), cells)


def _lines(store: Store, study: str, damaged: list[DamagedRun], one_by_one: bool) -> Sequence[Run | StudyRuns]:
    """What is listed: a study's runs, every run, or every run with each study on one line."""
    if study:
        return store.search(RunFilter(study=study), ALL_ROWS, damaged=damaged)[0]
    if one_by_one:
        return store.runs(damaged=damaged)
    return store.lines(RunFilter(), ALL_ROWS, damaged=damaged, by_pin=False).lines


def _run_cells(run: Run) -> tuple[str, ...]:
    state = run.state if run.source == "here" else f"{run.state}, {run.source} ({machine_words(run.machine)})"
    state += f", {said[0]}" if (said := badge_of(run)) else ""
    images = run.dataset.test_images
    tested = [lane for lane in run.lanes if lane.test_accuracy is not None]
    results = [f"{engine_title(lane.engine)} {metrics.percent(lane.test_accuracy, images)}" for lane in tested]
    return run.id, run_title(run), _begun(run.created_at), state, ", ".join(results)


def _study_cells(kept: Studies, store: Store, study: str) -> tuple[str, ...]:
    try:
        line = read_line(kept, store, study)
    except StoreError as error:  # it alone cannot be shown
        say(str(error), err)
        return study, metrics.NOT_KNOWN, metrics.NOT_KNOWN, "study, damaged", ""
    record = line.record
    state = record.state if record.source == "here" else f"{record.state}, {record.source}"
    return record.id, line.title, _begun(record.created_at), f"study, {state}, {line.pairs}", ""


def _begun(created_at: str) -> str:
    return created_at[:16].replace("T", " ")


def summary(run: Run) -> dict[str, Any]:
    """A run as JSON values, without its rows."""
    return {
        "run": run.id,
        "name": run.name,
        "note": run.note,
        "created_at": run.created_at,
        "state": run.state,
        "reason": run.reason,
        "source": run.source,
        "fairness": None if run.fairness is None else asdict(run.fairness),
        "busy": run.busy,
        "study": run.study,
        "dataset": run.settings.dataset,
        "engines": list(run.settings.engines),
        "settings": run.settings.as_json(),
        "machine": run.machine,
        "lanes": [
            {
                "engine": lane.engine,
                "state": lane.state,
                "test_loss": lane.test_loss,
                "test_accuracy": lane.test_accuracy,
            }
            for lane in run.lanes
        ],
    }
