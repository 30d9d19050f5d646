"""The worker as a predictor: kept open, it holds a few models with their weights and classifies images.

A model is named by its `slot`: whose weights it holds. The framework's model is real, its weights come from a
safetensors file that is checked by its SHA-256. A replay takes one more model, which is given the weights of one epoch
after the other.
"""

import math
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.data.shape import DataShape
from core.experiment.epoch_weights import EpochWeights, load_epochs
from core.experiment.network import Network
from core.experiment.settings import TrainSettings
from core.experiment.weights import Floats, WeightsError, load_weights
from core.protocol import lines, predictor_messages
from core.protocol.messages import PredictorCommand, PredictorEvent
from core.protocol.stdio import one_line

if TYPE_CHECKING:
    from core.worker.engines.base import Engine

MOST_MODELS = 6
"""More slots than one page needs; the one that was used longest ago goes first."""
MOST_LOOKED = 500_000
"""Numbers of all layers' outputs that one `Looked` carries: 2 MB. The article's network has 32,000."""
MOST_TRAININGS = 2
"""Slots whose epochs are in memory: two visitors may replay two runs, each file is at most 16 MiB."""


class Training(NamedTuple):
    """The model that is given the weights of one epoch after the other, and these."""

    model: "Engine"
    epochs: EpochWeights


class LoadedModels:
    """Models by slot, in one framework."""

    def __init__(self, engine: "Engine") -> None:
        # One image is classified faster than it is moved to a GPU.
        engine.use_device("cpu", 0)
        self._prototype = engine
        self._models: dict[str, Engine] = {}
        self._trainings: dict[str, Training] = {}

    def answer(self, command: PredictorCommand) -> PredictorEvent:
        """Carries out one command; whatever goes wrong with one model is refused, and the others go on."""
        try:
            match command:
                case predictor_messages.Load():
                    return self._load(command)
                case predictor_messages.Predict():
                    return self._predict(command)
                case predictor_messages.Look():
                    return self._look(command)
                case predictor_messages.Replay():
                    return self._replay(command)
                case predictor_messages.Save():
                    self._models[command.slot].save(Path(command.path))
                    return predictor_messages.Saved()
        except KeyError:
            return predictor_messages.Refused("this model is not loaded")
        except WeightsError as error:
            return predictor_messages.Refused(str(error))
        except Exception as error:
            traceback.print_exc()
            return predictor_messages.Refused(one_line(error))

    def _load(self, command: predictor_messages.Load) -> PredictorEvent:
        """Builds a model and gives it the weights of a file; a slot that is there is used again."""
        if command.slot not in self._models:
            data, settings = DataShape(*command.data), TrainSettings.parse(command.settings)
            specs = Network.of(settings.network, data).weights
            weights = load_weights(Path(command.weights_file), command.sha256, specs)
            self._models[command.slot] = self._built(settings, data, weights)
        while len(self._models) > MOST_MODELS:
            self._models.pop(next(iter(self._models)))
        return predictor_messages.Loaded(list(self._models))

    def _built(self, settings: TrainSettings, data: DataShape, weights: Mapping[str, Floats]) -> "Engine":
        """A model that answers at once."""
        engine = type(self._prototype)(self._prototype.name)
        engine.feed(np.zeros((0, *data.image), np.uint8), np.zeros(0, np.uint8), data)
        engine.build_to_predict(settings, weights)
        # The first calls trace; it must not be the first drawing that waits for them.
        for _ in range(3):
            engine.predict(np.zeros((1, *data.image), np.uint8))
        return engine

    def _used(self, slot: str) -> "Engine":
        """The model of a slot. Whichever was used longest ago stands first and goes first. Raises `KeyError`."""
        self._models[slot] = self._models.pop(slot)
        return self._models[slot]

    def _predict(self, command: predictor_messages.Predict) -> PredictorEvent:
        """Logits of images, and the milliseconds of the model's call alone."""
        model = self._used(command.slot)
        images = lines.unpacked(command.images, model.data.image)
        began = time.perf_counter()
        logits = model.predict(images)
        compute_ms = 1000 * (time.perf_counter() - began)
        return predictor_messages.Predicted(logits.astype(float).tolist(), compute_ms)

    def _look(self, command: predictor_messages.Look) -> PredictorEvent:
        """Every layer's output for one image, and the gradient of the largest logit by its pixels."""
        model = self._used(command.slot)
        (image,) = lines.unpacked(command.image, model.data.image)
        outputs, gradient = model.look(image)
        outputs = first_channels(outputs, MOST_LOOKED)
        if not all(np.abs(array).max() <= np.finfo(np.float32).max for array in (*outputs.values(), gradient)):
            return predictor_messages.Refused("the outputs of its layers are too large for float32")
        shapes = {name: list(array.shape) for name, array in outputs.items()}
        return predictor_messages.Looked(shapes, lines.packed_floats(outputs.values()), lines.packed_floats([gradient]))

    def _replay(self, command: predictor_messages.Replay) -> PredictorEvent:
        """Logits of images after each epoch that is kept, and with the model's own weights after the last."""
        last = self._used(command.slot)
        model, epochs = self._training(command, last)
        images = lines.unpacked(command.images, last.data.image)
        dtype = "float64" if last.settings.float64 else "float32"
        logits = []
        for weights in epochs.values():
            model.load({name: array.astype(dtype) for name, array in weights.items()})
            logits.append(model.predict(images).astype(float).tolist())
        logits.append(last.predict(images).astype(float).tolist())
        return predictor_messages.Replayed([*epochs, command.last_epoch], logits)

    def _training(self, command: predictor_messages.Replay, like: "Engine") -> Training:
        """The epochs of a slot, read once, and a model built as `like` is. Raises `WeightsError`."""
        found = self._trainings.pop(command.slot, None)
        if found is None:
            epochs = load_epochs(Path(command.weights_file), command.sha256, like.network.weights)
            found = Training(self._built(like.settings, like.data, next(iter(epochs.values()))), epochs)
        self._trainings[command.slot] = found
        while len(self._trainings) > MOST_TRAININGS:
            self._trainings.pop(next(iter(self._trainings)))
        return found


def first_channels(outputs: Mapping[str, "Floats"], most: int) -> dict[str, "Floats"]:
    """Outputs [..., channels] as they are where all together have at most `most` numbers.

    Else each layer keeps as many of its first channels as fit into its equal share of them, and at least one.
    """
    if sum(array.size for array in outputs.values()) <= most:
        return dict(outputs)
    share = most // len(outputs)
    return {name: array[..., : max(1, share // math.prod(array.shape[:-1]))] for name, array in outputs.items()}
