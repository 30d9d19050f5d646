"""Runs and studies read without holding the data folder: a run that its owner left open has ended.

Nothing is written: the next owner does that, in the same words.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from core.launcher.ending import cut_off
from core.results.study_outcome import StudyOutcome, read_outcome
from core.storage.holder import left_by
from core.storage.records import DamagedRunError, Run
from core.storage.rows import LaneChanged, Row, RunChanged
from core.storage.runs import ALL_ROWS, Store
from core.storage.studies import Studies, StudyState


def read_run(store: Store, run: Run) -> tuple[Run, list[Row]]:
    """A run in its current state and all its rows, of a `run` that was just read. Raises `StoreError`."""
    return _with_current_state(run, store.rows(run.id, limit=ALL_ROWS), left_by(store.data_dir) if run.live else "")


def with_current_states(store: Store, runs: Sequence[Run]) -> list[Run]:
    """Runs that were just read, in their current states. Raises `StoreError`."""
    # Asked after they were read: an owner that begins meanwhile owns none of them.
    owner = left_by(store.data_dir) if any(run.live for run in runs) else ""
    return [_with_current_state(run, rows_to_end(store, run.id), owner)[0] if run.live else run for run in runs]


def rows_to_end(store: Store, run_id: str) -> list[Row]:
    """The rows from which a run's end follows; none where they are damaged: it ends all the same."""
    try:
        return store.rows(run_id, steps=False, limit=ALL_ROWS)
    except DamagedRunError:
        return []


def _with_current_state(run: Run, rows: list[Row], owner: str) -> tuple[Run, list[Row]]:
    """`owner` is who left the folder, empty where somebody holds it."""
    if not (run.live and owner):
        return run, rows
    last = rows[-1].seq if rows else 0
    added = [Row(seq, entry.engine, entry.event) for seq, entry in enumerate(cut_off(run, rows, owner), last + 1)]
    lanes = {lane.engine: lane for lane in run.lanes}
    for row in added:
        match row.event:
            case LaneChanged(state, _, reason):
                lanes[row.engine] = replace(lanes[row.engine], state=state, reason=reason)
            case RunChanged(state, reason, busy):
                run = replace(run, state=state, reason=reason, busy=busy)
    return replace(run, lanes=tuple(lanes.values())), [*rows, *added]


def follow(store: Store, run_id: str, in_progress: Callable[[], bool], poll_s: float = 0.1) -> Iterator[Row]:
    """Every row of a run, from its first, as it is committed, until it has ended or is no longer in progress."""
    after = 0
    while True:
        live = store.run(run_id).live and in_progress()
        rows = store.rows(run_id, after)
        yield from rows
        after = rows[-1].seq if rows else after
        if not live and not rows:
            return
        if not rows:
            time.sleep(poll_s)


def follow_study(
    store: Store,
    studies: Studies,
    study: str,
    in_progress: Callable[[], bool],
    poll_s: float = 0.2,
    patience_s: float = 0.0,
) -> Iterator[StudyOutcome]:
    """A study as it stands, and again whenever that has changed, until it goes on no more.

    Or until it has not been in progress for `patience_s`: a cluster that was lost may come back.
    """
    stamp: object = None
    last_live = time.monotonic()
    while True:
        if live := in_progress():
            last_live = time.monotonic()
        if (now := studies.stamp(study)) != stamp:
            stamp, found = now, read_outcome(studies, store, study)
            yield found
            if found.record.state != StudyState.RUNNING and not found.running:
                return
        elif not live and time.monotonic() - last_live >= patience_s:
            return
        time.sleep(poll_s)
