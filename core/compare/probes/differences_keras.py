"""Keras' side of the catalogue's probes: its own defaults, but for those rows that turn one of them on by `kept`."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, losses, ops

from core.compare.probes import differences_inputs as inputs
from core.compare.probes.differences_inputs import listed

Probe = Callable[[bool], list[float]]


def _weights_of(layer: Any, x: Any, weights: Sequence[Any]) -> Any:
    """The layer, built for `x` and with these weights."""
    layer(x)
    layer.set_weights(list(weights))
    return layer


# --- optimisers ----------------------------------------------------------------------------------------


def _stepped(
    optimizer: Any,
    gradient: Callable[[Any], Any] = lambda weight: weight,
    rate_at: Callable[[int], float] | None = None,
) -> list[float]:
    """A single weight after every step, from 1; `gradient` of it, by default that of half its square."""
    weight = keras.Variable([1.0], dtype="float64")
    optimizer.build([weight])
    found = []
    for step in range(inputs.STEPS):
        if rate_at is not None:
            optimizer.learning_rate.assign(rate_at(step))
        optimizer.apply([gradient(tf.convert_to_tensor(weight.value))], [weight])
        found += listed(weight)
    return found


def _sgd_learning_rate(kept: bool) -> list[float]:
    return _stepped(keras.optimizers.SGD() if kept else keras.optimizers.SGD(inputs.RATE))


def _sgd_momentum(kept: bool) -> list[float]:
    optimizer = keras.optimizers.SGD(inputs.RATE, momentum=inputs.MOMENTUM)
    return _stepped(optimizer, rate_at=lambda step: inputs.RATE if step < inputs.LOWER_AT else inputs.LOWER_RATE)


def _l2_penalty(kept: bool) -> list[float]:
    penalty = keras.regularizers.L2(inputs.DECAY)

    def gradient(weight: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(weight)
            loss = ops.sum(ops.square(weight)) / 2 + penalty(weight)
        return tape.gradient(loss, weight)

    return _stepped(keras.optimizers.SGD(inputs.RATE), gradient)


def _adamw_decay(kept: bool) -> list[float]:
    # A gradient of zero: the decay alone moves the weight.
    options: dict[str, Any] = {} if kept else {"learning_rate": inputs.SHARP, "weight_decay": inputs.DECAY}
    return _stepped(keras.optimizers.AdamW(**options), ops.zeros_like)


def _rmsprop_learning_rate(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"learning_rate": inputs.SHARP}
    return _stepped(keras.optimizers.RMSprop(rho=inputs.MOMENTUM, epsilon=0.0, **options))


def _adagrad_start(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"initial_accumulator_value": inputs.RATE}
    return _stepped(keras.optimizers.Adagrad(inputs.RATE, epsilon=0.0, **options))


def _adadelta_defaults(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"learning_rate": 1.0, "rho": inputs.MOMENTUM, "epsilon": inputs.SHARP}
    return _stepped(keras.optimizers.Adadelta(**options))


def _clip_norm(kept: bool) -> list[float]:
    weights = [keras.Variable([1.0, 1.0], dtype="float64") for _ in range(2)]
    optimizer = keras.optimizers.SGD(0.5, clipnorm=1.0)
    optimizer.apply([tf.constant([3.0, 4.0], "float64"), tf.constant([1.5, 2.0], "float64")], weights)
    return [number for weight in weights for number in listed(weight)]


# --- losses --------------------------------------------------------------------------------------------


def _label_shape(kept: bool) -> list[float]:
    x, y = inputs.line()
    slope, offset = keras.Variable([[0.5]], dtype="float64"), keras.Variable([0.0], dtype="float64")
    optimizer, loss_of = keras.optimizers.SGD(inputs.RATE), losses.MeanSquaredError()
    found = []
    for _ in range(inputs.STEPS):
        with tf.GradientTape() as tape:
            loss = loss_of(y, ops.matmul(x, slope) + offset)
        optimizer.apply(tape.gradient(loss, [slope.value, offset.value]), [slope, offset])
        found += listed(loss)
    return found


def _softmax_twice(kept: bool) -> list[float]:
    x, y = inputs.classes_of()
    dense = layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((20,)), dense])
    dense.set_weights([inputs.normal(9, 20, 10) / 8, np.zeros(10)])
    model.compile(keras.optimizers.SGD(1.0), losses.SparseCategoricalCrossentropy())
    found = []
    for _ in range(inputs.LONG):
        model.reset_metrics()  # else each answer is the mean of all so far
        found += listed(model.train_on_batch(x, y))
    return found


def _class_weights(kept: bool) -> list[float]:
    reduction = "sum_over_batch_size" if kept else "mean_with_sample_weight"
    loss_of = losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
    weights = np.array(inputs.CLASS_WEIGHTS)
    return [float(loss_of(y, logits, sample_weight=weights[y])) for logits, y in inputs.batches()]


def _kl_divergence(kept: bool) -> list[float]:
    loss_of = losses.KLDivergence()
    target = inputs.probabilities(inputs.normal(11, 8, inputs.CLASSES))
    return [float(loss_of(target, inputs.probabilities(logits))) for logits, _ in inputs.batches()]


def _binary_accuracy(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"threshold": 0.0}
    found = []
    for logits, y in inputs.binary_batches():
        metric = keras.metrics.BinaryAccuracy(**options)
        metric.update_state(y, logits)
        found += listed(metric.result())
    return found


def _probability_clip(kept: bool) -> list[float]:
    loss_of = losses.SparseCategoricalCrossentropy(from_logits=not kept)
    y = np.array([0])
    found = []
    for logit in range(1, 31):
        logits = np.array([[0.0, float(logit)]])
        found.append(float(loss_of(y, inputs.probabilities(logits) if kept else logits)))
    return found


# --- layers --------------------------------------------------------------------------------------------


def _groupnorm_epsilon(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"epsilon": inputs.SHARP}
    return listed(layers.GroupNormalization(groups=4, **options)(0.01 * inputs.normal(12, 2, 3, 3, 8)))[:50]


def _unbiased_variance(kept: bool) -> list[float]:
    return [float(ops.var(inputs.normal(13, size))) for size in range(2, 31)]


def _flatten_order(kept: bool) -> list[float]:
    return listed(layers.Flatten()(np.arange(1.0, 19.0).reshape(1, 3, 3, 2)))


def _gru_gates(kept: bool) -> list[float]:
    x, weights = inputs.normal(14, 1, 10, 3), inputs.gru_weights()
    gru = _weights_of(layers.GRU(4, return_sequences=True), x, [*weights.values()])
    return listed(gru(x)[0, :, 0])


def _attention_mask(kept: bool) -> list[float]:
    x, weights = inputs.normal(15, 1, 6, 8), inputs.attention_weights()
    attention = layers.MultiHeadAttention(2, 4, use_bias=False)
    attention(x, x)
    attention.set_weights(list(weights.values()))
    return listed(attention(x, x, attention_mask=inputs.attention_mask()[None])[0, :, 0])


def _gelu(kept: bool) -> list[float]:
    x = np.linspace(-4, 4, 50)
    return listed(ops.gelu(x) if kept else ops.gelu(x, approximate=False))


def _softmax_axis(kept: bool) -> list[float]:
    return listed(ops.softmax(inputs.normal(16, 2, 3, 4)))


def _embedding_padding(kept: bool) -> list[float]:
    embedding = layers.Embedding(4, 2, mask_zero=True)
    rows = np.array([[0, 1]])
    embedding(rows)
    embedding.set_weights([np.array([[0.5, 0.25]] * 4)])
    optimizer, found = keras.optimizers.SGD(inputs.RATE), []
    for _ in range(inputs.STEPS):
        with tf.GradientTape() as tape:
            loss = ops.sum(ops.square(embedding(rows))) / 2
        weights = embedding.trainable_variables
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply([tf.convert_to_tensor(gradient) for gradient in gradients], weights)
        found.append(float(ops.sum(embedding.embeddings[0])))
    return found


def _same_padding(kept: bool) -> list[float]:
    x = inputs.pattern()[None, :8, :8, None]
    conv = _weights_of(layers.Conv2D(1, 4, padding="same"), x, [inputs.normal(17, 4, 4, 1, 1), np.zeros(1)])
    return listed(conv(x))


def _embedding_initialiser(kept: bool) -> list[float]:
    found = []
    for seed in range(5):
        embedding = layers.Embedding(1000, 64)
        embedding.build(None)
        if not kept:
            embedding.set_weights([inputs.normal(40 + seed, 1000, 64)])
        found.append(float(np.std(np.asarray(embedding.embeddings))))
    return found


def _lstm_start(kept: bool) -> list[float]:
    lstm = layers.LSTM(64)
    lstm(inputs.normal(18, 1, 2, 32))
    bias = np.asarray(lstm.get_weights()[2])
    return [float(gate.mean()) for gate in bias.reshape(4, 64)]


# --- the loop ------------------------------------------------------------------------------------------


def _evaluation_mode(kept: bool) -> list[float]:
    x = inputs.normal(19, 20, 20)
    first, last = layers.Dense(8, activation="relu"), layers.Dense(1)
    model = keras.Sequential([keras.Input((20,)), first, layers.Dropout(0.5), last])
    first.set_weights([inputs.normal(20, 20, 8), np.zeros(8)])
    last.set_weights([inputs.normal(21, 8, 1), np.zeros(1)])
    return listed(model.predict(x, verbose=0))


def _epoch_loss(kept: bool) -> list[float]:
    x, y = inputs.normal(22, 40, 4), inputs.normal(23, 40, 1)
    dense = layers.Dense(1)
    model = keras.Sequential([keras.Input((4,)), dense])
    dense.set_weights([inputs.normal(24, 4, 1), np.zeros(1)])
    model.compile(keras.optimizers.SGD(inputs.DECAY), "mse")
    return listed(model.fit(x, y, batch_size=32, epochs=10, shuffle=False, verbose=0).history["loss"])


def _plateau_patience(kept: bool) -> list[float]:
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=inputs.PATIENCE)
    callback.set_model(model)
    callback.on_train_begin()
    found = []
    for epoch, loss in enumerate(inputs.PLATEAU):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        found += listed(model.optimizer.learning_rate)
    return found


def _cosine_end(kept: bool) -> list[float]:
    # Of a plain 0.5 it would compute in float32.
    schedule = keras.optimizers.schedules.CosineDecay(np.float64(0.5), inputs.COSINE_STEPS, alpha=inputs.FLOOR_SHARE)
    return [float(schedule(step)) for step in range(2 * inputs.COSINE_STEPS + 1)]


def _schedule_step(kept: bool) -> list[float]:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, decay_steps=1, decay_rate=0.5)
    return [float(schedule(step)) for step in range(3 * inputs.EPOCH_STEPS)]


# --- the data ------------------------------------------------------------------------------------------


def _resizing_antialias(kept: bool) -> list[float]:
    return listed(layers.Resizing(4, 4)(inputs.pattern()[None, :, :, None]))


def _batch_size(kept: bool) -> list[float]:
    seen: list[float] = []

    def loss_of(y: Any, outputs: Any) -> Any:
        seen.append(float(y.shape[0]))
        return ops.mean(outputs)

    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("sgd", loss_of, run_eagerly=True)
    model.fit(inputs.normal(25, 100, 1), inputs.normal(26, 100, 1), verbose=0, **({} if kept else {"batch_size": 32}))
    return seen


PROBES: dict[str, Probe] = {
    "label-shape": _label_shape,
    "softmax-twice": _softmax_twice,
    "class-weights": _class_weights,
    "kl-divergence": _kl_divergence,
    "binary-accuracy": _binary_accuracy,
    "probability-clip": _probability_clip,
    "groupnorm-epsilon": _groupnorm_epsilon,
    "unbiased-variance": _unbiased_variance,
    "flatten-order": _flatten_order,
    "gru-gates": _gru_gates,
    "attention-mask": _attention_mask,
    "gelu": _gelu,
    "softmax-axis": _softmax_axis,
    "embedding-padding": _embedding_padding,
    "same-padding": _same_padding,
    "embedding-initialiser": _embedding_initialiser,
    "lstm-start": _lstm_start,
    "evaluation-mode": _evaluation_mode,
    "epoch-loss": _epoch_loss,
    "plateau-patience": _plateau_patience,
    "cosine-end": _cosine_end,
    "schedule-step": _schedule_step,
    "sgd-learning-rate": _sgd_learning_rate,
    "sgd-momentum": _sgd_momentum,
    "l2-penalty": _l2_penalty,
    "adamw-decay": _adamw_decay,
    "rmsprop-learning-rate": _rmsprop_learning_rate,
    "clip-norm": _clip_norm,
    "adagrad-start": _adagrad_start,
    "adadelta-defaults": _adadelta_defaults,
    "resizing-antialias": _resizing_antialias,
    "batch-size": _batch_size,
}
"""By the row's name."""


def numbers(name: str, kept: bool) -> list[float]:
    """Keras' numbers of a row."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(0)
    return PROBES[name](kept)
