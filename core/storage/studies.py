"""Studies in the store: what was asked, and how it stands. Its pairs are runs like any other, read here without rows.

A study is its plan less what has ended: nothing else says how far it is, so that it goes on wherever it was left.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from core.experiment.engine_names import ENGINE_NAMES
from core.experiment.study import Pair, Study
from core.protocol.messages import Epoch
from core.storage.database import DONE, OPEN_STATES, PAIR_COLUMNS, Database, State, new_id, now
from core.storage.lane_figures import FIGURES
from core.storage.records import (
    RECORDED,
    DamagedStudy,
    DamagedStudyError,
    Recording,
    Run,
    Source,
    UnknownRun,
    checked_id,
)

COLUMNS = "id, created_at, study, stop, budget_s, state, reason, visitor, machine, source, deleted"
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
    source: Source = "here"
    deleted: int = 0
    """How many of its pairs were deleted that had ended, by hand or to make room: so that nobody drops some unseen."""

    @property
    def unchangeable_because(self) -> str:
        """Why it stays as it is, as the rest of a sentence; empty where it can go on, be stopped or lengthened."""
        return {"recorded": "came with the project", "imported": "was imported"}.get(self.source, "")


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
    """As `Run.parted`: more than the framework differs, so it compares nothing."""
    elapsed_s: float = 0.0
    """From start to end; 0 before its end, and where it was interrupted: whoever came later wrote that end."""
    machine: str = ""
    """The name of the machine on which it ran."""
    trained: bool = True
    """False of one that failed before a lane trained: of a data set that could not be had, a disk that was full."""

    @property
    def done(self) -> bool:
        """Whether its pair is not run anew."""
        return self.state == State.FINISHED or (self.state == State.FAILED and self.trained)

    @property
    def pair(self) -> Pair:
        """The pair of the plan that it is."""
        return Pair(self.cell, self.seed)


class StudyRecording:
    """A study that came with the project: the export's own format, `<study>/study.json`."""

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text())
        own = content["study"]
        self.record = StudyRecord(
            id=own["id"],
            created_at=own["created_at"],
            study=Study.of_store(own["plan"]),
            stop=own["stop"],
            budget_s=own["budget_s"],
            state=StudyState(own["state"]),
            reason=own["reason"],
            visitor="",
            machine=own["machine"],
            source="recorded",
            deleted=own.get("deleted", 0),
        )
        found = [Recording(run, study=self.record.id) for run in content["runs"]]
        self.runs = {recording.run.id: recording for recording in found}
        """By id, oldest first."""
        self.pairs = [
            pair_of(self.runs[pair["run"]].run, tuple(pair["cell"].items()), pair["figures"])
            for pair in content["pairs"]
        ]

    def epochs(self, run: str) -> dict[str, list[tuple[float, float]]]:
        """As `Studies.epochs`, of one run."""
        recording = self.runs[run]
        engines = recording.run.settings.engines
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in sides_of(engines)}
        by_engine = dict(zip(engines, found.values(), strict=False))
        for row in recording.rows:
            if isinstance(row.event, Epoch) and row.engine in by_engine:
                by_engine[row.engine].append((row.event.val_accuracy, row.event.val_loss))
        return found


@cache
def read_study_recordings(folder: Path) -> dict[str, StudyRecording]:
    """The recorded studies in a folder by id, newest first; read once a process: they never change."""
    found = [StudyRecording(path) for path in sorted(folder.glob("*/study.json"), reverse=True)]
    return {recording.record.id: recording for recording in found}


class Studies(Database):
    """Reads and writes studies, and reads the recorded ones; the Launcher alone writes. Raises `StoreError`."""

    def __init__(self, data_dir: Path, recorded: Path = RECORDED) -> None:
        super().__init__(data_dir)
        self._recorded = recorded

    # --- writing ---------------------------------------------------------------------------------------

    def create(
        self, study: Study, stop: str, budget_s: float | None, machine: Mapping[str, Any], visitor: str = ""
    ) -> str:
        """A new running study without a run; returns its id."""
        running = StudyState.RUNNING
        record = StudyRecord(new_id(), now(), study, stop, budget_s, running, "", visitor, dict(machine))
        with self.write_transaction() as connection:
            insert_study(connection, record)
        return record.id

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
        """One study. Raises `UnknownRun`, `DamagedStudyError`."""
        if recording := read_study_recordings(self._recorded).get(checked_id(study)):
            return recording.record
        damaged: list[DamagedStudy] = []
        found = self._select("WHERE id = ?", study, damaged=damaged)
        if damaged:
            raise DamagedStudyError(str(damaged[0]))
        if not found:
            raise UnknownRun(f"There is no study {study}: it belongs to another data folder.")
        return found[0]

    def holds(self, study: str) -> bool:
        """Whether this is a study's id."""
        try:
            return bool(self.get(study))
        except DamagedStudyError:
            return True
        except UnknownRun:
            return False

    def all(self, damaged: list[DamagedStudy] | None = None) -> list[StudyRecord]:
        """Every study of this folder, newest first; `damaged` receives those that are left out."""
        return self._select("ORDER BY id DESC", damaged=damaged)

    def every(self, damaged: list[DamagedStudy] | None = None) -> list[StudyRecord]:
        """All that a list shows: those of this folder, newest first, then those that came with the project."""
        own = self.all(damaged)
        here = {record.id for record in own}
        return [*own, *(record for record in self.recorded() if record.id not in here)]

    def recorded(self) -> list[StudyRecord]:
        """The studies that came with the project, newest first."""
        return [recording.record for recording in read_study_recordings(self._recorded).values()]

    def pairs(self, study: str, known: Mapping[str, PairRun] = MappingProxyType({})) -> list[PairRun]:
        """A study's runs, oldest first, those that were cut short included; a damaged one is none.

        Those that had ended when they were read are taken from `known`, by the id of the run: they change no more.
        """
        if recording := read_study_recordings(self._recorded).get(checked_id(study)):
            return recording.pairs
        ended = {run for run, pair in known.items() if pair.state not in OPEN_STATES}
        query = f"SELECT {PAIR_COLUMNS} FROM runs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        of_lanes = (
            f"SELECT run, engine, {', '.join(FIGURES)} FROM lanes WHERE run IN (SELECT value FROM json_each(?)) "
            "ORDER BY run, position"
        )
        with self.read_transaction() as connection:
            if connection is None:
                return []
            every = connection.execute("SELECT id FROM runs WHERE study = ? ORDER BY id", (study,))
            ids = [str(line["id"]) for line in every]
            new = (json.dumps([run for run in ids if run not in ended]),)
            runs, lanes = connection.execute(query, new).fetchall(), dict[str, list[sqlite3.Row]]()
            for lane in connection.execute(of_lanes, new):
                lanes.setdefault(lane["run"], []).append(lane)
            cells = {text: tuple(json.loads(text).items()) for text in {run["cell"] for run in runs}}
            read = {
                run["id"]: _pair_of(run, cells[run["cell"]], lanes[run["id"]])
                for run in runs
                if run["seed"] is not None and run["id"] in lanes
            }
            return [read[run] if run in read else known[run] for run in ids if run in read or run in ended]

    def epochs(self, runs: Sequence[str]) -> dict[str, dict[str, list[tuple[float, float]]]]:
        """Validation accuracy and loss after each epoch of these runs, by run and side; 200 runs take 50 ms."""
        query = (
            "SELECT rows.run, position, json_extract(fields, '$.val_accuracy'), json_extract(fields, '$.val_loss') "
            "FROM rows JOIN lanes ON lanes.run = rows.run AND lanes.engine = rows.engine "
            "WHERE kind = 'epoch' AND position < 2 AND json_valid(fields) "
            "AND rows.run IN (SELECT value FROM json_each(?)) ORDER BY rows.run, seq"
        )
        recorded = read_study_recordings(self._recorded).values()
        found = {run: study.epochs(run) for study in recorded for run in runs if run in study.runs}
        others = [run for run in runs if run not in found]  # where it was recorded, the folder has the same runs
        with self.read_transaction() as connection:
            for run, position, *figures in connection.execute(query, (json.dumps(others),)) if connection else ():
                if None not in figures:
                    found.setdefault(run, {}).setdefault(SIDES[position], []).append((figures[0], figures[1]))
        return found

    def machines(self, study: str) -> dict[str, dict[str, Any]]:
        """Where each of its runs ran, by the run's id."""
        if recording := read_study_recordings(self._recorded).get(checked_id(study)):
            return {run: found.run.machine for run, found in recording.runs.items()}
        query = "SELECT id, machine FROM runs WHERE study = ? AND json_valid(machine) ORDER BY id"
        with self.read_transaction() as connection:
            found = connection.execute(query, (checked_id(study),)).fetchall() if connection else []
            read = {text: json.loads(text) for text in {line["machine"] for line in found}}
        return {line["id"]: read[line["machine"]] for line in found}

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
        """How many pairs of each of these studies are done; a study with none of them is left out."""
        query = (
            f"SELECT study, COUNT(*) FROM runs WHERE study IN ({', '.join('?' * len(studies))}) "
            f"AND {DONE} GROUP BY study"
        )
        recorded = read_study_recordings(self._recorded)
        found = {study: sum(pair.done for pair in recorded[study].pairs) for study in studies if study in recorded}
        with self.read_transaction() as connection:
            return found | (dict(map(tuple, connection.execute(query, studies))) if connection else {})

    def _select(self, where: str, *values: object, damaged: list[DamagedStudy] | None = None) -> list[StudyRecord]:
        """The studies that can be shown; `damaged` receives the others."""
        query, sound = f"SELECT {COLUMNS} FROM studies {where}", []
        with self.read_transaction() as connection:
            lines = connection.execute(query, values).fetchall() if connection else ()
        for line in lines:
            try:
                sound.append(_record_of(line))
            except (ValueError, TypeError, RecursionError):
                if damaged is not None:
                    damaged.append(DamagedStudy(str(line["id"])))
        return sound


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
        source=line["source"],
        deleted=line["deleted"],
    )


def sides_of(engines: Sequence[str]) -> list[str]:
    """Which side each of a pair's lanes is, in their order; `engines` stand in for frameworks in tests."""
    return [engine if engine in ENGINE_NAMES else SIDES[i] for i, engine in enumerate(engines[:2])]


def pair_of(run: Run, cell: tuple[tuple[str, Any], ...], figures: Mapping[str, Mapping[str, float | None]]) -> PairRun:
    """A run as a study's pair; `figures` by side."""
    return PairRun(
        cell=cell,
        seed=run.settings.seed,
        run=run.id,
        state=run.state,
        figures=figures,
        busy=run.busy,
        parted=run.parted,
        elapsed_s=0.0 if run.state == State.INTERRUPTED else max(0.0, run.elapsed_s or 0.0),
        machine=str(run.machine.get("name", "")),
    )


def _pair_of(run: sqlite3.Row, cell: tuple[tuple[str, Any], ...], lanes: list[sqlite3.Row]) -> PairRun:
    """A study's run from its line and its lanes', in their order. Raises `ValueError`."""
    sides = sides_of([lane["engine"] for lane in lanes])
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
        trained=bool(run["trained"]),
    )


def insert_study(connection: sqlite3.Connection, record: StudyRecord) -> None:
    """Writes a study's line of the table."""
    values = {
        **{"id": record.id, "created_at": record.created_at, "study": json.dumps(record.study.as_json())},
        **{"stop": record.stop, "budget_s": record.budget_s, "state": record.state, "reason": record.reason},
        **{"visitor": record.visitor, "machine": json.dumps(record.machine), "source": record.source},
        "deleted": record.deleted,
    }
    query = f"INSERT INTO studies ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
    connection.execute(query, tuple(values.values()))
