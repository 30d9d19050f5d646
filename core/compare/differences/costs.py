"""What a kept default costs in test accuracy: the study of each row that claims a cost, small enough to be made here.

Its runs are exact twins that keep this default alone. Without it both lanes would be the same, digit for digit: the
difference of their accuracies is what the default costs.
"""

from typing import Any

from core.compare.differences.difference import Difference
from core.experiment.settings import Alignment, Optimizer, TrainSettings
from core.experiment.study import Study

SEEDS = 5
EPOCHS, BATCH = 4, 64

DENSE = {"network": "flatten, dense 32 relu, dense 10"}
NORMED = {"network": "flatten, dense 32, batchnorm, relu, dense 10"}
RUNS: dict[str, dict[str, Any]] = {
    "initialisers": DENSE,
    "batch-order": DENSE,
    "float32": DENSE,
    "adam-epsilon": DENSE,
    "weight-decay": {**DENSE, "weight_decay": 0.01},
    "rmsprop-rho": {**DENSE, "optimizer": Optimizer.RMSPROP},
    "batchnorm-momentum": NORMED,
    "batchnorm-epsilon": NORMED,
    "strided-padding": {"network": "conv 8 3 stride 2 same relu, conv 16 3 stride 2 same relu, flatten, dense 10"},
    "leakyrelu-slope": {"network": "flatten, dense 32 leakyrelu, dense 10"},
}
"""The settings of each row's runs, besides what all share."""


def cost_study(row: Difference) -> Study:
    """The study of a row that claims a cost. Raises `KeyError` for any other."""
    shared = {"dataset": "mnist5k", "alignment": Alignment.EXACT_TWIN, "epochs": EPOCHS, "batch_size": BATCH}
    return Study(TrainSettings(**RUNS[row.name], **shared, keep=(row.name,)), SEEDS)
