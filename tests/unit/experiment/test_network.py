"""The network as data: read, refused and written in one notation; the article's layers, counted by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.shape import MNIST_SHAPE, DataShape
from core.experiment import layers, network
from core.experiment.network import ARTICLE, PRESETS, Network, NetworkError
from core.experiment.settings import EVALUATION_BATCH
from tests.engines.random_networks import draw

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


# --- notation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("  FLATTEN ,\n dense   10 ", "flatten, dense 10"),
        ("conv 6 3 relu same stride 2, flatten, dense 10,", "conv 6 3 stride 2 same relu, flatten, dense 10"),
        ("conv 6 3 stride 1\nflatten\ndense 10\n", "conv 6 3, flatten, dense 10"),
        ("maxpool 2 stride 2, flatten, dense 10", "maxpool 2, flatten, dense 10"),
        ("avgpool 3 stride 1 same, flatten, dense 10", "avgpool 3 stride 1 same, flatten, dense 10"),
        ("dropout 0.50, globalavgpool, dense 10", "dropout 0.5, globalavgpool, dense 10"),
    ],
)
def test_it_is_written_in_its_shortest_form(text: str, written: str) -> None:
    assert Network.of(text).text == written


@given(st.integers(0, 10_000))
def test_printing_what_was_parsed_gives_the_same_text(number: int) -> None:
    drawn = draw(number)
    made = Network.of(drawn.network, drawn.data)
    assert made.text == drawn.network
    assert Network.of(made.text.upper().replace(", ", "\n"), drawn.data) == made


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fits_the_articles_data_and_is_called_by_its_name(name: str) -> None:
    assert network.shortest(Network.of(name).text, 10) == name
    assert isinstance(Network.of(name, COLOUR).layers[-1], layers.Dense)


def test_a_presets_last_layer_has_a_unit_a_class() -> None:
    made = Network.of("mlp", MNIST_SHAPE._replace(classes=3))
    assert made.text == "flatten, dense 128 relu, dropout, dense 3"
    assert network.shortest(made.text, 3) == "mlp"
    assert network.shortest(made.text, 10) == made.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("conv 6 29, flatten, dense 10", "Conv 6 29 after 28 x 28 grey pixels would leave 0 pixels."),
        ("conv 6 27, maxpool 3, flatten, dense 10", "Maxpool 3 after conv 6 27 would leave 0 pixels."),
        ("conv 6 3, dense 10", "Dense 10 after conv 6 3 needs flat activations: put flatten or globalavgpool before"),
        ("flatten, conv 6 3, dense 10", "Conv 6 3 after flatten needs an image, and what arrives is flat."),
        ("flatten, dense 9", "The last layer must be dense 10 for this data set, not dense 9."),
        ("flatten, dense 10 relu", "must be dense 10 for this data set, without an activation: it gives the logits"),
        ("flatten, dense 10, relu", "The last layer must be dense 10 for this data set, not relu."),
        ("flatten, dense 4096, dense 4096, dense 10", "parameters: at most 5,000,000 here."),
        ("layernorm, flatten, dense 10", "Layernorm after 28 x 28 grey pixels would make 0 of everything"),
        ("flatten,, dense 10", "Layer 2 is empty: two commas stand side by side."),
        ("maxpol 2, flatten, dense 10", "There is no layer maxpol. Did you mean maxpool?"),
        ("conv 6, flatten, dense 10", "Layer 1, conv 6: conv needs filters and kernel, as in conv 30 3."),
        ("conv 6 3 relu tanh, flatten, dense 10", "activation stands twice"),
        ("conv 6 0, flatten, dense 10", "kernel must be a whole number from 1 to 32, not 0"),
        ("flatten, dropout 1, dense 10", "the rate must be a number from 0 to 0.9, not 1"),
        ("flatten, dense 10 same", "dense takes units and an activation"),
        ("relu 2, flatten, dense 10", "relu takes nothing more"),
        ("", "A network needs layers"),
        (", ".join(["relu"] * 41), "A network has at most 40 layers here, not 41."),
    ],
)
def test_a_network_that_cannot_be_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(NetworkError) as caught:
        Network.of(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


# --- what follows from the layers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("conv 6 3, batchnorm, relu, flatten, dense 10", {"conv1"}),
        ("conv 6 3 relu, batchnorm, flatten, dense 10", set()),
        ("depthwise 3, maxpool 2, batchnorm, flatten, dense 10", {"depthwise"}),
        ("conv 6 3, dropout, batchnorm, flatten, dense 10", set()),
        ("flatten, dense 5, batchnorm, dense 10", {"dense1"}),
        ("conv 6 3, globalavgpool, batchnorm, dense 10", {"conv1"}),
        ("conv 6 3, layernorm, flatten, dense 10", set()),
    ],
)
def test_a_kernel_right_before_batch_norm_has_no_bias(text: str, without: set[str]) -> None:
    nodes = [
        node
        for node in Network.of(text).nodes
        if isinstance(node.layer, layers.Conv | layers.DepthwiseConv | layers.Dense)
    ]
    assert {node.name for node in nodes if not node.bias} == without
    assert {node.name for node in nodes if f"{node.name}.bias" not in [spec.name for spec in node.weights]} == without


def test_statistics_are_weights_that_nothing_learns() -> None:
    made = Network.of("batchnorm")
    kept = {spec.name: spec.start for spec in made.weights if not spec.trained}
    assert kept == {
        "batchnorm1.mean": "zeros",
        "batchnorm1.variance": "ones",
        "batchnorm2.mean": "zeros",
        "batchnorm2.variance": "ones",
    }
    assert made.parameters == sum(math.prod(spec.shape) for spec in made.weights if spec.trained)


def test_what_follows_a_flatten_knows_the_order_of_what_it_counts() -> None:
    made = Network.of("conv 6 3, flatten, layernorm, dropout, batchnorm, dense 20 relu, layernorm, dense 10")
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
    assert network.leaves_one_value(Network.of(text)) == alone


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("layernorm, relu, flatten, dense 10", "relu after layernorm"),
        ("layernorm, maxpool 2, tanh, leakyrelu, flatten, dense 10", "leakyrelu after layernorm"),
        ("flatten, batchnorm, dropout, relu, dense 10", "relu after batchnorm"),
        ("layernorm, conv 6 3 relu, flatten, dense 10", ""),
        ("conv 6 3, layernorm, relu, flatten, dense 10", ""),
        ("relu, layernorm, elu, flatten, dense 10", ""),
        ("batchnorm, flatten, dense 10", ""),
    ],
)
def test_a_bend_at_what_a_normalisation_makes_0_of_pixels_cannot_be_aligned(text: str, what: str) -> None:
    assert network.cannot_align(Network.of(text, COLOUR)).startswith(what)
    assert bool(network.cannot_align(Network.of(text, COLOUR))) == bool(what)
