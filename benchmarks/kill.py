"""kill -9 of the web process and of workers at random moments of live runs: what it costs."""

import logging
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.result import BenchmarkError, Result, quantile
from core.data import datasets
from tests.processes.killing import Lives, lives, order, stepping, wait_for

HOW = """
One data folder, one server after the other on it, `python -m core.serve` with runs that its own Launcher takes: mostly
of the engine without a framework, every tenth time of Keras and PyTorch. A protocol client fetches the live run's rows
all the while. At a random moment after the first of them (the seed is the server's number) the web process, or a lane's
worker, gets a SIGKILL; after a worker's death its run must end by itself, that lane `failed` and the other finished;
the web process is killed in the run that follows. The next server opens the folder, and then: every row that the client
had is there, the same in every field; the run is `interrupted`, with its reason; no process with this folder in its
environment was left 10 s after the kill; all other runs of the folder, every line of theirs in the database and every
file, are the same byte for byte. A row is lost where it is missing or another.
"""

LONGEST_S = 3.0
"""After a run's first row, when it is killed at the latest; real engines import and trace first: five times as long."""
REAL_EVERY = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many processes are killed."""

    kills: int


FULL = Size(kills=50)
QUICK = Size(kills=5)


def kill_once(found: Lives, number: int) -> None:
    """One life of the server: a worker and then the web process, or the web process alone."""
    chance, real = random.Random(number), number % REAL_EVERY == 0
    engines = ("keras", "torch") if real else ("fake-slow", "fake-a")
    long = order(",".join(engines), epochs=100, **({"batch_size": 126, "schedule": "together"} if real else {}))
    short = order(",".join(engines), epochs=5)
    longest_s = LONGEST_S * (5 if real else 1)
    if real or number % 3:
        first, second = found.begin(long, short)
        viewer = found.view(first)
        if real and number % (2 * REAL_EVERY) == 0:
            wait_for("both are in mid-epoch", lambda: stepping(viewer, *engines), within_s=180)
            found.kill_worker(first, chance.choice(engines))
        wait_for("something is shown", lambda: viewer.shown)
        time.sleep(chance.uniform(0, longest_s))
        found.kill_web(first, second)
        return
    victim = chance.choice(engines)
    first, second = found.begin(short, long)
    found.view(first)
    wait_for("its worker is there", lambda: found.worker(victim))
    time.sleep(chance.uniform(0, 0.8))
    found.kill_worker(first, victim)
    found.has_gone_on(first, victim)
    viewer = found.view(second)
    wait_for("something is shown", lambda: viewer.shown)
    time.sleep(chance.uniform(0, longest_s))
    found.kill_web(second)


def measure(size: Size) -> list[Result]:
    """Counts, all of which must be zero. Raises `BenchmarkError` where a run did not end as it must."""
    with (
        tempfile.TemporaryDirectory(prefix="duel-bench-", ignore_cleanup_errors=True) as folder,
        lives(Path(folder) / "data") as found,
    ):
        datasets.prepare("mnist5k", found.data_dir)  # else the first kills would only meet that
        number, toll = 0, found.toll
        while toll.webs + toll.workers < size.kills:
            number += 1
            kill_once(found, number)
            log.info("  %d of %d, %d rows shown and looked at", toll.webs + toll.workers, size.kills, toll.shown)
        found.end()
    if toll.wrong:
        raise BenchmarkError(f"After {len(toll.wrong)} kills a run did not end as it must: {toll.wrong[0]}")
    note = f"{toll.webs} web processes, {toll.workers} workers; {toll.shown:,} rows shown"
    return [
        Result("Rows shown, then lost, by kill -9", quantile([toll.lost]), "count", 0, note),
        Result("Processes left by kill -9", quantile([toll.left]), "count", 0),
        Result("Other runs changed by kill -9", quantile([len(toll.changed)]), "count", 0),
    ]
