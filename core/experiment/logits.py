"""From logits to probabilities: the one softmax, for predictors, kept predictions and the fake engine."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


def probabilities(logits: Floats) -> Floats:
    """Softmax of logits [N, classes] over their last axis, in their own type; large logits do not overflow."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    shares: Floats = raised / raised.sum(-1, keepdims=True)
    return shares
