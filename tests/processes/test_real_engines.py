"""The two frameworks' own processes: warm spares, kill -9 and Stop in mid-epoch."""

import functools
import os
import re

import pytest

from core.launcher import Launcher
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
        return bool(mine) and mine[-1].kind == "step" and mine[-1].fields["epoch"] >= epoch

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
        assert wait_for("the run is stopped", functools.partial(has_ended, launcher, stopped)) < 2
        assert launcher.store.run(stopped).reason == "You stopped this run in epoch 1. No epoch was complete."
