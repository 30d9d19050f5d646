"""The store: every run, lane and row in one SQLite file, and the recorded runs that came with the project.

The only file that knows SQL. One writer (the Launcher), many readers. A row is committed before it is shown
anywhere: rollback journal, `synchronous=FULL`. Recorded runs lie in `core/recorded`, read-only, and are merged
into what is read here.
"""

import json
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
"""Checks a run id wherever one enters: sortable by time, safe in a URL and as a file name."""

State = Literal["queued", "running", "finished", "stopped", "failed", "interrupted"]
OPEN_STATES = ("queued", "running")

RECORDED = Path(__file__).parent / "recorded"
FILE = "duel.sqlite3"

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
)
"""Each brings the file from version i to i + 1; the version is SQLite's own `user_version`."""


class StoreError(Exception):
    """The store cannot be read or written, in one plain sentence."""


class UnknownRun(StoreError):
    """No run has this id."""


@dataclass(frozen=True)
class Row:
    """One thing that happened in a run: `seq` counts from 1 in the run; `engine` is empty for the run itself."""

    seq: int
    engine: str
    kind: str
    fields: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The row as one flat JSON object."""
        return {"seq": self.seq, "engine": self.engine, "kind": self.kind, **self.fields}


@dataclass(frozen=True)
class Lane:
    """One engine's training in a run: its state, and its test result once there is one."""

    engine: str
    state: str
    reason: str = ""
    test_loss: float | None = None
    test_accuracy: float | None = None


@dataclass(frozen=True)
class Run:
    """One press of Start: what was asked, where, and how it ended. Times are ISO 8601 in UTC."""

    id: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    state: State
    reason: str
    settings: dict[str, Any]
    machine: dict[str, Any]
    source: Literal["here", "recorded"] = "here"
    lanes: tuple[Lane, ...] = ()

    @property
    def live(self) -> bool:
        """Whether rows may still come."""
        return self.state in OPEN_STATES

    @property
    def elapsed_s(self) -> float | None:
        """Wall time from start to end."""
        if not (self.started_at and self.ended_at):
            return None
        return (datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.started_at)).total_seconds()

    def lane(self, engine: str) -> Lane:
        """The lane of an engine; raises `KeyError`."""
        return {lane.engine: lane for lane in self.lanes}[engine]


@dataclass(frozen=True)
class Entry:
    """A row before it has a number."""

    engine: str
    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def now() -> str:
    """This moment in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_run_id() -> str:
    """A run id that sorts by time."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(4)


def checked_id(run_id: str) -> str:
    """The id if it could be one. Raises `UnknownRun`."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        raise UnknownRun("This is not a run's id: an id looks like 20261104-081500-1a2b3c4d.")
    return run_id


class Store:
    """Reads and writes runs. One connection a thread; a writer creates the file, a reader needs none."""

    def __init__(self, data_dir: Path, recorded: Path = RECORDED) -> None:
        self.data_dir = data_dir
        self.path = data_dir / FILE
        self._recorded = recorded
        self._local = threading.local()

    # --- connection ------------------------------------------------------------------------------------

    def open_for_writing(self) -> None:
        """Creates or migrates the file. Raises `StoreError` where it is newer, damaged or cannot be written."""
        with self._words():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            connection = self._connection()
            connection.execute("PRAGMA journal_mode=DELETE")
            version = self._version(connection)
            for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
                # The migration and its record are one transaction: a kill in between leaves neither.
                connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version={number}; COMMIT;")

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            self._local.connection = connection
        return connection

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise StoreError(
                f"The run history {self.path} was written by a newer version of this program "
                f"(format {version}, this one knows {len(MIGRATIONS)}): update the program, or set DUEL_DATA_DIR."
            )
        return version

    def close(self) -> None:
        """Closes this thread's connection."""
        if connection := getattr(self._local, "connection", None):
            connection.close()
            self._local.connection = None

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(self._sentence(error)) from error

    def _sentence(self, error: Exception) -> str:
        text = str(error)
        if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text:
            return f"The data folder {self.data_dir} cannot be written: change its rights, or set DUEL_DATA_DIR."
        if "full" in text or "disk I/O" in text or isinstance(error, OSError):
            return f"The disk of {self.data_dir} is full or failing ({text}): free some space, then start again."
        if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
            return f"The run history {self.path} is damaged ({text}): move the file away to begin a new one."
        return f"The run history {self.path} cannot be used ({text})."

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection for reading, or None where nothing was ever written."""
        with self._words():
            if not self.path.exists():
                yield None
                return
            connection = self._connection()
            yield connection if self._version(connection) else None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end, rolled back at any error."""
        with self._words():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    # --- writing ---------------------------------------------------------------------------------------

    def create(self, settings: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
        """A new queued run; returns its id."""
        run_id = new_run_id()
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO runs (id, created_at, state, settings, machine) VALUES (?, ?, 'queued', ?, ?)",
                (run_id, now(), json.dumps(settings), json.dumps(machine)),
            )
            connection.executemany(
                "INSERT INTO lanes (run, engine, position, state) VALUES (?, ?, ?, 'waiting')",
                [(run_id, engine, i) for i, engine in enumerate(settings["engines"])],
            )
        return run_id

    def append(self, run_id: str, entries: Sequence[Entry]) -> int:
        """Writes rows, and what follows from them for run and lanes, in one commit; returns the last `seq`."""
        with self._writing() as connection:
            last: int = connection.execute("SELECT IFNULL(MAX(seq), 0) FROM rows WHERE run = ?", (run_id,)).fetchone()[
                0
            ]
            for seq, entry in enumerate(entries, start=last + 1):
                connection.execute(
                    "INSERT INTO rows (run, seq, engine, kind, fields) VALUES (?, ?, ?, ?, ?)",
                    (run_id, seq, entry.engine, entry.kind, json.dumps(entry.fields, allow_nan=False)),
                )
                self._follow(connection, run_id, entry)
        return last + len(entries)

    @staticmethod
    def _follow(connection: sqlite3.Connection, run_id: str, entry: Entry) -> None:
        """Keeps the listing's columns in step with the row."""
        fields = entry.fields
        if entry.kind == "run":
            column = "started_at" if fields["state"] == "running" else "ended_at"
            connection.execute(
                f"UPDATE runs SET state = ?, reason = ?, {column} = ? WHERE id = ?",
                (fields["state"], fields.get("reason", ""), now(), run_id),
            )
        elif entry.kind == "lane":
            connection.execute(
                "UPDATE lanes SET state = ?, reason = ? WHERE run = ? AND engine = ?",
                (fields["state"], fields.get("reason", ""), run_id, entry.engine),
            )
        elif entry.kind == "result":
            connection.execute(
                "UPDATE lanes SET test_loss = ?, test_accuracy = ? WHERE run = ? AND engine = ?",
                (fields["test_loss"], fields["test_accuracy"], run_id, entry.engine),
            )

    def open_runs(self) -> list[Run]:
        """Runs that an owner left queued or running, oldest first."""
        return [run for run in self._select("WHERE state IN ('queued', 'running') ORDER BY id") if run.live]

    # --- reading ---------------------------------------------------------------------------------------

    def runs(self, limit: int = 1000, offset: int = 0) -> list[Run]:
        """Runs of this data folder, newest first, then the recorded ones."""
        found = self._select("ORDER BY id DESC LIMIT ? OFFSET ?", limit, offset)
        return found + [recording.run for recording in self._recordings.values()]

    def run(self, run_id: str) -> Run:
        """One run with its lanes. Raises `UnknownRun`."""
        if checked_id(run_id) in self._recordings:
            return self._recordings[run_id].run
        found = self._select("WHERE id = ?", run_id)
        if not found:
            raise UnknownRun(f"There is no run {run_id}: it was deleted, or belongs to another data folder.")
        return found[0]

    def _select(self, where: str, *values: object) -> list[Run]:
        with self._reading() as connection:
            if connection is None:
                return []
            # Runs and lanes are two statements: one read transaction makes them agree.
            connection.execute("BEGIN")
            try:
                runs = connection.execute(f"SELECT * FROM runs {where}", values).fetchall()
                lanes: dict[str, list[Lane]] = {run["id"]: [] for run in runs}
                for some in (runs[i : i + 500] for i in range(0, len(runs), 500)):
                    marks = ",".join("?" * len(some))
                    query = f"SELECT * FROM lanes WHERE run IN ({marks}) ORDER BY run, position"
                    for lane in connection.execute(query, [run["id"] for run in some]):
                        lanes[lane["run"]].append(
                            Lane(
                                lane["engine"],
                                lane["state"],
                                lane["reason"],
                                lane["test_loss"],
                                lane["test_accuracy"],
                            )
                        )
            finally:
                connection.execute("COMMIT")
        return [
            Run(
                run["id"],
                run["created_at"],
                run["started_at"],
                run["ended_at"],
                run["state"],
                run["reason"],
                json.loads(run["settings"]),
                json.loads(run["machine"]),
                "here",
                tuple(lanes[run["id"]]),
            )
            for run in runs
        ]

    def rows(self, run_id: str, after: int = 0, limit: int = 5000) -> list[Row]:
        """A run's rows with `seq` above `after`, in order. Raises `UnknownRun` for an id that cannot be one."""
        if recording := self._recordings.get(checked_id(run_id)):
            return [row for row in recording.rows if row.seq > after][:limit]
        with self._reading() as connection:
            if connection is None:
                return []
            found = connection.execute(
                "SELECT seq, engine, kind, fields FROM rows WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?",
                (run_id, after, limit),
            ).fetchall()
        return [Row(row["seq"], row["engine"], row["kind"], json.loads(row["fields"])) for row in found]

    def last_like(self, settings: Mapping[str, Any]) -> Run | None:
        """The newest finished run of this folder whose training cost the same: same data, batch, epochs, engines."""
        same = ("dataset", "batch_size", "epochs", "engines", "alignment", "schedule", "device")
        query = " AND ".join(f"json_extract(settings, '$.{name}') = ?" for name in same)
        values = [json.dumps(v, separators=(",", ":")) if isinstance(v := settings[name], list) else v for name in same]
        found = self._select(f"WHERE state = 'finished' AND {query} ORDER BY id DESC LIMIT 1", *values)
        return found[0] if found else None

    def artifacts(self, run_id: str) -> Path:
        """The folder with a run's weights, predictions and logs."""
        if checked_id(run_id) in self._recordings:
            return self._recorded / run_id
        return self.data_dir / "runs" / run_id

    @cached_property
    def _recordings(self) -> "dict[str, Recording]":
        found = [Recording(path) for path in sorted(self._recorded.glob("*/run.json"))]
        return {recording.run.id: recording for recording in found}

    def recorded(self) -> list[Run]:
        """The runs that came with the project, in the order in which they are shown."""
        return [recording.run for recording in self._recordings.values()]


class Recording:
    """A run that came with the project: the export's own format, `<run>/run.json` beside weights and predictions."""

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text())
        lanes = tuple(Lane(**lane) for lane in content["lanes"])
        self.run = Run(**{**content["run"], "source": "recorded", "lanes": lanes})
        self.rows = [Row(row.pop("seq"), row.pop("engine"), row.pop("kind"), row) for row in content["rows"]]
