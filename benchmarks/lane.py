"""What the dashboard costs a lane: its training time beside the bare script with the same settings."""

import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import RUN_S, Dashboard, RowsClient, clean_environment, dashboard
from benchmarks.visitor import start_and_leave
from core.data import datasets
from core.experiment.engine_names import SPARE_ENGINES
from core.experiment.names import engine_title
from core.experiment.settings import Device, TrainSettings
from core.protocol.messages import Epoch
from core.results.listings import listing

HOW = """
A = the bare script: the listing of the Train page, run as a file in a clean process without a line changed, the
dashboard's processes suspended. U = the same settings as a run of one lane, started in Chromium, which is then closed
before training begins. W = the same, with a protocol client that asks for the run's rows every 0.25 s. Each block is
A U W W U A, so what drifts meets all alike; each half of it gives one ratio of U and one of W to its A.
Our own code within a step is what is judged, for it does not drift: a wrapper in the worker (`benchmarks/clock`) times
what hears of every step, in Keras the callback with the loss that it takes from the logs. An epoch's time over what it
would be without that is one sample; the epochs from the second on of all U and W.
Processor time: of the lane's process and of the script's, all threads, over the same epochs as the training time.
Training time: the sum over the epochs from the second on, without imports, data and validation. In a lane that is
the rows' `train_s`; in the script Keras' `on_epoch_begin` (in the first epoch `fit`) to its `evaluate`, PyTorch's
`model.train()` to `model.eval()`, noted by a wrapper around these methods (`benchmarks/timed_script.py`). The first
epoch, which traces and compiles, is reported by itself. No warm spares: nothing is imported while something is timed.
"""

POLL_S = 0.25
GOAL = 1.02
CLOCK_FOLDER = Path(__file__).with_name("clock")
SCRIPT_TIMER = Path(__file__).with_name("timed_script.py")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How much is timed: blocks of A U W W U A for each engine, epochs a run."""

    blocks: int
    epochs: int


FULL = Size(blocks=2, epochs=5)
QUICK = Size(blocks=1, epochs=2)


@dataclass(frozen=True)
class Trained:
    """What one run's training took: its first epoch, and the sum of all others, of processor time, too."""

    first_s: float
    steady_s: float
    steady_cpu_s: float


@dataclass
class Half:
    """Half a block: the three ways, timed within half a minute."""

    times: dict[str, Trained] = field(default_factory=dict)

    def ratio(self, way: str) -> float:
        """The lane's steady epochs beside the script's."""
        return self.times[way].steady_s / self.times["bare"].steady_s

    def first_ratio(self) -> float:
        """The first epochs, nobody watching."""
        return self.times["unwatched"].first_s / self.times["bare"].first_s

    def cpu_ratio(self, way: str) -> float:
        """The processor time of the lane's steady epochs beside the script's."""
        return self.times[way].steady_cpu_s / self.times["bare"].steady_cpu_s


def bare(server: Dashboard, settings: TrainSettings) -> Trained:
    """The script in a clean process, the dashboard suspended."""
    made = listing(settings.engines[0], settings, datasets.find(settings.dataset))
    with tempfile.TemporaryDirectory(prefix="duel-bench-") as folder, server.suspended():
        out = Path(folder) / "epochs.json"
        (Path(folder) / made.filename).write_text(made.script, encoding="utf-8")
        # -P: the script's own folder is none of ours, so nothing there can stand in for a module.
        command = [sys.executable, "-P", str(SCRIPT_TIMER), made.engine, made.filename, str(out)]
        done = subprocess.run(
            command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=RUN_S, check=False
        )
        if done.returncode:
            raise BenchmarkError(f"The script {made.filename} failed: {done.stderr[-500:].strip()}")
        return trained(json.loads(out.read_text()), settings)


def unwatched(server: Dashboard, settings: TrainSettings) -> Trained:
    """A lane, nobody asking for anything: the end is read from the store, once a second."""
    run_id = begin(server, settings)
    server.wait_for_end(run_id)
    return lane_times(server, run_id, settings)


def watched(server: Dashboard, settings: TrainSettings) -> Trained:
    """A lane with one viewer."""
    run_id = begin(server, settings)
    client = RowsClient(server, run_id)
    while client.live:
        client.fetch()
        time.sleep(POLL_S)
    server.wait_for_end(run_id)
    return lane_times(server, run_id, settings)


def begin(server: Dashboard, settings: TrainSettings) -> str:
    """Starts the run; its id once the browser is gone. Raises `BenchmarkError` where training was faster than that."""
    run_id = start_and_leave(server, settings)
    if any(row.kind == "epoch" for row in server.store.rows(run_id, steps=False)):
        raise BenchmarkError("An epoch had ended before the browser was closed: take more images an epoch.")
    return run_id


def lane_times(server: Dashboard, run_id: str, settings: TrainSettings) -> Trained:
    """The training times that the run's rows hold; returns once the dashboard is at rest again."""
    rows = server.store.rows(run_id, steps=False)
    server.wait_until_quiet(for_s=1)
    return trained([vars(row.event) for row in rows if isinstance(row.event, Epoch)], settings)


def trained(epochs: Sequence[Mapping[str, float]], settings: TrainSettings) -> Trained:
    """What all epochs took, from their `train_s` and `cpu_s`. Raises `BenchmarkError` where some are missing."""
    if len(epochs) != settings.epochs:
        raise BenchmarkError(f"{settings.engines[0]}: {len(epochs)} of {settings.epochs} epochs were timed.")
    steady_s, steady_cpu_s = (sum(epoch[name] for epoch in epochs[1:]) for name in ("train_s", "cpu_s"))
    return Trained(epochs[0]["train_s"], steady_s, steady_cpu_s)


def own_code(clock: Path, engine: str) -> list[float]:
    """Each steady epoch's time over what it would be without our own code, of the lanes that noted it."""
    noted = [json.loads(line) for line in clock.read_text().splitlines()] if clock.exists() else []
    steady = [epoch for epoch in noted if epoch["engine"] == engine and epoch["epoch"] > 1]
    return [epoch["train_s"] / (epoch["train_s"] - epoch["own_s"]) for epoch in steady]


WAYS: dict[str, Callable[[Dashboard, TrainSettings], Trained]] = {
    "bare": bare,
    "unwatched": unwatched,
    "watched": watched,
}


def block(server: Dashboard, settings: TrainSettings) -> list[Half]:
    """A U W, then W U A."""
    halves = []
    for ways in (list(WAYS), list(reversed(WAYS))):
        half = Half()
        for way in ways:
            half.times[way] = WAYS[way](server, settings)
            log.info("    %s %s: %.3f s", settings.engines[0], way, half.times[way].steady_s)
        halves.append(half)
    return halves


def results(engine: str, halves: list[Half], own: list[float], epochs: int) -> list[Result]:
    """The engine's figures: our own code is judged, what other processes disturb is reported beside it."""
    title = engine_title(engine)
    epoch_s = median(half.times["bare"].steady_s for half in halves) / (epochs - 1)
    note = f"bare script: {epoch_s:.2f} s an epoch"
    found = [Result(f"{title} lane, epoch / epoch without our own code", quantile(own), "x", GOAL, note)]
    for way in ("unwatched", "watched"):
        cpu, wall = (quantile([ratio(half, way) for half in halves]) for ratio in (Half.cpu_ratio, Half.ratio))
        found.append(Result(f"{title} lane, {way} / bare script, processor time", cpu, "x"))
        found.append(Result(f"{title} lane, {way} / bare script, training time", wall, "x"))
    first = quantile([half.first_ratio() for half in halves])
    return [*found, Result(f"{title} lane's first epoch, unwatched / bare script", first, "x")]


def measure(size: Size) -> list[Result]:
    """Both engines, one after the other."""
    found = []
    with tempfile.TemporaryDirectory(prefix="duel-bench-") as folder:
        clock = Path(folder) / "steps.jsonl"
        environment = {"PYTHONPATH": str(CLOCK_FOLDER), "BENCH_STEP_CLOCK": str(clock)}
        with dashboard(spares=False, environment=environment) as server:
            for engine in SPARE_ENGINES:
                settings = TrainSettings(epochs=size.epochs, engines=(engine,), device=Device.CPU)
                log.info("  %s: one run each to warm the disk's cache", engine)
                bare(server, settings)
                unwatched(server, settings)
                clock.unlink(missing_ok=True)
                halves = []
                for number in range(1, size.blocks + 1):
                    log.info("  %s: block %d of %d", engine, number, size.blocks)
                    halves += block(server, settings)
                found += results(engine, halves, own_code(clock, engine), size.epochs)
    return found
