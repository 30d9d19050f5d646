"""A run as files to take along: JSON (the recordings' own format), CSV, one HTML report, TensorBoard's event files.

Only the JSON is read again (`read_json`): what comes from elsewhere is checked field by field and marked as imported.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core import events
from core.database import ENDED_STATES
from core.names import automatic_title
from core.settings import InvalidSettings, TrainSettings, shown
from core.store import Lane, Row, Run

FORMAT = 1
MAX_IMPORT_BYTES = 20_000_000
MAX_ROWS = 200_000
MAX_VALUES = 1_000_000
"""Roughly, values and what holds them: 20 MB of JSON can be ten million, and each takes 70 bytes in memory."""
NAME_LETTERS, NOTE_LETTERS = 200, 2000
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""


class ExportError(Exception):
    """A file cannot be written or taken in, in one plain sentence."""


def content(run: Run, rows: Sequence[Row]) -> dict[str, Any]:
    """A run and all its rows as JSON values; what only this folder knows (source, pin, visitor) stays here."""
    values = asdict(run)
    lanes = values.pop("lanes")
    for own in ("source", "pinned", "visitor"):
        values.pop(own)
    return {"format": FORMAT, "run": values, "lanes": lanes, "rows": [row.as_json() for row in rows]}


def as_json(run: Run, rows: Sequence[Row]) -> str:
    """The whole run as one JSON object."""
    return json.dumps(content(run, rows), indent=1) + "\n"


def harmless(cell: object) -> object:
    """A cell that no spreadsheet runs: text that begins like a formula gets an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    return f"'{cell}" if cell.lstrip().startswith(DANGEROUS) or cell.startswith(DANGEROUS) else cell


def as_csv(run: Run, rows: Sequence[Row]) -> str:
    """Every row on a line; the columns are all fields that any row has, values that are lists as JSON."""
    flat = [row.as_json() for row in rows]
    whose = {"run": run.id, "title": run.name or automatic_title(run.settings)}
    columns = list(dict.fromkeys(["run", "title", *(name for row in flat for name in row)]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in flat:
        cells = [{**row, **whose}.get(column, "") for column in columns]
        writer.writerow([harmless(json.dumps(c) if isinstance(c, list | dict) else c) for c in cells])
    return out.getvalue()


def write_tensorboard(run: Run, rows: Sequence[Row], folder: Path) -> None:
    """One folder a lane with its curves by step: losses, accuracies, images/s. Raises `OSError`."""
    from tensorboardX import SummaryWriter  # only here: the web process need not hold it

    steps_per_epoch = {row.engine: row.fields["steps_per_epoch"] for row in rows if row.kind == "step"}
    for lane in run.lanes:
        with SummaryWriter(logdir=str(folder / lane.engine), write_to_disk=True) as writer:
            writer.add_text("run", run.name or automatic_title(run.settings))
            for row in rows:
                if row.engine != lane.engine:
                    continue
                steps = steps_per_epoch.get(lane.engine, 1)
                if row.kind == "step":
                    for step, loss in row.fields["points"]:
                        writer.add_scalar("batch_loss", loss, (row.fields["epoch"] - 1) * steps + int(step))
                elif row.kind == "epoch":
                    for name in ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "images_per_s"):
                        writer.add_scalar(name, row.fields[name], row.fields["epoch"] * steps)


# --- taking in ------------------------------------------------------------------------------------------


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


Text = Annotated[str, Field(max_length=2000)]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(\+00:00|Z)$")]


class _Lane(_Strict):
    engine: Annotated[str, Field(max_length=40)]
    state: Literal["finished", "stopped", "failed", "interrupted"]
    reason: Text = ""
    test_loss: float | None = None
    test_accuracy: Annotated[float, Field(ge=0, le=1)] | None = None


class _Machine(_Strict):
    name: Text
    system: Text
    processor: Text
    cores: Annotated[int, Field(ge=1, le=100_000)]
    memory_gib: float
    python: Text


class _Run(_Strict):
    id: Annotated[str, Field(max_length=40)]
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    state: Literal["finished", "stopped", "failed", "interrupted"]
    reason: Text = ""
    settings: dict[str, Any]
    machine: _Machine
    name: Annotated[str, Field(max_length=NAME_LETTERS)] = ""
    note: Annotated[str, Field(max_length=NOTE_LETTERS)] = ""


class _Content(_Strict):
    format: Literal[1]
    run: _Run
    lanes: Annotated[list[_Lane], Field(min_length=1, max_length=10)]
    rows: Annotated[list[dict[str, Any]], Field(max_length=MAX_ROWS)]


KINDS = {
    "step": ("epoch", "steps_per_epoch", "points"),
    "epoch": ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "train_s", "val_s", "images_per_s"),
    "result": ("test_loss", "test_accuracy", "test_s", "confusion", "rss_mib"),
    "built": ("data_s", "build_s", "parameters", "summary", "device"),
    "ready": ("import_s", "versions"),
    "certificate": (
        "logit_difference",
        "loss_difference",
        "logit_bound",
        "loss_bound",
        "steps",
        "batch_size",
        "passed",
    ),
    "lane": ("state",),
    "run": ("state",),
    "prepared": (),
    "beside": (),
}
"""The rows that are taken in, with the fields that the pages read; a row of another kind is left out."""
assert set(ENDED_STATES) == {"finished", "stopped", "failed", "interrupted"}


def read_json(data: bytes) -> tuple[Run, list[Row]]:
    """An exported run, every field checked. Raises `ExportError` with a sentence."""
    if len(data) > MAX_IMPORT_BYTES:
        raise ExportError(f"The file is larger than {MAX_IMPORT_BYTES // 10**6} MB, which is the most.")
    if sum(map(data.count, (b"[", b"{", b","))) > MAX_VALUES:
        raise ExportError(f"The file holds more than {MAX_VALUES:,} values, which is the most.")
    try:
        found = _Content.model_validate(json.loads(data))
        settings = TrainSettings.parse(found.run.settings)
        if tuple(lane.engine for lane in found.lanes) != settings.engines:
            raise ExportError("The file's lanes are not the engines of its settings.")
        rows = [row for number, raw in enumerate(found.rows, start=1) if (row := _row(number, raw, settings))]
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"][:4])
        if not where:
            raise ExportError("The file is no exported run: it is no JSON object.") from None
        raise ExportError(f"The file is no exported run: {shown(where)}: {wrong['msg']}.") from None
    except InvalidSettings as error:
        raise ExportError(f"The file's settings cannot be: {error}") from None
    except (ValueError, RecursionError):  # Python refuses a whole number of thousands of digits as a mere ValueError
        raise ExportError("The file is no JSON: choose one that was exported here as JSON.") from None
    run = found.run.model_dump() | {"settings": settings.as_json()}
    return Run(**run, source="imported", lanes=tuple(Lane(**lane.model_dump()) for lane in found.lanes)), rows


def _row(number: int, raw: dict[str, Any], settings: TrainSettings) -> Row | None:
    """One row with the fields that its kind must have; None for a kind that is left out."""
    fields = {name: value for name, value in raw.items() if name not in ("seq", "engine", "kind")}
    kind, engine = raw.get("kind"), raw.get("engine")
    if not isinstance(kind, str) or kind not in KINDS:
        return None
    if engine not in ("", *settings.engines) or any(name not in fields for name in KINDS[kind]):
        raise ExportError(f"The file is no exported run: row {number} lacks what a row of its kind has.")
    try:
        _check_numbers(kind, fields, settings)
    except (TypeError, ValueError, KeyError, IndexError):
        raise ExportError(f"The file is no exported run: row {number} holds values that cannot be.") from None
    return Row(number, str(engine), kind, fields)


def _check_numbers(kind: str, fields: dict[str, Any], settings: TrainSettings) -> None:
    """Raises `ValueError` or `TypeError` where the figures that are drawn are not numbers of their kind."""
    lane = {"engine": ""} if kind == "ready" else {}
    text = json.dumps({**fields, **lane}, allow_nan=False)  # Python reads NaN and 1e999, which no JSON of ours holds
    if kind in events.MESSAGES:  # what a worker sent: each field of its type, none missing, none more
        events.MESSAGES[kind].validate_json(text, strict=True)
    if kind == "epoch":
        if not 1 <= fields["epoch"] <= settings.epochs:
            raise ValueError
        numbers = [fields[name] for name in KINDS["epoch"]]
    elif kind == "step":
        if not 1 <= fields["epoch"] <= settings.epochs:
            raise ValueError
        numbers = [fields["steps_per_epoch"], *(value for step, loss in fields["points"] for value in (step, loss))]
    elif kind == "result":
        if [len(line) for line in fields["confusion"]] != [10] * 10:
            raise ValueError
        numbers = [*(fields[name] for name in ("test_loss", "test_accuracy", "test_s", "rss_mib"))]
        numbers += [count for line in fields["confusion"] for count in line]
    elif kind == "certificate":
        numbers = [fields[name] for name in KINDS[kind] if name != "passed"]
    else:
        numbers = [value for value in fields.values() if isinstance(value, float)]
    if any(isinstance(n, bool) or not isinstance(n, int | float) or not abs(n) < 1e30 for n in numbers):
        raise ValueError
