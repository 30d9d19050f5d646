"""Weights between frameworks and on disk: canonical arrays, PyTorch's layout, safetensors files.

Canonical is channels-last, as `core.experiment.network` says. PyTorch holds convolutions as [out, in, height, width]
and flattens channels first, so its dense layer needs its inputs in another order: transposing it alone is silently
wrong.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from core.experiment.network import activation_shapes, weight_specs

Floats = npt.NDArray[np.floating[Any]]


class WeightsError(Exception):
    """A weights file that cannot be used, in one plain sentence."""


def features_to_torch(features: Floats) -> Floats:
    """Flattened activations [N, 1550] in PyTorch's order (channels first) from the canonical one (last)."""
    height, width, channels = activation_shapes()["pool2"]
    return features.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(features.shape)


def to_torch(canonical: Mapping[str, Floats]) -> dict[str, Floats]:
    """Copies of canonical arrays in PyTorch's layout: conv [out, in, H, W], dense [out, in], inputs channels-first."""
    moved: dict[str, Floats] = {}
    for name, array in canonical.items():
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif array.ndim == 2:
            array = features_to_torch(array.T)
        moved[name] = np.array(array, order="C")
    return moved


def from_torch(state: Mapping[str, Floats]) -> dict[str, Floats]:
    """Copies of PyTorch's arrays in the canonical layout; the inverse of `to_torch`."""
    height, width, channels = activation_shapes()["pool2"]
    moved: dict[str, Floats] = {}
    for name, array in state.items():
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif array.ndim == 2:
            array = array.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, array.shape[0])
        moved[name] = np.array(array, order="C")
    return moved


def check(weights: Mapping[str, Floats]) -> None:
    """Raises `WeightsError` where names, shapes or types are not the network's, or a value is not finite."""
    expected = {spec.name: spec.shape for spec in weight_specs()}
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


def load_weights(path: Path, sha256: str) -> dict[str, Floats]:
    """Reads canonical weights. Raises `WeightsError` where the file is missing, damaged or another one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights file {path.name} cannot be read: {error.strerror}") from None
    return parse_weights(content, sha256, path.name)


def parse_weights(content: bytes, sha256: str, name: str) -> dict[str, Floats]:
    """Canonical weights of a file's bytes. Raises `WeightsError` where they are damaged or another file's."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(f"The weights file {name} is damaged: its SHA-256 is not the recorded one")
    try:
        weights: dict[str, Floats] = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError):
        raise WeightsError(f"The weights file {name} is not a safetensors file") from None
    check(weights)
    return weights
