"""Which layers of a network each switch of an exact twin touches: what a run can keep that makes any difference."""

from core.experiment.layers import AvgPool, BatchNorm, Conv, DepthwiseConv, Dropout, LayerNorm, MaxPool
from core.experiment.network import Network, Node
from core.experiment.settings import Optimizer, TrainSettings
from core.experiment.switches import Switch

EVERYTHING = ("the whole network",)
"""What stands in place of layers where a switch touches no single one."""


def touched(settings: TrainSettings, network: Network) -> dict[Switch, tuple[str, ...]]:
    """The switches that make a difference in a run with these settings, each with the names of the layers."""
    found = {switch: _layers(switch, settings, network) for switch in Switch}
    return {switch: names for switch, names in found.items() if names}


def _layers(switch: Switch, settings: TrainSettings, network: Network) -> tuple[str, ...]:
    nodes, optimizer = network.nodes, settings.optimizer
    adam = optimizer in (Optimizer.ADAM, Optimizer.ADAMW)
    match switch:
        case Switch.INITIALISERS:
            return tuple(node.name for node in nodes if any(spec.start == "glorot" for spec in node.weights))
        case Switch.BATCH_ORDER | Switch.FLOAT32:
            return EVERYTHING
        case Switch.DROPOUT_MASKS:
            return tuple(node.name for node in network.dropouts if _rate(node, settings))
        case Switch.ROUNDED_CONSTANTS:
            bent = tuple(node.name for node in nodes if _function(node) in ("gelu", "leakyrelu"))
            return EVERYTHING if adam or settings.momentum or settings.weight_decay else bent
        case Switch.ADAM_EPSILON:
            return EVERYTHING if adam else ()
        case Switch.RMSPROP_EPSILON | Switch.RMSPROP_RHO:
            return EVERYTHING if optimizer == Optimizer.RMSPROP else ()
        case Switch.WEIGHT_DECAY:
            return EVERYTHING if settings.weight_decay and optimizer != Optimizer.ADAMW else ()
        case Switch.BATCHNORM_EPSILON | Switch.BATCHNORM_MOMENTUM | Switch.BATCHNORM_VARIANCE:
            return tuple(node.name for node in nodes if isinstance(node.layer, BatchNorm))
        case Switch.LAYERNORM_EPSILON:
            return tuple(node.name for node in nodes if isinstance(node.layer, LayerNorm))
        case Switch.STRIDED_PADDING:
            return tuple(node.name for node in nodes if _pads_unequally(node))
        case Switch.AVGPOOL_PADDING:
            return tuple(node.name for node in nodes if isinstance(node.layer, AvgPool) and any(_pads(node)))
        case Switch.LEAKYRELU_SLOPE:
            return tuple(node.name for node in nodes if _function(node) == "leakyrelu")


def _rate(node: Node, settings: TrainSettings) -> float:
    assert isinstance(node.layer, Dropout)
    return settings.dropout if node.layer.rate is None else node.layer.rate


def _function(node: Node) -> str:
    layer = node.layer
    return str(getattr(layer, "activation", "") or getattr(layer, "function", ""))


def _pads(node: Node) -> tuple[int, int, int, int]:
    """What Keras pads: left, right, above, below."""
    match node.layer:
        case Conv(_, kernel, stride, True) | DepthwiseConv(kernel, stride, True):
            return node.pads(kernel, stride)
        case MaxPool() | AvgPool() as pool if pool.same:
            return node.pads(pool.size, pool.step)
    return 0, 0, 0, 0


def _pads_unequally(node: Node) -> bool:
    """Whether padding of one width on all sides gives other windows; of even kernels PyTorch's users pad as Keras."""
    layer = node.layer
    size = layer.kernel if isinstance(layer, Conv | DepthwiseConv) else getattr(layer, "size", 0)
    return bool(size % 2) and any(_pads(node)) and set(_pads(node)) != {size // 2}
