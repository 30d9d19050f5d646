"""The script shown for a run beside the lane it stands for, in one process: of drawn networks, and of kept defaults."""

import itertools

import pytest

from core.experiment.settings import Alignment
from tests.engines import networks
from tests.engines.conftest import Processes
from tests.engines.random_networks import draw

ENGINES = ("keras", "torch")
TUNED = ("keras-tuned", "torch-tuned")

pytestmark = pytest.mark.timeout(600)

ALWAYS = {("torch", alignment): 4 for alignment in Alignment} | {("keras", Alignment.EXACT_TWIN): 2}
"""How many draws are always tested: Keras takes seconds to trace one."""
DRAWN = [
    pytest.param(engine, alignment, number, marks=[pytest.mark.more] * (number >= ALWAYS.get((engine, alignment), 0)))
    for engine, number in itertools.product((*ENGINES, *TUNED), range(5))
    for alignment in (Alignment if engine in ENGINES else [Alignment.AS_SHIPPED])
]


@pytest.mark.parametrize(("engine", "alignment", "number"), DRAWN)
def test_whatever_the_network_the_optimiser_and_the_data_a_script_is_the_lane(
    processes: Processes, engine: str, alignment: Alignment, number: int
) -> None:
    drawn = draw(number)
    asked = drawn.asked | {"settings": {**drawn.settings, "alignment": alignment}}
    both = processes[engine].ask("shown", **asked)
    precision = 1e-11 if alignment == Alignment.EXACT_TWIN else 1e-4
    assert len(both["script"]["losses"]) == (0 if alignment == Alignment.AS_SHIPPED else len(both["lane"]["losses"]))
    assert both["script"]["losses"] == pytest.approx(both["lane"]["losses"], rel=precision), str(drawn)
    # An epoch on, the weights are the lane's: the same order, the same dropout.
    assert both["script"]["test_loss"] == pytest.approx(both["lane"]["test_loss"], rel=100 * precision), str(drawn)


@pytest.mark.parametrize(
    ("optimizer", "keep"),
    [
        ("adam", "batchnorm-variance,adam-epsilon,leakyrelu-slope"),
        ("adamw", "batchnorm-momentum,layernorm-epsilon,rounded-constants"),
        ("rmsprop", "rmsprop-epsilon,strided-padding,weight-decay"),
        ("rmsprop", "rmsprop-rho,batchnorm-epsilon,avgpool-padding"),
        ("nesterov", "weight-decay,avgpool-padding,strided-padding"),
    ],
)
def test_what_pytorch_keeps_of_its_defaults_its_script_keeps(processes: Processes, optimizer: str, keep: str) -> None:
    more = {"momentum": 0.5} if optimizer in ("rmsprop", "nesterov") else {}
    settings = {"network": networks.EVERY_LAYER, "optimizer": optimizer, "weight_decay": 0.01, "batch_size": 32, **more}
    settings |= {"alignment": "exact-twin", "keep": keep}
    both = processes["torch"].ask("shown", settings=settings, data=[28, 28, 1, 10], images=300)
    assert both["script"]["losses"] == pytest.approx(both["lane"]["losses"], rel=1e-11)
    assert both["script"]["test_loss"] == pytest.approx(both["lane"]["test_loss"], rel=1e-9)


@pytest.mark.parametrize("keep", ["batch-order", "dropout-masks,batch-order", "float32"])
def test_what_keras_keeps_of_its_defaults_its_script_keeps(processes: Processes, keep: str) -> None:
    settings = {"network": "conv 4 3 stride 2 relu, flatten, dropout, dense 10", "batch_size": 32, "keep": keep}
    settings |= {"alignment": "exact-twin"}
    both = processes["keras"].ask("shown", settings=settings, data=[28, 28, 1, 10], images=300)
    precision = 1e-4 if keep == "float32" else 1e-11
    assert both["script"]["losses"] == pytest.approx(both["lane"]["losses"], rel=precision)
