"""The parts of fairness that are numpy: start weights, batch order, masks, Adam's terms, the certificate."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.shape import MNIST_SHAPE
from core.experiment import parity
from core.experiment.network import ARTICLE, Network

FEATURES = 1550

# --- start weights and order -----------------------------------------------------------------------------


def test_start_weights_are_glorot_uniform_with_zero_biases() -> None:
    held = parity.start_weights(0)
    assert {name: array.shape for name, array in held.items()} == {s.name: s.shape for s in ARTICLE.weights}
    for spec in ARTICLE.weights:
        array = held[spec.name]
        assert array.dtype == np.float64
        if spec.name.endswith("bias"):
            assert not array.any()
        else:
            limit = math.sqrt(6 / (spec.fan_in + spec.fan_out))
            assert 0.95 * limit < np.abs(array).max() <= limit
            assert abs(array.mean()) < 0.1 * limit


def test_a_normalisation_starts_with_what_changes_nothing() -> None:
    held = parity.start_weights(0, Network.of("conv 6 3, batchnorm, layernorm, flatten, dense 10", MNIST_SHAPE))
    for name, array in held.items():
        if "norm" in name:
            assert (array == (1 if name.endswith(("weight", "variance")) else 0)).all(), name
    assert "conv1.bias" not in held


def test_another_seed_is_another_start_and_the_same_seed_the_same() -> None:
    first, again, other = (parity.start_weights(seed)["conv1.weight"] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_batch_order_visits_every_image_once_and_another_way_each_epoch() -> None:
    orders = [parity.batch_order(0, epoch, 3600) for epoch in (1, 2)]
    assert all(sorted(order) == list(range(3600)) for order in orders)
    assert not np.array_equal(*orders)
    assert not np.array_equal(orders[0], parity.batch_order(1, 1, 3600))
    assert np.array_equal(orders[0], parity.batch_order(0, 1, 3600))


# --- masks -----------------------------------------------------------------------------------------------


def test_a_mask_drops_at_the_rate_and_scales_what_stays() -> None:
    mask = parity.dropout_mask(0, 1, 1, (126, FEATURES), 0.3)
    assert mask.shape == (126, FEATURES)
    assert set(np.unique(mask)) == {0.0, 1 / 0.7}
    assert (mask == 0).mean() == pytest.approx(0.3, abs=0.01)


def test_without_dropout_the_mask_is_exactly_one() -> None:
    assert (parity.dropout_mask(0, 1, 1, (126, FEATURES), 0.0) == 1.0).all()


@pytest.mark.parametrize("other", [(1, 1, 1), (0, 2, 1), (0, 1, 2)])
def test_every_seed_epoch_and_step_has_its_own_mask(other: tuple[int, int, int]) -> None:
    shape = (10, FEATURES)
    assert not np.array_equal(parity.dropout_mask(0, 1, 1, shape, 0.3), parity.dropout_mask(*other, shape, 0.3))


def test_each_dropout_of_a_network_has_its_own_mask_and_the_first_the_articles() -> None:
    first, second = (parity.dropout_mask(0, 1, 1, (10, FEATURES), 0.3, place) for place in (0, 1))
    assert np.array_equal(first, parity.dropout_mask(0, 1, 1, (10, FEATURES), 0.3))
    assert not np.array_equal(first, second)


def test_another_process_draws_the_same_mask_and_order() -> None:
    code = (
        "from core.experiment import parity; import hashlib; print(hashlib.sha256("
        "parity.dropout_mask(7, 3, 29, (72, 1550), 0.3).tobytes() + parity.batch_order(7, 3, 3600).tobytes()"
        ").hexdigest())"
    )
    printed = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(2)]
    assert printed[0] == printed[1] != ""


# --- Adam ------------------------------------------------------------------------------------------------


def keras_adam(gradients: list[float], learning_rate: float) -> list[float]:
    """Keras' documented update in float64: epsilon beside the uncorrected root, betas as float32 in the correction."""
    b1, b2 = 0.9, 0.999
    moment = velocity = parameter = 0.0
    path = []
    for step, gradient in enumerate(gradients, start=1):
        correction = math.sqrt(1 - float(np.float32(b2)) ** step) / (1 - float(np.float32(b1)) ** step)
        moment += (gradient - moment) * (1 - b1)
        velocity += (gradient * gradient - velocity) * (1 - b2)
        parameter -= moment * learning_rate * correction / (math.sqrt(velocity) + 1e-7)
        path.append(parameter)
    return path


def torch_adam(gradients: list[float], learning_rate: float, matched: bool) -> list[float]:
    """PyTorch's documented update in float64: epsilon after the correction of the root, exact betas."""
    b1, b2 = 0.9, 0.999
    moment = velocity = parameter = 0.0
    path = []
    for step, gradient in enumerate(gradients, start=1):
        rate, epsilon = parity.adam_like_keras(step, learning_rate) if matched else (learning_rate, 1e-8)
        moment = b1 * moment + (1 - b1) * gradient
        velocity = b2 * velocity + (1 - b2) * gradient * gradient
        denominator = math.sqrt(velocity) / math.sqrt(1 - b2**step) + epsilon
        parameter -= rate / (1 - b1**step) * moment / denominator
        path.append(parameter)
    return path


@given(st.integers(0, 2**32), st.floats(-9, 1), st.floats(1e-6, 1e3))
def test_pytorchs_adam_takes_keras_steps(seed: int, magnitude: float, learning_rate: float) -> None:
    """From gradients far below epsilon, where it decides the step, to large ones."""
    gradients = list(np.random.default_rng(seed).normal(size=60) * 10**magnitude)
    wanted = np.array(keras_adam(gradients, learning_rate))
    found = np.array(torch_adam(gradients, learning_rate, matched=True))
    assert np.abs(found - wanted).max() <= 1e-12 * np.abs(wanted).max()


def test_without_matching_the_two_part() -> None:
    gradients = list(np.random.default_rng(0).normal(size=60) * 1e-4)
    wanted = np.array(keras_adam(gradients, 1e-3))
    assert np.abs(np.array(torch_adam(gradients, 1e-3, matched=False)) - wanted).max() > 1e-5 * np.abs(wanted).max()


def test_adams_terms_come_near_the_plain_ones_after_many_steps() -> None:
    rate, epsilon = parity.adam_like_keras(100_000, 1e-3)
    assert rate == pytest.approx(1e-3, rel=1e-9)
    assert epsilon == pytest.approx(1e-7, rel=1e-9)
    assert parity.adam_like_keras(1, 1e-3)[1] == pytest.approx(1e-7 / math.sqrt(1e-3))


def test_a_constant_is_rounded_as_keras_rounds_it() -> None:
    assert parity.as_keras_rounds(0.9) == float(np.float32(0.9)) != 0.9
    assert parity.as_keras_rounds(0.5) == 0.5


# --- what cannot be aligned ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("layernorm, relu, flatten, dense 10", "relu after layernorm"),
        ("layernorm, maxpool 2, tanh, leakyrelu, flatten, dense 10", "leakyrelu after layernorm"),
        ("flatten, batchnorm, dropout, relu, dense 10", "relu after batchnorm"),
        ("layernorm, conv 6 3 relu, flatten, dense 10", "relu after layernorm"),
        ("layernorm, conv 6 3 tanh, flatten, dense 10", ""),
        ("batchnorm, conv 6 3 relu, flatten, dense 10", ""),
        ("conv 6 3, layernorm, batchnorm, relu, flatten, dense 10", "batchnorm after layernorm"),
        ("conv 6 3, layernorm, relu, flatten, dense 10", ""),
        ("relu, layernorm, elu, flatten, dense 10", ""),
        ("batchnorm, flatten, dense 10", ""),
    ],
)
def test_a_bend_at_what_a_normalisation_makes_0_of_pixels_cannot_be_aligned(text: str, what: str) -> None:
    assert parity.cannot_align(Network.of(text, MNIST_SHAPE._replace(channels=3))).startswith(what)
    assert bool(parity.cannot_align(Network.of(text, MNIST_SHAPE._replace(channels=3)))) == bool(what)


# --- the certificate -------------------------------------------------------------------------------------

LOGITS = [[1.0, -4.0], [2.0, 0.5]]
LOSSES = [2.3, 2.2, 2.1]


def certificate(logit_off: float = 0, loss_off: float = 0, float64: bool = True) -> parity.Certificate:
    logits = [[1.0, -4.0 + 4 * logit_off], [2.0, 0.5]]
    return parity.compare((LOGITS, LOSSES), (logits, [2.3, 2.2 * (1 + loss_off), 2.1]), float64, 126)


def test_equal_lanes_pass() -> None:
    made = certificate()
    assert made.passed
    assert (made.logit_difference, made.loss_difference, made.steps, made.batch_size) == (0, 0, 3, 126)


@pytest.mark.parametrize(("float64", "logit_bound", "loss_bound"), [(True, 1e-12, 1e-12), (False, 1e-5, 1e-4)])
def test_each_bound_decides_alone(float64: bool, logit_bound: float, loss_bound: float) -> None:
    assert certificate(0.5 * logit_bound, 0.5 * loss_bound, float64).passed
    assert not certificate(2 * logit_bound, 0, float64).passed
    assert not certificate(0, 2 * loss_bound, float64).passed


def test_differences_are_relative_to_the_largest_logit_and_to_each_loss() -> None:
    made = certificate(logit_off=1e-3, loss_off=1e-2)
    assert made.logit_difference == pytest.approx(1e-3, rel=1e-2)
    assert made.loss_difference == pytest.approx(1e-2, rel=1e-2)


def test_a_loss_of_zero_or_nan_is_compared_without_a_warning() -> None:
    zeros = (LOGITS, [0.0, 0.0, 0.0])
    assert parity.compare(zeros, zeros, True, 126).passed
    assert not parity.compare(zeros, (LOGITS, LOSSES), True, 126).passed
    assert not parity.compare((LOGITS, [math.nan] * 3), (LOGITS, LOSSES), True, 126).passed


@pytest.mark.parametrize("other", [(LOGITS, LOSSES[:2]), (LOGITS[:1], LOSSES), ([[1.0]], LOSSES)])
def test_lanes_that_measured_different_things_are_not_compared(other: tuple[list[list[float]], list[float]]) -> None:
    with pytest.raises(ValueError, match="The lanes measured"):
        parity.compare((LOGITS, LOSSES), other, True, 126)


def test_no_steps_are_no_certificate() -> None:
    with pytest.raises(ValueError, match="The lanes measured"):
        parity.compare((LOGITS, []), (LOGITS, []), True, 126)
