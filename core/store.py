"""The store: every run, lane and row in one SQLite file, and the recorded runs that came with the project.

The only file that knows SQL. One writer (the Launcher), many readers. A row is committed before it is shown
anywhere: rollback journal, `synchronous=FULL`. Recorded runs lie in `core/recorded`, read-only, and are merged
into what is read here.
"""

import json
import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
"""Checks a run id wherever one enters: sortable by time, safe in a URL and as a file name."""

State = Literal["queued", "running", "finished", "stopped", "failed", "interrupted"]
OPEN_STATES = ("queued", "running")
ENDED_STATES = ("finished", "stopped", "failed", "interrupted")
"""Of a run and of a lane: nothing more comes."""

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
    """A run id that sorts by time: date, time, then milliseconds in three hexadecimal digits, and five by chance."""
    moment = datetime.now(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03x}{secrets.randbits(20):05x}"


def checked_id(run_id: str) -> str:
    """The id if it could be one. Raises `UnknownRun`."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        raise UnknownRun("This is not a run's id: an id looks like 20261104-081500-1a2b3c4d.")
    return run_id


class Store:
    """Reads and writes runs. A writer creates the file; a reader needs none. Every call has a connection of its own
    (0.15 ms): threads come and go with Streamlit's sessions, and a file that was moved away is not read on."""

    def __init__(self, data_dir: Path, recorded: Path = RECORDED) -> None:
        self.data_dir = data_dir.absolute()
        self.path = self.data_dir / FILE
        self._recorded = recorded

    # --- connection ------------------------------------------------------------------------------------

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

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection in one read transaction, or None where nothing was ever written."""
        with self._words():
            there = self.path.exists()
        if not there:
            yield None
            return
        with self._connection("rw") as connection:
            if not self._version(connection):
                yield None
                return
            connection.execute("BEGIN")
            try:
                yield connection
            except ValueError as error:  # what SQLite gave back is not the JSON that was written
                raise StoreError(self.in_words(error)) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end, rolled back at any error."""
        with self._connection("rw") as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

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
            query = "SELECT IFNULL(MAX(seq), 0) FROM rows WHERE run = ?"
            last: int = connection.execute(query, (run_id,)).fetchone()[0]
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
        return self._select("WHERE state IN ('queued', 'running') ORDER BY id")

    # --- reading ---------------------------------------------------------------------------------------

    def runs(self, limit: int = 1000, offset: int = 0) -> list[Run]:
        """Runs of this data folder, newest first, then the recorded ones."""
        found = self._select("ORDER BY id DESC LIMIT ? OFFSET ?", limit, offset)
        if len(found) < limit:
            with self._reading() as connection:
                here = connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0] if connection else 0
            found += self.recorded()[max(0, offset - here) :][: limit - len(found)]
        return found

    def run(self, run_id: str) -> Run:
        """One run with its lanes. Raises `UnknownRun`."""
        if checked_id(run_id) in self._recordings:
            return self._recordings[run_id].run
        found = self._select("WHERE id = ?", run_id)
        if not found:
            raise UnknownRun(f"There is no run {run_id}: it was deleted, or belongs to another data folder.")
        return found[0]

    def _select(self, where: str, *values: object) -> list[Run]:
        # Runs and lanes are two statements: the read transaction makes them agree.
        with self._reading() as connection:
            if connection is None:
                return []
            found = connection.execute(f"SELECT * FROM runs {where}", values).fetchall()
            lanes: dict[str, list[Lane]] = {run["id"]: [] for run in found}
            for some in (found[i : i + 500] for i in range(0, len(found), 500)):
                marks = ",".join("?" * len(some))
                query = (
                    "SELECT run, engine, state, reason, test_loss, test_accuracy FROM lanes "
                    f"WHERE run IN ({marks}) ORDER BY run, position"
                )
                for run_id, *lane in connection.execute(query, [run["id"] for run in some]):
                    lanes[run_id].append(Lane(*lane))
            return [self._run(run, tuple(lanes[run["id"]])) for run in found]

    @staticmethod
    def _run(run: sqlite3.Row, lanes: tuple[Lane, ...]) -> Run:
        """A line of `runs`, whose columns are called like the fields."""
        parsed = {name: json.loads(run[name]) for name in ("settings", "machine")}
        return Run(**{**dict(run), **parsed, "lanes": lanes})

    def rows(self, run_id: str, after: int = 0, limit: int = 5000, steps: bool = True) -> list[Row]:
        """A run's rows with `seq` above `after`, in order; without the many `step` rows where `steps` is false.

        Raises `UnknownRun` for an id that cannot be one.
        """
        if recording := self._recordings.get(checked_id(run_id)):
            return [row for row in recording.rows if row.seq > after and (steps or row.kind != "step")][:limit]
        wanted = "run = ? AND seq > ?" + ("" if steps else " AND kind <> 'step'")
        query = f"SELECT seq, engine, kind, fields FROM rows WHERE {wanted} ORDER BY seq LIMIT ?"
        with self._reading() as connection:
            found = connection.execute(query, (run_id, after, limit)) if connection else ()
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

    @property
    def _recordings(self) -> "dict[str, Recording]":
        return read_recordings(self._recorded)

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


@cache
def read_recordings(folder: Path) -> dict[str, Recording]:
    """The recordings in a folder by run id, read once a process: they never change while it lives."""
    found = [Recording(path) for path in sorted(folder.glob("*/run.json"))]
    return {recording.run.id: recording for recording in found}
