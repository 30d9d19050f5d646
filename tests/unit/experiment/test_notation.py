"""The line in which a network is written: read, printed again, and refused with the layer and the reason."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.shape import MNIST_SHAPE, DataShape
from core.experiment.layers import (
    ACTIVATIONS,
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    MaxPool,
)
from core.experiment.network import PRESETS, Network, NetworkError, layers_of, parse, shortest, written

DIGITS = DataShape(8, 8, 1, 10)
COUNT, SIZE, STRIDE = st.integers(1, 4096), st.integers(1, 32), st.integers(1, 8)
MAYBE = st.sampled_from(["", *ACTIVATIONS])
RATES = st.none() | st.integers(0, 90).map(lambda percent: percent / 100)
LAYERS: st.SearchStrategy[Layer] = st.one_of(
    st.builds(Conv, COUNT, SIZE, STRIDE, st.booleans(), MAYBE),
    st.builds(DepthwiseConv, SIZE, STRIDE, st.booleans(), MAYBE),
    *(st.builds(kind, SIZE, st.just(0) | STRIDE, st.booleans()) for kind in (MaxPool, AvgPool)),
    *(st.builds(kind) for kind in (GlobalAvgPool, BatchNorm, LayerNorm, Flatten)),
    st.builds(Dropout, RATES),
    st.builds(Dense, COUNT, MAYBE),
    st.builds(Activation, st.sampled_from(ACTIVATIONS)),
)
"""Every layer that can be written."""


@given(st.lists(LAYERS, min_size=1, max_size=40).map(tuple))
def test_what_is_printed_is_read_as_the_same_and_printed_the_same_again(layers: tuple[Layer, ...]) -> None:
    text = written(layers)
    assert written(parse(text)) == text
    assert [str(layer) for layer in parse(text)] == [str(layer) for layer in layers]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_printed_as_it_stands_and_called_by_its_name(name: str) -> None:
    assert written(parse(PRESETS[name])) == PRESETS[name]
    assert shortest(PRESETS[name], 10) == shortest(name, 10) == name
    assert Network.of(name, MNIST_SHAPE).text == PRESETS[name]


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("Conv 30 3 RELU,Flatten,\n dense   10,", "conv 30 3 relu, flatten, dense 10"),
        ("conv 8 3 relu same stride 2\nflatten\ndense 10\n\n", "conv 8 3 stride 2 same relu, flatten, dense 10"),
        ("maxpool 2 stride 2, flatten, dense 10", "maxpool 2, flatten, dense 10"),
        ("conv 8 3 stride 1, dropout .50, flatten, dense 10", "conv 8 3, dropout 0.5, flatten, dense 10"),
        ("  MLP ", "mlp"),
        ("flatten,\ndense 10", "flatten, dense 10"),
        ("dropout .00001, flatten, dense 10", "dropout 0.00001, flatten, dense 10"),
        ("dropout 0.1234567, flatten, dense 10", "dropout 0.1234567, flatten, dense 10"),
    ],
)
def test_case_spaces_order_and_what_goes_without_saying_are_free(typed: str, printed: str) -> None:
    assert shortest(typed, 10) == printed


def test_a_preset_s_last_layer_has_a_unit_a_class() -> None:
    assert layers_of("lenet5", 37)[-1] == Dense(37)
    assert shortest(PRESETS["mlp"], 37) == PRESETS["mlp"], "its text says ten classes, and means them"


REFUSED = {
    "flatten, dropout 0,5, dense 10": "There is no layer 5: a comma ends a layer. Write dropout 0.5.",
    "conv 8 3 stride 2,same, flatten": "There is no layer same: a comma ends a layer. Write conv 8 3 stride 2 same.",
    "flatten, dense 1,024 relu, dense 10": "There is no layer 024 relu: a comma ends a layer. Write dense 1024 relu.",
    "flatten, dense 10, 5": "There is no layer 5. Layers: conv,",
    "convv 3 3": "There is no layer convv. Did you mean conv? Layers: conv,",
    "foo": "There is no layer foo. Layers: .* Presets: article, lenet5,",
    "conv 30": "Layer 1, conv 30: conv needs filters and kernel, as in conv 30 3.",
    "flatten, conv 30 99": "Layer 2, conv 30 99: kernel must be a whole number from 1 to 32, not 99.",
    "conv 1_0 3": "filters must be a whole number from 1 to 4,096, not 1_0.",
    "conv ٣ 3": "filters must be a whole number",
    "dense 0": "units must be a whole number from 1 to 4,096, not 0.",
    "conv 30 3 relu relu": "Layer 1, conv 30 3 relu relu: activation stands twice.",
    "conv 30 3 stride": "stride needs a number, as in stride 2.",
    "conv 30 3 stride 9": "stride must be a whole number from 1 to 8, not 9.",
    "dense 10 softmax": "dense takes units and an activation .*, not softmax.",
    "flatten 3": "flatten takes nothing more, not 3.",
    "relu 3": "relu takes nothing more.",
    "dropout 0.95": "the rate must be a number from 0 to 0.9, not 0.95.",
    "dropout nan": "the rate must be a number",
    "flatten,, dense 10": "Layer 2 is empty: two commas stand side by side.",
    "": "A network needs layers",
    ", ".join(["relu"] * 41): "A network has at most 40 layers here, not 41.",
    "relu, " * 1000: "A network has at most 2,000 letters, not 6,000.",
    "maxpool 8, maxpool 4, flatten, dense 10": "Maxpool 4 after maxpool 8 would leave 0 pixels.",
    "dense 10": "Dense 10 after 28 x 28 grey pixels needs flat activations: put flatten or globalavgpool before it.",
    "flatten, conv 3 3, dense 10": "Conv 3 3 after flatten needs an image, and what arrives is flat.",
    "flatten, dense 9": "The last layer must be dense 10 for this data set, not dense 9.",
    "flatten, dense 10 relu": "not dense 10 relu. The last layer gives the logits, without an activation.",
    "conv 3 relu": "Layer 1, conv 3 relu: conv needs filters and kernel, as in conv 30 3.",
    "flatten": "The last layer must be dense 10 for this data set, not flatten.",
    "flatten, dense 4096, dense 4096, dense 10": "The network has 20,037,642 parameters: at most 5,000,000 here.",
    "conv 512 5 same, conv 512 5 same, globalavgpool, dense 10": "parameters: at most 5,000,000",
    "conv 200 3 same, conv 200 3 same, conv 200 3 same, globalavgpool, dense 10": "multiply-adds an image: at most",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_network_that_cannot_be_is_refused_with_the_layer_and_the_reason(text: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(REFUSED[text]).replace("\\.\\*", ".*")) as refused:
        Network.of(text, MNIST_SHAPE)
    assert str(refused.value).endswith(".")
    assert len(str(refused.value).splitlines()) == 1


@given(st.text(max_size=60) | st.lists(st.sampled_from(["conv", "3", "dense 10", ",", "same", "x", "٣"])).map(" ".join))
def test_any_text_is_a_network_or_refused_in_a_sentence(text: str) -> None:
    layers: tuple[Layer, ...] = ()
    refused = ""
    try:
        layers = parse(text)
    except NetworkError as error:
        refused = str(error)
    assert bool(layers) != bool(refused)
    assert refused.isprintable()
    assert refused.endswith("." * bool(refused))
    if layers:
        assert written(parse(written(layers))) == written(layers)


def test_a_network_for_small_images_is_refused_for_them_alone() -> None:
    Network.of("batchnorm", DIGITS)
    with pytest.raises(NetworkError, match="Maxpool 2 after conv 62 3 relu would leave 0 pixels"):
        Network.of("article", DIGITS)


@pytest.mark.parametrize(
    ("text", "biased"),
    [
        ("conv 4 3, batchnorm, relu, flatten, dense 10", {"dense"}),
        ("conv 4 3, maxpool 2, batchnorm, flatten, dense 10", {"dense"}),
        ("conv 4 3 relu, batchnorm, flatten, dense 8, dense 10", {"conv1", "dense1", "dense2"}),
        ("conv 4 3, conv 4 3, batchnorm, relu, flatten, dense 10", {"dense"}),
        ("conv 4 3, conv 4 3 same, batchnorm, relu, flatten, dense 10", {"conv1", "dense"}),
        ("conv 4 3, dropout, batchnorm, flatten, dense 10", {"conv1", "dense"}),
    ],
)
def test_a_bias_that_batch_normalisation_takes_away_is_none(text: str, biased: set[str]) -> None:
    network = Network.of(text, MNIST_SHAPE)
    kernels = {spec.name.split(".")[0] for spec in network.weights if spec.role != "vector"}
    assert {name for name in kernels if any(spec.name == f"{name}.bias" for spec in network.weights)} == biased
