"""A data folder read by who does not hold it: what is open there has ended where its owner is gone."""

import json
import threading
import time
from pathlib import Path

import filelock
import pytest

from core.deployment.settings import DeploymentSettings
from core.experiment.settings import TrainSettings
from core.experiment.study import Study
from core.launcher.ending import cut_off
from core.launcher.outside import follow_study, read_run, with_current_states
from core.storage.database import State
from core.storage.health import read_health as health
from core.storage.holder import FILE, LOCK, Holder, left_by
from core.storage.records import Run
from core.storage.rows import Entry, RunChanged
from core.storage.runs import Store
from core.storage.studies import Studies
from tests.events import epoch

EPOCH = Entry("keras", epoch())
BEGUN = Entry("", RunChanged(State.RUNNING))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A folder with a running and a queued run, whose last owner was the command line, which is gone."""
    store = Store(tmp_path, recorded=tmp_path / "none")
    store.open_for_writing()
    for entries in ([BEGUN, EPOCH], []):
        store.append(store.create(TrainSettings(), {}), entries)
    (tmp_path / LOCK).touch()
    (tmp_path / FILE).write_text(json.dumps({"owner": "the command line", "pid": 1, "started": 0.0, "since": "10:00"}))
    return store


def states(store: Store) -> list[str]:
    return [run.state for run in with_current_states(store, store.runs())]


def test_an_open_run_whose_owner_is_gone_is_interrupted_and_nothing_is_written(store: Store) -> None:
    queued, running = with_current_states(store, store.runs())
    assert (queued.state, queued.reason) == ("interrupted", "The command line was closed before this began.")
    assert running.reason == "The command line was closed while this ran. Epoch 1 of Keras is kept."
    assert [lane.state for lane in running.lanes] == ["interrupted", "interrupted"]
    assert [run.state for run in store.runs()] == ["queued", "running"]
    assert not health(DeploymentSettings(data_dir=store.data_dir)).running


def test_a_reader_says_what_the_next_owner_writes(store: Store) -> None:
    before = store.runs()[1]
    seen, rows = read_run(store, before)
    store.append(before.id, cut_off(before, store.rows(before.id), "the command line"))
    written: Run = store.run(before.id)
    assert store.rows(before.id) == rows
    assert (seen.state, seen.reason, seen.lanes) == (written.state, written.reason, written.lanes)


def test_what_its_holder_reads_goes_on(store: Store) -> None:
    holder = Holder(store)
    holder.say("the dashboard")
    assert states(store) == ["queued", "running"]
    assert health(DeploymentSettings(data_dir=store.data_dir)).running
    holder.release()


def test_a_holder_that_only_its_lock_shows_counts(store: Store) -> None:
    """Its pid means nothing here: it lives in another container, or has not yet said who it is."""
    with filelock.FileLock(store.data_dir / LOCK):
        assert left_by(store.data_dir) == ""
        assert states(store) == ["queued", "running"]
    assert states(store) == ["interrupted", "interrupted"]


def test_a_reader_that_looks_at_the_lock_keeps_nobody_from_taking_it(store: Store) -> None:
    reading, done = filelock.FileLock(store.data_dir / LOCK, thread_local=False), threading.Event()

    def read() -> None:
        with reading:
            done.set()
            time.sleep(0.1)

    thread = threading.Thread(target=read)
    thread.start()
    done.wait()
    Holder(store).release()
    thread.join()


def test_who_follows_a_study_waits_a_while_for_a_cluster_that_is_gone(tmp_path: Path) -> None:
    store, studies = Store(tmp_path, recorded=tmp_path / "none"), Studies(tmp_path)
    store.open_for_writing()
    study = studies.create(Study(TrainSettings(), 2), "seeds", None, {})
    back = iter([True, False, False, True, False, False, False, False])
    began = time.monotonic()
    (seen,) = follow_study(store, studies, study, lambda: next(back, False), poll_s=0.01, patience_s=0.2)
    assert seen.record.state == "running"
    assert time.monotonic() - began >= 0.2
    assert [*back] == []
