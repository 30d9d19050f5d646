"""What predictors answer: a classification, a look inside, and how an answer grew."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.experiment.logits import probabilities


@dataclass(frozen=True)
class Prediction:
    """A model's answer: logits float64 [N, classes], their softmax, and the milliseconds of the model's call alone."""

    engine: str
    logits: npt.NDArray[np.float64]
    compute_ms: float

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Softmax of the logits, [N, classes]."""
        return probabilities(self.logits).astype(np.float64, copy=False)


@dataclass(frozen=True)
class Inside:
    """What a model makes of one image: its layers' outputs, and the gradient of its largest logit by the pixels.

    Outputs are float32 [H, W, C] or [features], channels last, by the layers' names in the network's order; of a large
    network's layers only the first channels. The gradient is float32 [H, W, C].
    """

    engine: str
    outputs: Mapping[str, npt.NDArray[np.float32]]
    gradient: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Replay:
    """How a model's answers to images grew: softmax float64 [epochs, N, classes] after each epoch, 0 for the start."""

    engine: str
    epochs: tuple[int, ...]
    probabilities: npt.NDArray[np.float64]
