"""Measurements in the store: what a probe measured or a lesson printed, where, when, and with which versions.

A measurement is about a subject: `claim-7`, `lesson-mse`. The recorded ones came with the project
(`core/storage/recorded/evidence.json`), read-only.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from core.experiment.dates import as_time
from core.experiment.order import Order
from core.storage.database import ENDED_STATES, OPEN_STATES, Database, State, new_id, now
from core.storage.records import RECORDED, UnknownRun, checked_id

EVIDENCE = "evidence.json"
COLUMNS = (
    "id, subject, program, arguments, created_at, started_at, ended_at, state, reason, machine, versions, fraction, "
    "sentence, beside, result, visitor, lesson"
)
KEPT = 20
"""Older ended measurements of the same subject are removed: the newest say more."""


@dataclass(frozen=True)
class Measurement:
    """One measurement. Times are ISO 8601 in UTC; `result` is there once it is finished."""

    id: str
    subject: str
    program: str
    arguments: dict[str, Any]
    created_at: str
    started_at: str | None
    ended_at: str | None
    state: State
    reason: str
    machine: dict[str, Any]
    versions: dict[str, str]
    fraction: float
    sentence: str
    drawn_meanwhile: bool
    """Somebody drew while it ran: its times are then a little too long."""
    result: dict[str, Any] | None
    visitor: str = ""
    """Who asked for it, as `Run.visitor`."""
    source: Literal["here", "recorded"] = "here"
    lesson: bool = False
    """As `Order.lesson`."""

    @property
    def live(self) -> bool:
        """Whether more may still come."""
        return self.state in OPEN_STATES

    @property
    def elapsed_s(self) -> float | None:
        """Wall time from start to end."""
        if not (self.started_at and self.ended_at):
            return None
        return (as_time(self.ended_at) - as_time(self.started_at)).total_seconds()

    @property
    def measured_at(self) -> str:
        """When it ended, or was asked for where it has not."""
        return self.ended_at or self.created_at


@dataclass(frozen=True)
class Line:
    """One printed line; `seq` counts from 1 in its measurement, `part` says whose it is."""

    seq: int
    part: str
    text: str


class Measurements(Database):
    """Reads and writes measurements; the Launcher alone writes. Raises `StoreError`."""

    def __init__(self, data_dir: Path, recorded: Path = RECORDED) -> None:
        super().__init__(data_dir)
        self._recorded = recorded

    # --- writing ---------------------------------------------------------------------------------------

    def create(self, order: Order, machine: Mapping[str, Any], visitor: str = "") -> str:
        """A new queued measurement; returns its id. Old ones of the same subject make room."""
        found = new_id()
        columns = {
            **{
                "id": found,
                "created_at": now(),
                "state": State.QUEUED,
                "visitor": visitor,
                "machine": json.dumps(machine),
            },
            **{"subject": order.subject, "program": order.program, "arguments": json.dumps(order.arguments)},
            "lesson": order.lesson,
        }
        query = f"INSERT INTO measurements ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        with self.write_transaction() as connection:
            connection.execute(query, tuple(columns.values()))
            connection.execute(
                "DELETE FROM measurements WHERE subject = ? AND state IN (?, ?, ?, ?) AND id NOT IN "
                "(SELECT id FROM measurements WHERE subject = ? ORDER BY id DESC LIMIT ?)",
                (order.subject, *ENDED_STATES, order.subject, KEPT),
            )
        return found

    def begin(self, measurement: str) -> None:
        """Its turn has come: it counts as running from this moment."""
        self._set(measurement, state=State.RUNNING, started_at=now())

    def progress(self, measurement: str, fraction: float, sentence: str) -> None:
        """How far it is, from 0 to 1, and what it does."""
        self._set(measurement, fraction=fraction, sentence=sentence)

    def print(self, measurement: str, lines: Sequence[tuple[str, str]]) -> None:
        """Appends printed lines, each (part, text)."""
        with self.write_transaction() as connection:
            query = "SELECT IFNULL(MAX(seq), 0) FROM printed WHERE measurement = ?"
            last: int = connection.execute(query, (measurement,)).fetchone()[0]
            connection.executemany(
                "INSERT INTO printed (measurement, seq, part, text) VALUES (?, ?, ?, ?)",
                [(measurement, seq, part, text) for seq, (part, text) in enumerate(lines, start=last + 1)],
            )

    def finish(
        self, measurement: str, result: Mapping[str, Any], versions: Mapping[str, str], drawn_meanwhile: bool
    ) -> None:
        """It is finished, with its result."""
        fields = {"result": json.dumps(result, allow_nan=False), "versions": json.dumps(versions)}
        ended = {"state": State.FINISHED, "ended_at": now(), "fraction": 1.0, "sentence": ""}
        self._set(measurement, **fields, **ended, beside=drawn_meanwhile)

    def end(self, measurement: str, state: State, reason: str) -> None:
        """It ended without a result."""
        self._set(measurement, state=state, reason=reason, ended_at=now(), sentence="")

    def _set(self, measurement: str, **columns: object) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        with self.write_transaction() as connection:
            connection.execute(f"UPDATE measurements SET {assignments} WHERE id = ?", (*columns.values(), measurement))

    # --- reading ---------------------------------------------------------------------------------------

    def get(self, measurement: str) -> Measurement:
        """One measurement. Raises `UnknownRun`."""
        found = self._select("WHERE id = ?", checked_id(measurement))
        if not found:
            raise UnknownRun(f"There is no measurement {measurement}: it was removed, or belongs to another folder.")
        return found[0]

    def open_ones(self) -> list[Measurement]:
        """Queued and running ones, oldest first."""
        return self._select("WHERE state IN (?, ?) ORDER BY id", *OPEN_STATES)

    def newest(self, subject: str) -> Measurement | None:
        """The newest of this folder about a subject, in whatever state."""
        found = self._select("WHERE subject = ? ORDER BY id DESC LIMIT 1", subject)
        return found[0] if found else None

    def newest_of_all(self) -> dict[str, Measurement]:
        """The newest of this folder by subject."""
        newest = "WHERE id IN (SELECT MAX(id) FROM measurements GROUP BY subject)"
        return {found.subject: found for found in self._select(newest)}

    def results(self) -> dict[str, Measurement]:
        """The newest finished one of this folder by subject."""
        newest = "WHERE id IN (SELECT MAX(id) FROM measurements WHERE state = ? GROUP BY subject)"
        return {found.subject: found for found in self._select(newest, State.FINISHED)}

    def recorded(self) -> dict[str, Measurement]:
        """What came with the project, by subject."""
        return read_evidence(self._recorded / EVIDENCE)

    def lines(self, measurement: str, after: int = 0) -> list[Line]:
        """What was printed, after the line with number `after`."""
        query = "SELECT seq, part, text FROM printed WHERE measurement = ? AND seq > ? ORDER BY seq"
        with self.read_transaction() as connection:
            found = connection.execute(query, (checked_id(measurement), after)) if connection else ()
            return [Line(*row) for row in found]

    def _select(self, where: str, *values: object) -> list[Measurement]:
        with self.read_transaction() as connection:
            found = connection.execute(f"SELECT {COLUMNS} FROM measurements {where}", values) if connection else ()
            return [_measurement_of(line) for line in found]


def _measurement_of(line: sqlite3.Row) -> Measurement:
    """A measurement from its line of the table. Raises `ValueError`."""
    parsed = {name: json.loads(line[name]) for name in ("arguments", "machine", "versions", "result")}
    return _read({**dict(line), **parsed})


def _recorded(values: Mapping[str, Any]) -> Measurement:
    """A measurement that came with the project, from its JSON."""
    return replace(_read({**values, "visitor": ""}), source="recorded")


def _read(values: Mapping[str, Any]) -> Measurement:
    """A measurement from what the table and the recorded file call its fields. Raises `ValueError`."""
    return Measurement(
        id=values["id"],
        subject=values["subject"],
        program=values["program"],
        arguments=values["arguments"],
        created_at=values["created_at"],
        started_at=values["started_at"],
        ended_at=values["ended_at"],
        state=State(values["state"]),
        reason=values["reason"],
        machine=values["machine"],
        versions=values["versions"],
        fraction=values["fraction"],
        sentence=values["sentence"],
        drawn_meanwhile=bool(values["beside"]),
        result=values["result"],
        visitor=values["visitor"],
        lesson=bool(values["lesson"]),
    )


def _as_json(one: Measurement) -> dict[str, Any]:
    """A measurement as it comes with the project; what only this folder knows (source, visitor) stays here."""
    return {
        "id": one.id,
        "subject": one.subject,
        "program": one.program,
        "arguments": one.arguments,
        "created_at": one.created_at,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "state": one.state,
        "reason": one.reason,
        "machine": one.machine,
        "versions": one.versions,
        "fraction": one.fraction,
        "sentence": one.sentence,
        "beside": one.drawn_meanwhile,
        "result": one.result,
        "lesson": one.lesson,
    }


@cache
def read_evidence(path: Path) -> dict[str, Measurement]:
    """The recorded measurements by subject, read once a process: they never change while it lives."""
    if not path.exists():
        return {}
    found = [_recorded(one) for one in json.loads(path.read_text())]
    return {one.subject: one for one in found}


def write_evidence(path: Path, measurements: Sequence[Measurement]) -> None:
    """Keeps finished measurements as the recorded ones; replaces those kept before."""
    values = [_as_json(one) for one in measurements]
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(values, indent=1) + "\n")
    temporary.replace(path)
    read_evidence.cache_clear()
