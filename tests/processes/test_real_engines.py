"""The two frameworks' own processes: warm spares, kill -9 and Stop in mid-epoch."""

import functools
import os
import re

import pytest

from core.launcher.launcher import Launcher
from core.results.outcome import conclusion, gather
from tests.processes.conftest import OpenLauncher, settings, wait_for, worker, workers

BATCH = 36  # 100 steps an epoch


@pytest.fixture
def launcher(open_launcher: OpenLauncher) -> Launcher:
    launcher = open_launcher(spares=True)
    wait_for("both spares are warm", launcher.warm, within_s=120)
    return launcher


def in_mid_epoch(launcher: Launcher, run_id: str, engine: str, epoch: int) -> None:
    def stepping() -> bool:
        mine = [row for row in launcher.store.rows(run_id) if row.engine == engine and row.kind in ("step", "epoch")]
        return bool(mine) and mine[-1].kind == "step" and mine[-1].event.epoch >= epoch

    wait_for(f"{engine} is in epoch {epoch}", stepping, within_s=60)


def has_ended(launcher: Launcher, run_id: str) -> bool:
    return not launcher.store.run(run_id).live


def pids() -> dict[str, int]:
    return {process.cmdline()[-1]: process.pid for process in workers()}


def test_spares_kill_and_stop_with_both_frameworks(launcher: Launcher) -> None:
    """One story instead of four tests: every new start of a framework costs many seconds."""
    spares = pids()
    assert set(spares) == {"keras", "torch"}
    for pid in spares.values():
        assert os.getsid(pid) == pid  # a Ctrl-C at the terminal does not reach it

    # A run takes the spares; no new one is made while it goes on.
    killed = launcher.submit(settings("keras,torch", epochs=90, batch_size=BATCH))
    in_mid_epoch(launcher, killed, "keras", 1)
    assert pids() == spares
    assert not launcher.warm()
    worker("keras").kill()
    in_mid_epoch(launcher, killed, "torch", 2)
    assert pids() == {"torch": spares["torch"]}
    worker("torch").kill()
    wait_for("the run has ended", functools.partial(has_ended, launcher, killed))
    dead = "its process was ended by SIGKILL, perhaps because memory ran out."
    run = launcher.store.run(killed)
    assert run.reason.startswith(f"Keras failed in epoch 1: {dead} No epoch was complete. PyTorch failed in epoch ")
    assert re.fullmatch(rf"in epoch \d+: {re.escape(dead)}", run.lane("torch").reason)

    # Then both are replaced.
    wait_for("both spares are warm", launcher.warm, within_s=120)
    assert not set(pids().values()) & set(spares.values())

    # Stop in mid-epoch.
    for engine in ("keras", "torch"):
        stopped = launcher.submit(settings(engine, epochs=50, batch_size=BATCH))
        in_mid_epoch(launcher, stopped, engine, 1)
        launcher.stop(stopped)
        wait_for("the run is stopped", functools.partial(has_ended, launcher, stopped))
        assert launcher.store.run(stopped).reason == "You stopped this run in epoch 1. No epoch was complete."


# --- variants --------------------------------------------------------------------------------------------


@pytest.mark.more
def test_three_lanes_take_turns_forwards_and_backwards(open_launcher: OpenLauncher) -> None:
    """A stock engine beside two tuned ones; whatever drifts meets all of them alike."""
    launcher = open_launcher()
    engines = ("keras-tuned", "torch", "torch-tuned")
    run_id = launcher.submit(settings(",".join(engines), epochs=3, batch_size=126))
    rows = list(launcher.follow(run_id))
    run = launcher.store.run(run_id)
    assert run.state == "finished", run.reason
    order = [row.engine for row in rows if row.kind == "epoch"]
    assert order == [*engines, *reversed(engines), *engines]
    outcome = gather(run, rows)
    for lane in outcome.lanes:
        assert lane.built.parameters == 32_612
        assert lane.tested.test_accuracy > 0.8
        points = [
            step for row in rows if (row.engine, row.kind) == (lane.engine, "step") for step, _ in row.event.points
        ]
        assert points == list(range(1, 30)) * 3  # every step, of executions of several, too
    assert "trained fastest" in conclusion(outcome).finding


@pytest.mark.more
@pytest.mark.alone
def test_a_tuned_keras_stops_between_two_executions(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("keras-tuned", epochs=50, batch_size=BATCH))
    in_mid_epoch(launcher, run_id, "keras-tuned", 1)
    launcher.stop(run_id)
    assert wait_for("the run is stopped", functools.partial(has_ended, launcher, run_id)) < 2
    lane = launcher.store.run(run_id).lane("keras-tuned")
    assert lane.state == "stopped"


def test_without_a_compiler_the_others_go_on(open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    launcher = open_launcher()
    run_id = launcher.submit(settings("torch-compile,fake-a", epochs=2))
    wait_for("the run has ended", functools.partial(has_ended, launcher, run_id), within_s=60)
    run = launcher.store.run(run_id)
    sentence = "torch.compile needs a C++ compiler, and no-such-compiler was not found on this machine."
    assert run.lane("torch-compile").state == "failed"
    assert run.lane("torch-compile").reason == f"in epoch 1, step 1: {sentence}"
    assert run.lane("fake-a").state == "finished"
