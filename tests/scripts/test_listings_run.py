"""The scripts shown for a run, run: each as a file of its own in a clean process, beside the lane it stands for.

Other networks, optimisers and data: `tests/engines/test_listings.py`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.data import datasets
from core.experiment.engine_names import installed_engines
from core.experiment.settings import Alignment, Device, Optimizer, TrainSettings
from core.results.listings import listing
from tests.engines import networks

PROJECT = Path(__file__).resolve().parents[2]
ENGINES = ("keras", "torch")
TUNED = ("keras-tuned", "torch-tuned")
OTHERS = sorted(set(installed_engines()) - set(ENGINES) - set(TUNED))

AS_SHIPPED = TrainSettings(epochs=3, device=Device.CPU)
TWO_EPOCHS = TrainSettings(epochs=2, device=Device.CPU)
SAME_START = TrainSettings(epochs=1, device=Device.CPU, alignment=Alignment.SAME_START)
TWIN = TrainSettings(epochs=2, device=Device.CPU, alignment=Alignment.EXACT_TWIN, network=networks.THIN)

EVERY_LAYER = TrainSettings(
    epochs=1,
    device=Device.CPU,
    alignment=Alignment.EXACT_TWIN,
    network=networks.EVERY_LAYER,
    optimizer=Optimizer.RMSPROP,
    momentum=0.5,
    weight_decay=0.01,
)
pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Printed:
    """What a script said."""

    first_losses: list[float]
    epochs: int
    test_loss: float
    test_accuracy: float


def run_script(engine: str, settings: TrainSettings, folder: Path) -> Printed:
    """Runs the script as its reader would: a file in a folder of its own, away from this project."""
    made = listing(engine, settings, datasets.find(settings.dataset))
    (folder / made.filename).write_text(made.script, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KERAS"))}
    done = subprocess.run(
        [sys.executable, made.filename], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if line.startswith(("test ", "first ")))
    return Printed(
        first_losses=[float(word) for word in said.get("first losses", "").split()],
        epochs=sum(line.startswith("Epoch ") for line in done.stdout.splitlines()),
        test_loss=float(said["test loss"]),
        test_accuracy=float(said["test accuracy"]),
    )


def figures_of_lanes(engine: str, runs: Sequence[TrainSettings], data_dir: Path) -> list[dict[str, Any]]:
    """The figures of an engine's lane in each run, from one process."""
    asked = json.dumps([settings.as_json() for settings in runs])
    command = [sys.executable, "-m", "tests.scripts.lane_figures", engine, asked, "mnist5k", str(data_dir)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    made: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return made


@pytest.fixture(scope="module")
def lanes(prepared_data_dir: Path) -> dict[tuple[str, TrainSettings], dict[str, Any]]:
    """Each engine's figures of every run that is always tested, from one process an engine."""
    runs = (AS_SHIPPED, SAME_START, EVERY_LAYER)
    return {
        (engine, settings): figures
        for engine in ENGINES
        for settings, figures in zip(runs, figures_of_lanes(engine, runs, prepared_data_dir), strict=True)
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_as_shipped_a_script_reaches_the_lanes_accuracy(engine: str, lanes: Any, tmp_path: Path) -> None:
    script, lane = run_script(engine, AS_SHIPPED, tmp_path), lanes[engine, AS_SHIPPED]
    assert script.epochs == 3
    assert script.test_accuracy > 0.8
    assert script.test_accuracy == pytest.approx(lane["test_accuracy"], abs=0.02)


@pytest.mark.parametrize("engine", [*TUNED, *(pytest.param(engine, marks=pytest.mark.more) for engine in OTHERS)])
def test_a_variants_script_learns(engine: str, tmp_path: Path) -> None:
    script = run_script(engine, TWO_EPOCHS, tmp_path)
    assert script.epochs == 2
    assert script.test_accuracy > 0.7
    assert 0 < script.test_loss < 1


@pytest.mark.parametrize("settings", [SAME_START, EVERY_LAYER], ids=["article", "every layer"])
@pytest.mark.parametrize("engine", ENGINES)
def test_from_the_same_start_a_script_takes_the_lanes_steps(
    engine: str, settings: TrainSettings, lanes: Any, tmp_path: Path
) -> None:
    script, lane = run_script(engine, settings, tmp_path), lanes[engine, settings]
    assert len(script.first_losses) == 10
    assert script.first_losses == pytest.approx(lane["step_losses"][:10], rel=1e-11 if settings.float64 else 1e-4)
    # Where every number is shared, the epoch's end and its evaluation are, too.
    if settings.float64:
        assert script.test_loss == pytest.approx(lane["test_loss"], rel=1e-8)
        assert script.test_accuracy == pytest.approx(lane["test_accuracy"])


def test_the_twins_scripts_are_one_computation(tmp_path: Path) -> None:
    keras, torch = (run_script(engine, TWIN, tmp_path) for engine in ENGINES)
    assert len(keras.first_losses) == 10
    assert keras.first_losses == pytest.approx(torch.first_losses, rel=1e-12)
    # Two epochs on, orders and masks of the second included, it still is.
    assert keras.test_loss == pytest.approx(torch.test_loss, rel=1e-9)
    assert keras.test_accuracy == pytest.approx(torch.test_accuracy)
