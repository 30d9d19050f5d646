"""A study as one JSON file: written to be taken along, and read again with nothing of it believed.

Each of its runs stands there as it would be exported alone, less the losses of single steps wherever an epoch's own
figures follow: those are seven eighths of a run, no figure of a study comes from them, and the curves by epoch stay.
Nor are there weights. So 2,000 runs of eight epochs are 40 MB. Whoever needs more of a run exports it alone.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError

from core.experiment.kinds import shown
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.study import BUDGET_S, MOST_RUNS, Pair, Study
from core.protocol.messages import Epoch, Preparing, Step
from core.results.export import content
from core.results.importing import (
    ImportedRun,
    MachineInFile,
    RunInFile,
    Strict,
    Text,
    Time,
    read_json,
    read_values,
    refusals,
    sound,
)
from core.results.study_outcome import STOPS, outcome
from core.storage.database import OPEN_STATES, LaneState, State, StoreError
from core.storage.lane_figures import lane_figures
from core.storage.records import Run
from core.storage.rows import Damage, LaneChanged, Row, in_words
from core.storage.runs import ALL_ROWS, Store
from core.storage.soundness import CLOCKS_DIFFER, parse_time
from core.storage.studies import PairRun, Studies, StudyRecord, StudyState, pair_of, sides_of
from core.storage.taken_in import TakenPair

FORMAT = 1
MAX_STUDY_BYTES = 60_000_000
MAX_STUDY_VALUES = 3_000_000
"""As `importing.MAX_VALUES`: a run of eight epochs has 1,000."""
GOING_ON = "It was going on when this file was made."
_BEGIN = re.compile(rb'\s*\{\s*"format"\s*:\s*\w*\s*,\s*"study"')


# --- written -----------------------------------------------------------------------------------------------


def as_json(studies: Studies, store: Store, study: str) -> str:
    """A study with all its runs that have ended as one JSON object. Raises `UnknownRun`, `StoreError`."""
    record = studies.get(study)
    pairs = [pair for pair in studies.pairs(study) if pair.state not in OPEN_STATES]
    if not pairs:
        raise StoreError("No pair of this study has ended yet: there is nothing to take along.")
    return to_text(record, pairs, runs_of(store, pairs))


def runs_of(store: Store, pairs: Iterable[PairRun]) -> Iterator[tuple[Run, list[Row]]]:
    """The pairs' runs, each with the rows that a study's file may need. Raises `StoreError`."""
    for pair in pairs:
        # Where a lane was cut short, only its steps tell how far it came in its last epoch.
        yield store.run(pair.run), store.rows(pair.run, limit=ALL_ROWS, steps=pair.state != State.FINISHED)


def to_text(record: StudyRecord, pairs: Sequence[PairRun], runs: Iterable[tuple[Run, Sequence[Row]]]) -> str:
    """A study, its pairs and their runs, in the same order, as JSON; one that goes on is stopped there."""
    going_on = record.state == StudyState.RUNNING
    own = {
        **{"id": record.id, "created_at": record.created_at, "plan": record.study.as_json()},
        **{"stop": record.stop, "budget_s": record.budget_s, "machine": record.machine},
        "state": StudyState.STOPPED if going_on else record.state,
        "reason": GOING_ON if going_on else record.reason,
        **({"deleted": record.deleted} if record.deleted else {}),
    }
    contents = [content(run, carried(rows)) for run, rows in runs]
    values = {"format": FORMAT, "study": own, "pairs": list(map(_fields, pairs)), "runs": contents}
    return json.dumps(values, separators=(",", ":")) + "\n"


def carried(rows: Sequence[Row]) -> list[Row]:
    """The rows of a run that its study's file holds."""
    told = {(row.engine, row.event.epoch) for row in rows if isinstance(row.event, Epoch)}
    return [
        row
        for row in rows
        if not isinstance(row.event, Preparing)
        and not (isinstance(row.event, Step) and (row.engine, row.event.epoch) in told)
    ]


def _fields(pair: PairRun) -> dict[str, Any]:
    """A pair as JSON values."""
    figures = {side: dict(values) for side, values in pair.figures.items()}
    own = {"cell": dict(pair.cell), "seed": pair.seed, "run": pair.run, "state": pair.state}
    return {**own, "busy": pair.busy, "parted": pair.parted, "figures": figures}


# --- read --------------------------------------------------------------------------------------------------

_Value = bool | int | float | str


class _Plan(Strict):
    base: dict[str, Any]
    seeds: int
    vary: dict[str, list[_Value]]
    margin_accuracy: float
    margin_time: float


class _Study(Strict):
    id: Annotated[str, Field(max_length=40)]
    created_at: Time
    plan: _Plan
    stop: str
    budget_s: float | None
    machine: MachineInFile
    state: Annotated[StudyState, Field(strict=False)]
    reason: Text
    deleted: Annotated[int, Field(ge=0, le=10**9)] = 0


class _Pair(Strict):
    cell: dict[str, _Value]
    seed: int
    run: Annotated[str, Field(max_length=40)]
    state: Annotated[State, Field(strict=False)]
    busy: bool
    parted: bool
    figures: dict[str, dict[str, float | None]]


class _StudyInFile(Strict):
    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)]
    study: _Study
    pairs: Annotated[list[_Pair], Field(min_length=1, max_length=2 * MOST_RUNS)]
    runs: list[dict[str, Any]]


class ImportedStudy(NamedTuple):
    """A study from elsewhere that was checked."""

    record: StudyRecord
    pairs: list[TakenPair]


def read_file(data: bytes) -> ImportedRun | ImportedStudy:
    """What was exported as JSON, a run or a study, all of it checked. Raises `ImportRefused` with a sentence.

    A study is told by its first words, so that either has its own limits before anything is parsed.
    """
    return read_study(data) if _BEGIN.match(data) else read_json(data)


def read_study(data: bytes) -> ImportedStudy:
    """An exported study with its runs. Raises `ImportRefused` with a sentence."""
    with refusals("study"):
        found = _StudyInFile.model_validate(read_values(data, MAX_STUDY_BYTES, MAX_STUDY_VALUES))
        runs = [_run(number, values) for number, values in enumerate(found.runs, start=1)]
        if [run.id for run, *_ in runs] != [pair.run for pair in found.pairs]:
            raise Damage("its runs are not those of its pairs, in their order")
        if any(each.run.data != runs[0].run.data for each in runs):
            raise Damage("its runs are not of one data set")
        record = _record(found.study, runs[0].run)
        planned = frozenset(record.study.pairs)
        pairs = [_checked(record.study, planned, *each) for each in zip(found.pairs, runs, strict=True)]
        done = [made.pair for made in map(_pair_run, pairs) if made.done]
        if len(set(done)) < len(done):
            raise Damage("a pair of it has ended twice")
        _check_copies(pairs)
        return ImportedStudy(_as_its_pairs_say(record, pairs), pairs)


def _check_copies(pairs: Sequence[TakenPair]) -> None:
    """Raises `Damage` where two runs have the same epochs: no two take the same time to the last digit."""
    known: dict[tuple[tuple[str, float, float], ...], str] = {}
    for pair in pairs:
        its = [(row.engine, row.event) for row in pair.rows if isinstance(row.event, Epoch)]
        epochs = tuple((engine, epoch.train_s, epoch.val_s) for engine, epoch in its)
        if epochs and (first := known.setdefault(epochs, pair.run.id)) != pair.run.id:
            raise Damage(f"run {pair.run.id} is a copy of run {first}: their epochs are the same, times included")


def _as_its_pairs_say(record: StudyRecord, pairs: Sequence[TakenPair]) -> StudyRecord:
    """The study with the end that its pairs make, and no other; what its file says of that is no evidence."""
    over = outcome(record, list(map(_pair_run, pairs)), pairs[0].run.dataset.test_images).over
    if record.state == StudyState.FINISHED:
        return replace(record, state=StudyState.FINISHED if over else StudyState.STOPPED, reason=over)
    return replace(record, reason=GOING_ON if record.reason == GOING_ON else "")


def _run(number: int, values: dict[str, Any]) -> ImportedRun:
    """One of its runs. Raises `Damage`."""
    try:
        found = sound(RunInFile.model_validate(values))
    except ValidationError as error:
        raise Damage(f"run {number}: {in_words(error)}") from None
    except Damage as damage:
        raise Damage(f"run {number}: {damage}") from None
    if found.files:
        raise Damage(f"run {number}: it brings files, and a study brings none")
    return found


def _record(own: _Study, first: Run) -> StudyRecord:
    """What was asked, and how it stands; `first` is one of its runs. Raises `Damage`, `InvalidSettings`."""
    plan = own.plan
    margins = {"margin_accuracy": plan.margin_accuracy, "margin_time": plan.margin_time}
    study = Study.of(TrainSettings.parse(plan.base), first.dataset, plan.seeds, plan.vary, **margins)
    if parse_time("created_at", own.created_at) > datetime.now(UTC) + CLOCKS_DIFFER:
        raise Damage(f"created_at is {shown(own.created_at)}, which is still to come")
    if own.stop not in STOPS:
        raise Damage(f"stop is {shown(own.stop)}, and must be one of {', '.join(STOPS)}")
    if own.budget_s is not None and (why := BUDGET_S.why_not(own.budget_s)):
        raise Damage(f"budget_s is {shown(own.budget_s)}: {why.rstrip('.')}")
    if own.state == StudyState.RUNNING:
        raise Damage("the study is running, and only one that does not go on can be taken in")
    return StudyRecord(
        id=own.id,
        created_at=own.created_at,
        study=study,
        stop=own.stop,
        budget_s=own.budget_s,
        state=own.state,
        reason=own.reason,
        visitor="",
        machine=own.machine.model_dump(),
        source="imported",
        deleted=own.deleted,
    )


def _checked(study: Study, planned: frozenset[Pair], said: _Pair, found: ImportedRun) -> TakenPair:
    """A pair whose run is of the plan, and has the figures that are said of it. Raises `Damage`."""
    run = found.run
    of = f"run {run.id}"
    made = pair_of(run, tuple(said.cell.items()), figures_of(run, found.rows))
    if made.pair not in planned:
        raise Damage(f"{of} is no pair of its plan")
    try:
        settings = study.settings(made.pair).fitted(run.dataset)
    except InvalidSettings as error:
        raise Damage(f"{of} cannot be: {str(error).rstrip('.')}") from None
    if run.settings != settings:
        raise Damage(f"{of} has other settings than its plan")
    told, its = _flat(said.model_dump()), _flat(_fields(made))
    for name in told | its:
        if told.get(name) != its.get(name):
            raise Damage(f"{name} of {of} is {shown(told.get(name))}, and the run makes it {shown(its.get(name))}")
    return TakenPair(made.cell, run, found.rows)


def _pair_run(pair: TakenPair) -> PairRun:
    """A pair that was checked, as the store will read it."""
    changes = (row.event for row in pair.rows if isinstance(row.event, LaneChanged))
    trained = pair.run.state != State.FAILED or any(change.state == LaneState.TRAINING for change in changes)
    return replace(pair_of(pair.run, pair.cell, figures_of(pair.run, pair.rows)), trained=trained)


def _flat(pair: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a pair, and each figure under a name of its own."""
    figures = {f"{name} ({side})": value for side, values in pair["figures"].items() for name, value in values.items()}
    return {name: value for name, value in pair.items() if name != "figures"} | figures


def figures_of(run: Run, rows: Sequence[Row]) -> Mapping[str, Mapping[str, float | None]]:
    """What a study reads of a run, by side, from its rows."""
    found = {}
    for side, lane in zip(sides_of(run.settings.engines), run.lanes, strict=False):
        its = [row for row in rows if row.engine == lane.engine and lane.state == LaneState.FINISHED]
        kept = lane_figures((row.kind, row.as_json()) for row in its)
        found[side] = {"test_accuracy": lane.test_accuracy, "test_loss": lane.test_loss, **kept}
    return found
