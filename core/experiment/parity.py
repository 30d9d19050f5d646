"""What makes two lanes comparable, in numpy: start weights, batch order, Adam's terms, dropout masks, certificate.

Both engines take these from here, so that a same-start or exact-twin run differs in nothing but the
framework. The facts behind each function are in docs/fairness.md.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.experiment.layers import BatchNorm, Conv, Dense, DepthwiseConv, LayerNorm, Shape
from core.experiment.network import ARTICLE, Network, loses_constants

Floats = npt.NDArray[np.floating[Any]]

KERAS_EPSILON = 1e-7
"""Of Adam and RMSprop."""
KERAS_RHO, TORCH_RHO = 0.9, 0.99
"""Of RMSprop."""
KERAS_NORM_EPSILON = 1e-3
"""Of batch and layer normalisation."""
KERAS_NORM_MOMENTUM = 0.99
"""Of batch normalisation: what is kept of a statistic at a step."""
KERAS_LEAKY_SLOPE = 0.2
BETA_1, BETA_2 = 0.9, 0.999
# Keras on TensorFlow rounds both betas to float32 before its bias correction, in float64 too.
ROUNDED_BETA_1, ROUNDED_BETA_2 = float(np.float32(BETA_1)), float(np.float32(BETA_2))

CERTIFICATE_STEPS = 10
CERTIFICATE_BATCH = 126
CERTIFICATE_LEARNING_RATE = 1e-3
CERTIFICATE_BOUNDS = {True: (1e-12, 1e-12), False: (1e-5, 1e-4)}
"""For logits and losses, by whether they are float64."""


def start_weights(seed: int, network: Network = ARTICLE) -> dict[str, Floats]:
    """The shared start of an aligned run, float64, canonical layout: Glorot-uniform kernels, biases and means of 0,
    scales and variances of 1.
    """
    generator = np.random.default_rng(np.random.SeedSequence((seed, 0)))
    weights: dict[str, Floats] = {}
    for spec in network.weights:
        if spec.start == "glorot":
            limit = math.sqrt(6 / (spec.fan_in + spec.fan_out))
            weights[spec.name] = generator.uniform(-limit, limit, spec.shape)
        else:
            weights[spec.name] = np.full(spec.shape, 1.0 if spec.start == "ones" else 0.0)
    return weights


def batch_order(seed: int, epoch: int, images: int) -> npt.NDArray[np.int64]:
    """The order in which an aligned run's epoch visits its training images: int64 [images]."""
    return np.random.default_rng(np.random.SeedSequence((seed, epoch))).permutation(images)


def dropout_mask(seed: int, epoch: int, step: int, shape: Shape, rate: float, place: int = 0) -> Floats:
    """The twin's dropout mask, float64 [batch, *activations]: 0 where dropped, else 1 / (1 - rate).

    `epoch` and `step` count from 1, `place` the network's dropout layers from 0: each has a mask of its own. Philox is
    a counter-based generator: both workers draw the same mask without talking to each other.
    """
    of = (seed, epoch, step, place) if place else (seed, epoch, step)
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(of)))
    return (generator.random(shape) >= rate) / (1 - rate)


def adam_like_keras(step: int, learning_rate: float) -> tuple[float, float]:
    """The learning rate and epsilon with which PyTorch's Adam does Keras' step number `step` (from 1).

    Keras puts epsilon on the root before the bias correction and corrects with rounded betas; PyTorch adds it
    after, with exact ones. Setting both before every step makes the two updates the same.
    """
    exact_1, exact_2 = 1 - BETA_1**step, 1 - BETA_2**step
    rounded_1, rounded_2 = 1 - ROUNDED_BETA_1**step, 1 - ROUNDED_BETA_2**step
    scale = (math.sqrt(rounded_2) / rounded_1) / (math.sqrt(exact_2) / exact_1)
    return learning_rate * scale, KERAS_EPSILON / math.sqrt(exact_2)


def as_keras_rounds(constant: float) -> float:
    """A Python constant as Keras on TensorFlow computes with it, in float64 too: rounded to float32 on its way."""
    return float(np.float32(constant))


def cannot_align(network: Network) -> str:
    """What rounding decides in it, so that no alignment makes two frameworks compute the same; "" where nothing is.

    A normalisation of the pixels themselves makes 0 of those that are equal to their mean, or what rounding leaves of
    it. Behind a bend at 0 half of them then have another gradient. Kernels mix pixels, and what a batch normalisation
    left is then 0 or is not; a layer normalisation leaves rounding alone in every pixel of a flat grey area.
    """
    normed, stays, mixed = "", False, False
    for place, node in enumerate(network.nodes):
        layer = node.layer
        if isinstance(layer, LayerNorm) and loses_constants(network.layers[place + 1 :]):
            return f"batchnorm after {node.name}: it takes its bias away, and what is learnt there is rounding"
        if isinstance(layer, Conv | DepthwiseConv | Dense):
            normed, mixed = normed if stays else "", True
        bend = getattr(layer, "activation", "") or getattr(layer, "function", "")
        if normed and bend in ("relu", "leakyrelu"):
            return f"{bend} after {normed}: of pixels that equal their mean, rounding decides the gradient"
        if isinstance(layer, BatchNorm | LayerNorm) and not mixed:
            normed, stays = normed or node.name, stays or (isinstance(layer, LayerNorm) and len(node.arrives) == 3)
    return ""


@dataclass(frozen=True)
class Certificate:
    """Whether two lanes start and step alike: measured differences, their bounds, pass or fail."""

    logit_difference: float
    """Largest difference of a start logit, over the largest logit."""
    loss_difference: float
    """Largest relative difference of a loss over the steps."""
    logit_bound: float
    loss_bound: float
    steps: int
    batch_size: int

    @property
    def passed(self) -> bool:
        """Whether both differences are within their bounds."""
        return self.logit_difference <= self.logit_bound and self.loss_difference <= self.loss_bound


def compare(
    first: tuple[list[list[float]], list[float]],
    second: tuple[list[list[float]], list[float]],
    float64: bool,
    batch_size: int,
) -> Certificate:
    """The certificate of two lanes' (start logits [images, classes], losses [steps]).

    Raises `ValueError` where the two measured different things.
    """
    logits_a, logits_b = np.array(first[0]), np.array(second[0])
    losses_a, losses_b = np.array(first[1]), np.array(second[1])
    if logits_a.shape != logits_b.shape or losses_a.shape != losses_b.shape or not losses_a.size:
        raise ValueError(
            f"The lanes measured {logits_a.shape}, {losses_a.shape} and {logits_b.shape}, {losses_b.shape}."
        )
    scale = max(float(np.abs(logits_a).max()), float(np.abs(logits_b).max()), 1e-300)
    logit_bound, loss_bound = CERTIFICATE_BOUNDS[float64]
    return Certificate(
        logit_difference=float(np.abs(logits_a - logits_b).max()) / scale,
        loss_difference=float((np.abs(losses_a - losses_b) / np.maximum(np.abs(losses_a), 1e-300)).max()),
        logit_bound=logit_bound,
        loss_bound=loss_bound,
        steps=len(losses_a),
        batch_size=batch_size,
    )
