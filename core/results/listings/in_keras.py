"""A run's layers and optimiser as Keras' user writes them; the lane builds the same in `keras_fit`."""

from dataclasses import replace
from typing import Any

from core.experiment import layers
from core.experiment.network import Network, Node
from core.experiment.settings import Optimizer, TrainSettings
from core.results.listings.calls import OPTIMIZERS, Call, same_after_pool


def layer_calls(network: Network, pool_first: bool) -> list[Call]:
    """The layers in order; `pool_first`: a max-pool comes before the ReLU that it follows."""
    calls: list[Call] = []
    for node in network.nodes:
        relu_before = bool(calls) and _has_relu(calls[-1])
        if pool_first and isinstance(node.layer, layers.MaxPool) and relu_before:
            bare = _without_relu(calls.pop())
            calls += [*bare, _call(node), Call("layers.ReLU", comment=same_after_pool(node.layer.step))]
        else:
            calls.append(_call(node))
    calls[-1] = replace(calls[-1], comment="logits")
    return calls


_RELU_OPTION, _RELU_LAYER = 'activation="relu"', ('"relu"',)


def _has_relu(call: Call) -> bool:
    return _RELU_OPTION in call.arguments or call.arguments == _RELU_LAYER


def _without_relu(call: Call) -> list[Call]:
    if call.arguments == _RELU_LAYER:
        return []
    return [replace(call, arguments=tuple(text for text in call.arguments if text != _RELU_OPTION))]


def _call(node: Node) -> Call:
    no_bias = None if node.bias else False
    match node.layer:
        case layers.Conv(filters, kernel, stride, same, activation):
            options = _window(stride, 1, same) | _activation(activation)
            return Call.of("layers.Conv2D", filters, kernel, **options, use_bias=no_bias)
        case layers.DepthwiseConv(kernel, stride, same, activation):
            options = _window(stride, 1, same) | _activation(activation)
            return Call.of("layers.DepthwiseConv2D", kernel, **options, use_bias=no_bias)
        case layers.MaxPool() | layers.AvgPool() as pool:
            kind = "Max" if isinstance(pool, layers.MaxPool) else "Average"
            return Call.of(f"layers.{kind}Pooling2D", pool.size, **_window(pool.step, pool.size, pool.same))
        case layers.GlobalAvgPool():
            return Call.of("layers.GlobalAveragePooling2D")
        case layers.BatchNorm():
            return Call.of("layers.BatchNormalization")
        case layers.LayerNorm():
            return Call.of("layers.LayerNormalization")
        case layers.Dropout(rate):
            return Call.of("layers.Dropout", "DROPOUT" if rate is None else rate)
        case layers.Flatten():
            return Call.of("layers.Flatten")
        case layers.Dense(units, activation):
            return Call.of("layers.Dense", units, **_activation(activation), use_bias=no_bias)
        case layers.Activation(function):
            return Call("layers.Activation", (f'"{layers.IN_KERAS.get(function, function)}"',))
    raise TypeError(f"there is no Keras layer for {node.layer!r}")


def _window(stride: int, usual: int, same: bool) -> dict[str, Any]:
    return {"strides": stride if stride != usual else None, "padding": "same" if same else None}


def _activation(function: str) -> dict[str, Any]:
    return {"activation": layers.IN_KERAS.get(function, function) or None}


def optimizer_call(settings: TrainSettings) -> Call:
    """The optimiser with this run's settings."""
    arguments = ["LEARNING_RATE"]
    arguments += ["momentum=MOMENTUM"] if settings.momentum else []
    arguments += ["nesterov=True"] if settings.optimizer == Optimizer.NESTEROV else []
    arguments += ["weight_decay=WEIGHT_DECAY"] if settings.weight_decay else []
    return Call(f"keras.optimizers.{OPTIMIZERS[settings.optimizer]}", tuple(arguments))
