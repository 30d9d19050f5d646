"""Weights between layouts and on disk."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from core.data.shape import DataShape
from core.experiment import parity, weights
from core.experiment.network import ARTICLE, Network
from core.experiment.weights import WeightsError

SPECS = ARTICLE.weights
WILD = Network.of(
    "conv 6 3 stride 2 same, depthwise 3, batchnorm, flatten, layernorm, batchnorm, dense 8, layernorm, dense 5",
    DataShape(9, 7, 3, 5),
)


def numbered(network: Network) -> dict[str, parity.Floats]:
    """Weights in which no two numbers are alike, so that a wrong order shows."""
    made, first = {}, 1
    for spec in network.weights:
        size = int(np.prod(spec.shape))
        made[spec.name] = np.arange(first, first + size, dtype="float64").reshape(spec.shape)
        first += size
    return made


@pytest.fixture
def canonical() -> dict[str, parity.Floats]:
    """The article's network's."""
    return numbered(ARTICLE)


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


# --- layouts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [ARTICLE, WILD], ids=["article", "wild"])
def test_to_torch_and_from_torch_undo_each_other(network: Network) -> None:
    canonical = numbered(network)
    back = weights.from_torch(weights.to_torch(canonical, network.weights), network.weights)
    assert list(back) == list(canonical)
    for name, array in canonical.items():
        assert np.array_equal(back[name], array)


def test_pytorchs_layout_is_channels_first(canonical: dict[str, parity.Floats]) -> None:
    shapes = {name: array.shape for name, array in weights.to_torch(canonical, SPECS).items()}
    assert shapes == {
        "conv1.weight": (30, 1, 3, 3),
        "conv1.bias": (30,),
        "conv2.weight": (62, 30, 3, 3),
        "conv2.bias": (62,),
        "dense.weight": (10, 1550),
        "dense.bias": (10,),
    }
    moved = weights.to_torch(canonical, SPECS)["conv2.weight"]
    assert moved[61, 29, 0, 2] == canonical["conv2.weight"][0, 2, 29, 61]


def test_the_dense_layer_reads_the_same_activations_in_either_order(canonical: dict[str, parity.Floats]) -> None:
    activations = np.random.default_rng(0).normal(size=(4, 5, 5, 62))
    channels_last = activations.reshape(4, -1)
    channels_first = activations.transpose(0, 3, 1, 2).reshape(4, -1)
    assert np.array_equal(weights.features_to_torch(channels_last, (5, 5, 62)), channels_first)
    dense = weights.to_torch(canonical, SPECS)["dense.weight"]
    assert np.allclose(channels_first @ dense.T, channels_last @ canonical["dense.weight"], rtol=1e-12)
    assert not np.allclose(channels_first @ canonical["dense.weight"], channels_last @ canonical["dense.weight"])


def test_a_plain_transpose_of_the_dense_layer_is_another_layer(canonical: dict[str, parity.Floats]) -> None:
    assert not np.array_equal(weights.to_torch(canonical, SPECS)["dense.weight"], canonical["dense.weight"].T)


def test_every_array_of_flattened_activations_is_put_into_pytorchs_order() -> None:
    """Whatever stands between the flatten and the first dense layer; what comes behind counts its units."""
    canonical, specs = numbered(WILD), {spec.name: spec for spec in WILD.weights}
    moved = weights.to_torch(canonical, WILD.weights)
    grid = specs["dense1.weight"].grid
    assert grid == (3, 2, 6)
    place = np.arange(36).reshape(grid).transpose(2, 0, 1).ravel()
    for name in ("layernorm1.weight", "batchnorm2.mean", "batchnorm2.variance"):
        assert np.array_equal(moved[name], canonical[name][place])
    assert np.array_equal(moved["dense1.weight"], canonical["dense1.weight"][place].T)
    for name in ("batchnorm1.variance", "layernorm2.weight", "dense2.bias"):
        assert np.array_equal(moved[name], canonical[name])
    assert moved["depthwise.weight"].shape == (6, 1, 3, 3)
    assert moved["depthwise.weight"][5, 0, 0, 2] == canonical["depthwise.weight"][0, 2, 5, 0]


def test_activations_are_put_into_pytorchs_order_before_and_behind_a_flatten() -> None:
    image = np.random.default_rng(0).normal(size=(4, 5, 3, 6))
    first = image.transpose(0, 3, 1, 2)
    assert np.array_equal(weights.features_to_torch(image, None), first)
    assert np.array_equal(weights.features_to_torch(image.reshape(4, -1), (5, 3, 6)), first.reshape(4, -1))
    assert np.array_equal(weights.features_to_torch(image.reshape(4, -1), None), image.reshape(4, -1))


@pytest.mark.parametrize("move", [weights.to_torch, weights.from_torch])
def test_moving_copies_so_that_later_training_changes_nothing(move, canonical: dict[str, parity.Floats]) -> None:  # type: ignore[no-untyped-def]
    given = canonical if move is weights.to_torch else weights.to_torch(canonical, SPECS)
    for name, array in move(given, SPECS).items():
        assert not np.shares_memory(array, given[name])
        assert array.flags["C_CONTIGUOUS"]


# --- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_file_gives_back_every_bit(tmp_path: Path, canonical: dict[str, parity.Floats], dtype: str) -> None:
    held = {name: (array / 7).astype(dtype) for name, array in canonical.items()}
    path = tmp_path / "keras.safetensors"
    sha256 = weights.save_weights(held, path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    found = weights.load_weights(path, sha256, SPECS)
    for name, array in held.items():
        assert found[name].dtype == dtype
        assert np.array_equal(found[name], array)


def test_a_view_is_written_in_its_own_order(tmp_path: Path, canonical: dict[str, parity.Floats]) -> None:
    """safetensors writes a buffer as it lies: an array that is not contiguous would come back scrambled."""
    canonical["dense.weight"] = np.asfortranarray(canonical["dense.weight"])
    path = tmp_path / "w.safetensors"
    found = weights.load_weights(path, weights.save_weights(canonical, path), SPECS)
    assert np.array_equal(found["dense.weight"], canonical["dense.weight"])


def test_a_missing_file_gets_a_sentence(tmp_path: Path) -> None:
    sentence = r"The weights file keras\.safetensors cannot be read: No such file or directory"
    with pytest.raises(WeightsError, match=f"^{sentence}$"):
        weights.load_weights(tmp_path / "keras.safetensors", "0" * 64, SPECS)


def test_a_damaged_file_gets_a_sentence(tmp_path: Path, canonical: dict[str, parity.Floats]) -> None:
    path = tmp_path / "keras.safetensors"
    sha256 = weights.save_weights(canonical, path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    sentence = r"The weights file keras\.safetensors is damaged: its SHA-256 is not the recorded one"
    with pytest.raises(WeightsError, match=f"^{sentence}$"):
        weights.load_weights(path, sha256, SPECS)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\x80\x04pickle", b"\xff" * 100, (10**6).to_bytes(8, "little") + b"{"]
)
def test_what_is_no_safetensors_file_gets_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match=r"^The weights file w\.safetensors is not a safetensors file$"):
        weights.load_weights(path, write(path, content), SPECS)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dense.bias": None}, "another network: they hold conv1.bias, conv1.weight, conv2.bias, "),
        ({"dense.extra": np.zeros(1)}, "another network: they hold conv1.bias, conv1.weight, conv2.bias, "),
        ({"dense.bias": np.zeros(11)}, r"another network: dense.bias has the shape \(11,\), not \(10,\)$"),
        ({"dense.weight": np.zeros((10, 1550))}, r"dense.weight has the shape \(10, 1550\), not \(1550, 10\)$"),
        ({"conv1.bias": np.full(30, np.nan)}, r"values that are not numbers, in conv1\.bias$"),
        ({"conv1.bias": np.full(30, np.inf)}, r"values that are not numbers, in conv1\.bias$"),
        ({"conv1.bias": np.zeros(30, "int64")}, r"values that are not numbers, in conv1\.bias$"),
    ],
)
def test_another_networks_file_gets_a_sentence(
    tmp_path: Path, canonical: dict[str, parity.Floats], change: dict[str, np.ndarray], sentence: str
) -> None:
    held = {name: array for name, array in {**canonical, **change}.items() if array is not None}
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match=sentence) as caught:
        weights.load_weights(path, write(path, save(held)), SPECS)
    assert "\n" not in str(caught.value)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, canonical: dict[str, parity.Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keras.safetensors"
    sha256 = weights.save_weights(canonical, path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        weights.save_weights({**canonical, "dense.bias": np.ones(10)}, path)
    assert [file.name for file in tmp_path.iterdir()] == ["keras.safetensors"]
    assert np.array_equal(weights.load_weights(path, sha256, SPECS)["dense.bias"], canonical["dense.bias"])
