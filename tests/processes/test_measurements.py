"""Measurements through the Launcher: turns with the runs, progress, lines, stop, limit, and each way to fail."""

import json
import os
import signal

import psutil
import pytest

from core.experiment.order import Order
from core.launcher.jobs import Kind
from core.launcher.launcher import Launcher
from core.storage.measurements import Measurement
from tests.processes.conftest import OpenLauncher, Spawn, settings, wait_for


def order(behaviour: str = "well", limit_s: float = 30.0, subject: str = "claim-0", **more: object) -> Order:
    return Order(subject, "fake", {"behaviour": behaviour, **more}, limit_s)


def ended(launcher: Launcher, measurement: str, within_s: float = 30.0) -> Measurement:
    wait_for("it has ended", lambda: not launcher.measurements.get(measurement).live, within_s)
    return launcher.measurements.get(measurement)


def probes() -> list[psutil.Process]:
    """Processes of probes and their parts below this one, or orphaned."""
    return [p for p in psutil.process_iter(["cmdline"]) if "core.compare.probes" in " ".join(p.info["cmdline"] or [])]


def test_a_result_is_stored_with_machine_versions_and_what_was_printed(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    found = ended(launcher, launcher.measure(order()))
    assert (found.state, found.result) == ("finished", {"doubled": 42})
    assert found.machine["processor"]
    assert {"keras", "torch", "numpy"} <= set(found.versions)
    assert found.elapsed_s is not None
    assert [(line.part, line.text) for line in launcher.measurements.lines(found.id)] == [("fake", "double 21")]
    assert launcher.measurements.results()["claim-0"] == found


def test_progress_is_seen_while_it_goes_on(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    measurement = launcher.measure(order(seconds=1.0))
    wait_for("progress", lambda: launcher.measurements.get(measurement).fraction == 0.25)
    assert launcher.measurements.get(measurement).sentence == "Fake: doubles a number"
    assert ended(launcher, measurement).fraction == 1.0


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("raise", "It failed: RuntimeError: a fault on order."),
        ("crash", "It failed: its process was ended by SIGSEGV."),
        ("part dies", "It failed: Fake: its process was ended by SIGKILL, perhaps because memory ran out."),
        ("part raises", "It failed: Fake: ValueError: no number."),
    ],
)
def test_a_failure_says_why_and_the_next_one_runs(open_launcher: OpenLauncher, behaviour: str, reason: str) -> None:
    launcher = open_launcher()
    first, second = launcher.measure(order(behaviour)), launcher.measure(order(subject="claim-1"))
    found = ended(launcher, first)
    assert (found.state, found.reason, found.result) == ("failed", reason, None)
    assert ended(launcher, second).state == "finished"


def test_a_hung_one_ends_at_its_limit_and_leaves_nothing(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    found = ended(launcher, launcher.measure(order("hang", limit_s=2.0)))
    assert (found.state, found.reason) == ("failed", "It failed: it took longer than its limit of 2 s.")
    wait_for("no probe is left", lambda: not probes())


@pytest.mark.alone
def test_stop_ends_it_within_two_seconds_with_all_its_processes(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    measurement = launcher.measure(order(seconds=60))
    wait_for("its part runs", lambda: len(probes()) == 2)
    launcher.stop(measurement)
    assert wait_for("it has ended", lambda: not launcher.measurements.get(measurement).live) < 2
    found = launcher.measurements.get(measurement)
    assert (found.state, found.reason) == ("stopped", "You stopped this measurement.")
    wait_for("no probe is left", lambda: not probes())


def test_runs_and_measurements_take_turns_and_say_what_they_wait_for(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    first = launcher.measure(order(seconds=1.5))
    wait_for("it runs", lambda: launcher.measurements.get(first).state == "running")
    run = launcher.submit(settings())
    second = launcher.measure(order(subject="claim-1"))
    assert (launcher.active(), launcher.measuring()) == ([run], [first, second])
    assert launcher.queue.waits_for(first) is None
    assert launcher.queue.waits_for(run) == (Kind.MEASUREMENT, 0)
    assert launcher.queue.waits_for(second) == (Kind.MEASUREMENT, 1)
    wait_for("the run trains", lambda: launcher.store.run(run).state == "running")
    assert not launcher.measurements.get(first).live
    assert launcher.measurements.get(second).state == "queued"
    assert launcher.queue.waits_for(second) == (Kind.RUN, 0)
    found, trained = ended(launcher, second), launcher.store.run(run)
    assert trained.state == "finished"
    assert trained.ended_at is not None
    assert found.started_at is not None
    assert trained.ended_at <= found.started_at


def test_the_same_subject_is_not_queued_twice(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    first = launcher.measure(order(seconds=0.5))
    assert launcher.measure(order()) == first
    ended(launcher, first)
    assert launcher.measure(order()) != first


def test_a_queued_one_is_stopped_before_it_began(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    launcher.measure(order(seconds=1.0))
    second = launcher.measure(order(subject="claim-1"))
    launcher.stop(second)
    found = launcher.measurements.get(second)
    assert (found.state, found.started_at) == ("stopped", None)


def test_closing_interrupts_it_and_says_who_closed(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    measurement = launcher.measure(order(seconds=60))
    wait_for("it runs", lambda: launcher.measurements.get(measurement).state == "running")
    launcher.close()
    found = launcher.measurements.get(measurement)
    assert (found.state, found.reason) == ("interrupted", "The dashboard was closed while this was measured.")
    wait_for("no probe is left", lambda: not probes())


def test_a_killed_owner_leaves_no_probe_and_the_next_start_says_so(spawn: Spawn, open_launcher: OpenLauncher) -> None:
    owner = spawn("tests.processes.launch", "{}", "--measure", "60")
    assert owner.stdout is not None
    said = [json.loads(owner.stdout.readline()) for _ in range(2)]
    wait_for("its part runs", lambda: len(probes()) == 2)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    wait_for("no probe is left", lambda: not probes(), within_s=5)
    found = open_launcher().measurements.get(said[1]["measurement"])
    assert (found.state, found.reason) == ("interrupted", "The dashboard was closed while this was measured.")
