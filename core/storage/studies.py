"""Studies in the store: what was asked, and how it stands. Its pairs are runs like any other, read here without rows.

A study is its plan less what has ended: nothing else says how far it is, so that it goes on wherever it was left.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.experiment.metrics import steady_throughput
from core.experiment.settings import ENGINE_NAMES
from core.experiment.study import Pair, Study
from core.storage.database import OPEN_STATES, Database, State, new_id, now
from core.storage.records import UnknownRun, checked_id

COLUMNS = "id, created_at, study, stop, budget_s, state, reason, visitor, machine"
FIGURES = ("test_accuracy", "test_loss", "train_s", "images_per_s", "rss_mib")
DONE = (State.FINISHED, State.FAILED)
"""A pair whose run ended so is not run anew."""
SIDES = ("keras", "torch")
"""What the two lanes of a pair are called, whichever engines stand in for them in tests."""


class StudyState(StrEnum):
    """Of a study."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"


@dataclass(frozen=True)
class StudyRecord:
    """A study as it is kept."""

    id: str
    created_at: str
    """ISO 8601 in UTC."""
    study: Study
    stop: str
    """What ends it before its last pair: `decided` (all verdicts), the name of a measure, or `seeds` (nothing)."""
    budget_s: float | None
    """Seconds that its runs may take together; None: as long as they take."""
    state: StudyState
    reason: str
    """Why it is in this state, as a sentence."""
    visitor: str
    machine: dict[str, Any]


@dataclass(frozen=True)
class PairRun:
    """A run of a study, from the columns of the tables alone."""

    cell: tuple[tuple[str, Any], ...]
    seed: int
    run: str
    state: State
    figures: Mapping[str, Mapping[str, float | None]]
    """By side (`keras`, `torch`): `FIGURES` by name, None where a lane has none."""
    busy: bool = False
    """As `Run.busy`: its times say little."""
    parted: bool = False
    """As `FairnessVerdict.parted`: more than the framework differs, so it compares nothing."""
    elapsed_s: float = 0.0
    """From start to end; 0 before its end."""
    machine: str = ""
    """The name of the machine on which it ran."""

    @property
    def pair(self) -> Pair:
        """The pair of the plan that it is."""
        return Pair(self.cell, self.seed)


class Studies(Database):
    """Reads and writes studies; the Launcher alone writes. Raises `StoreError`."""

    # --- writing ---------------------------------------------------------------------------------------

    def create(
        self, study: Study, stop: str, budget_s: float | None, machine: Mapping[str, Any], visitor: str = ""
    ) -> str:
        """A new running study without a run; returns its id."""
        columns = {
            **{"id": new_id(), "created_at": now(), "state": StudyState.RUNNING, "study": json.dumps(study.as_json())},
            **{"stop": stop, "budget_s": budget_s, "machine": json.dumps(machine), "visitor": visitor},
        }
        query = f"INSERT INTO studies ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        with self.write_transaction() as connection:
            connection.execute(query, tuple(columns.values()))
        return str(columns["id"])

    def set_state(self, study: str, state: StudyState, reason: str = "") -> None:
        """How it stands from now on, and why, as a sentence."""
        with self.write_transaction() as connection:
            connection.execute("UPDATE studies SET state = ?, reason = ? WHERE id = ?", (state, reason, study))

    def add_seeds(self, study: str, seeds: int) -> None:
        """So many seeds more in every cell. Raises `UnknownRun`, `InvalidSettings` where they are too many.

        What has ended it ends it no more: where it had finished, all of these run.
        """
        record = self.get(study)
        longer = record.study.with_more(seeds)
        longer.check_length()
        stop, budget_s = record.stop, record.budget_s
        if record.state == StudyState.FINISHED:
            stop, budget_s = "seeds", None
        with self.write_transaction() as connection:
            query = "UPDATE studies SET study = ?, stop = ?, budget_s = ? WHERE id = ?"
            connection.execute(query, (json.dumps(longer.as_json()), stop, budget_s, study))

    # --- reading ---------------------------------------------------------------------------------------

    def get(self, study: str) -> StudyRecord:
        """One study. Raises `UnknownRun`."""
        found = self._select("WHERE id = ?", checked_id(study))
        if not found:
            raise UnknownRun(f"There is no study {study}: it belongs to another data folder.")
        return found[0]

    def all(self) -> list[StudyRecord]:
        """Every study, newest first."""
        return self._select("ORDER BY id DESC")

    def pairs(self, study: str) -> list[PairRun]:
        """A study's runs, oldest first, those that were cut short included; a damaged one is none."""
        seed = "CASE WHEN json_valid(settings) THEN json_extract(settings, '$.seed') END"
        parted = "CASE WHEN json_valid(fairness) THEN json_extract(fairness, '$.state') IN ('parted', 'failed') END"
        machine = "CASE WHEN json_valid(machine) THEN json_extract(machine, '$.name') END"
        query = (
            f"SELECT id, state, busy, {parted} AS parted, {machine} AS machine, cell, {seed} AS seed, "
            "(julianday(ended_at) - julianday(started_at)) * 86400 AS elapsed_s "
            "FROM runs WHERE study = ? ORDER BY id"
        )
        of_lanes = (
            f"SELECT run, engine, {', '.join(FIGURES)} FROM lanes WHERE run IN (SELECT id FROM runs WHERE study = ?)"
        )
        with self.read_transaction() as connection:
            if connection is None:
                return []
            runs = connection.execute(query, (checked_id(study),)).fetchall()
            lanes: dict[str, list[sqlite3.Row]] = {}
            for lane in connection.execute(f"{of_lanes} ORDER BY run, position", (study,)):
                lanes.setdefault(lane["run"], []).append(lane)
            cells = {text: tuple(json.loads(text).items()) for text in {run["cell"] for run in runs}}
            return [
                _pair_of(run, cells[run["cell"]], lanes[run["id"]])
                for run in runs
                if run["seed"] is not None and run["id"] in lanes
            ]

    def epochs(self, runs: Sequence[str]) -> dict[str, dict[str, list[tuple[float, float]]]]:
        """Validation accuracy and loss after each epoch of these runs, by run and side; 200 runs take 50 ms."""
        query = (
            "SELECT rows.run, position, json_extract(fields, '$.val_accuracy'), json_extract(fields, '$.val_loss') "
            "FROM rows JOIN lanes ON lanes.run = rows.run AND lanes.engine = rows.engine "
            "WHERE kind = 'epoch' AND position < 2 AND json_valid(fields) "
            "AND rows.run IN (SELECT value FROM json_each(?)) ORDER BY rows.run, seq"
        )
        found: dict[str, dict[str, list[tuple[float, float]]]] = {}
        with self.read_transaction() as connection:
            for run, position, *figures in connection.execute(query, (json.dumps(runs),)) if connection else ():
                if None not in figures:
                    found.setdefault(run, {}).setdefault(SIDES[position], []).append((figures[0], figures[1]))
        return found

    def stamp(self, study: str) -> tuple[object, ...]:
        """What changes whenever a study does, or one of its runs begins or ends; cheap to ask for."""
        # An id is never given twice: which runs there are follows from how many and the newest.
        open_ones = ", ".join(f"SUM(runs.state = '{state}')" for state in OPEN_STATES)
        query = (
            "SELECT studies.state, studies.reason, studies.study, studies.stop, COUNT(runs.id), MAX(runs.id), "
            f"{open_ones} FROM studies LEFT JOIN runs ON runs.study = studies.id WHERE studies.id = ? "
            "GROUP BY studies.id"
        )
        with self.read_transaction() as connection:
            found = connection.execute(query, (checked_id(study),)).fetchone() if connection else None
            return tuple(found) if found else ()

    def done(self, studies: Sequence[str]) -> dict[str, int]:
        """How many runs of each of these studies have finished or failed; a study with none of them is left out."""
        query = (
            f"SELECT study, COUNT(*) FROM runs WHERE study IN ({', '.join('?' * len(studies))}) "
            f"AND state IN ({', '.join('?' * len(DONE))}) GROUP BY study"
        )
        with self.read_transaction() as connection:
            return dict(map(tuple, connection.execute(query, (*studies, *DONE)))) if connection else {}

    def _select(self, where: str, *values: object) -> list[StudyRecord]:
        with self.read_transaction() as connection:
            found = connection.execute(f"SELECT {COLUMNS} FROM studies {where}", values) if connection else ()
            return [_record_of(line) for line in found]


def _record_of(line: sqlite3.Row) -> StudyRecord:
    """A study from its line of the table. Raises `ValueError`."""
    return StudyRecord(
        id=line["id"],
        created_at=line["created_at"],
        study=Study.of_store(json.loads(line["study"])),
        stop=line["stop"],
        budget_s=line["budget_s"],
        state=StudyState(line["state"]),
        reason=line["reason"],
        visitor=line["visitor"],
        machine=json.loads(line["machine"]),
    )


def _pair_of(run: sqlite3.Row, cell: tuple[tuple[str, Any], ...], lanes: list[sqlite3.Row]) -> PairRun:
    """A study's run from its line and its lanes', in their order. Raises `ValueError`."""
    sides = [lane["engine"] if lane["engine"] in ENGINE_NAMES else SIDES[i] for i, lane in enumerate(lanes[:2])]
    return PairRun(
        cell=cell,
        seed=int(run["seed"]),
        run=run["id"],
        state=State(run["state"]),
        figures={
            side: dict(zip(FIGURES, tuple(lane)[2:], strict=True)) for side, lane in zip(sides, lanes, strict=False)
        },
        busy=bool(run["busy"]),
        parted=bool(run["parted"]),
        elapsed_s=max(0.0, run["elapsed_s"] or 0.0),
        machine=str(run["machine"] or ""),
    )


def keep_figures(connection: sqlite3.Connection, run_id: str, engine: str) -> None:
    """What a study reads of a lane that has ended, beside it: a thousand runs are then shown without their rows."""
    query = "SELECT kind, fields FROM rows WHERE run = ? AND engine = ? AND kind IN ('epoch', 'result') ORDER BY seq"
    rows = [(line["kind"], json.loads(line["fields"])) for line in connection.execute(query, (run_id, engine))]
    epochs = [fields for kind, fields in rows if kind == "epoch"]
    connection.execute(
        "UPDATE lanes SET train_s = ?, images_per_s = ?, rss_mib = ? WHERE run = ? AND engine = ?",
        (
            sum(epoch["train_s"] for epoch in epochs) if epochs else None,
            steady_throughput([epoch["images_per_s"] for epoch in epochs]),
            next((fields["rss_mib"] for kind, fields in rows if kind == "result"), None),
            *(run_id, engine),
        ),
    )
