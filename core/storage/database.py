"""The SQLite file of a data folder: its schema, its connections and transactions, and its troubles in words.

This file, `core.storage.runs`, `core.storage.measurements`, `core.storage.studies` and `core.storage.taken_in` are the
only ones that know SQL.
One writer (the Launcher), many readers. What is written is committed before it is shown anywhere: rollback journal,
`synchronous=FULL`.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from core.experiment.settings import SETTINGS

FILE = "duel.sqlite3"


class State(StrEnum):
    """Of a run and of a measurement."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class LaneState(StrEnum):
    """Of a lane of a run."""

    WAITING = "waiting"
    STARTING = "starting"
    CERTIFYING = "certifying"
    BUILDING = "building"
    TRAINING = "training"
    TESTING = "testing"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of such a lane."""
        return self in (LaneState.FINISHED, LaneState.STOPPED, LaneState.FAILED, LaneState.INTERRUPTED)


OPEN_STATES = (State.QUEUED, State.RUNNING)
ENDED_STATES = (State.FINISHED, State.STOPPED, State.FAILED, State.INTERRUPTED)
"""Nothing more comes."""
TRAINED = (
    f"(runs.state <> '{State.FAILED}' OR EXISTS (SELECT 1 FROM rows WHERE rows.run = runs.id AND kind = 'lane' "
    f"AND json_valid(fields) AND json_extract(fields, '$.state') = '{LaneState.TRAINING}'))"
)
"""Whether a run that failed had begun to train, in SQL: else it says nothing of what it should compare."""
DONE = f"(runs.state IN ('{State.FINISHED}', '{State.FAILED}') AND {TRAINED})"
"""Whether a run is a study's pair that is not run anew, in SQL; as `PairRun.done`."""
PAIR_COLUMNS = (
    f"id, state, busy, cell, {TRAINED} AS trained, "
    "CASE WHEN json_valid(fairness) AND json_valid(settings) "
    "THEN json_extract(fairness, '$.state') IN ('parted', 'failed') "
    "AND NOT ifnull(json_array_length(settings, '$.keep'), 0) END AS parted, "
    "CASE WHEN json_valid(machine) THEN json_extract(machine, '$.name') END AS machine, "
    "CASE WHEN json_valid(settings) THEN json_extract(settings, '$.seed') END AS seed, "
    f"CASE WHEN state <> '{State.INTERRUPTED}' "
    "THEN (julianday(ended_at) - julianday(started_at)) * 86400 END AS elapsed_s"
)
"""What a study reads of a run, in SQL; as the fields of `PairRun`."""

FIRST_INDEXED = ("dataset", "batch_size", "engines", "alignment", "schedule", "device")
INDEXED = (*FIRST_INDEXED, "network", "optimizer")
"""The settings in the index of runs whose epochs cost the same, in its order; only a migration changes it."""
UNSAID = {"network": "article", "optimizer": "adam"}
"""What a run of before a setting came trained with."""


def _values(names: Iterable[str]) -> str:
    """The values of a run's settings as SQL; NULL where the run is damaged."""
    values = {name: f"json_extract(settings, '$.{name}')" for name in names}
    extracted = ", ".join(f"IFNULL({one}, '{UNSAID[name]}')" if name in UNSAID else one for name, one in values.items())
    return f"CASE WHEN json_valid(settings) THEN json_array({extracted}) END"


COSTS_ALIKE = _values(
    sorted(
        (name for name, setting in SETTINGS.items() if setting.costs),
        key=lambda name: INDEXED.index(name) if name in INDEXED else len(INDEXED),
    )
)
"""What makes an epoch of two runs cost the same, as SQL: SQLite takes the index where both are the same text."""

MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        created_at TEXT NOT NULL,
        started_at TEXT,
        ended_at TEXT,
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        settings TEXT NOT NULL,
        machine TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX runs_by_state ON runs (state);
    CREATE TABLE lanes (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        engine TEXT NOT NULL,
        position INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        test_loss REAL,
        test_accuracy REAL,
        PRIMARY KEY (run, engine)
    ) WITHOUT ROWID;
    CREATE TABLE rows (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        engine TEXT NOT NULL,
        kind TEXT NOT NULL,
        fields TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE measurements (
        id TEXT PRIMARY KEY,
        subject TEXT NOT NULL,
        program TEXT NOT NULL,
        arguments TEXT NOT NULL,
        created_at TEXT NOT NULL,
        started_at TEXT,
        ended_at TEXT,
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        machine TEXT NOT NULL,
        versions TEXT NOT NULL DEFAULT '{}',
        fraction REAL NOT NULL DEFAULT 0,
        sentence TEXT NOT NULL DEFAULT '',
        beside INTEGER NOT NULL DEFAULT 0,
        result TEXT NOT NULL DEFAULT 'null'
    ) WITHOUT ROWID;
    CREATE INDEX measurements_by_subject ON measurements (subject, state);
    CREATE TABLE printed (
        measurement TEXT NOT NULL REFERENCES measurements (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        part TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (measurement, seq)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE runs ADD COLUMN name TEXT NOT NULL DEFAULT '';
    ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT '';
    ALTER TABLE runs ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN source TEXT NOT NULL DEFAULT 'here';
    CREATE INDEX runs_in_order ON runs (pinned DESC, id DESC);
    """,
    """
    ALTER TABLE runs ADD COLUMN visitor TEXT NOT NULL DEFAULT '';
    ALTER TABLE measurements ADD COLUMN visitor TEXT NOT NULL DEFAULT '';
    """,
    f"CREATE INDEX runs_alike ON runs ({_values(FIRST_INDEXED)}, id) WHERE state = 'finished' AND source = 'here';",
    """
    ALTER TABLE runs ADD COLUMN fairness TEXT NOT NULL DEFAULT 'null';
    ALTER TABLE runs ADD COLUMN busy INTEGER NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE measurements ADD COLUMN lesson INTEGER NOT NULL DEFAULT 0;
    UPDATE measurements SET lesson = 1 WHERE subject LIKE 'lesson-%';
    """,
    "DROP INDEX runs_in_order;",
    f"""
    ALTER TABLE runs ADD COLUMN data TEXT NOT NULL DEFAULT 'null';
    DROP INDEX runs_alike;
    CREATE INDEX runs_alike ON runs ({_values(INDEXED)}, id) WHERE state = 'finished' AND source = 'here';
    """,
    """
    CREATE TABLE studies (
        id TEXT PRIMARY KEY,
        created_at TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        study TEXT NOT NULL,
        stop TEXT NOT NULL,
        budget_s REAL,
        machine TEXT NOT NULL,
        visitor TEXT NOT NULL DEFAULT ''
    ) WITHOUT ROWID;
    ALTER TABLE runs ADD COLUMN study TEXT;
    ALTER TABLE runs ADD COLUMN cell TEXT;
    CREATE INDEX runs_of_study ON runs (study, id) WHERE study IS NOT NULL;
    ALTER TABLE lanes ADD COLUMN train_s REAL;
    ALTER TABLE lanes ADD COLUMN images_per_s REAL;
    ALTER TABLE lanes ADD COLUMN rss_mib REAL;
    """,
    "ALTER TABLE studies ADD COLUMN source TEXT NOT NULL DEFAULT 'here';",
    "ALTER TABLE studies ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;",
)
"""Each brings the file from version i to i + 1; the version is SQLite's own `user_version`."""


class StoreError(Exception):
    """The store cannot be read or written, in one plain sentence."""


def now() -> str:
    """This moment in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_id() -> str:
    """An id that sorts by time: date, time, then microseconds in five hexadecimal digits, and three by chance."""
    moment = datetime.now(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond:05x}{secrets.randbits(12):03x}"


class Database:
    """Opens the file for reading and writing. A writer creates it; a reader needs none. Every call has a connection
    of its own (0.15 ms): threads come and go with Streamlit's sessions, and a file that was moved away is not read
    on."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.path = self.data_dir / FILE

    def open_for_writing(self) -> None:
        """Creates or migrates the file. Raises `StoreError` where it is newer, damaged or cannot be written."""
        with self._words():
            self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._connection("rwc") as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            version = self._version(connection)
            for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
                # The migration and its record are one transaction: a kill in between leaves neither.
                connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version={number}; COMMIT;")

    @contextmanager
    def _connection(self, mode: Literal["rw", "rwc"]) -> Iterator[sqlite3.Connection]:
        # Not `ro` for a reader: it, too, may have to roll back what a killed writer left.
        with self._words():
            address = f"{self.path.as_uri()}?mode={mode}"
            connection = sqlite3.connect(address, uri=True, timeout=10, isolation_level=None)
            try:
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA foreign_keys=ON")
                yield connection
            finally:
                connection.close()

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise StoreError(
                f"The run history {self.path} was written by a newer version of this program "
                f"(format {version}, this one knows {len(MIGRATIONS)}): update the program, or set DUEL_DATA_DIR."
            )
        return version

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(self.in_words(error)) from error

    def in_words(self, error: Exception) -> str:
        """What is wrong with the data folder or the file in it, and what to do, as a sentence."""
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if isinstance(error, PermissionError) or "ead-only" in text or "readonly" in text or "unable to open" in text:
            return f"The data folder {self.data_dir} cannot be used ({text}): change its rights, or set DUEL_DATA_DIR."
        if "full" in text or "disk I/O" in text or isinstance(error, OSError):
            return f"The disk of {self.data_dir} is full or failing ({text}): free some space, then start again."
        if isinstance(error, ValueError) or "malformed" in text or "not a database" in text:
            return f"The run history {self.path} is damaged ({text}): move the file away to begin a new one."
        return f"The run history {self.path} cannot be used ({text})."

    @property
    def missing(self) -> str:
        """That the data folder is missing, as a sentence; empty where there is one. Raises `StoreError`."""
        with self._words():
            if self.data_dir.is_dir():
                return ""
            if self.data_dir.exists():
                return f"{self.data_dir} is no folder: set DUEL_DATA_DIR to one."
        return f"The data folder {self.data_dir} is missing: the first run makes it, or DUEL_DATA_DIR names another."

    @contextmanager
    def read_transaction(self) -> Iterator[sqlite3.Connection | None]:
        """A connection in one read transaction, or None where nothing was ever written."""
        with self._words():
            there = self.path.exists()
        if not there:
            yield None
            return
        with self._connection("rw") as connection:
            version = self._version(connection)
            if not version:
                yield None
                return
            if version < len(MIGRATIONS):
                raise StoreError(
                    f"The run history {self.path} was written by an older version of this program: "
                    "start the dashboard once, which brings it up to date."
                )
            connection.execute("BEGIN")
            try:
                yield connection
            except ValueError as error:  # what SQLite gave back is not the JSON that was written
                raise StoreError(self.in_words(error)) from error

    @contextmanager
    def write_transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end, rolled back at any error."""
        with self._connection("rw") as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
