"""The Launcher with the fake engine: turns, queue, stop, and who may hold a data folder."""

import itertools
import os
import threading
from datetime import datetime
from pathlib import Path

import pytest

from core.deployment.settings import DeploymentSettings
from core.experiment.settings import InvalidSettings
from core.launcher import launcher as launcher_module
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.launcher.run import RunInProgress
from core.storage.records import Run
from core.storage.rows import Row
from core.storage.runs import Store
from tests.processes.conftest import OpenLauncher, settings, wait_for, worker, workers


def finish(launcher: Launcher, run_id: str) -> list[Row]:
    """Every row of a run, once it has ended; holds for each run: rows are numbered from 1, the last is the run's."""
    rows = list(launcher.follow(run_id))
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert rows == launcher.store.rows(run_id)
    return rows


def ended(launcher: Launcher, run_id: str) -> Run:
    wait_for("the run has ended", lambda: not launcher.store.run(run_id).live)
    return launcher.store.run(run_id)


def epochs(rows: list[Row], engine: str | None = None) -> list[tuple[str, int]]:
    return [(row.engine, row.event.epoch) for row in rows if row.kind == "epoch" and engine in (None, row.engine)]


def shown_epochs(launcher: Launcher, run_id: str, engine: str) -> int:
    return len(epochs(launcher.store.rows(run_id), engine))


def shown_steps(launcher: Launcher, run_id: str, epoch: int) -> bool:
    return any(row.kind == "step" and row.event.epoch == epoch for row in launcher.store.rows(run_id))


def most_at_once(rows: list[Row], state: str) -> int:
    now: dict[str, str] = {}
    most = 0
    for row in rows:
        if row.kind == "lane":
            now[row.engine] = row.event.state
            most = max(most, list(now.values()).count(state))
    return most


def test_turns_go_a_b_b_a_and_never_two_at_once(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings(epochs=4))
    rows = finish(launcher, run_id)
    a, b = "fake-a", "fake-b"
    assert epochs(rows) == [(a, 1), (b, 1), (b, 2), (a, 2), (a, 3), (b, 3), (b, 4), (a, 4)]
    assert most_at_once(rows, "training") == most_at_once(rows, "testing") == 1
    run = launcher.store.run(run_id)
    assert (run.state, run.reason) == ("finished", "")
    assert [(lane.engine, lane.state) for lane in run.lanes] == [(a, "finished"), (b, "finished")]
    assert all(lane.test_accuracy is not None and lane.test_accuracy > 0.8 for lane in run.lanes)


def test_three_lanes_take_turns_forwards_and_backwards(open_launcher: OpenLauncher) -> None:
    """Whatever drifts meets all of them alike."""
    launcher = open_launcher()
    engines = ("fake-a", "fake-b", "fake-c")
    rows = finish(launcher, launcher.submit(settings(",".join(engines), epochs=3)))
    assert [engine for engine, _ in epochs(rows)] == [*engines, *reversed(engines), *engines]


def test_a_run_keeps_what_each_kind_of_row_promises(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings())
    rows = finish(launcher, run_id)
    assert {"run", "lane", "ready", "built", "step", "epoch", "result"} <= {row.kind for row in rows}
    for engine in ("fake-a", "fake-b"):
        mine = [row for row in rows if row.engine == engine]
        assert [row.kind for row in mine if row.kind in ("ready", "built", "result")] == ["ready", "built", "result"]
        for epoch in (1, 2, 3):
            points = [p for row in mine if row.kind == "step" and row.event.epoch == epoch for p in row.event.points]
            assert [step for step, _ in points] == [1, 2, 3, 4, 5, 6]
        assert (launcher.store.artifacts(run_id) / f"{engine}.safetensors").stat().st_size > 100_000
    assert rows[0].event.state == "running"
    assert rows[-1].kind == "run"
    assert rows[-1].event.state == "finished"


def test_together_both_train_at_once(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    rows = finish(launcher, launcher.submit(settings("fake-slow,fake-slow-b", schedule="together")))
    assert most_at_once(rows, "training") == 2
    assert sorted(epochs(rows)) == [(engine, n) for engine in ("fake-slow", "fake-slow-b") for n in (1, 2, 3)]
    assert rows[-1].event.state == "finished"


def test_the_second_run_waits_for_the_first(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    first = launcher.submit(settings("fake-slow"))
    second = launcher.submit(settings("fake-b"))
    assert launcher.active() == [first, second]
    assert launcher.store.run(second).state == "queued"
    wait_for("the first trains", lambda: shown_epochs(launcher, first, "fake-slow"))
    assert launcher.store.run(second).state == "queued"
    finish(launcher, second)
    runs = launcher.store.run(first), launcher.store.run(second)
    assert [run.state for run in runs] == ["finished", "finished"]
    assert runs[0].ended_at is not None
    assert runs[1].started_at is not None
    assert datetime.fromisoformat(runs[1].started_at) >= datetime.fromisoformat(runs[0].ended_at)
    assert launcher.active() == []
    assert [run.id for run in launcher.store.runs()][:2] == [second, first]


def test_two_starts_at_one_instant_are_two_runs_one_after_the_other(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    gate = threading.Barrier(2)
    ids: list[str] = []

    def start() -> None:
        gate.wait()
        ids.append(launcher.submit(settings("fake-a", epochs=1)))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run_id in ids:
        finish(launcher, run_id)
    assert len(set(ids)) == 2
    first, second = (launcher.store.run(run_id) for run_id in sorted(ids))
    assert [first.state, second.state] == ["finished", "finished"]
    assert (second.started_at or "") >= (first.ended_at or "never")


@pytest.mark.alone
def test_stop_in_mid_epoch_ends_within_two_seconds_and_keeps_the_epochs(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-a,fake-slow", epochs=9, batch_size=100))
    wait_for("fake-a has done epoch 5", lambda: shown_epochs(launcher, run_id, "fake-a") == 5)
    launcher.stop(run_id)
    assert wait_for("the run is stopped", lambda: not launcher.store.run(run_id).live) < 2
    assert not workers()
    rows, run = finish(launcher, run_id), launcher.store.run(run_id)
    assert (run.state, run.reason) == (
        "stopped",
        "You stopped this run in epoch 5. Epochs 1 to 5 of fake-a and 1 to 4 of fake-slow are kept.",
    )
    assert [lane.state for lane in run.lanes] == ["stopped", "stopped"]
    assert len(epochs(rows, "fake-slow")) == 4
    assert launcher.active() == []


def test_a_queued_run_stops_before_it_began(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    first = launcher.submit(settings("fake-slow"))
    second = launcher.submit(settings("fake-b"))
    launcher.stop(second)
    run = launcher.store.run(second)
    assert (run.state, run.reason, run.started_at) == ("stopped", "You stopped this run before it began.", None)
    assert finish(launcher, second)[-1].event.state == "stopped"
    assert finish(launcher, first)[-1].event.state == "finished"


@pytest.mark.alone
def test_stop_while_the_data_is_prepared(open_launcher: OpenLauncher, tmp_path: Path) -> None:
    launcher = open_launcher(tmp_path / "bare")
    run_id = launcher.submit(settings("fake-a"))
    wait_for("the data is being prepared", lambda: launcher.store.run(run_id).state == "running")
    launcher.stop(run_id)
    assert wait_for("the run is stopped", lambda: not launcher.store.run(run_id).live) < 2
    assert launcher.store.run(run_id).reason == "You stopped this run before its first epoch."
    rows = finish(launcher, launcher.submit(settings("fake-a", epochs=1)))
    assert rows[-1].event.state == "finished"


def test_close_while_the_data_is_prepared(open_launcher: OpenLauncher, tmp_path: Path) -> None:
    launcher = open_launcher(tmp_path / "bare")
    run_id = launcher.submit(settings("fake-a"))
    queued = launcher.submit(settings("fake-b"))
    wait_for("the data is being prepared", lambda: launcher.store.run(run_id).state == "running")
    launcher.close()
    run = launcher.store.run(run_id)
    assert (run.state, run.reason) == (
        "interrupted",
        "The dashboard was closed while this ran. No epoch was complete.",
    )
    assert launcher.store.run(queued).reason == "The dashboard was closed before this began."


def test_stopping_a_run_that_ended_or_never_was_does_nothing(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-a", epochs=1))
    rows = finish(launcher, run_id)
    launcher.stop(run_id)
    launcher.stop("20260101-000000-00000000")
    assert launcher.store.rows(run_id) == rows


def test_close_interrupts_the_run_and_keeps_its_epochs(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-slow", epochs=20))
    wait_for("two epochs", lambda: shown_epochs(launcher, run_id, "fake-slow") == 2)
    launcher.close()
    assert not workers()
    run = launcher.store.run(run_id)
    assert run.state == "interrupted"
    assert run.reason == "The dashboard was closed while this ran. Epochs 1 and 2 are kept."
    assert [lane.state for lane in run.lanes] == ["interrupted"]
    # Another thread than the one that opened it may close it: the folder is free again.
    assert open_launcher().store.run(run_id).state == "interrupted"


def test_a_folder_stays_locked_while_the_thread_lives(
    open_launcher: OpenLauncher, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher, gate = open_launcher(), threading.Event()
    monkeypatch.setattr(launcher_module, "CLOSE_S", 0.2)
    monkeypatch.setattr(RunInProgress, "execute", lambda run: gate.wait(20))
    run_id = launcher.submit(settings("fake-a"))
    wait_for("it executes", lambda: not launcher.queue.waiting())
    launcher.close()
    with pytest.raises(LauncherUnavailable, match="is in use by the dashboard"):
        open_launcher()
    assert launcher.store.run(run_id).live  # the thread may still write its end
    gate.set()
    wait_for("the thread has ended", lambda: not any(thread.is_alive() for thread in launcher._threads))
    launcher.close()
    assert open_launcher().store.run(run_id).state == "interrupted"


def test_a_folder_closed_from_another_thread_is_free_again(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    thread = threading.Thread(target=launcher.close)
    thread.start()
    thread.join()
    open_launcher()


def test_a_second_launcher_is_told_who_holds_the_folder(open_launcher: OpenLauncher, data_dir: Path) -> None:
    open_launcher()
    with pytest.raises(LauncherUnavailable) as caught:
        open_launcher(owner="the command line")
    sentence = str(caught.value)
    assert sentence.startswith(f"The data folder {data_dir} is in use by the dashboard (process {os.getpid()}, since ")
    assert sentence.endswith("use that one, close it, or set DUEL_DATA_DIR to another folder.")


def test_followers_in_several_threads_see_the_same_rows(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-slow,fake-a"))
    seen: list[list[Row]] = []
    threads = [threading.Thread(target=lambda: seen.append(list(launcher.follow(run_id)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(seen) == 4
    assert all(rows == launcher.store.rows(run_id) for rows in seen)
    assert seen[0][-1].event.state == "finished"


def test_early_stopping_ends_a_lane_and_says_so(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-a", epochs=100, patience=1, batch_size=20))
    rows, run = finish(launcher, run_id), launcher.store.run(run_id)
    last = epochs(rows)[-1][1]
    assert last < 100
    assert run.state == "finished"
    assert run.reason == f"fake-a stopped early after epoch {last}: no better validation loss in 1 epoch."
    losses = [row.event.val_loss for row in rows if row.kind == "epoch"]
    assert losses[-1] >= min(losses[:-1])
    assert all(later < earlier for earlier, later in itertools.pairwise(losses[:-1]))


def test_engines_for_tests_are_nobodys_choice(data_dir: Path) -> None:
    launcher = Launcher(DeploymentSettings(data_dir=data_dir, spares=False, fake_engines=False), "the dashboard")
    try:
        with pytest.raises(InvalidSettings, match=r"There is no engine fake-a\. Engines: keras, torch, "):
            launcher.submit(settings())
        assert launcher.store.runs() == sorted(launcher.store.recorded(), key=lambda run: run.created_at, reverse=True)
    finally:
        launcher.close()


def test_a_batch_larger_than_the_training_split_is_refused(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    with pytest.raises(InvalidSettings, match=r"larger than the 3,600 images"):
        launcher.submit(settings(batch_size=3601))


def test_a_relative_data_folder_is_the_same_folder_for_workers(
    open_launcher: OpenLauncher, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_dir.parent)
    launcher = open_launcher(Path("data"))
    rows = finish(launcher, launcher.submit(settings("fake-a", epochs=1)))
    assert rows[-1].event.state == "finished"
    assert Store(data_dir).run(launcher.store.runs()[0].id).state == "finished"


def test_a_worker_waiting_for_its_turn_dies_and_its_lane_fails(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-slow,fake-a", epochs=4))
    wait_for("slow trains epoch 2 or 3", lambda: shown_epochs(launcher, run_id, "fake-a") >= 2)
    wait_for("slow trains epoch 2", lambda: shown_steps(launcher, run_id, 2))
    worker("fake-a").kill()
    run = ended(launcher, run_id)
    assert run.state == "failed"
    assert "SIGKILL" in run.lane("fake-a").reason
    assert run.lane("fake-slow").state == "finished"
