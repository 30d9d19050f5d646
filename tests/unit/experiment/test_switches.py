"""What an exact twin keeps of the defaults: which values may be said, what is aligned then, and what it touches."""

import pytest

from core.data.shape import MNIST_SHAPE
from core.experiment.network import Network
from core.experiment.settings import SETTINGS, Alignment, InvalidSettings, TrainSettings
from core.experiment.switches import WORDS, Switch, titles
from core.experiment.touched import touched

KEEP = SETTINGS["keep"]


def test_as_shipped_nothing_is_aligned_and_in_the_twin_all_but_what_is_kept() -> None:
    assert not any(TrainSettings().aligns(switch) for switch in Switch)
    twin = TrainSettings(alignment="exact-twin")
    assert all(twin.aligns(switch) for switch in Switch)
    for kept in Switch:
        one = TrainSettings(alignment="exact-twin", keep=(kept,))
        assert [switch for switch in Switch if not one.aligns(switch)] == [kept]


def test_from_the_same_start_masks_and_precision_are_the_frameworks_own() -> None:
    start = TrainSettings(alignment="same-start")
    assert {switch for switch in Switch if not start.aligns(switch)} == {Switch.DROPOUT_MASKS, Switch.FLOAT32}


@pytest.mark.parametrize("value", ["weight-decay, adam-epsilon", ["weight-decay", "adam-epsilon"]])
def test_text_and_lists_are_read_into_one_order(value: object) -> None:
    found = TrainSettings.parse({"alignment": "exact-twin", "keep": value})
    assert found.keep == ("adam-epsilon", "weight-decay")
    assert KEEP.typed(found.keep) == "adam-epsilon,weight-decay"
    assert TrainSettings.parse(found.as_json()) == found


def test_nothing_is_kept_where_nothing_is_said() -> None:
    assert TrainSettings.parse({"keep": ""}).keep == TrainSettings().keep == ()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("adam-eps", "There is no default adam-eps to keep. Defaults: initialisers, "),
        ("float32,float32", "Kept defaults must differ: each is kept once."),
        (7, "Kept defaults must be empty, or some of initialisers, "),
        (["float32", 7], "There is no default 7 to keep."),
        (None, "Kept defaults must be empty, or some of "),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(value: object, sentence: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        TrainSettings.parse({"alignment": "exact-twin", "keep": value})
    assert refused.value.problems["keep"].startswith(sentence)


@pytest.mark.parametrize("alignment", ["as-shipped", "same-start"])
def test_only_a_twin_keeps_defaults(alignment: str) -> None:
    with pytest.raises(InvalidSettings, match=f"Only an exact-twin keeps defaults, not {alignment}: keep none, or "):
        TrainSettings.parse({"alignment": alignment, "keep": "float32"})


def test_every_switch_has_words_and_names_keep_their_capitals() -> None:
    assert set(WORDS) == set(Switch)
    assert titles(("adam-epsilon", "weight-decay", "float32")) == "Adam's epsilon, weight decay and precision"
    assert KEEP.phrase(("rmsprop-rho",)) == "keeping RMSprop's decay"


def names(**raw: object) -> dict[str, tuple[str, ...]]:
    settings = TrainSettings.parse({"alignment": Alignment.EXACT_TWIN, **raw})
    return {
        str(switch): layers for switch, layers in touched(settings, Network.of(settings.network, MNIST_SHAPE)).items()
    }


def test_only_what_makes_a_difference_touches_a_network() -> None:
    usual = names()
    assert [*usual] == ["initialisers", "batch-order", "dropout-masks", "float32", "rounded-constants", "adam-epsilon"]
    assert usual["dropout-masks"] == ("dropout",)
    assert "dropout-masks" not in names(dropout=0)
    assert "adam-epsilon" not in names(optimizer="sgd")
    assert "rounded-constants" not in names(optimizer="sgd")
    assert {"rmsprop-epsilon", "rmsprop-rho"} <= set(names(optimizer="rmsprop"))
    assert "weight-decay" in names(weight_decay=0.01)
    assert "weight-decay" not in names(weight_decay=0.01, optimizer="adamw")


def test_layers_are_named_by_what_touches_them() -> None:
    found = names(
        network="conv 4 3 stride 2 same leakyrelu, batchnorm, avgpool 3 stride 1 same, layernorm, flatten, dense 10"
    )
    assert found["strided-padding"] == ("conv1",)
    assert found["avgpool-padding"] == ("pool1",)
    assert found["batchnorm-variance"] == ("batchnorm",)
    assert found["layernorm-epsilon"] == ("layernorm",)
    assert found["leakyrelu-slope"] == ("conv1",)


def test_padding_that_is_equal_on_all_sides_makes_no_difference() -> None:
    assert "strided-padding" not in names(network="conv 4 3 stride 1 same, flatten, dense 10")
    assert "strided-padding" not in names(network="conv 4 3 stride 3 same, flatten, dense 10"), "one on each side"
