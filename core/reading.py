"""The worker as a predictor: kept open, it holds a few models with their weights and reads images.

A model is named by its `slot`: whose weights it holds. The framework's model is real, its weights come from a
safetensors file that is checked by its SHA-256.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import events
from core.settings import TrainSettings
from core.weights import load_weights

if TYPE_CHECKING:
    from core.engines.base import Engine

MOST_MODELS = 6
"""More slots than one page needs; the one that was used longest ago goes first."""


class Reader:
    """Models by slot, in one framework."""

    def __init__(self, engine: "Engine") -> None:
        self._prototype = engine
        self._models: dict[str, Engine] = {}

    def load(self, command: events.Load) -> events.Message:
        """Builds a model and gives it the weights of a file; a slot that is there is used again."""
        if command.slot not in self._models:
            weights = load_weights(Path(command.weights_file), command.sha256)
            engine = type(self._prototype)(self._prototype.name)
            engine.feed(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
            engine.build(TrainSettings.parse(command.settings), weights)
            # The first call traces; it must not be the first drawing that waits for it.
            engine.predict(np.zeros((1, 28, 28), np.uint8))
            self._models[command.slot] = engine
        self._models[command.slot] = self._models.pop(command.slot)
        while len(self._models) > MOST_MODELS:
            self._models.pop(next(iter(self._models)))
        return events.Loaded(command.serial)

    def predict(self, command: events.Predict) -> events.Message:
        """Logits of images, and the milliseconds of the model's call alone."""
        if command.slot not in self._models:
            return events.Refused(command.serial, "this model is not loaded")
        images = events.unpacked(command.images)
        began = time.perf_counter()
        logits = self._models[command.slot].predict(images)
        compute_ms = 1000 * (time.perf_counter() - began)
        return events.Predicted(command.serial, logits.astype(float).tolist(), compute_ms)

    def save(self, command: events.Save) -> events.Message:
        """Writes a loaded model in its framework's own file format."""
        if command.slot not in self._models:
            return events.Refused(command.serial, "this model is not loaded")
        self._models[command.slot].save(Path(command.path))
        return events.Saved(command.serial)
