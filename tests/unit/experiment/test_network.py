"""The network as data: the article's layers, counted by hand."""

import math

from core.experiment import network
from core.experiment.settings import EVALUATION_BATCH


def test_the_network_is_the_articles() -> None:
    assert network.activation_shapes() == {
        "conv1": (26, 26, 30),
        "pool1": (13, 13, 30),
        "conv2": (11, 11, 62),
        "pool2": (5, 5, 62),
        "flatten": (1550,),
        "dropout": (1550,),
        "dense": (10,),
    }
    assert network.FEATURES == 1550


def test_it_has_32612_parameters() -> None:
    assert network.parameter_count() == (3 * 3 * 1 * 30 + 30) + (3 * 3 * 30 * 62 + 62) + (1550 * 10 + 10) == 32_612


def test_weights_are_named_and_laid_out_channels_last() -> None:
    specs = {spec.name: (spec.shape, spec.fan_in, spec.fan_out) for spec in network.weight_specs()}
    assert specs == {
        "conv1.weight": ((3, 3, 1, 30), 9, 270),
        "conv1.bias": ((30,), 9, 270),
        "conv2.weight": ((3, 3, 30, 62), 270, 558),
        "conv2.bias": ((62,), 270, 558),
        "dense.weight": ((1550, 10), 1550, 10),
        "dense.bias": ((10,), 1550, 10),
    }


def test_another_list_of_layers_is_counted_the_same_way() -> None:
    layers = (network.Flatten("flatten"), network.Dense("hidden", 5), network.Dense("dense", 10))
    assert network.activation_shapes(layers)["flatten"] == (784,)
    assert network.parameter_count(layers) == (784 * 5 + 5) + (5 * 10 + 10)


def test_an_evaluation_batchs_activations_are_memory_that_glibc_keeps() -> None:
    """32 MiB is as far as glibc raises its own threshold for mapping memory (`mallopt(3)`)."""
    largest = max(math.prod(shape) for shape in network.activation_shapes().values())
    assert EVALUATION_BATCH * largest * 8 < 32 * 2**20
