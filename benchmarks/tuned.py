"""What tuning buys: each framework's tuned lane beside the script that most tutorials write."""

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import median

from benchmarks.lane import SCRIPT_TIMER
from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import RUN_S, clean_environment
from core.experiment.names import engine_title

HOW = """
A = the usual script of the framework: in Keras the article's, in PyTorch a stock DataLoader with ToTensor
(`benchmarks/stock_*.py`), timed by the same wrapper as the bare scripts of the lanes. B = the tuned lane, a run of its
own by `python -m core train`, which tunes itself in its first run and keeps what it chose. Pairs in the order A B, B A,
and so on, a fresh process each; 3,600 images an epoch. All epochs after the first, B over A, by the clock and by the
processor time of the process: 0.5 is twice as many images/s. The first pair of each framework warms the disk's cache
and is left out. Keras must be no slower anywhere, and reaches 0.8 only where XLA was the stock script's brake.
"""
GOALS = {"keras-tuned": 1.0, "torch-tuned": 1 / 2.2}
PROJECT = Path(__file__).resolve().parents[1]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How much is timed: pairs for each framework, epochs a process."""

    pairs: int
    epochs: int


FULL = Size(pairs=8, epochs=5)
QUICK = Size(pairs=1, epochs=2)


@dataclass(frozen=True)
class Took:
    """Seconds that steady epochs took: by the clock, and of processor time over all threads."""

    train_s: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.train_s:.2f} s ({self.cpu_s:.2f} s of processors)"


def script(engine: str, epochs: int, folder: Path) -> Took:
    """What the usual script's training took, its first epoch left out."""
    framework, out = engine.partition("-")[0], folder / "epochs.json"
    usual = Path(__file__).with_name(f"stock_{framework}.py")
    text = usual.read_text(encoding="utf-8").replace("int(sys.argv[1]) if len(sys.argv) > 1 else 4", str(epochs))
    (folder / usual.name).write_text(text, encoding="utf-8")
    _run([sys.executable, "-P", str(SCRIPT_TIMER), framework, usual.name, str(out)], folder, {})
    return steady(json.loads(out.read_text()), epochs)


def lane(engine: str, epochs: int, folder: Path) -> Took:
    """What the lane's training took, its first epoch left out."""
    command = [sys.executable, "-m", "core", "train", "--engines", engine, "--epochs", str(epochs)]
    said = _run([*command, "--device", "cpu", "--json"], PROJECT, {"DUEL_DATA_DIR": str(folder / "data")})
    rows = [json.loads(line) for line in said.splitlines()]
    return steady([row for row in rows if row["event"] == "epoch"], epochs)


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command[1:4])} failed: {done.stderr[-300:].strip()}")
    return done.stdout


def steady(rows: Sequence[Mapping[str, float]], epochs: int) -> Took:
    """All epochs but the first. Raises `BenchmarkError` where some are missing."""
    if len(rows) != epochs:
        raise BenchmarkError(f"{len(rows)} of {epochs} epochs were timed.")
    return Took(*(sum(row[name] for row in rows[1:]) for name in ("train_s", "cpu_s")))


def measure(size: Size) -> list[Result]:
    """Both frameworks, one after the other."""
    found = []
    for engine, goal in GOALS.items():
        pairs: list[tuple[Took, Took]] = []
        with tempfile.TemporaryDirectory(prefix="duel-bench-") as name:
            for number in range(size.pairs + 1):
                ways = [script, lane] if number % 2 else [lane, script]
                times = {way: way(engine, size.epochs, Path(name)) for way in ways}
                log.info("  %s: script %s, lane %s", engine, times[script], times[lane])
                pairs += [(times[script], times[lane])] if number else []
        for what, clock in (("training time", attrgetter("train_s")), ("processor time", attrgetter("cpu_s"))):
            ratios = [clock(tuned) / clock(usual) for usual, tuned in pairs]
            note = f"{1 / median(ratios):.2f} times the images/s"
            title = f"{engine_title(engine)} lane / usual script, {what}"
            found.append(Result(title, quantile(ratios), "x", goal, note))
    return found
