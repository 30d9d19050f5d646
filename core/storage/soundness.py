"""Whether a run can be: what is checked of a run and of its rows, whoever wrote them.

Types are those of `core.storage.rows`, which a row has by now; ranges follow from a figure's unit, which is the last
word of its name, so that a new field of a message is checked without a line here. Workers do not pay for it: only what
comes from a file, or cannot be drawn, is checked.
"""

import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from core.data.datasets import Dataset
from core.experiment.dates import as_time
from core.experiment.fairness import FairnessVerdict, from_fields
from core.experiment.kinds import shown
from core.experiment.parity import Certificate
from core.experiment.settings import InvalidSettings, TrainSettings
from core.protocol.messages import Built, Epoch, Ready, Result, Step
from core.storage.database import LaneState, State, StoreError
from core.storage.recomputed import busy_damage, certificate_damage, verdict_damage
from core.storage.records import DamagedRun, DamagedRunError, Lane, Run, kept_data, lane_of
from core.storage.rows import (
    LANES_KINDS,
    RUNS_KINDS,
    Damage,
    DrawnMeanwhile,
    LaneChanged,
    Provenance,
    Row,
    RunChanged,
)

MOST_TEXT_LETTERS = 20_000
"""Of one text in a row; a model's summary takes 3,000."""
ANY_NUMBER = (-1e30, 1e30)
RANGES = {
    **dict.fromkeys(("accuracy", "share"), (0, 1)),
    **dict.fromkeys(("loss", "difference", "bound"), (0, 1e30)),
    **dict.fromkeys(("s", "mib", "epoch", "epochs", "step", "steps", "count", "processors", "parameters"), (0, 1e9)),
}
"""The least and the most by unit: seconds and a second, MiB, counts; 1e30 is what a loss can grow to in float32."""
FIRST_YEAR, LAST_YEAR = 1970, 9000
CLOCKS_DIFFER = timedelta(hours=1)
"""How far ahead of ours the clock of the machine that made a file may be."""
ONCE = (Ready, Built, Result, Provenance, Certificate, FairnessVerdict, DrawnMeanwhile)


# --- a run ----------------------------------------------------------------------------------------------


def parse_time(name: str, text: object) -> datetime:
    """The time in a stored text. Raises `Damage` where there is no such day or hour, or none of this age."""
    try:
        found = as_time(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Damage(f"{name} is {shown(text)}, which is no date and time")
    return found


def run_of(line: sqlite3.Row, lanes: Sequence[sqlite3.Row]) -> Run:
    """A run from its line of the table of runs and those of its lanes, checked. Raises `Damage`."""
    try:
        stored, machine, data = (json.loads(line[name]) for name in ("settings", "machine", "data"))
        fairness = from_fields(json.loads(line["fairness"]))
    except (ValueError, TypeError, LookupError, RecursionError):
        raise Damage("its settings, its machine, its data set or its verdict cannot be read") from None
    settings = settings_of(stored)
    found = Run(
        id=line["id"],
        created_at=line["created_at"],
        started_at=line["started_at"],
        ended_at=line["ended_at"],
        state=_state_of(line),
        reason=line["reason"],
        settings=settings,
        machine=machine,
        source=line["source"],
        lanes=tuple(map(_lane_of, lanes)),
        name=line["name"],
        note=line["note"],
        pinned=bool(line["pinned"]),
        visitor=line["visitor"],
        fairness=fairness,
        busy=bool(line["busy"]),
        data=kept_data(settings, data),
        study=line["study"] or "",
    )
    check_listed(found)
    return found


def _state_of(line: sqlite3.Row) -> State:
    try:
        return State(line["state"])
    except ValueError:
        raise Damage(f"its state is {shown(line['state'])}, which is none") from None


def _lane_of(line: sqlite3.Row) -> Lane:
    try:
        return lane_of(dict(line))
    except ValueError:
        raise Damage(f"the lane {shown(line['engine'])} is {shown(line['state'])}, which is no state") from None


def check_listed(run: Run) -> None:
    """What every list reads of a run. Raises `Damage`."""
    for name in ("created_at", "started_at", "ended_at"):
        if name == "created_at" or getattr(run, name) is not None:
            parse_time(name, getattr(run, name))
    if run.source not in ("here", "recorded", "imported"):
        raise Damage(f"its source is {shown(run.source)}, which is none")
    if not all(isinstance(text, str) for text in (run.reason, run.name, run.note, run.visitor)):
        raise Damage("its name, note or reason is no text")
    words = (run.machine.get("processor"), run.machine.get("cores")) if isinstance(run.machine, dict) else ()
    if not words or (run.source != "here" and not (isinstance(words[0], str) and isinstance(words[1], int))):
        raise Damage("its machine is not described")
    if tuple(lane.engine for lane in run.lanes) != run.settings.engines:
        raise Damage("its lanes are not the engines of its settings")
    for lane in run.lanes:
        figures = [value for value in (lane.test_loss, lane.test_accuracy) if value is not None]
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in figures):
            raise Damage(f"the test result of {shown(lane.engine)} is no number")


def settings_of(stored: object) -> TrainSettings:
    """A run's settings from the values that were stored, which name its engines at least. Raises `Damage`."""
    if not isinstance(stored, dict):
        raise Damage("its settings are none")
    engines = stored.get("engines")
    if not isinstance(engines, list) or not engines or not all(isinstance(engine, str) for engine in engines):
        raise Damage(f"its engines are {shown(engines)}")
    try:
        return TrainSettings.of_store(stored)
    except InvalidSettings as error:
        raise Damage(f"its settings cannot be: {str(error).rstrip('.')}") from None


def check_times(run: Run) -> None:
    """A run that has ended was asked for, began and ended in this order, and not in the future. Raises `Damage`."""
    told = [(name, getattr(run, name)) for name in ("created_at", "started_at", "ended_at")]
    times = [(name, parse_time(name, text)) for name, text in told if text is not None]
    for (before, earlier), (after, later) in pairwise(times):
        if later < earlier:
            raise Damage(f"{after} is before {before}")
    last, latest = times[-1]
    if latest > datetime.now(UTC) + CLOCKS_DIFFER:
        raise Damage(f"{last} is {shown(told[len(times) - 1][1])}, which is still to come")
    if run.ended_at is None or (run.state == State.FINISHED and run.started_at is None):
        raise Damage(f"it is {run.state}, but not said to have {'ended' if run.ended_at is None else 'started'}")


# --- its rows -------------------------------------------------------------------------------------------


def damage_of(run: Run, rows: Sequence[Row]) -> str:
    """What is wrong with a run or its rows, as the rest of a sentence; empty where nothing is found."""
    try:
        check_listed(run)
        check_rows(run, rows)
    except Damage as damage:
        return str(damage)
    return ""


@contextmanager
def naming_damaged(rows: Callable[[Run], Sequence[Row]], *runs: Run) -> Iterator[None]:
    """Raises an error of the block that damaged rows explain as `DamagedRunError`, and any other as it is.

    `rows` reads all rows of one of `runs`. The `DamagedRunError` names each damaged run.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        found = [DamagedRun(run.id, why) for run in runs if (why := damage_of(run, rows(run)))]
        if not found:
            raise
        raise DamagedRunError(*found) from error


def check_rows(run: Run, rows: Sequence[Row]) -> None:
    """Settings and data fit, then every row for itself and with those before it, then their sum. Raises `Damage`."""
    try:
        run.settings.fitted(run.dataset)
    except InvalidSettings as error:
        raise Damage(f"its settings cannot be: {str(error).rstrip('.')}") from None
    seen = _Seen(run)
    for row in rows:
        try:
            _check_row(run, row)
            seen.take(row)
        except Damage as damage:
            raise Damage(f"row {row.seq} ({shown(row.kind)}): {damage}") from None
    if not run.live:
        seen.close()
        if why := busy_damage(run, rows):
            raise Damage(why)
    if why := verdict_damage(run, rows):
        raise Damage(why)


def _check_row(run: Run, row: Row) -> None:
    kinds = LANES_KINDS if row.engine else RUNS_KINDS
    if row.kind not in kinds or row.engine not in ("", *run.settings.engines):
        raise Damage(f"no such row of {shown(row.engine) if row.engine else 'the run itself'} can be")
    for name, value in _values("", row.as_json()):
        _check_value(name, value)
    dataset = run.dataset
    if isinstance(row.event, Step | Epoch) and not 1 <= row.event.epoch <= run.settings.epochs:
        raise Damage(f"epoch {row.event.epoch} is not one of {run.settings.epochs}")
    match row.event:
        case Certificate():
            _check_certificate(run, row.event, row.as_json().get("passed"))
        case Step():
            _check_points(row.event, -(-dataset.training_split // run.settings.batch_size))
        case Result():
            _check_result(row.event, dataset)


def _values(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Every text and number in a row's fields, with the name that it stands under."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _values(str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(name, inner)
    else:
        yield name, value


def _check_value(name: str, value: object) -> None:
    if isinstance(value, str) and len(value) > MOST_TEXT_LETTERS:
        raise Damage(f"{shown(name)} has {len(value):,} letters, and {MOST_TEXT_LETTERS:,} are the most")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = RANGES.get(name.rpartition("_")[2], ANY_NUMBER)
        if not low <= value <= high:
            raise Damage(f"{shown(name)} is {shown(value)}, and must be from {low:,g} to {high:,g}")


def _check_certificate(run: Run, certificate: Certificate, passed: object) -> None:
    if passed is not certificate.passed:
        within = "within their bounds" if certificate.passed else "above a bound"
        raise Damage(f"passed is {shown(passed)}, and the differences are {within}")
    if why := certificate_damage(run, certificate):
        raise Damage(why)


def _check_points(step: Step, steps: int) -> None:
    """`steps`: how many the batch size makes of the training images, the last and smaller one included."""
    if step.steps_per_epoch not in (steps - 1, steps) or step.steps_per_epoch < 1:
        raise Damage(f"steps_per_epoch is {step.steps_per_epoch}, and this batch size makes {steps}")
    before = 0.0
    for point in step.points:
        if len(point) != 2 or point[0] != int(point[0]) or not before < point[0] <= step.steps_per_epoch:
            raise Damage(f"{shown(point)} is no step with its loss")
        _check_value("loss", point[1])
        before = point[0]


def _check_result(result: Result, dataset: Dataset) -> None:
    confusion = result.confusion
    classes = dataset.shape.classes
    if [len(line) for line in confusion] != [classes] * classes or min(map(min, confusion)) < 0:
        raise Damage(f"confusion is no table of {classes} by {classes} counts")
    if (total := sum(map(sum, confusion))) != dataset.test_images:
        raise Damage(f"confusion counts {shown(total)} images, and the data set has {dataset.test_images:,}")
    right = sum(confusion[read][read] for read in range(classes)) / total
    # Two images: an evaluation in other batches may round a tie the other way.
    if abs(right - result.test_accuracy) > 2.5 / total:
        raise Damage(f"test_accuracy is {shown(result.test_accuracy)}, and confusion makes it {right:g}")
    for name, ending in (("weights_file", "safetensors"), ("predictions_file", "npz")):
        file = getattr(result, name)
        if not re.fullmatch(rf"[a-z0-9-]{{1,40}}\.{ending}", file):  # a file of the run's own folder
            raise Damage(f"{name} is {shown(file)}, which is no name of such a file")


@dataclass
class _Seen:
    """What the rows so far have said."""

    run: Run
    kinds: set[tuple[str, str]] = field(default_factory=set)
    epochs: dict[str, int] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)
    """The last step of the epoch under way."""
    states: dict[str, State | LaneState] = field(default_factory=dict)
    """What the last row of each lane, and of the run itself under an empty name, says that it is."""
    results: dict[str, Result] = field(default_factory=dict)
    seq: int = 0

    def take(self, row: Row) -> None:
        """One more row, which must follow from those before it. Raises `Damage`."""
        if row.seq <= self.seq:
            raise Damage(f"it comes after row {self.seq}: rows are numbered upwards, each once")
        self.seq = row.seq
        event, engine = row.event, row.engine
        if isinstance(event, ONCE) and (engine, row.kind) in self.kinds:
            raise Damage("it comes twice")
        self.kinds.add((engine, row.kind))
        done = self.epochs.get(engine, 0)
        if isinstance(event, Step | Epoch) and event.epoch != done + 1:
            raise Damage(f"epoch {event.epoch} comes after epoch {done}")
        match event:
            case Epoch():
                self.epochs[engine] = done + 1
                self.steps[engine] = 0
            case Step(points=[[first, *_], *_] as points):
                if first <= self.steps.get(engine, 0):
                    raise Damage(f"step {first:g} comes twice")
                self.steps[engine] = points[-1][0]
            case LaneChanged() | RunChanged():
                self.states[engine] = event.state
            case Result():
                self.results[engine] = event

    def close(self) -> None:
        """How the run and its lanes are said to have ended is how their rows say so. Raises `Damage`."""
        if (state := self.states.get("", self.run.state)) != self.run.state:
            raise Damage(f"the run is {self.run.state}, and its last row says {shown(state)}")
        for lane in self.run.lanes:
            self._check_lane(lane)
            if self.run.state == State.FINISHED and lane.state != LaneState.FINISHED:
                raise Damage(f"the run is finished, and its lane {shown(lane.engine)} is {shown(lane.state)}")

    def _check_lane(self, lane: Lane) -> None:
        name = f"the lane {shown(lane.engine)}"
        if (state := self.states.get(lane.engine, lane.state)) != lane.state:
            raise Damage(f"{name} is {shown(lane.state)}, and its last row says {shown(state)}")
        result = self.results.get(lane.engine)
        if lane.state == LaneState.FINISHED and (result is None or not self.epochs.get(lane.engine)):
            raise Damage(f"{name} is finished, and has no {'result' if result is None else 'epoch'}")
        for figure in ("test_loss", "test_accuracy"):
            said = getattr(result, figure) if result else None
            if getattr(lane, figure) != said:
                has = f"its result says {said}" if result else "it has no result"
                raise Damage(f"{name} has the {figure} {shown(getattr(lane, figure))}, and {has}")
