"""A run that was exported elsewhere as JSON, taken in: nothing of it is believed before it is checked.

What is wrong is said in one sentence. `core.storage.soundness` knows what a run can be; here is what a file can be.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.experiment.kinds import shown
from core.experiment.settings import InvalidSettings, TrainSettings
from core.results.carried import Carried, unpack
from core.results.export import FORMAT
from core.storage.database import LaneState, State
from core.storage.records import NAME_LETTERS, NOTE_LETTERS, Run, fairness_and_busy, kept_data, lane_of
from core.storage.rows import KINDS, Damage, Row, in_words, read
from core.storage.soundness import check_listed, check_rows, check_times

MAX_IMPORT_BYTES = 20_000_000
MAX_ROWS = 200_000
MAX_VALUES = 1_000_000
"""Roughly, values and what holds them: 20 MB of JSON can be ten million, and each takes 70 bytes in memory."""


class ImportRefused(Exception):
    """A file cannot be taken in, in one plain sentence."""


class Strict(BaseModel):
    """What stands in a file, where nothing else may."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


Text = Annotated[str, Field(max_length=2000)]
Time = Annotated[str, Field(max_length=40)]
_RunState = Annotated[State, Field(strict=False)]
_LaneState = Annotated[LaneState, Field(strict=False)]
"""By their texts: JSON has no enums."""


class _Lane(Strict):
    engine: Annotated[str, Field(max_length=40)]
    state: _LaneState
    reason: Text = ""
    test_loss: Annotated[float, Field(ge=0, le=1e30)] | None = None
    test_accuracy: Annotated[float, Field(ge=0, le=1)] | None = None


class MachineInFile(Strict):
    """As `core.experiment.machine` describes one."""

    name: Text
    system: Text
    processor: Text
    cores: Annotated[int, Field(ge=1, le=100_000)]
    memory_gib: Annotated[float, Field(ge=0, le=1e9)]
    python: Text


class _Run(Strict):
    id: Annotated[str, Field(max_length=40)]
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    state: _RunState
    reason: Text = ""
    settings: dict[str, Any]
    machine: MachineInFile
    name: Annotated[str, Field(max_length=NAME_LETTERS)] = ""
    note: Annotated[str, Field(max_length=NOTE_LETTERS)] = ""
    data: dict[str, Any] | None = None


class RunInFile(Strict):
    """A whole run, as `core.results.export.content` writes it."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)]
    run: _Run
    lanes: Annotated[list[_Lane], Field(min_length=1, max_length=10)]
    rows: Annotated[list[dict[str, Any]], Field(max_length=MAX_ROWS)]
    files: Annotated[dict[str, Carried], Field(max_length=10)] = Field(default_factory=dict)


class ImportedRun(NamedTuple):
    """A run from elsewhere that was checked: `files` by name, as its folder shall hold them."""

    run: Run
    rows: list[Row]
    files: dict[str, bytes]


def read_json(data: bytes) -> ImportedRun:
    """An exported run with the files that it brings, all of it checked. Raises `ImportRefused` with a sentence."""
    with refusals("run"):
        values = read_values(data, MAX_IMPORT_BYTES, MAX_VALUES)
        return sound(RunInFile.model_validate(values))


def read_values(data: bytes, most_bytes: int, most_values: int) -> Any:
    """The JSON in a file of at most so many bytes and values. Raises `ImportRefused`, `Damage`, `ValueError`."""
    if len(data) > most_bytes:
        raise ImportRefused(f"The file is larger than {most_bytes // 10**6} MB, which is the most.")
    if sum(map(data.count, (b"[", b"{", b","))) > most_values:
        raise ImportRefused(f"The file holds more than {most_values:,} values, which is the most.")
    return json.loads(data, object_pairs_hook=_once)


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raises what is wrong with a file of a run or of a study (`what`) as `ImportRefused`."""
    try:
        yield
    except ValidationError as error:
        raise ImportRefused(_words(error, what)) from None
    except InvalidSettings as error:
        raise ImportRefused(f"The file's settings cannot be: {error}") from None
    except Damage as damage:
        raise ImportRefused(f"The file is no exported {what}: {damage}.") from None
    except (ValueError, RecursionError):  # Python refuses a whole number of thousands of digits as a mere ValueError
        raise ImportRefused("The file is no JSON: choose one that was exported here as JSON.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each of whose names may stand in it once: readers differ in which of two they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Damage(f"{shown(name)} stands twice in one object")
    return found


def _words(error: ValidationError, what: str) -> str:
    wrong = error.errors()[0]
    if not wrong["loc"]:
        return f"The file is no exported {what}: it is no JSON object."
    if wrong["loc"] == ("format",) and isinstance(wrong["input"], int) and wrong["input"] > FORMAT:
        return f"The file is of format {shown(wrong['input'])}, and this version reads {FORMAT}: update the program."
    return f"The file is no exported {what}: {in_words(error)}."


def sound(found: RunInFile) -> ImportedRun:
    """A run with its rows and files, checked. Raises `Damage`, `InvalidSettings`."""
    settings = TrainSettings.parse(found.run.settings)
    lanes = tuple(lane_of(lane.model_dump()) for lane in found.lanes)
    kinds = [str(raw.get("kind")) for raw in found.rows]  # a kind that no page reads is left out
    rows = [_row(n, kinds[n - 1], raw) for n, raw in enumerate(found.rows, start=1) if kinds[n - 1] in KINDS]
    verdict, busy = fairness_and_busy(row.event for row in rows)
    run = Run(
        id=found.run.id,
        created_at=found.run.created_at,
        started_at=found.run.started_at,
        ended_at=found.run.ended_at,
        state=found.run.state,
        reason=found.run.reason,
        settings=settings,
        machine=found.run.machine.model_dump(),
        source="imported",
        lanes=lanes,
        name=found.run.name,
        note=found.run.note,
        fairness=verdict,
        busy=busy,
        data=kept_data(settings, found.run.data),
    )
    going_on = [f"the run is {run.state}"] if run.live else []
    going_on += [f"the lane {lane.engine} is {lane.state}" for lane in lanes if not lane.state.ended]
    if going_on:
        raise Damage(f"{going_on[0]}, and only one that has ended can be taken in")
    check_listed(run)
    check_times(run)
    check_rows(run, rows)
    return ImportedRun(run, rows, unpack(found.files, run, rows))


def _row(number: int, kind: str, raw: dict[str, Any]) -> Row:
    seq, engine = raw.get("seq"), raw.get("engine")
    if not isinstance(seq, int) or isinstance(seq, bool) or not isinstance(engine, str):
        raise Damage(f"row {number} has no number (seq) or no engine")
    try:
        own = {name: value for name, value in raw.items() if name not in ("seq", "engine", "kind")}
        text = json.dumps(own, allow_nan=False)
    except (ValueError, RecursionError):  # Python reads NaN and 1e999, which no JSON of ours holds
        raise Damage(f"row {seq} ({shown(kind)}): it holds a number that is none") from None
    return read(seq, engine, kind, text, extra=None)
