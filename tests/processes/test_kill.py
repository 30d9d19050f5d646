"""kill -9 of the web process and of workers: what was shown is kept, nothing is left, nothing else changes."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.conftest import MARK, MARKED, OpenLauncher, settings, wait_for
from tests.processes.killing import Lives, Toll, lives, order, stepping

SEEDS = (6, 60, 600)
VICTIMS = ("web", "fake-slow", "fake-a")
LONG, SHORT = order("fake-slow,fake-a", epochs=100), order("fake-slow,fake-a", epochs=5)


@pytest.fixture
def harmed(data_dir: Path, no_process_left: None) -> Iterator[Lives]:
    with lives(data_dir, {MARK: MARKED}) as found:
        yield found


def assert_harmless(toll: Toll) -> None:
    assert (toll.lost, toll.left, toll.changed, toll.wrong) == (0, 0, [], [])


def test_three_servers_and_two_workers_killed_at_random_moments(harmed: Lives, open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    finished = launcher.submit(settings("fake-a", epochs=1))
    wait_for("a run has finished", lambda: launcher.store.run(finished).state == "finished")
    launcher.close()
    for seed, victim in zip(SEEDS, VICTIMS, strict=True):
        chance = random.Random(seed)
        moment_s = chance.uniform(0, 3)
        print(f"seed {seed}: {victim} is killed, the web process {moment_s:.3f} s after a run's first row")
        if victim == "web":
            first, second = harmed.begin(LONG, SHORT)
            viewer = harmed.view(first)
        else:
            first, second = harmed.begin(SHORT, LONG)
            harmed.view(first)
            wait_for("its worker is there", lambda victim=victim: harmed.worker(victim))
            time.sleep(chance.uniform(0, 0.8))
            harmed.kill_worker(first, victim)
            harmed.has_gone_on(first, victim)
            viewer = harmed.view(second)
        wait_for("something is shown", lambda viewer=viewer: viewer.shown)
        time.sleep(moment_s)
        harmed.kill_web(*((first, second) if victim == "web" else (second,)))
    toll = harmed.end()
    assert_harmless(toll)
    assert (toll.webs, toll.workers) == (3, 2)
    assert toll.shown > 40
    states = [run.state for run in reversed(harmed.store.runs()) if run.source == "here"]
    assert states == ["finished", "interrupted", "interrupted", "failed", "interrupted", "failed", "interrupted"]


@pytest.mark.more
def test_the_real_engines_killed_in_mid_epoch(harmed: Lives) -> None:
    """One server for a worker and for Keras, one for PyTorch: each import costs many seconds."""
    (both,) = harmed.begin(order("keras,torch", epochs=100, batch_size=36, schedule="together"))
    viewer = harmed.view(both)
    wait_for("both are in mid-epoch", lambda: stepping(viewer, "keras", "torch"), within_s=120)
    harmed.kill_worker(both, "torch")
    wait_for("Keras is in mid-epoch", lambda: stepping(viewer, "keras"))
    harmed.kill_web(both)
    (alone,) = harmed.begin(order("torch", epochs=100, batch_size=36))
    viewer = harmed.view(alone)
    wait_for("PyTorch is in mid-epoch", lambda: stepping(viewer, "torch"), within_s=120)
    harmed.kill_web(alone)
    assert_harmless(harmed.end())
    assert harmed.store.run(both).lane("torch").state == "failed"
    assert harmed.store.run(both).lane("keras").state == "interrupted"
    assert harmed.store.run(both).reason.startswith("The dashboard was closed while this ran.")
