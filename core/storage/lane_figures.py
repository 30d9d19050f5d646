"""What a study reads of a lane: its test, and what its rows add up to, kept beside it when it has finished."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from core.experiment.metrics import steady_throughput

FIGURES = ("test_accuracy", "test_loss", "train_s", "images_per_s", "rss_mib")


def lane_figures(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, float | None]:
    """What a study reads of a lane beside its test, from the kinds and fields of its rows, in their order."""
    epochs, rss_mib = [], None
    for kind, fields in rows:
        if kind == "epoch":
            epochs.append(fields)
        elif kind == "result":
            rss_mib = fields["rss_mib"]
    return {
        "train_s": sum(epoch["train_s"] for epoch in epochs) if epochs else None,
        "images_per_s": steady_throughput([epoch["images_per_s"] for epoch in epochs]),
        "rss_mib": rss_mib,
    }


def keep_figures(connection: sqlite3.Connection, run_id: str, engine: str) -> None:
    """What a study reads of a lane that has finished, beside it: a thousand runs are then shown without their rows."""
    query = "SELECT kind, fields FROM rows WHERE run = ? AND engine = ? AND kind IN ('epoch', 'result') ORDER BY seq"
    found = lane_figures(
        (row["kind"], json.loads(row["fields"])) for row in connection.execute(query, (run_id, engine))
    )
    assignments = ", ".join(f"{name} = ?" for name in found)
    connection.execute(
        f"UPDATE lanes SET {assignments} WHERE run = ? AND engine = ?", (*found.values(), run_id, engine)
    )
