"""The store: every run, lane and row of a data folder, and the recorded runs that came with the project.

One writer (the Launcher), many readers. Recorded runs lie in `core/storage/recorded`, read-only, and are merged into
what is read here.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.experiment.fairness import FairnessVerdict
from core.experiment.settings import TrainSettings
from core.protocol.messages import Result
from core.storage import records
from core.storage.database import COSTS_ALIKE, DONE, OPEN_STATES, Database, LaneState, State, StoreError, new_id, now
from core.storage.lane_figures import keep_figures
from core.storage.records import (
    RECORDED,
    DamagedRun,
    DamagedRunError,
    ListPage,
    Recording,
    Run,
    RunFilter,
    StudyPair,
    StudyRuns,
    UnknownRun,
    checked_id,
    data_to_keep,
    read_recordings,
)
from core.storage.rows import KINDS, Damage, Entry, LaneChanged, Row, RunChanged, flat, read, to_text
from core.storage.run_places import Place, order
from core.storage.soundness import run_of
from core.storage.studies import StudyState, read_study_recordings
from core.storage.taken_in import insert_run

ALL_ROWS = 10**9
"""A limit that no run reaches."""
COLUMNS = (
    "id, created_at, started_at, ended_at, state, reason, settings, machine, name, note, pinned, source, visitor, "
    "fairness, busy, data, study"
)
_Line = tuple[int, str, str, str]


def folder_bytes(folder: Path) -> int:
    """The sizes of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


class Store(Database):
    """Reads and writes runs, and merges the recorded ones into what is read."""

    def __init__(self, data_dir: Path, recorded: Path = RECORDED) -> None:
        super().__init__(data_dir)
        self._recorded = recorded

    # --- writing ---------------------------------------------------------------------------------------

    def create(
        self, settings: TrainSettings, machine: Mapping[str, Any], visitor: str = "", pair: StudyPair | None = None
    ) -> str:
        """A new queued run; returns its id. Raises `StoreError` where its data set is one's own and gone.

        `pair` says which pair of which study it is, where it is one.
        """
        run_id, data = new_id(), json.dumps(data_to_keep(settings, self.data_dir))
        study, cell = (pair.study, json.dumps(dict(pair.cell))) if pair else (None, None)
        with self.write_transaction() as connection:
            connection.execute(
                "INSERT INTO runs (id, created_at, state, settings, machine, visitor, data, study, cell) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(run_id, now(), State.QUEUED, json.dumps(settings.as_json()), json.dumps(machine)),
                    *(visitor, data, study, cell),
                ),
            )
            connection.executemany(
                "INSERT INTO lanes (run, engine, position, state) VALUES (?, ?, ?, ?)",
                [(run_id, engine, i, LaneState.WAITING) for i, engine in enumerate(settings.engines)],
            )
        return run_id

    def append(self, run_id: str, entries: Sequence[Entry]) -> int:
        """Writes rows, and what follows from them for run and lanes, in one commit; returns the last `seq`."""
        with self.write_transaction() as connection:
            query = "SELECT IFNULL(MAX(seq), 0) FROM rows WHERE run = ?"
            last: int = connection.execute(query, (run_id,)).fetchone()[0]
            for seq, entry in enumerate(entries, start=last + 1):
                connection.execute(
                    "INSERT INTO rows (run, seq, engine, kind, fields) VALUES (?, ?, ?, ?, ?)",
                    (run_id, seq, entry.engine, entry.kind, to_text(entry.event)),
                )
                self._follow(connection, run_id, entry)
        return last + len(entries)

    @staticmethod
    def _follow(connection: sqlite3.Connection, run_id: str, entry: Entry) -> None:
        """Keeps the listing's columns in step with the row."""
        match entry.event:
            case RunChanged(state, reason, busy):
                column = "started_at" if state == State.RUNNING else "ended_at"
                connection.execute(
                    f"UPDATE runs SET state = ?, reason = ?, busy = ?, {column} = ? WHERE id = ?",
                    (state, reason, busy, now(), run_id),
                )
            case FairnessVerdict():
                connection.execute("UPDATE runs SET fairness = ? WHERE id = ?", (to_text(entry.event), run_id))
            case LaneChanged(state, _, reason):
                connection.execute(
                    "UPDATE lanes SET state = ?, reason = ? WHERE run = ? AND engine = ?",
                    (state, reason, run_id, entry.engine),
                )
                if state == LaneState.FINISHED:
                    keep_figures(connection, run_id, entry.engine)
            case Result(test_loss, test_accuracy):
                connection.execute(
                    "UPDATE lanes SET test_loss = ?, test_accuracy = ? WHERE run = ? AND engine = ?",
                    (test_loss, test_accuracy, run_id, entry.engine),
                )

    def annotate(self, run_id: str, name: str, note: str, pinned: bool) -> None:
        """Sets what a run's owner says of it. Raises `StoreError` where it is too long."""
        records.check_words(name, note)
        with self.write_transaction() as connection:
            query = "UPDATE runs SET name = ?, note = ?, pinned = ? WHERE id = ?"
            connection.execute(query, (name, note, pinned, checked_id(run_id)))

    def delete(self, run_id: str) -> None:
        """Removes a run that may go: its rows in one commit, then its files. Raises `UnknownRun`.

        Where it is a pair of a study, that counts it.
        """
        if self.owner_and_obstacle(run_id)[1]:
            return
        with self.write_transaction() as connection:
            query = f"SELECT study FROM runs WHERE id = ? AND {DONE}"
            connection.execute(f"UPDATE studies SET deleted = deleted + 1 WHERE id = ({query})", (run_id,))
            connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        shutil.rmtree(self.data_dir / "runs" / run_id, ignore_errors=True)

    def owner_and_obstacle(self, run_id: str) -> tuple[str, str]:
        """Whose a run is, and why it cannot be deleted: empty where it can, as a damaged one. Raises `UnknownRun`."""
        try:
            run = self.run(run_id)
        except DamagedRunError:
            return "", ""
        return run.visitor, run.undeletable_because

    def remove_oldest(self, kept: int | None, kept_bytes: int | None) -> list[str]:
        """Removes ended runs, the oldest first, until at most `kept` are left and all take `kept_bytes`; their ids.

        A pinned run stays and does not count among the `kept`; so does a pair of a study that goes on, which would
        measure it again. Those of a study that is paused or stopped go last. Of the studies that do not go on and have
        no run, the oldest go likewise, until there are at most `kept` studies.
        """
        if kept is None and kept_bytes is None:
            return []
        with self.read_transaction() as connection:
            last = f"studies.source = 'here' AND studies.state IN ('{StudyState.PAUSED}', '{StudyState.STOPPED}')"
            query = (
                "SELECT runs.id FROM runs LEFT JOIN studies ON studies.id = runs.study "
                f"WHERE runs.state NOT IN ({_marks(OPEN_STATES)}) AND NOT pinned "
                f"AND IFNULL(studies.state, '') <> '{StudyState.RUNNING}' ORDER BY IFNULL({last}, 0) DESC, runs.id DESC"
            )
            left = [str(line["id"]) for line in connection.execute(query, OPEN_STATES)] if connection else []
        gone: list[str] = []
        while kept is not None and len(left) > kept:
            gone.append(left.pop())
            self.delete(gone[-1])
        if kept_bytes is not None and left:
            # One walk through all files, however many runs go.
            sizes = {folder.name: folder_bytes(folder) for folder in (self.data_dir / "runs").glob("*")}
            while left and self._pages_bytes() + sum(sizes.values()) > kept_bytes:
                gone.append(left.pop())
                self.delete(gone[-1])
                sizes.pop(gone[-1], None)
        if kept is not None:
            self._remove_empty_studies(kept)
        return gone

    def _remove_empty_studies(self, kept: int) -> None:
        query = (
            f"DELETE FROM studies WHERE state <> '{StudyState.RUNNING}' "
            "AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.study = studies.id) "
            "AND id NOT IN (SELECT id FROM studies ORDER BY id DESC LIMIT ?)"
        )
        with self.write_transaction() as connection:
            connection.execute(query, (kept,))

    def _pages_bytes(self) -> int:
        with self.read_transaction() as connection:
            size = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, "
            return int(connection.execute(f"{size} pragma_page_size").fetchone()[0]) if connection else 0

    def import_run(self, run: Run, rows: Sequence[Row], files: Mapping[str, bytes] = {}, visitor: str = "") -> str:
        """Keeps a run from elsewhere, its `files` by name in its folder, marked as imported; returns its new id."""
        run_id = new_id()
        folder = self.data_dir / "runs" / run_id
        try:
            with self._words():
                for name, content in files.items():
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(content)
            with self.write_transaction() as connection:
                insert_run(connection, run_id, run, rows, visitor)
        except StoreError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return run_id

    def open_runs(self) -> list[Run]:
        """Runs that an owner left queued or running, oldest first."""
        return self._select(f"WHERE state IN ({_marks(OPEN_STATES)}) ORDER BY id", *OPEN_STATES)

    # --- reading ---------------------------------------------------------------------------------------

    def runs(self, limit: int = 1000, offset: int = 0, damaged: list[DamagedRun] | None = None) -> list[Run]:
        """Runs of this folder and those that came with the project, newest first; `damaged` receives those left out."""
        return self._page(
            [line.run for line in self._order(RunFilter(), by_pin=False)[offset : offset + limit]], damaged
        )

    def search(
        self, wanted: RunFilter, limit: int, offset: int = 0, damaged: list[DamagedRun] | None = None
    ) -> tuple[list[Run], int]:
        """One page of the runs that are wanted, and how many there are: pinned ones first, then newest first.

        `damaged` receives those of the page that are left out since they cannot be shown.
        """
        ids = [place.run for place in self._order(wanted)]
        return self._page(ids[offset : offset + limit], damaged), len(ids)

    def lines(
        self,
        wanted: RunFilter,
        limit: int,
        offset: int = 0,
        damaged: list[DamagedRun] | None = None,
        by_pin: bool = True,
    ) -> ListPage:
        """The same with one line for all wanted runs of a study, where the newest of them stands.

        A pinned run stands alone; on top, unless all are wanted newest first (`by_pin` is false).
        """
        places = self._order(wanted, by_pin, by_study=True)
        shown = places[offset : offset + limit]
        runs = {run.id: run for run in self._page([line.run for line in shown if not line.study], damaged)}
        lines = [StudyRuns(line.study, line.runs) if line.study else runs.get(line.run) for line in shown]
        return ListPage([line for line in lines if line], len(places), sum(place.runs for place in places))

    def _order(self, wanted: RunFilter, by_pin: bool = True, by_study: bool = False) -> list[Place]:
        """See `run_places.order`."""
        with self.read_transaction() as connection:
            return order(connection, self.recorded(), wanted, by_pin, by_study)

    def _page(self, ids: Sequence[str], damaged: list[DamagedRun] | None) -> list[Run]:
        """The runs with these ids, in their order."""
        here = self._select(f"WHERE id IN ({_marks(ids)})", *ids, damaged=damaged)
        found = {run.id: run for run in here}
        found |= {run_id: recording.run for run_id, recording in self._recordings.items()}
        return [found[run_id] for run_id in ids if run_id in found]

    def run(self, run_id: str) -> Run:
        """One run with its lanes. Raises `UnknownRun`, `DamagedRunError`."""
        if recording := self._recording(run_id):
            return recording.run
        damaged: list[DamagedRun] = []
        found = self._select("WHERE id = ?", run_id, damaged=damaged)
        if damaged:
            raise DamagedRunError(damaged[0])
        if not found:
            raise UnknownRun(f"There is no run {run_id}: it was deleted, or belongs to another data folder.")
        return found[0]

    def latest(self) -> Run | None:
        """The newest run that was trained here; what came from elsewhere is none of them."""
        found = self._select("WHERE source = 'here' ORDER BY id DESC LIMIT 20")
        return found[0] if found else None

    def _select(self, where: str, *values: object, damaged: list[DamagedRun] | None = None) -> list[Run]:
        """The runs that can be shown; `damaged` receives the others."""
        # Runs and lanes are two statements: the read transaction makes them agree.
        with self.read_transaction() as connection:
            if connection is None:
                return []
            found = connection.execute(f"SELECT {COLUMNS} FROM runs {where}", values).fetchall()
            lanes: dict[str, list[sqlite3.Row]] = {run["id"]: [] for run in found}
            for some in (found[i : i + 500] for i in range(0, len(found), 500)):
                query = (
                    "SELECT run, engine, state, reason, test_loss, test_accuracy FROM lanes "
                    f"WHERE run IN ({_marks(some)}) ORDER BY run, position"
                )
                for lane in connection.execute(query, [run["id"] for run in some]):
                    lanes[lane["run"]].append(lane)
        sound = []
        for line in found:
            try:
                sound.append(run_of(line, lanes[line["id"]]))
            except Damage as damage:
                if damaged is not None:
                    damaged.append(DamagedRun(str(line["id"]), str(damage)))
        return sound

    def own_datasets(self) -> dict[str, str]:
        """The titles of one's own data sets by name, as the newest run on each knew them; those that are gone, too."""
        title = "CASE WHEN json_valid(data) THEN json_extract(data, '$.title') END"
        name = "CASE WHEN json_valid(settings) THEN json_extract(settings, '$.dataset') END"
        query = f"SELECT {name} AS name, {title} AS title FROM runs WHERE data <> 'null' ORDER BY id"
        with self.read_transaction() as connection:
            found = connection.execute(query).fetchall() if connection else []
        return {line["name"]: line["title"] for line in found if all(isinstance(value, str) for value in line)}

    def rows(self, run_id: str, after: int = 0, limit: int = 5000, steps: bool = True) -> list[Row]:
        """A run's rows with `seq` above `after`, in order; without the many `step` rows where `steps` is false.

        Rows of an unknown kind are left out. Raises `UnknownRun` for an id that cannot be one, and
        `DamagedRunError` where a row cannot be read.
        """
        if recording := self._recording(run_id):
            return [row for row in recording.rows if row.seq > after and (steps or row.kind != "step")][:limit]
        try:
            return [read(*line) for line in self._lines(run_id, after, limit, steps) if line[2] in KINDS]
        except Damage as damage:
            raise DamagedRunError(DamagedRun(run_id, str(damage))) from None

    def rows_as_json(self, run_id: str, after: int = 0, limit: int = ALL_ROWS) -> list[dict[str, Any]]:
        """The same rows for a browser, as they were written: none of them becomes a value. Raises as `rows`."""
        if recording := self._recording(run_id):
            lines: Iterable[_Line] = [line for line in recording.lines if line[0] > after][:limit]
        else:
            lines = self._lines(run_id, after, limit)
        found = []
        for seq, engine, kind, text in lines:
            try:
                found.append(flat(seq, engine, kind, json.loads(text)))
            except (ValueError, TypeError, RecursionError):
                raise DamagedRunError(DamagedRun(run_id, f"row {seq} holds no JSON object")) from None
        return found

    def _lines(self, run_id: str, after: int, limit: int, steps: bool = True) -> list[_Line]:
        """Number, engine, kind and text of rows."""
        wanted = "run = ? AND seq > ?" + ("" if steps else " AND kind <> 'step'")
        query = f"SELECT seq, engine, kind, fields FROM rows WHERE {wanted} ORDER BY seq LIMIT ?"
        with self.read_transaction() as connection:
            # All at once: a statement that an error leaves half read would hold its lock on.
            found = connection.execute(query, (run_id, after, limit)).fetchall() if connection else ()
        return [(line["seq"], line["engine"], line["kind"], line["fields"]) for line in found]

    def newest_similar(self, settings: TrainSettings) -> Run | None:
        """The newest run that finished here, on a machine left to it, and whose epochs cost the same.

        That is: same data, batch and engines.
        """
        given = f"(SELECT {COSTS_ALIKE} FROM (SELECT ? AS settings))"
        # No parameter: the index is of those alone whose state is this very text.
        where = f"WHERE state = '{State.FINISHED}' AND source = 'here' AND NOT busy AND {COSTS_ALIKE} = {given}"
        # A pair that a node of a cluster executed says nothing of this machine, which the study itself is of.
        here = "(study IS NULL OR machine = (SELECT studies.machine FROM studies WHERE studies.id = runs.study))"
        found = self._select(f"{where} AND {here} ORDER BY id DESC LIMIT 1", json.dumps(settings.as_json()))
        return found[0] if found else None

    def artifacts(self, run_id: str) -> Path:
        """The folder with a run's weights, predictions and logs."""
        if self._recording(run_id):
            return self._recorded / run_id
        return self.data_dir / "runs" / run_id

    @property
    def _recordings(self) -> "dict[str, Recording]":
        return read_recordings(self._recorded)

    def _recording(self, run_id: str) -> Recording | None:
        """The recorded run with this id, a recorded study's pair included. Raises `UnknownRun`."""
        found = self._recordings.get(checked_id(run_id))
        studies = read_study_recordings(self._recorded).values()
        return found or next((study.runs[run_id] for study in studies if run_id in study.runs), None)

    def recorded(self) -> list[Run]:
        """The runs that came with the project, in the order in which they are shown; pairs of studies are none."""
        return [recording.run for recording in self._recordings.values()]


def _marks(values: Sequence[object]) -> str:
    """Their places in SQL."""
    return ",".join("?" * len(values))
