"""A run's layers and optimiser as PyTorch's user writes them; the lane builds the same in `torch_layers` and
`torch_steps`, whose aligned forms the templates hold as classes of their own.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from core.experiment import layers, parity
from core.experiment.network import Network, Node
from core.experiment.settings import FUSED_IN_TORCH, Optimizer, TrainSettings
from core.experiment.switches import Switch
from core.results.listings.calls import OPTIMIZERS, Call, same_after_pool

CLASSES = ("SharedDropout", "ChannelLayerNorm", "KerasBatchNorm", "PixelAvgPool", "KerasGELU")
"""What PyTorch has not: classes that a script holds where its network needs them."""

_PADS = "as Keras pads"


def layer_calls(
    network: Network, settings: TrainSettings, pool_first: bool = False, training: bool = True
) -> list[Call]:
    """The modules in order, each with its name in the lane.

    `pool_first`: max-pools come before the ReLU that they follow. Without `training` they are for evaluation alone,
    where PyTorch's own modules do for more of what is aligned.
    """
    calls = [call for node in network.nodes for call in _calls(node, settings, training)]
    if pool_first:
        calls = list(_pools_first(calls))
    calls[-1] = replace(calls[-1], comment="logits")
    return calls


def _pools_first(calls: list[Call]) -> Iterator[Call]:
    """The modules with each ReLU behind the max-pools, and what pads for them, that followed it."""
    waiting: Call | None = None
    for call in calls:
        if call.function not in ("nn.MaxPool2d", "nn.ConstantPad2d"):
            if waiting is not None:
                yield waiting
            waiting = call if call.function == "nn.ReLU" else None
            if waiting is not None:
                continue
        elif waiting is not None and call.function == "nn.MaxPool2d":
            note = same_after_pool(_stride(call))
            waiting = Call.of("nn.ReLU", inplace=True, comment=note, name=waiting.name)
        yield call


def reordered(grid: layers.Shape | None) -> bool:
    """Whether what was flattened from [height, width, channels] has another order in PyTorch."""
    return grid is not None and grid[2] > 1 and grid[0] * grid[1] > 1


def _stride(pool: Call) -> int:
    said = [text.removeprefix("stride=") for text in pool.arguments if text.startswith("stride=")]
    return int(said[0] if said else pool.arguments[0])


def _calls(node: Node, settings: TrainSettings, training: bool) -> Iterator[Call]:
    name, channels, images = node.name, node.arrives[-1], len(node.arrives) == 3
    match node.layer:
        case layers.Conv(filters, kernel, stride, same, activation):
            yield from _conv(node, (channels, filters, kernel), stride, same, settings)
            yield from _activation(f"{name}_{activation}", activation, settings, training)
        case layers.DepthwiseConv(kernel, stride, same, activation):
            groups = channels if channels > 1 else None
            yield from _conv(node, (channels, channels, kernel), stride, same, settings, groups)
            yield from _activation(f"{name}_{activation}", activation, settings, training)
        case layers.MaxPool() | layers.AvgPool() as pool:
            yield from _pool(node, pool, settings)
        case layers.GlobalAvgPool():
            yield Call.of("nn.AdaptiveAvgPool2d", 1, name=name)
            yield Call.of("nn.Flatten", name=f"{name}_flatten")
        case layers.BatchNorm():
            yield _batch_norm(node, settings, training)
        case layers.LayerNorm():
            kind = "ChannelLayerNorm" if images else "nn.LayerNorm"
            epsilon = parity.KERAS_NORM_EPSILON if settings.aligns(Switch.LAYERNORM_EPSILON) else None
            yield Call.of(kind, channels, eps=epsilon, name=name)
        case layers.Dropout(rate):
            if settings.aligns(Switch.DROPOUT_MASKS) and training:
                grid = node.arrives if images else node.grid
                yield Call.of("SharedDropout", *((grid or ()) if reordered(grid) else ()), name=name)
            else:
                usual = "DROPOUT" if training else settings.dropout
                yield Call.of("nn.Dropout", usual if rate is None else rate, name=name)
        case layers.Flatten():
            yield Call.of("nn.Flatten", name=name)
        case layers.Dense(units, activation):
            yield Call.of("nn.Linear", channels, units, bias=None if node.bias else False, name=name)
            yield from _activation(f"{name}_{activation}", activation, settings, training)
        case layers.Activation(function):
            yield from _activation(name, function, settings, training)


def _activation(name: str, function: str, settings: TrainSettings, training: bool) -> Iterator[Call]:
    if not function:
        return
    # In float32 nobody sees what is rounded to it.
    rounds = settings.float64 and settings.aligns(Switch.ROUNDED_CONSTANTS) and training
    if function == "leakyrelu" and settings.aligns(Switch.LEAKYRELU_SLOPE):
        slope = parity.KERAS_LEAKY_SLOPE
        rounded = f"float(np.float32({slope}))" if rounds else slope
        yield Call.of("nn.LeakyReLU", rounded, comment="Keras' slope", name=name)
    elif function == "gelu" and rounds:
        yield Call("KerasGELU", name=name)
    else:
        yield Call(f"nn.{layers.IN_TORCH[function]}", name=name)


def _batch_norm(node: Node, settings: TrainSettings, training: bool) -> Call:
    """Keras' constants where they are aligned; its variance needs a class, whose constants are Keras', too."""
    channels, momentum = node.arrives[-1], settings.aligns(Switch.BATCHNORM_MOMENTUM)
    epsilon = settings.aligns(Switch.BATCHNORM_EPSILON)
    if settings.aligns(Switch.BATCHNORM_VARIANCE) and training:
        kept: dict[str, Any] = {"momentum": None if momentum else 0.1, "eps": None if epsilon else 1e-5}
        return Call.of("KerasBatchNorm", channels, **kept, name=node.name)
    kind = f"nn.BatchNorm{2 if len(node.arrives) == 3 else 1}d"
    aligned: dict[str, Any] = {"momentum": 0.01 if momentum and training else None, "eps": 0.001 if epsilon else None}
    return Call.of(kind, channels, **aligned, name=node.name)


def _conv(
    node: Node, sizes: tuple[int, int, int], stride: int, same: bool, settings: TrainSettings, groups: int | None = None
) -> Iterator[Call]:
    kernel, aligned = sizes[2], settings.aligns(Switch.STRIDED_PADDING)
    pads = node.pads(kernel, stride) if same else (0, 0, 0, 0)
    padding: object = None
    if any(pads):
        if stride == 1:
            padding = "same"
        elif kernel % 2 and not aligned:
            padding = kernel // 2
        else:
            yield Call.of("nn.ZeroPad2d", pads, comment=_PADS if aligned else "", name=f"{node.name}_pad")
    yield Call.of(
        "nn.Conv2d",
        *sizes,
        stride=stride if stride != 1 else None,
        padding=padding,
        groups=groups,
        bias=None if node.bias else False,
        name=node.name,
    )


def _pool(node: Node, pool: layers.MaxPool | layers.AvgPool, settings: TrainSettings) -> Iterator[Call]:
    largest, size, aligned = isinstance(pool, layers.MaxPool), pool.size, settings.aligns(Switch.STRIDED_PADDING)
    pixels_alone = not largest and settings.aligns(Switch.AVGPOOL_PADDING)
    kind = "nn.MaxPool2d" if largest else "nn.AvgPool2d"
    options: dict[str, Any] = {"stride": pool.step if pool.step != size else None, "name": node.name}
    pads = node.pads(size, pool.step) if pool.same else (0, 0, 0, 0)
    if not any(pads):
        yield Call.of(kind, size, **options)
    elif size % 2 and not aligned:
        yield Call.of(kind, size, **options, padding=size // 2, count_include_pad=False if pixels_alone else None)
    elif largest:
        note = _PADS if aligned else ""
        yield Call.of("nn.ConstantPad2d", pads, "-torch.inf", comment=note, name=f"{node.name}_pad")
        yield Call.of(kind, size, **options)
    elif pixels_alone:
        yield Call.of("PixelAvgPool", size, pool.step, pads, name=node.name)
    else:
        yield Call.of("nn.ZeroPad2d", pads, name=f"{node.name}_pad")
        yield Call.of(kind, size, **options)


def optimizer_call(settings: TrainSettings, tuned: bool = False) -> Call:
    """The optimiser with this run's settings; where the decay is aligned without it: it is a step of its own."""
    optimizer, decays_apart = settings.optimizer, settings.aligns(Switch.WEIGHT_DECAY)
    function = f"torch.optim.{OPTIMIZERS[optimizer]}"
    if decays_apart and optimizer == Optimizer.ADAMW:
        function = "torch.optim.Adam"
    if optimizer == Optimizer.RMSPROP and settings.aligns(Switch.RMSPROP_EPSILON):
        function = "KerasRMSprop"
    # Keras on TensorFlow rounds SGD's momentum to float32 on its way; in float32 nobody sees it.
    rounds = settings.float64 and settings.aligns(Switch.ROUNDED_CONSTANTS)
    rounds = rounds and optimizer in (Optimizer.SGD, Optimizer.NESTEROV)
    momentum = "float(np.float32(MOMENTUM))" if rounds else "MOMENTUM"
    arguments = ["model.parameters()", "lr=LEARNING_RATE"]
    arguments += [f"momentum={momentum}"] if settings.momentum else []
    arguments += ["nesterov=True"] if optimizer == Optimizer.NESTEROV else []
    if optimizer == Optimizer.RMSPROP:
        rho = parity.KERAS_RHO if settings.aligns(Switch.RMSPROP_RHO) else parity.TORCH_RHO
        usual = parity.KERAS_RHO if function == "KerasRMSprop" else parity.TORCH_RHO
        arguments += [f"alpha={rho}"] if rho != usual else []
    arguments += ["weight_decay=WEIGHT_DECAY"] if settings.weight_decay and not decays_apart else []
    arguments += ["fused=True"] if tuned and optimizer in FUSED_IN_TORCH else []
    return Call(function, tuple(arguments))
