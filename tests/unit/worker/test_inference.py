"""A predictor's look inside a model: what travels of a network's layers, and what cannot."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.shape import MNIST_SHAPE
from core.experiment import parity
from core.experiment.network import Network
from core.experiment.settings import TrainSettings
from core.experiment.weights import save_weights
from core.protocol import lines, predictor_messages
from core.worker import inference
from core.worker.engines.fake import FakeEngine
from core.worker.inference import LoadedModels, first_channels

IMAGE = np.arange(784, dtype=np.uint8).reshape(28, 28, 1)


@pytest.fixture
def models(tmp_path: Path) -> LoadedModels:
    """A predictor that holds the article's network in the slot `a`."""
    settings, file = TrainSettings(), tmp_path / "weights.safetensors"
    sha256 = save_weights(parity.start_weights(0, Network.of("article", MNIST_SHAPE)), file)
    held = LoadedModels(FakeEngine("fake"))
    loaded = held.answer(predictor_messages.Load("a", settings.as_json(), str(file), sha256, [28, 28, 1, 10]))
    assert loaded == predictor_messages.Loaded(["a"])
    return held


def looked(models: LoadedModels, slot: str = "a") -> Any:
    return models.answer(predictor_messages.Look(slot, lines.packed(IMAGE)))


def test_a_look_brings_every_layer_in_the_networks_order_and_the_gradient(models: LoadedModels) -> None:
    found = looked(models)
    nodes = Network.of("article", MNIST_SHAPE).nodes
    assert [*found.shapes.items()] == [(node.name, list(node.leaves)) for node in nodes]
    outputs = lines.unpacked_floats(found.outputs, [*found.shapes.values()])
    (predicted,) = models.answer(predictor_messages.Predict("a", lines.packed(IMAGE))).logits  # type: ignore[union-attr]
    np.testing.assert_allclose(outputs[-1], predicted, rtol=1e-6)
    (gradient,) = lines.unpacked_floats(found.gradient, [(28, 28, 1)])
    weight = parity.start_weights(0, Network.of("article", MNIST_SHAPE))["dense.weight"]
    np.testing.assert_allclose(gradient.ravel(), weight[:784, np.argmax(predicted)], rtol=1e-6)


def test_of_a_network_with_too_many_numbers_each_layer_brings_its_first_channels(
    models: LoadedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = looked(models)
    monkeypatch.setattr(inference, "MOST_LOOKED", 20_000)
    cut = looked(models)
    assert cut.shapes.keys() == whole.shapes.keys()
    sizes = [int(np.prod(shape)) for shape in cut.shapes.values()]
    assert 10_000 < sum(sizes) <= 20_000
    first = lines.unpacked_floats(whole.outputs, [*whole.shapes.values()])[0]
    kept = lines.unpacked_floats(cut.outputs, [*cut.shapes.values()])[0]
    assert 0 < kept.shape[-1] < first.shape[-1]
    np.testing.assert_array_equal(kept, first[..., : kept.shape[-1]])


def test_at_least_one_channel_of_each_layer_is_kept() -> None:
    outputs = {"conv1": np.ones((9, 9, 4)), "dense": np.ones(7)}
    assert {name: array.shape for name, array in first_channels(outputs, 10).items()} == {
        "conv1": (9, 9, 1),
        "dense": (5,),
    }


def test_a_model_that_is_not_there_and_outputs_that_float32_cannot_hold_are_refused(
    models: LoadedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looked(models, "b") == predictor_messages.Refused("this model is not loaded")
    monkeypatch.setattr(FakeEngine, "_logits", lambda self, x: np.full((1, 10), 1e300))
    assert looked(models) == predictor_messages.Refused("the outputs of its layers are too large for float32")
