"""A run as files to take along: JSON (the recordings' own format), CSV, one HTML report, TensorBoard's event files.

Only the JSON is read again, by `core.results.importing`.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.experiment.titles import automatic_title
from core.protocol.messages import Epoch, Step
from core.results.carried import pack
from core.storage.records import Run
from core.storage.rows import Row

FORMAT = 1
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""


def content(run: Run, rows: Sequence[Row]) -> dict[str, Any]:
    """A run and all its rows as JSON values; what only this folder knows (source, pin, visitor) stays here.

    Its fairness and whether its machine was busy are said by rows.
    """
    values = {
        "id": run.id,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "state": run.state,
        "reason": run.reason,
        "settings": run.settings.as_json(),
        "machine": run.machine,
        "name": run.name,
        "note": run.note,
    }
    if run.data is not None:
        values["data"] = run.data.as_json()
    lanes = [
        {
            "engine": lane.engine,
            "state": lane.state,
            "reason": lane.reason,
            "test_loss": lane.test_loss,
            "test_accuracy": lane.test_accuracy,
        }
        for lane in run.lanes
    ]
    return {"format": FORMAT, "run": values, "lanes": lanes, "rows": [row.as_json() for row in rows]}


def as_json(run: Run, rows: Sequence[Row], folder: Path | None = None) -> str:
    """The whole run as one JSON object, with the weights and predictions of `folder` where it is given."""
    files = {"files": pack(run, rows, folder)} if folder is not None else {}
    return json.dumps(content(run, rows) | files, indent=1) + "\n"


def harmless(cell: object) -> object:
    """A cell that no spreadsheet runs: text that begins like a formula gets an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    return f"'{cell}" if cell.lstrip().startswith(DANGEROUS) or cell.startswith(DANGEROUS) else cell


def as_csv(run: Run, rows: Sequence[Row]) -> str:
    """Every row on a line; the columns are all fields that any row has, values that are lists as JSON."""
    flat = [row.as_json() for row in rows]
    whose = {"run": run.id, "title": run.name or automatic_title(run)}
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

    steps_per_epoch = {row.engine: row.event.steps_per_epoch for row in rows if isinstance(row.event, Step)}
    for lane in run.lanes:
        with SummaryWriter(logdir=str(folder / lane.engine), write_to_disk=True) as writer:
            writer.add_text("run", run.name or automatic_title(run))
            for row in rows:
                if row.engine != lane.engine:
                    continue
                steps = steps_per_epoch.get(lane.engine, 1)
                if isinstance(row.event, Step):
                    for step, loss in row.event.points:
                        writer.add_scalar("batch_loss", loss, (row.event.epoch - 1) * steps + int(step))
                elif isinstance(row.event, Epoch):
                    for name in ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "images_per_s"):
                        writer.add_scalar(name, getattr(row.event, name), row.event.epoch * steps)
