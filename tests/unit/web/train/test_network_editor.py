"""What the network editor shows for a text: rows, shapes, costs, what is wrong; and what a browser may send."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.data.datasets import DATASETS
from core.data.shape import MNIST_SHAPE, DataShape
from core.deployment.limits import NO_LIMITS, HostedLimits
from core.experiment.layers import WORDS
from core.experiment.network import MOST_LAYERS, PRESETS, Network
from core.web.components.network_editor import Edit, EditorRow, edit_of
from core.web.train.network import in_full, kinds, named, presets_for, rows_of, view_of

MNIST5K = DATASETS["mnist5k"]
SMALL = replace(MNIST5K, title="Eight by eight", image_shape=(8, 8, 1))


def written(row: EditorRow) -> str:
    """A row's text as the browser makes it of the fields."""
    said = [row.word]
    for field in row.fields:
        if field.value and field.value != field.usual:
            said += [f"{field.word} {field.value}" if field.word not in ("", field.value) else field.value]
    return " ".join(said)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_row_s_fields_write_its_layer_and_its_figures_are_the_network_s(preset: str) -> None:
    network, rows = Network.of(preset, MNIST_SHAPE), rows_of(PRESETS[preset], MNIST_SHAPE)
    assert ", ".join(map(written, rows)) == network.text
    assert [row.name for row in rows] == [node.name for node in network.nodes]
    assert [row.leaves for row in rows] == [node.leaves for node in network.nodes]
    parameters = [int(row.parameters.replace(",", "") or 0) for row in rows]
    assert parameters == [node.parameters for node in network.nodes]
    assert sum(int(row.multiply_adds.replace(",", "") or 0) for row in rows) == network.multiply_adds


@pytest.mark.parametrize(
    "text",
    [
        *("conv 8 3 stride 2 same gelu", "depthwise 3 stride 2", "maxpool 3 stride 2 same", "avgpool 2 stride 1"),
        *("dropout 0.25", "dropout", "dense 7 tanh", "layernorm", "globalavgpool", "silu"),
    ],
)
def test_every_option_has_a_field_that_writes_it(text: str) -> None:
    (row,) = rows_of(text, MNIST_SHAPE)
    assert written(row) == text


def test_a_row_can_become_every_kind_of_layer() -> None:
    assert [kind.word for kind in kinds()] == list(WORDS)
    for kind in kinds():
        text = written(EditorRow("", kind.word, fields=kind.fields))
        row, _ = rows_of(f"{text}, flatten", MNIST_SHAPE)  # batchnorm alone is a preset
        assert (row.word, row.fields) == (kind.word, kind.fields)


def test_what_cannot_be_read_is_a_row_too_and_shapes_are_shown_up_to_the_fault() -> None:
    rows = rows_of("conv 8 3, oops, , dense 10", MNIST_SHAPE)
    assert [row.text for row in rows] == ["conv 8 3", "oops", "", "dense 10"]
    assert [row.word for row in rows] == ["conv", "", "", "dense"]
    assert [row.leaves for row in rows] == [(26, 26, 8), (), (), ()]
    rows = rows_of("maxpool 2, maxpool 20, flatten", MNIST_SHAPE)
    assert [row.shape for row in rows] == ["14 x 14 x 1", "", ""]


def test_presets_that_cannot_be_for_the_data_are_listed_with_their_sentence() -> None:
    problems = {preset.title: preset.problem for preset in presets_for(SMALL, NO_LIMITS)}
    assert "pixels" in problems["The article's"]
    assert problems["The article's"] == view_of("article", SMALL, NO_LIMITS).problem
    assert not problems["Multilayer perceptron"]
    assert not any(preset.problem for preset in presets_for(MNIST5K, HostedLimits.model_construct()))


def test_a_preset_s_layers_follow_the_classes_of_the_data() -> None:
    three = DataShape(28, 28, 3, 3)
    assert in_full("mlp", three) == "flatten, dense 128 relu, dropout, dense 3"
    assert named("FLATTEN, dense 128 relu,dropout\ndense 3", three) == "mlp"
    assert named("flatten, dense 128 relu, dropout, dense 10", three).endswith("dense 10"), "it is no preset there"
    assert named("no network", three) == "no network"


WORDS_AND_MARKS = st.lists(st.sampled_from([*WORDS, "3", "stride", "same", "0.5", ",", "\n"])).map(" ".join)


@given(st.text(max_size=60) | WORDS_AND_MARKS)
@example("BATCHNORM,")  # a layer, and the name of a preset
def test_any_text_is_shown_or_refused_in_words(text: str) -> None:
    view = view_of(text, MNIST5K, NO_LIMITS)
    assert view.text == text
    assert bool(view.problem) != bool(view.totals)
    assert len(view.rows) <= MOST_LAYERS + 1
    assert view.problem_place is None or view.problem_place < len(view.rows)


@pytest.mark.parametrize(
    "state",
    [None, {}, {"edit": None}, {"edit": []}, {"edit": {"text": 3, "serial": 1}}, {"edit": {"text": "mlp"}}]
    + [{"edit": {"text": "mlp", "serial": serial}} for serial in (-1, True, 1.5, "1", 2**60)],
)
def test_a_forged_edit_counts_as_none(state: object) -> None:
    assert edit_of(state) is None


def test_an_edit_is_its_text_with_its_number() -> None:
    sent = {"text": "mlp \ud800", "serial": 3, "settled": False}
    assert edit_of({"edit": sent}) == Edit("mlp ?", 3, settled=False)
