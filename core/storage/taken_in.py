"""What was exported elsewhere, written into a data folder: a run, or a study with all its runs in one transaction."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from core.storage.database import Database, LaneState, new_id
from core.storage.lane_figures import keep_figures
from core.storage.records import Run, StudyPair, fairness_and_busy
from core.storage.rows import Row, to_text
from core.storage.studies import StudyRecord, insert_study


class TakenPair(NamedTuple):
    """A run of a study from elsewhere."""

    cell: tuple[tuple[str, Any], ...]
    run: Run
    rows: Sequence[Row]


def take_in_study(database: Database, record: StudyRecord, pairs: Sequence[TakenPair], visitor: str = "") -> str:
    """Keeps a study from elsewhere with its runs, marked as imported, whole or not at all; returns its new id.

    Raises `StoreError`.
    """
    own = replace(record, id=new_id(), visitor=visitor, source="imported")
    with database.write_transaction() as connection:
        insert_study(connection, own)
        for pair in pairs:
            insert_run(connection, new_id(), pair.run, pair.rows, visitor, StudyPair(own.id, pair.cell))
    return own.id


def insert_run(
    connection: sqlite3.Connection,
    run_id: str,
    run: Run,
    rows: Sequence[Row],
    visitor: str,
    pair: StudyPair | None = None,
) -> None:
    """Writes a run from elsewhere, marked as imported, under a new id."""
    verdict, busy = fairness_and_busy(row.event for row in rows)
    values = {
        **{"id": run_id, "created_at": run.created_at, "started_at": run.started_at, "ended_at": run.ended_at},
        **{"state": run.state, "reason": run.reason, "settings": json.dumps(run.settings.as_json())},
        **{"machine": json.dumps(run.machine), "name": run.name, "note": run.note, "visitor": visitor},
        **{"fairness": "null" if verdict is None else to_text(verdict), "busy": busy},
        **{"data": json.dumps(run.data and run.data.as_json()), "source": "imported"},
        **({"study": pair.study, "cell": json.dumps(dict(pair.cell))} if pair else {}),
    }
    query = f"INSERT INTO runs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
    connection.execute(query, tuple(values.values()))
    connection.executemany(
        "INSERT INTO lanes (run, engine, position, state, reason, test_loss, test_accuracy) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (run_id, lane.engine, i, lane.state, lane.reason, lane.test_loss, lane.test_accuracy)
            for i, lane in enumerate(run.lanes)
        ],
    )
    connection.executemany(
        "INSERT INTO rows (run, seq, engine, kind, fields) VALUES (?, ?, ?, ?, ?)",
        [(run_id, seq, row.engine, row.kind, row.text or to_text(row.event)) for seq, row in enumerate(rows, start=1)],
    )
    for lane in run.lanes:
        if lane.state == LaneState.FINISHED:
            keep_figures(connection, run_id, lane.engine)
