"""The run in which each kept default is measured: an exact twin of the smallest network that it touches."""

from typing import Any

from core.experiment.settings import Optimizer
from core.experiment.switches import Switch

DENSE = {"network": "flatten, dense 16 relu, dense 10"}
NORMED = {"network": "flatten, dense 16, batchnorm, relu, dense 10"}
RMSPROP = {**DENSE, "optimizer": Optimizer.RMSPROP}
RUNS: dict[Switch, dict[str, Any]] = {
    Switch.INITIALISERS: DENSE,
    Switch.BATCH_ORDER: DENSE,
    Switch.DROPOUT_MASKS: {"network": "flatten, dense 16 relu, dropout 0.3, dense 10"},
    Switch.FLOAT32: DENSE,
    Switch.ROUNDED_CONSTANTS: DENSE,
    Switch.ADAM_EPSILON: DENSE,
    Switch.RMSPROP_EPSILON: RMSPROP,
    Switch.RMSPROP_RHO: RMSPROP,
    Switch.WEIGHT_DECAY: {**DENSE, "weight_decay": 0.01},
    Switch.BATCHNORM_EPSILON: NORMED,
    Switch.BATCHNORM_MOMENTUM: NORMED,
    Switch.BATCHNORM_VARIANCE: NORMED,
    Switch.LAYERNORM_EPSILON: {"network": "flatten, dense 16, layernorm, relu, dense 10"},
    Switch.STRIDED_PADDING: {"network": "conv 4 3 stride 2 same relu, flatten, dense 10"},
    Switch.AVGPOOL_PADDING: {"network": "conv 4 3 relu, avgpool 3 stride 2 same, flatten, dense 10"},
    Switch.LEAKYRELU_SLOPE: {"network": "flatten, dense 16 leakyrelu, dense 10"},
}
"""The settings of each row's run, besides alignment and batch."""
