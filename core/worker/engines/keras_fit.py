"""What all Keras engines share: the network as its user writes it, trained by `model.fit`, on whichever backend.

A file of an engine forces the backend in the environment and then imports this one, which imports Keras: nothing
here knows TensorFlow, PyTorch or JAX. `fit` runs one epoch a call (`initial_epoch=e, epochs=e + 1`), so that lanes
can take turns; that costs nothing measurable against one long call. Validation is not passed to `fit`, which would
still run it after a stop.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers

from core.experiment import network, parity
from core.experiment.settings import EVALUATION_BATCH, Alignment, TrainSettings
from core.worker.engines.base import (
    Engine,
    Evaluated,
    Floats,
    Images,
    Labels,
    OnStep,
    Trained,
    scaled,
)


def leave_tensorflow_out() -> None:
    """Makes TensorFlow count as not installed in this process; for engines on another backend.

    `keras.utils.set_random_seed` loads it wherever it is installed (Keras 3.15), which takes seconds, and beside
    PyTorch it can end the process.
    """
    sys.modules["tensorflow"] = None  # type: ignore[assignment]


class BatchLoss(keras.metrics.Metric):
    """The loss of the last batch alone; Keras' own `loss` is the mean since the epoch began."""

    def __init__(self) -> None:
        super().__init__(name="batch_loss")
        self.value = self.add_variable(shape=(), initializer="zeros", name="value")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        losses = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        self.value.assign(keras.ops.mean(losses))

    def result(self) -> Any:
        return keras.ops.convert_to_tensor(self.value)  # JAX takes no variable for a result


class Watch(keras.callbacks.Callback):
    """Tells the worker of every step and ends the epoch, by flag, when it says so."""

    def __init__(self, on_step: OnStep) -> None:
        super().__init__()
        self.on_step = on_step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self.on_step(batch + 1, float(logs["batch_loss"])):
            self.model.stop_training = True


class TwinBatches(keras.utils.PyDataset):
    """An epoch of the exact twin: ((images, dropout mask), labels) in the shared order."""

    def __init__(self, engine: "KerasFit", epoch: int) -> None:
        super().__init__()
        self.engine, self.epoch = engine, epoch
        self.order = parity.batch_order(engine.settings.seed, epoch, len(engine.x))

    def __len__(self) -> int:
        return -(-len(self.order) // self.engine.settings.batch_size)

    def __getitem__(self, index: int) -> Any:
        settings = self.engine.settings
        rows = self.order[index * settings.batch_size : (index + 1) * settings.batch_size]
        shape = (len(rows), network.FEATURES)
        mask = parity.dropout_mask(settings.seed, self.epoch, index + 1, shape, settings.dropout)
        return (self.engine.x[rows], mask), self.engine.y[rows]


class KerasFit(Engine):
    """Keras 3 by `fit`; an engine adds its backend's versions and devices, and what it changes."""

    model: Any
    """What is trained; takes images, in the twin images and masks."""
    inference_model: Any
    """What evaluates and predicts: the same layers, images only."""
    compile_options: Mapping[str, Any] = MappingProxyType({})
    """What `compile` is told besides optimiser, loss and metrics; `build` may set it first."""

    def feed(self, images: Images, labels: Labels) -> None:
        super().feed(images, labels)
        self.y = labels.astype("int32")

    def build(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        self.settings = settings
        self.dtype = "float64" if settings.float64 else "float32"
        keras.config.set_floatx(self.dtype)
        # Layers take the policy, which Keras keeps from the first model that this process built.
        keras.config.set_dtype_policy(self.dtype)
        keras.utils.set_random_seed(settings.seed)
        self.x = scaled(self.images, self.dtype)[..., np.newaxis]
        if settings.float64:
            self._build_twin()
        else:
            self.model = self.inference_model = self._network()
        for model in {id(m): m for m in (self.model, self.inference_model)}.values():
            model.compile(
                optimizer=keras.optimizers.Adam(settings.learning_rate),
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy", self._batch_loss()],
                **self.compile_options,
            )
        if start is not None:
            self.load(start)

    def _batch_loss(self) -> Any:
        """The metric from which `_watch` takes each step's own loss."""
        return BatchLoss()

    def _watch(self, on_step: OnStep) -> Any:
        return Watch(on_step)

    def _layers(self, dropout: float) -> list[Any]:
        made: list[Any] = []
        for layer in network.LAYERS:
            match layer:
                case network.Conv2D(name, filters, kernel):
                    made.append(layers.Conv2D(filters, kernel, activation="relu", name=name))
                case network.MaxPool2D(name, size):
                    made.append(layers.MaxPooling2D(size, name=name))
                case network.Flatten(name):
                    made.append(layers.Flatten(name=name))
                case network.Dropout(name):
                    made.append(layers.Dropout(dropout, name=name))
                case network.Dense(name, units):
                    made.append(layers.Dense(units, name=name))
        return made

    def _network(self) -> Any:
        size = network.IMAGE_SIZE
        return keras.Sequential([keras.Input((size, size, 1)), *self._layers(self.settings.dropout)], name="network")

    def _build_twin(self) -> None:
        """Two models over the same layers: with the shared masks in place of dropout, and without any."""
        images = keras.Input((network.IMAGE_SIZE, network.IMAGE_SIZE, 1), name="images")
        mask = keras.Input((network.FEATURES,), name="mask")
        trained = read = images
        for layer in self._layers(0.0):
            if isinstance(layer, layers.Dropout):
                trained = layers.Multiply(name="shared_dropout")([trained, mask])
                continue
            trained, read = layer(trained), layer(read)
        self.model = keras.Model([images, mask], trained, name="network")
        self.inference_model = keras.Model(images, read, name="reader")

    def train_epoch(self, epoch: int, on_step: OnStep) -> Trained:
        settings, data = self.settings, {"x": self.x, "y": self.y}
        options: dict[str, Any] = {"batch_size": settings.batch_size, "shuffle": True}
        if settings.alignment == Alignment.SAME_START:
            order = parity.batch_order(settings.seed, epoch, len(self.x))
            data, options["shuffle"] = {"x": self.x[order], "y": self.y[order]}, False
        elif settings.alignment == Alignment.EXACT_TWIN:
            data, options = {"x": TwinBatches(self, epoch)}, {"shuffle": False}
        # As shipped, a seeded Keras repeats one order in every epoch: what its user gets, docs/fairness.md says so.
        history = self.model.fit(
            **data, **options, initial_epoch=epoch - 1, epochs=epoch, verbose=0, callbacks=[self._watch(on_step)]
        ).history
        return Trained(loss=float(history["loss"][-1]), accuracy=float(history["accuracy"][-1]))

    def evaluate(self, images: Images, labels: Labels) -> Evaluated:
        x = scaled(images, self.dtype)[..., np.newaxis]
        logs = self.inference_model.evaluate(
            x, labels.astype("int32"), batch_size=EVALUATION_BATCH, verbose=0, return_dict=True
        )
        return Evaluated(loss=float(logs["loss"]), accuracy=float(logs["accuracy"]))

    def predict(self, images: Images) -> Floats:
        # Batch by batch: `predict` itself takes 30 ms for one drawing, most of it to set up its iterator.
        x = scaled(images, self.dtype)[..., np.newaxis]
        parts = [x[i : i + EVALUATION_BATCH] for i in range(0, len(x), EVALUATION_BATCH)]
        return np.concatenate([self.inference_model.predict_on_batch(part) for part in parts])

    def weights(self) -> dict[str, Floats]:
        return {
            f"{layer.name}.{kind}": np.asarray(array)
            for layer in self.inference_model.layers
            for kind, array in zip(("weight", "bias"), layer.get_weights(), strict=False)
        }

    def load(self, weights: Mapping[str, Floats]) -> None:
        for layer in self.inference_model.layers:
            if layer.weights:
                layer.set_weights([weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"]])

    def save(self, path: Path) -> None:
        # A copy without our metric, so that the file loads where this project is not.
        copy = type(self.inference_model).from_config(self.inference_model.get_config())
        copy.set_weights(self.inference_model.get_weights())
        copy.save(path)

    def summary(self) -> str:
        lines: list[str] = []
        self.model.summary(print_fn=lambda text, **_: lines.append(text), line_length=76)
        return "\n".join(lines)

    def parameters(self) -> int:
        return int(sum(np.prod(variable.shape) for variable in self.model.trainable_variables))
