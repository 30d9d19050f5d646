"""The weights of a lane after each epoch, so that its training can be replayed: at most so many, in one file a lane.

They lie in float16, half the room of what a lane trains with: each keeps 11 binary digits, and so a replayed
probability may differ from what it was by some tenths of a percentage point. The weights after the last epoch are the
lane's own file, unrounded, and not among them.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from core.experiment.layers import WeightSpec
from core.experiment.weights import Floats, WeightsError, check, parse_arrays, read_bytes, save_weights

MOST_EPOCHS = 25
"""Epochs of a lane that can be replayed, the last one included; the start comes on top."""
MOST_BYTES = 16 * 2**20
"""Of a lane's file, before what names its arrays."""
FOLDER = "epochs"

EpochWeights = dict[int, dict[str, Floats]]
"""Canonical weights by the epoch after which they were; 0 is the start."""


def epochs_file(weights_file: Path) -> Path:
    """Where the epochs of a lane lie whose weights are in this file."""
    return weights_file.parent / FOLDER / weights_file.name


class KeptEpochs:
    """What is kept while a lane trains: every epoch, and once they are too many every second, fourth, ... one."""

    def __init__(self) -> None:
        self._held: EpochWeights = {}
        self._every, self._most = 1, MOST_EPOCHS

    def take(self, epoch: int, weights: Callable[[], Mapping[str, Floats]]) -> None:
        """Keeps the weights after an epoch that another one follows, 0 for the start; asks for them only where it
        keeps them.
        """
        if not self._most or epoch % self._every:
            return
        rounded = {name: _rounded(array) for name, array in weights().items()}
        self._most = min(self._most, MOST_BYTES // sum(array.nbytes for array in rounded.values()))
        if self._most:
            self._held[epoch] = rounded
        while len(self._held) > self._most:
            self._every *= 2
            self._held = {epoch: held for epoch, held in self._held.items() if epoch % self._every == 0}

    def save(self, path: Path) -> str:
        """Writes what is kept; returns the file's SHA-256, empty where nothing is kept or could be written."""
        with contextlib.suppress(OSError):  # a lane's result is worth more than its replay
            return save_epochs(self._held, path)
        return ""


def _rounded(array: Floats) -> Floats:
    """A copy in float16, or in float32 where a value is too large for that."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.isfinite(half).all() else array.astype(np.float32)


def save_epochs(epochs: EpochWeights, path: Path) -> str:
    """Writes weights by epoch as safetensors, whole or not at all; returns the file's SHA-256, empty for no epoch.

    Raises `OSError`.
    """
    if not epochs:
        return ""
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {f"{epoch}/{name}": array for epoch, held in epochs.items() for name, array in held.items()}
    return save_weights(named, path)


def load_epochs(path: Path, sha256: str, specs: Sequence[WeightSpec]) -> EpochWeights:
    """Reads weights by epoch, in order. Raises `WeightsError` where the file is missing, damaged or another one."""
    found: EpochWeights = {}
    for name, array in parse_arrays(read_bytes(path), sha256, path.name).items():
        epoch, _, own = name.partition("/")
        if not epoch.isdecimal():
            raise WeightsError(f"The weights file {path.name} holds {name}, which is of no epoch")
        found.setdefault(int(epoch), {})[own] = array
    for held in found.values():
        check(held, specs)
    return dict(sorted(found.items()))


def spread(epochs: EpochWeights, last: int, most: int) -> EpochWeights:
    """At most so many of the epochs, from the first on evenly up to `last`, which is not among them."""
    nearest = {min(epochs, key=lambda epoch: (abs(epoch - place * last / most), epoch)) for place in range(most)}
    return {epoch: held for epoch, held in epochs.items() if epoch in nearest}
