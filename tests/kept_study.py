"""A study in a data folder whose every run is a real one: the recorded duel as shipped."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.experiment.settings import Alignment
from core.experiment.study import Study
from core.protocol.messages import Epoch
from core.storage.database import new_id
from core.storage.records import RECORDED, Run, StudyPair
from core.storage.rows import Row
from core.storage.runs import ALL_ROWS, Store
from core.storage.studies import Studies, StudyState
from core.storage.taken_in import insert_run

MACHINE = {"name": "a", "system": "b", "processor": "one", "cores": 2, "memory_gib": 4.0, "python": "3"}


def recorded_duel() -> tuple[Run, list[Row]]:
    """The article's settings, without most of its many steps: real rows of every kind."""
    store = Store(Path("nowhere"), RECORDED)
    run = next(run for run in store.recorded() if run.settings.alignment == "as-shipped")
    return run, [row for row in store.rows(run.id, limit=ALL_ROWS) if row.kind != "step" or row.seq < 60]


def _slower(rows: Sequence[Row], number: int) -> list[Row]:
    """The rows with so many microseconds more in each epoch's validation."""
    return [
        replace(row, event=replace(row.event, val_s=row.event.val_s + number * 1e-6), text="")
        if isinstance(row.event, Epoch)
        else row
        for row in rows
    ]


def keep_study(
    folder: Path,
    seeds: int = 2,
    state: StudyState = StudyState.FINISHED,
    dropout: Sequence[float] = (),
    keep: Sequence[str] = (),
) -> str:
    """A study of which every pair has ended, in its folder's store; returns its id. With `keep`, of exact twins.

    Its runs differ in the times of their epochs alone.
    """
    studies, store = Studies(folder), Store(folder)
    store.open_for_writing()
    run, rows = recorded_duel()
    twin = {"alignment": Alignment.EXACT_TWIN, "keep": tuple(keep)} if keep else {}
    study = Study.of(run.settings.model_copy(update=twin), run.dataset, seeds, {"dropout": dropout} if dropout else {})
    made = studies.create(study, "seeds", 3600.0, MACHINE)
    ended = "Its pair has ended." if len(study.pairs) == 1 else f"All {len(study.pairs):,} pairs have ended."
    studies.set_state(made, state, ended if state == StudyState.FINISHED else "")
    with store.write_transaction() as connection:
        for number, pair in enumerate(study.pairs):
            own = replace(run, settings=study.settings(pair))
            insert_run(connection, new_id(), own, _slower(rows, number), "", StudyPair(made, pair.cell))
    return made
