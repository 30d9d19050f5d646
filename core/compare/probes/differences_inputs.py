"""What both frameworks are given by the probes of the catalogue, in numpy: the same numbers on either side.

Learning rates and constants of an aligned side are sums of few powers of two, which float32 holds exactly.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RATE, LOWER_RATE, MOMENTUM, DECAY = 0.125, 0.015625, 0.875, 0.0625
SHARP = 0.0009765625
"""A learning rate or an epsilon near 1e-3."""
STEPS, LONG = 20, 150
LOWER_AT = 10
"""Steps at the higher rate."""
PLATEAU = (1.0, 0.5, *[0.5] * 10)
"""Losses that stop to improve after the second epoch."""
PATIENCE = 2
COSINE_STEPS, FLOOR_SHARE = 10, 0.125
EPOCH_STEPS = 4
CLASS_WEIGHTS = (1.0, 3.0, 2.0)
CLASSES = len(CLASS_WEIGHTS)


def normal(seed: int, *shape: int) -> Floats:
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def line() -> tuple[Floats, Floats]:
    """32 points near y = 3 x + 1: x [32, 1], y [32]."""
    x = normal(0, 32, 1)
    return x, 3 * x[:, 0] + 1 + 0.1 * normal(1, 32)


def classes_of() -> tuple[Floats, npt.NDArray[np.int64]]:
    """64 rows that ten linear scores tell apart: [64, 20] and labels [64]."""
    x = normal(2, 64, 20)
    return x, (x @ normal(3, 20, 10)).argmax(1)


def batches() -> list[tuple[Floats, npt.NDArray[np.int64]]]:
    """Five batches of logits [8, 3] with labels [8]."""
    labels = np.random.default_rng(4)
    return [(normal(10 + batch, 8, CLASSES), labels.integers(0, CLASSES, 8)) for batch in range(5)]


def probabilities(logits: Floats) -> Floats:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def binary_batches() -> list[tuple[Floats, Floats]]:
    """Five batches of 16 logits, half of them between 0 and 0.5, with the labels that their signs give."""
    drawn = [np.random.default_rng(20 + batch).uniform(-0.5, 0.75, 16) for batch in range(5)]
    return [(logits, (logits > 0).astype(float)) for logits in drawn]


def gru_weights() -> dict[str, Floats]:
    """Of a GRU with 3 inputs and 4 units, as Keras keeps them, gates in Keras' order."""
    return {"kernel": normal(5, 3, 12), "recurrent": normal(6, 4, 12), "bias": normal(7, 2, 12)}


def attention_weights() -> dict[str, Floats]:
    """Of an attention with 2 heads of 4 over 8 features, as Keras keeps them, without biases."""
    names = ("query", "key", "value")
    return {name: normal(30 + place, 8, 2, 4) for place, name in enumerate(names)} | {"output": normal(33, 2, 4, 8)}


def attention_mask(length: int = 6) -> npt.NDArray[np.bool_]:
    """[length, length]: each step may look at itself and at the one before it."""
    own = np.eye(length, dtype=bool)
    return own | np.roll(own, 1, axis=0)


def pattern() -> Floats:
    """An image of 16 x 16 whole numbers, multiples of four."""
    return np.asarray(4.0 * np.random.default_rng(8).integers(0, 64, (16, 16)), np.float64)


def listed(values: Any) -> list[float]:
    """All numbers of an array in order."""
    return [float(value) for value in np.asarray(values).reshape(-1)]
