"""What tuning buys: each framework's tuned lane beside the script that most tutorials write."""

import json
import logging
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.lane import SCRIPT_TIMER
from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import RUN_S, clean_environment
from core.experiment.names import engine_title

HOW = """
A = the usual script of the framework: in Keras the article's, in PyTorch a stock DataLoader with ToTensor
(`benchmarks/stock_*.py`), timed by the same wrapper as the bare scripts of the lanes. B = the tuned lane, a run of its
own by `python -m core train`. Pairs in the order A B, B A, and so on, a fresh process each; 3,600 images an epoch.
Training time of all epochs after the first, B over A: 0.5 is twice as many images/s. The first pair of each framework
warms the disk's cache and is left out.
"""
GOALS = {"keras-tuned": 1 / 1.25, "torch-tuned": 1 / 2.2}
PROJECT = Path(__file__).resolve().parents[1]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How much is timed: pairs for each framework, epochs a process."""

    pairs: int
    epochs: int


FULL = Size(pairs=6, epochs=5)
QUICK = Size(pairs=1, epochs=2)


def script_s(engine: str, epochs: int, folder: Path) -> float:
    """Training seconds of the usual script, its first epoch left out."""
    framework, out = engine.partition("-")[0], folder / "epochs.json"
    script = Path(__file__).with_name(f"stock_{framework}.py")
    text = script.read_text(encoding="utf-8").replace("int(sys.argv[1]) if len(sys.argv) > 1 else 4", str(epochs))
    (folder / script.name).write_text(text, encoding="utf-8")
    _run([sys.executable, "-P", str(SCRIPT_TIMER), framework, script.name, str(out)], folder, {})
    return steady(json.loads(out.read_text()), epochs)


def lane_s(engine: str, epochs: int, folder: Path) -> float:
    """Training seconds of the lane, its first epoch left out."""
    command = [sys.executable, "-m", "core", "train", "--engines", engine, "--epochs", str(epochs)]
    said = _run([*command, "--device", "cpu", "--json"], PROJECT, {"DUEL_DATA_DIR": str(folder / "data")})
    rows = [json.loads(line) for line in said.splitlines()]
    return steady([row["train_s"] for row in rows if row["event"] == "epoch"], epochs)


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


def steady(epochs_s: list[float], epochs: int) -> float:
    """All epochs but the first. Raises `BenchmarkError` where some are missing."""
    if len(epochs_s) != epochs:
        raise BenchmarkError(f"{len(epochs_s)} of {epochs} epochs were timed.")
    return sum(epochs_s[1:])


def measure(size: Size) -> list[Result]:
    """Both frameworks, one after the other."""
    found = []
    for engine, goal in GOALS.items():
        ratios = []
        with tempfile.TemporaryDirectory(prefix="duel-bench-") as name:
            for number in range(size.pairs + 1):
                ways = [script_s, lane_s] if number % 2 else [lane_s, script_s]
                times = {way: way(engine, size.epochs, Path(name)) for way in ways}
                log.info("  %s: script %.2f s, lane %.2f s", engine, times[script_s], times[lane_s])
                ratios += [times[lane_s] / times[script_s]] if number else []
        note = f"{1 / median(ratios):.2f} times the images/s"
        found.append(Result(f"{engine_title(engine)} lane / usual script", quantile(ratios), "x", goal, note))
    return found
