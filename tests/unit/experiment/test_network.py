"""The network as data: the article's layers, counted by hand, and what follows from a network's layers."""

import math

import pytest

from core.data.shape import MNIST_SHAPE, DataShape
from core.experiment import layers, network_text
from core.experiment.network import ARTICLE, Network, NetworkError
from core.experiment.settings import EVALUATION_BATCH

COLOUR = DataShape(32, 32, 3, 10)


def shapes(of: Network) -> dict[str, layers.Shape]:
    return {node.name: node.leaves for node in of.nodes}


# --- the article's ---------------------------------------------------------------------------------------


def test_the_network_is_the_articles() -> None:
    assert shapes(ARTICLE) == {
        "conv1": (26, 26, 30),
        "pool1": (13, 13, 30),
        "conv2": (11, 11, 62),
        "pool2": (5, 5, 62),
        "flatten": (1550,),
        "dropout": (1550,),
        "dense": (10,),
    }


def test_it_has_32612_parameters() -> None:
    assert ARTICLE.parameters == (3 * 3 * 1 * 30 + 30) + (3 * 3 * 30 * 62 + 62) + (1550 * 10 + 10) == 32_612
    assert ARTICLE.multiply_adds == 26 * 26 * 30 * 9 + 11 * 11 * 62 * 9 * 30 + 1550 * 10


def test_weights_are_named_and_laid_out_channels_last() -> None:
    specs = {spec.name: (spec.shape, spec.fan_in, spec.fan_out) for spec in ARTICLE.weights}
    assert specs == {
        "conv1.weight": ((3, 3, 1, 30), 9, 270),
        "conv1.bias": ((30,), 9, 270),
        "conv2.weight": ((3, 3, 30, 62), 270, 558),
        "conv2.bias": ((62,), 270, 558),
        "dense.weight": ((1550, 10), 1550, 10),
        "dense.bias": ((10,), 1550, 10),
    }
    assert {spec.name: spec.grid for spec in ARTICLE.weights if spec.grid} == {"dense.weight": (5, 5, 62)}


def test_an_evaluation_batchs_activations_are_memory_that_glibc_keeps() -> None:
    """32 MiB is as far as glibc raises its own threshold for mapping memory (`mallopt(3)`)."""
    largest = max(math.prod(shape) for shape in shapes(ARTICLE).values())
    assert EVALUATION_BATCH * largest * 8 < 32 * 2**20


def test_layer_norm_of_one_channel_is_refused_with_the_reason() -> None:
    sentence = "Layernorm after 28 x 28 grey pixels would make 0 of everything: it takes the mean of one channel away"
    with pytest.raises(NetworkError, match=sentence):
        Network.of("layernorm, flatten, dense 10", MNIST_SHAPE)


# --- what follows from the layers ------------------------------------------------------------------------


def test_statistics_are_weights_that_nothing_learns() -> None:
    made = Network.of("batchnorm", MNIST_SHAPE)
    kept = {spec.name: spec.start for spec in made.weights if not spec.trained}
    assert kept == {
        "batchnorm1.mean": "zeros",
        "batchnorm1.variance": "ones",
        "batchnorm2.mean": "zeros",
        "batchnorm2.variance": "ones",
    }
    assert made.parameters == sum(math.prod(spec.shape) for spec in made.weights if spec.trained)


def test_what_follows_a_flatten_knows_the_order_of_what_it_counts() -> None:
    made = Network.of(
        "conv 6 3, flatten, layernorm, dropout, batchnorm, dense 20 relu, layernorm, dense 10", MNIST_SHAPE
    )
    grid = (26, 26, 6)
    assert {spec.name: spec.grid for spec in made.weights} == {
        **{f"conv1.{kind}": None for kind in ("weight", "bias")},
        **{f"layernorm1.{kind}": grid for kind in ("weight", "bias")},
        **{f"batchnorm.{kind}": grid for kind in ("weight", "bias", "mean", "variance")},
        "dense1.weight": grid,
        "dense1.bias": None,
        **{f"layernorm2.{kind}": None for kind in ("weight", "bias")},
        **{f"dense2.{kind}": None for kind in ("weight", "bias")},
    }
    assert {node.name: node.grid for node in made.dropouts} == {"dropout": grid}


def test_keras_pads_the_odd_pixel_after() -> None:
    assert layers.padding(28, 3, 2) == (0, 1)
    assert layers.padding(28, 3, 1) == (1, 1)
    assert layers.padding(28, 2, 1) == (0, 1)
    assert layers.padding(27, 4, 3) == (0, 1)
    assert layers.padding(4, 1, 3) == (0, 0)


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("flatten, batchnorm, dense 10", "batchnorm"),
        ("conv 6 28, batchnorm, flatten, dense 10", "batchnorm"),
        ("batchnorm, flatten, dense 10", ""),
        ("flatten, layernorm, dense 10", ""),
    ],
)
def test_a_batch_norm_of_one_value_an_image_is_found(text: str, alone: str) -> None:
    assert network_text.leaves_one_value(Network.of(text, MNIST_SHAPE)) == alone
