"""Whether a run can be: what is checked of a run and of its rows, whoever wrote them.

Types are those of `core.protocol.messages`, written once there; ranges follow from a figure's unit, which is the last
word of its name, so that a new field of a message is checked without a line here. Workers do not pay for it: only what
comes from a file, or cannot be drawn, is checked.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from core.data.datasets import CLASSES, DATASETS, Dataset, Progress
from core.experiment.fairness import Verdict
from core.experiment.kinds import shown
from core.experiment.parity import Certificate
from core.experiment.settings import InvalidSettings, TrainSettings
from core.protocol import messages
from core.storage.database import ENDED_STATES, OPEN_STATES, StoreError
from core.storage.recomputed import certificate_fault, verdict_fault
from core.storage.records import Damaged, DamagedRun, Lane, Row, Run

MOST_LETTERS = 20_000
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


class Unsound(ValueError):
    """A run or a row that cannot be: the rest of a sentence, without its stop."""


@dataclass(frozen=True)
class _Row:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class _LaneRow(_Row):
    state: str
    epoch: int = 0
    reason: str = ""
    diverged: bool = False


@dataclass(frozen=True)
class _RunRow(_Row):
    state: str
    reason: str = ""
    busy: bool = False


@dataclass(frozen=True)
class _PreparedRow:
    source: str
    source_sha256: dict[str, str]
    note: str = ""


LANES_KINDS: dict[str, TypeAdapter[Any]] = {
    **{kind: messages.EVENTS[kind] for kind in ("ready", "built", "step", "epoch", "result")},
    "lane": TypeAdapter(_LaneRow),
}
RUNS_KINDS: dict[str, TypeAdapter[Any]] = {
    "run": TypeAdapter(_RunRow),
    "prepared": TypeAdapter(_PreparedRow),
    "certificate": TypeAdapter(Certificate),
    "fairness": TypeAdapter(Verdict),
    "beside": TypeAdapter(_Row),
    "data": TypeAdapter(Progress),
}
"""The rows that pages read, of a lane and of the run itself, each with the type of its fields."""
KINDS = frozenset((*LANES_KINDS, *RUNS_KINDS))
ONCE = ("ready", "built", "result", "prepared", "certificate", "fairness", "beside")


# --- a run ----------------------------------------------------------------------------------------------


def moment(name: str, text: object) -> datetime:
    """A stored time. Raises `Unsound` where there is no such day or hour, or none of this age."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Unsound(f"{name} is {shown(text)}, which is no date and time")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def check_listed(run: Run) -> None:
    """What every list reads of a run. Raises `Unsound`."""
    for name in ("created_at", "started_at", "ended_at"):
        if name == "created_at" or getattr(run, name) is not None:
            moment(name, getattr(run, name))
    if run.state not in OPEN_STATES + ENDED_STATES:
        raise Unsound(f"its state is {shown(run.state)}, which is none")
    if run.source not in ("here", "recorded", "imported"):
        raise Unsound(f"its source is {shown(run.source)}, which is none")
    if not all(isinstance(text, str) for text in (run.reason, run.name, run.note, run.visitor)):
        raise Unsound("its name, note or reason is no text")
    words = (run.machine.get("processor"), run.machine.get("cores")) if isinstance(run.machine, dict) else ()
    if not words or (run.source != "here" and not (isinstance(words[0], str) and isinstance(words[1], int))):
        raise Unsound("its machine is not described")
    if tuple(lane.engine for lane in run.lanes) != run.settings.engines:
        raise Unsound("its lanes are not the engines of its settings")
    for lane in run.lanes:
        figures = [value for value in (lane.test_loss, lane.test_accuracy) if value is not None]
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in figures):
            raise Unsound(f"the test result of {shown(lane.engine)} is no number")


def settings_of(stored: object) -> TrainSettings:
    """A run's settings from the values that were stored, which name its engines at least. Raises `Unsound`."""
    if not isinstance(stored, dict):
        raise Unsound("its settings are none")
    engines = stored.get("engines")
    if not isinstance(engines, list) or not engines or not all(isinstance(engine, str) for engine in engines):
        raise Unsound(f"its engines are {shown(engines)}")
    try:
        return TrainSettings.of_store(stored)
    except InvalidSettings as error:
        raise Unsound(f"its settings cannot be: {str(error).rstrip('.')}") from None


def check_times(run: Run) -> None:
    """A run that has ended was asked for, began and ended in this order, and not in the future. Raises `Unsound`."""
    told = [(name, getattr(run, name)) for name in ("created_at", "started_at", "ended_at")]
    times = [(name, moment(name, text)) for name, text in told if text is not None]
    for (before, earlier), (after, later) in pairwise(times):
        if later < earlier:
            raise Unsound(f"{after} is before {before}")
    last, latest = times[-1]
    if latest > datetime.now(UTC) + CLOCKS_DIFFER:
        raise Unsound(f"{last} is {shown(told[len(times) - 1][1])}, which is still to come")
    if run.ended_at is None or (run.state == "finished" and run.started_at is None):
        raise Unsound(f"it is {run.state}, but not said to have {'ended' if run.ended_at is None else 'started'}")


# --- its rows -------------------------------------------------------------------------------------------


def fault(run: Run, rows: Sequence[Row]) -> str:
    """What is wrong with a run or its rows, as the rest of a sentence; empty where nothing is found."""
    try:
        check_listed(run)
        check_rows(run, rows)
    except Unsound as unsound:
        return str(unsound)
    return ""


@contextmanager
def blaming(rows: Callable[[Run], Sequence[Row]], *runs: Run) -> Iterator[None]:
    """Tells what goes wrong because of what these runs hold from a fault of our own, which is raised as it is.

    `rows` reads all rows of one of them. Raises `DamagedRun`, which names each run of which something cannot be.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        found = [Damaged(run.id, why) for run in runs if (why := fault(run, rows(run)))]
        if not found:
            raise
        raise DamagedRun(*found) from error


def check_rows(run: Run, rows: Sequence[Row]) -> None:
    """Every row for itself, then with those before it, then what they add up to. Raises `Unsound`."""
    seen = _Seen(run)
    for row in rows:
        try:
            _check_row(run, row)
            seen.take(row)
        except Unsound as unsound:
            raise Unsound(f"row {row.seq} ({shown(row.kind)}): {unsound}") from None
    if not run.live:
        seen.close()
    if why := verdict_fault(run, rows):
        raise Unsound(why)


def _check_row(run: Run, row: Row) -> None:
    kinds = LANES_KINDS if row.engine else RUNS_KINDS
    if row.kind not in kinds or row.engine not in ("", *run.settings.engines):
        raise Unsound(f"no such row of {shown(row.engine) if row.engine else 'the run itself'} can be")
    given = dict(row.fields)
    passed = given.pop("passed", None) if row.kind == "certificate" else None
    try:
        text = json.dumps(given | ({"engine": ""} if row.kind == "ready" else {}), allow_nan=False)
        kinds[row.kind].validate_json(text, strict=True)
    except ValidationError as error:
        raise Unsound(in_words(error)) from None
    except (ValueError, RecursionError):  # Python reads NaN and 1e999, which no JSON of ours holds
        raise Unsound("it holds a number that is none") from None
    for name, value in _values("", row.fields):
        _check_value(name, value)
    if row.kind == "certificate":
        _check_certificate(run, Certificate(**given), passed)
    if row.kind in ("step", "epoch") and not 1 <= row.fields["epoch"] <= run.settings.epochs:
        raise Unsound(f"epoch {row.fields['epoch']} is not one of {run.settings.epochs}")
    dataset = DATASETS[run.settings.dataset]
    if row.kind == "step":
        _check_points(row.fields, -(-dataset.training_split // run.settings.batch_size))
    if row.kind == "result":
        _check_result(row, dataset)


def in_words(error: ValidationError) -> str:
    """The first fault that was found in fields, as the rest of a sentence."""
    wrong = error.errors(include_url=False)[0]
    where, what = shown(".".join(map(str, wrong["loc"][:4]))), wrong["msg"]
    if wrong["type"] == "missing":
        return f"{where} is missing"
    if wrong["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where} is no field that can be"
    return f"{where} is {shown(wrong['input'])}: {what[:1].lower()}{what[1:]}"


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
    if isinstance(value, str) and len(value) > MOST_LETTERS:
        raise Unsound(f"{shown(name)} has {len(value):,} letters, and {MOST_LETTERS:,} are the most")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = RANGES.get(name.rpartition("_")[2], ANY_NUMBER)
        if not low <= value <= high:
            raise Unsound(f"{shown(name)} is {shown(value)}, and must be from {low:,g} to {high:,g}")


def _check_certificate(run: Run, certificate: Certificate, passed: object) -> None:
    if passed is not certificate.passed:
        within = "within their bounds" if certificate.passed else "above a bound"
        raise Unsound(f"passed is {shown(passed)}, and the differences are {within}")
    if why := certificate_fault(run, certificate):
        raise Unsound(why)


def _check_points(fields: Mapping[str, Any], steps: int) -> None:
    """`steps`: how many the batch size makes of the training images, the last and smaller one included."""
    if fields["steps_per_epoch"] not in (steps - 1, steps) or fields["steps_per_epoch"] < 1:
        raise Unsound(f"steps_per_epoch is {fields['steps_per_epoch']}, and this batch size makes {steps}")
    before = 0.0
    for point in fields["points"]:
        if len(point) != 2 or point[0] != int(point[0]) or not before < point[0] <= fields["steps_per_epoch"]:
            raise Unsound(f"{shown(point)} is no step with its loss")
        _check_value("loss", point[1])
        before = point[0]


def _check_result(row: Row, dataset: Dataset) -> None:
    confusion = row.fields["confusion"]
    if [len(line) for line in confusion] != [CLASSES] * CLASSES or min(map(min, confusion)) < 0:
        raise Unsound(f"confusion is no table of {CLASSES} by {CLASSES} counts")
    if (total := sum(map(sum, confusion))) != dataset.test_images:
        raise Unsound(f"confusion counts {shown(total)} images, and the data set has {dataset.test_images:,}")
    right = sum(confusion[digit][digit] for digit in range(CLASSES)) / total
    # Two images: an evaluation in other batches may round a tie the other way.
    if abs(right - row.fields["test_accuracy"]) > 2.5 / total:
        raise Unsound(f"test_accuracy is {shown(row.fields['test_accuracy'])}, and confusion makes it {right:g}")
    for name, ending in (("weights_file", "safetensors"), ("predictions_file", "npz")):
        if not re.fullmatch(rf"[a-z0-9-]{{1,40}}\.{ending}", row.fields[name]):  # a file of the run's own folder
            raise Unsound(f"{name} is {shown(row.fields[name])}, which is no name of such a file")


@dataclass
class _Seen:
    """What the rows so far have said."""

    run: Run
    kinds: set[tuple[str, str]] = field(default_factory=set)
    epochs: dict[str, int] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)
    """The last step of the epoch under way."""
    states: dict[str, str] = field(default_factory=dict)
    results: dict[str, Row] = field(default_factory=dict)
    seq: int = 0

    def take(self, row: Row) -> None:
        """One more row, which must follow from those before it. Raises `Unsound`."""
        if row.seq <= self.seq:
            raise Unsound(f"it comes after row {self.seq}: rows are numbered upwards, each once")
        self.seq = row.seq
        if row.kind in ONCE and (row.engine, row.kind) in self.kinds:
            raise Unsound("it comes twice")
        self.kinds.add((row.engine, row.kind))
        done = self.epochs.get(row.engine, 0)
        if row.kind in ("step", "epoch") and row.fields["epoch"] != done + 1:
            raise Unsound(f"epoch {row.fields['epoch']} comes after epoch {done}")
        if row.kind == "epoch":
            self.epochs[row.engine] = done + 1
            self.steps[row.engine] = 0
        elif row.kind == "step" and row.fields["points"]:
            if row.fields["points"][0][0] <= self.steps.get(row.engine, 0):
                raise Unsound(f"step {row.fields['points'][0][0]:g} comes twice")
            self.steps[row.engine] = row.fields["points"][-1][0]
        elif row.kind in ("lane", "run"):
            self.states[row.engine] = row.fields["state"]
        elif row.kind == "result":
            self.results[row.engine] = row

    def close(self) -> None:
        """How the run and its lanes are said to have ended is how their rows say so. Raises `Unsound`."""
        if (state := self.states.get("", self.run.state)) != self.run.state:
            raise Unsound(f"the run is {self.run.state}, and its last row says {shown(state)}")
        for lane in self.run.lanes:
            self._check_lane(lane)
            if self.run.state == "finished" and lane.state != "finished":
                raise Unsound(f"the run is finished, and its lane {shown(lane.engine)} is {shown(lane.state)}")

    def _check_lane(self, lane: Lane) -> None:
        name = f"the lane {shown(lane.engine)}"
        if (state := self.states.get(lane.engine, lane.state)) != lane.state:
            raise Unsound(f"{name} is {shown(lane.state)}, and its last row says {shown(state)}")
        row = self.results.get(lane.engine)
        if lane.state == "finished" and (row is None or not self.epochs.get(lane.engine)):
            raise Unsound(f"{name} is finished, and has no {'result' if row is None else 'epoch'}")
        for figure in ("test_loss", "test_accuracy"):
            said = row.fields[figure] if row else None
            if getattr(lane, figure) != said:
                has = f"its result says {said}" if row else "it has no result"
                raise Unsound(f"{name} has the {figure} {shown(getattr(lane, figure))}, and {has}")
