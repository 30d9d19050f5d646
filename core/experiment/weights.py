"""Weights between frameworks and on disk: canonical arrays, PyTorch's layout, safetensors files.

Canonical is channels-last, as `WeightSpec` says. PyTorch holds convolutions as [out, in, height, width] and flattens
channels first, so what counts flattened activations is in another order there: transposing a dense layer alone is
silently wrong.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from core.experiment.layers import Shape, WeightSpec

Floats = npt.NDArray[np.floating[Any]]


class WeightsError(Exception):
    """A weights file that cannot be used, in one plain sentence."""


def features_to_torch(features: Floats, grid: Shape | None) -> Floats:
    """Activations in PyTorch's order, channels first, from the canonical one.

    [N, height, width, channels], or [N, features] that were flattened from `grid`; None: no order to change.
    """
    if features.ndim == 4:
        return features.transpose(0, 3, 1, 2)
    if grid is None:
        return features
    return features.reshape(-1, *grid).transpose(0, 3, 1, 2).reshape(features.shape)


def features_from_torch(features: Floats, grid: Shape | None) -> Floats:
    """The inverse of `features_to_torch`: [N, channels, height, width], or [N, features] that came of `grid`."""
    if features.ndim == 4:
        return features.transpose(0, 2, 3, 1)
    if grid is None:
        return features
    height, width, channels = grid
    return features.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(features.shape)


def _channels_first(array: Floats, grid: Shape) -> Floats:
    """An array whose first axis counts activations flattened from [height, width, channels], channels first."""
    return np.moveaxis(array.reshape(*grid, -1), 2, 0).reshape(array.shape)


def _channels_last(array: Floats, grid: Shape) -> Floats:
    """The inverse of `_channels_first`."""
    height, width, channels = grid
    return np.moveaxis(array.reshape(channels, height, width, -1), 0, 2).reshape(array.shape)


def to_torch(canonical: Mapping[str, Floats], specs: Sequence[WeightSpec]) -> dict[str, Floats]:
    """Copies of canonical arrays in PyTorch's layout: conv [out, in, H, W], depthwise [in, 1, H, W], dense [out, in].

    What counts flattened activations is put into PyTorch's order of them, channels first.
    """
    moved: dict[str, Floats] = {}
    for spec in specs:
        array = canonical[spec.name]
        if spec.grid is not None:
            array = _channels_first(array, spec.grid)
        match spec.role:
            case "conv":
                array = array.transpose(3, 2, 0, 1)
            case "depthwise":
                array = array.transpose(2, 3, 0, 1)
            case "dense":
                array = array.T
        moved[spec.name] = np.array(array, order="C")
    return moved


def from_torch(state: Mapping[str, Floats], specs: Sequence[WeightSpec]) -> dict[str, Floats]:
    """Copies of PyTorch's arrays in the canonical layout; the inverse of `to_torch`."""
    moved: dict[str, Floats] = {}
    for spec in specs:
        array = state[spec.name]
        match spec.role:
            case "conv":
                array = array.transpose(2, 3, 1, 0)
            case "depthwise":
                array = array.transpose(2, 3, 0, 1)
            case "dense":
                array = array.T
        if spec.grid is not None:
            array = _channels_last(array, spec.grid)
        moved[spec.name] = np.array(array, order="C")
    return moved


def check(weights: Mapping[str, Floats], specs: Sequence[WeightSpec]) -> None:
    """Raises `WeightsError` where names, shapes or types are not the network's, or a value is not finite."""
    expected = {spec.name: spec.shape for spec in specs}
    if weights.keys() != expected.keys():
        names = ", ".join(sorted(weights)[: len(expected)]) or "nothing"
        raise WeightsError(f"These weights belong to another network: they hold {names}")
    for name, array in weights.items():
        if array.shape != expected[name]:
            wrong = f"{name} has the shape {array.shape}, not {expected[name]}"
            raise WeightsError(f"These weights belong to another network: {wrong}")
        if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
            raise WeightsError(f"These weights hold values that are not numbers, in {name}")


def save_weights(weights: Mapping[str, Floats], path: Path) -> str:
    """Writes canonical weights as safetensors, whole or not at all; returns the file's SHA-256."""
    content = save({name: np.ascontiguousarray(array) for name, array in weights.items()})
    temporary = path.with_name(f"{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return hashlib.sha256(content).hexdigest()


def load_weights(path: Path, sha256: str, specs: Sequence[WeightSpec]) -> dict[str, Floats]:
    """Reads canonical weights. Raises `WeightsError` where the file is missing, damaged or another one."""
    return parse_weights(read_bytes(path), sha256, path.name, specs)


def read_bytes(path: Path) -> bytes:
    """A weights file's bytes. Raises `WeightsError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights file {path.name} cannot be read: {error.strerror}") from None


def parse_weights(content: bytes, sha256: str, name: str, specs: Sequence[WeightSpec]) -> dict[str, Floats]:
    """Canonical weights of a file's bytes. Raises `WeightsError` where they are damaged or another file's."""
    weights = parse_arrays(content, sha256, name)
    check(weights, specs)
    return weights


def parse_arrays(content: bytes, sha256: str, name: str) -> dict[str, Floats]:
    """A file's arrays, whatever they are called. Raises `WeightsError` where they are damaged or another file's."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(f"The weights file {name} is damaged: its SHA-256 is not the recorded one")
    try:
        arrays: dict[str, Floats] = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError):
        raise WeightsError(f"The weights file {name} is not a safetensors file") from None
    return arrays
