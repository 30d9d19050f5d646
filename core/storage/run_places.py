"""Where runs and studies stand in a list of runs: found by SQL, none of them is read for it."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from core.storage.records import Run, RunFilter


class Place(NamedTuple):
    """A line of a list before it is read."""

    run: str
    """The run, or the newest one of a study's."""
    study: str
    """Empty where it is of none, or stands alone."""
    runs: int


def order(
    connection: sqlite3.Connection | None, recorded: Iterable[Run], wanted: RunFilter, by_pin: bool, by_study: bool
) -> list[Place]:
    """Where every run that is wanted, or with `by_study` every study that has some, stands in a list, in its order.

    `connection` is None where nothing is stored yet; `recorded` are the runs that came with the project.
    """
    where, values = _where(wanted)
    # A run whose study is gone, or was never here, stands alone.
    study = "CASE WHEN NOT pinned AND study IN (SELECT id FROM studies) THEN study END" if by_study else "NULL"
    # Beside a maximum SQLite gives the columns of its line: those of the newest run.
    query = (
        f"SELECT pinned, MAX(created_at) AS created_at, id, {study} AS its_study, COUNT(*) AS runs "
        f"FROM runs {where} GROUP BY IFNULL({study}, id)"
    )
    found: Iterable[sqlite3.Row] = ()
    if connection:
        connection.create_function(
            "matches_text", -1, lambda *words: wanted.matches_text(*map(str, words)), deterministic=True
        )
        found = connection.execute(query, values).fetchall()
    keys = [
        (
            bool(line["pinned"]) and by_pin,
            str(line["created_at"]),
            str(line["id"]),
            line["its_study"] or "",
            line["runs"],
        )
        for line in found
    ]
    keys += [(False, run.created_at, run.id, "", 1) for run in recorded if wanted.matches(run)]
    return [Place(*its) for _, _, *its in sorted(keys, reverse=True)]


def _where(wanted: RunFilter) -> tuple[str, list[object]]:
    """`RunFilter` as SQL over the table of runs, and its values."""
    parts, values = [], []
    if wanted.dataset:
        parts.append("CASE WHEN json_valid(settings) THEN json_extract(settings, '$.dataset') END = ?")
        values.append(wanted.dataset)
    if wanted.engine:
        parts.append("EXISTS (SELECT 1 FROM lanes WHERE run = runs.id AND engine = ?)")
        values.append(wanted.engine)
    if wanted.state:
        parts.append("state = ?")
        values.append(wanted.state)
    if wanted.study:
        parts.append("study = ? AND NOT pinned")
        values.append(wanted.study)
    if wanted.text:  # last: the others leave fewer runs to look through
        title = "CASE WHEN data <> 'null' AND json_valid(data) THEN json_extract(data, '$.title') ELSE '' END"
        parts.append(f"matches_text(settings, name, note, id, state, source, {title}, created_at)")
    return (f"WHERE {' AND '.join(parts)}" if parts else ""), list(values)
