"""A run certifies itself: one wrong thing in one lane is found in what the lanes report, and a clean run holds."""

from pathlib import Path
from typing import Any

import pytest

from core.data.shape import MNIST_SHAPE
from core.experiment.fairness import TWIN_BOUNDS, Comparison, FairnessVerdict
from core.experiment.network import Network
from core.experiment.settings import TrainSettings
from core.experiment.weights import load_weights
from core.protocol import lines, messages
from tests.engines.conftest import Processes, opened
from tests.engines.networks import THIN
from tests.shell import ONE_CORE

pytestmark = pytest.mark.timeout(900)


TRAPS = {
    "network": "conv 4 3 stride 2 same gelu, batchnorm, avgpool 3 stride 2 same, dropout, flatten, batchnorm, dropout, "
    "dense 10",
    "optimizer": "adamw",
    "weight_decay": 0.01,
}
"""What two frameworks do differently, in one network."""


def verdict(processes: Processes, keras: str = "", torch: str = "", **settings: Any) -> FairnessVerdict:
    """What the Launcher finds in two whole lanes of the worker's own code, with a planted error or none."""
    asked = {"alignment": "exact-twin", "epochs": 2, **settings}
    parsed = TrainSettings.parse({name: value for name, value in asked.items() if name != "images"})
    comparison, specs = (
        Comparison(("keras", "torch"), parsed.alignment, parsed.drops),
        Network.of(parsed.network, MNIST_SHAPE).weights,
    )
    weights = []
    for engine, plant in (("keras", keras), ("torch", torch)):
        lane = processes[engine].ask("reported", plant=plant, **asked)
        for message in map(lines.decode_event, lane["events"]):
            comparison.take(engine, message)
            if isinstance(message, messages.Result):
                path = Path(lane["folder"]) / message.weights_file
                weights.append(load_weights(path, message.weights_sha256, specs))
    complete = len(weights) == 2
    return comparison.verdict(weights if complete else (), complete)


# --- what must be found ----------------------------------------------------------------------------------

FIRST_STEP, LATER = "step 1", "a later step"


@pytest.mark.parametrize(
    ("engine", "error", "parts", "settings"),
    [
        ("torch", "masks off by one step", FIRST_STEP, {}),
        ("keras", "masks at 0.9 times the rate", FIRST_STEP, {}),
        ("torch", "other batch order from epoch 2", "epoch 2, step 1", {}),
        ("torch", "Adam counts anew each epoch", LATER, {}),
        ("keras", "last batch dropped", "epoch 1", {}),
        ("torch", "dense layer transposed on the way out", "weights", {}),
        ("keras", "scaled by 256", FIRST_STEP, {}),
        ("torch", "evaluation with dropout on", "epoch 1", {}),
        pytest.param("torch", "learning rate ignored", LATER, {"learning_rate": 3e-3}, marks=pytest.mark.more),
        pytest.param("torch", "channels-first flatten", FIRST_STEP, {}, marks=pytest.mark.more),
        pytest.param("torch", "other epsilon", LATER, {}, marks=pytest.mark.more),
        pytest.param("torch", "unrounded betas", LATER, {}, marks=pytest.mark.more),
        pytest.param("keras", "other batch order", FIRST_STEP, {}, marks=pytest.mark.more),
        pytest.param("keras", "dropout left on", FIRST_STEP, {"dropout": 0}, marks=pytest.mark.more),
        pytest.param("torch", "labels shifted", FIRST_STEP, {}, marks=pytest.mark.more),
        pytest.param("torch", "masks not reordered", FIRST_STEP, {}, marks=pytest.mark.more),
    ],
)
def test_one_wrong_thing_in_one_lane_parts_the_twin(
    processes: Processes, engine: str, error: str, parts: str, settings: dict[str, Any]
) -> None:
    found = verdict(processes, **{engine: error}, **{"network": THIN, **settings})
    assert found.state == "parted", found
    parting = found.parting
    assert parting is not None
    assert parting.difference > 1000 * parting.bound  # not by a hair
    place = {
        FIRST_STEP: (parting.where, parting.run_step) == ("step", 1),
        LATER: parting.where == "step" and parting.run_step > 1,
        "epoch 2, step 1": (parting.where, parting.epoch, parting.step) == ("step", 2, 1),
        "epoch 1": parting.where in ("steps", "epoch") and parting.epoch == 1,
        "weights": parting.where == "weights" and parting.figure == "dense.weight",
    }
    assert place[parts], parting
    assert found.apart
    if error != "evaluation with dropout on":
        assert found.weight_difference > 100 * TWIN_BOUNDS.weight


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        ("symmetric padding", FIRST_STEP),
        ("pads counted", FIRST_STEP),
        ("tanh GELU", FIRST_STEP),
        ("channels-first flatten", FIRST_STEP),
        ("PyTorch's epsilon in normalisations", FIRST_STEP),
        ("one mask for two dropouts", FIRST_STEP),
        ("L2 in place of decoupled decay", LATER),
        ("batch norm's momentum as Keras means it", "epoch 1"),
        ("unbiased running variance", "epoch 1"),
    ],
)
def test_one_trap_of_a_layer_parts_the_twin(processes: Processes, error: str, parts: str) -> None:
    test_one_wrong_thing_in_one_lane_parts_the_twin(processes, "torch", error, parts, TRAPS)
    if error == "unbiased running variance":
        assert verdict(processes, torch=error, **TRAPS).apart == "batchnorm2.variance"


# --- what must hold --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 8},
        {"epochs": 8, "batch_size": 450, "patience": 1, "learning_rate": 0.03},
        pytest.param({"epochs": 8, "learning_rate": 1e-6, "dropout": 0, "seed": 1}, marks=pytest.mark.more),
        pytest.param({"epochs": 8, "learning_rate": 10, "dropout": 0.9, "seed": 2}, marks=pytest.mark.more),
        pytest.param({"epochs": 2, "batch_size": 1, "images": 60}, marks=pytest.mark.more),
        {"epochs": 4, **TRAPS},
    ],
    ids=lambda settings: ",".join(f"{name}={value}" for name, value in settings.items()),
)
def test_a_clean_twin_holds(processes: Processes, settings: dict[str, Any]) -> None:
    found = verdict(processes, **settings)
    assert found.state == "held", found
    assert found.complete
    assert found.tested
    assert found.weighed
    assert found.steps >= found.epochs > 0


@pytest.mark.more
def test_a_clean_twin_holds_on_two_threads(prepared_data_dir: Path, tmp_path: Path) -> None:
    """As it trains on a machine with two cores that are free: sums are taken in another order."""
    two = dict.fromkeys(ONE_CORE, "2")
    with opened(prepared_data_dir, tmp_path, **two) as processes:
        assert verdict(processes, epochs=8).state == "held"


def test_a_twin_that_diverges_is_compared_as_far_as_both_got(processes: Processes) -> None:
    found = verdict(processes, learning_rate=1e6)
    assert (found.state, found.parting) == ("not compared", None), found
    assert not found.complete
    assert not found.weighed
    assert found.steps >= 1


@pytest.mark.parametrize("learning_rate", [1e-3, pytest.param(0.1, marks=pytest.mark.more)])
def test_a_clean_same_start_without_dropout_holds(processes: Processes, learning_rate: float) -> None:
    found = verdict(processes, alignment="same-start", dropout=0, epochs=8, learning_rate=learning_rate)
    assert found.state == "held", found
    assert found.step_loss_difference > 1e-9  # float32 drifts, and the bounds know


@pytest.mark.parametrize(
    "error", ["labels shifted", pytest.param("dense layer transposed on the way out", marks=pytest.mark.more)]
)
def test_a_wrong_thing_parts_a_same_start(processes: Processes, error: str) -> None:
    assert verdict(processes, torch=error, alignment="same-start", dropout=0).state == "parted"
