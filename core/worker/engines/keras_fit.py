"""What all Keras engines share: the network as its user writes it, trained by `model.fit`, on whichever backend.

A file of an engine forces the backend in the environment and then imports this one, which imports Keras: nothing
here knows TensorFlow, PyTorch or JAX. `fit` runs one epoch a call (`initial_epoch=e, epochs=e + 1`), so that lanes
can take turns; that costs nothing measurable against one long call. Validation is not passed to `fit`, which would
still run it after a stop.
"""

import sys
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from core.data.shape import DataShape
from core.experiment import layers as kinds
from core.experiment import parity
from core.experiment.network import Network, Node
from core.experiment.settings import EVALUATION_BATCH, Optimizer, TrainSettings
from core.experiment.switches import Switch
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
    """An epoch of the exact twin: ((images, a mask for each dropout), labels) in the order that is given."""

    def __init__(self, engine: "KerasFit", epoch: int, order: npt.NDArray[np.int64]) -> None:
        super().__init__()
        self.engine, self.epoch, self.order = engine, epoch, order

    def __len__(self) -> int:
        return -(-len(self.order) // self.engine.settings.batch_size)

    def __getitem__(self, index: int) -> Any:
        settings = self.engine.settings
        rows = self.order[index * settings.batch_size : (index + 1) * settings.batch_size]
        masks = self.engine.shared_masks(len(rows), self.epoch, index + 1)
        images = self.engine.x[rows]
        return ((images, *masks) if masks else images), self.engine.y[rows]


def layer_of(node: Node, dropout: float) -> Any:
    """A layer as Keras' user writes it; `dropout` is the rate of those that have none of their own."""
    name = node.name
    padding = "same" if getattr(node.layer, "same", False) else "valid"
    activation = getattr(node.layer, "activation", "")
    options = {"activation": kinds.IN_KERAS.get(activation, activation) or None, "use_bias": node.bias, "name": name}
    match node.layer:
        case kinds.Conv(filters, kernel, stride):
            return layers.Conv2D(filters, kernel, stride, padding, **options)
        case kinds.DepthwiseConv(kernel, stride):
            return layers.DepthwiseConv2D(kernel, stride, padding, **options)
        case kinds.MaxPool() as pool:
            return layers.MaxPooling2D(pool.size, pool.step, padding, name=name)
        case kinds.AvgPool() as pool:
            return layers.AveragePooling2D(pool.size, pool.step, padding, name=name)
        case kinds.GlobalAvgPool():
            return layers.GlobalAveragePooling2D(name=name)
        case kinds.BatchNorm():
            return layers.BatchNormalization(name=name)
        case kinds.LayerNorm():
            return layers.LayerNormalization(name=name)
        case kinds.Dropout(rate):
            return layers.Dropout(dropout if rate is None else rate, name=name)
        case kinds.Flatten():
            return layers.Flatten(name=name)
        case kinds.Dense(units):
            return layers.Dense(units, **options)
        case kinds.Activation(function):
            return layers.Activation(kinds.IN_KERAS.get(function, function), name=name)
    raise TypeError(f"there is no Keras layer for {node.layer!r}")


def optimizer_of(settings: TrainSettings) -> Any:
    """Keras' own, its arguments as its users write them; its `weight_decay` is decoupled in all of them."""
    rate, decay = settings.learning_rate, settings.weight_decay or None
    match settings.optimizer:
        case Optimizer.ADAM:
            return keras.optimizers.Adam(rate, weight_decay=decay)
        case Optimizer.ADAMW:
            return keras.optimizers.AdamW(rate, weight_decay=decay)
        case Optimizer.SGD | Optimizer.NESTEROV:
            nesterov = settings.optimizer == Optimizer.NESTEROV
            return keras.optimizers.SGD(rate, settings.momentum, nesterov=nesterov, weight_decay=decay)
        case Optimizer.RMSPROP:
            return keras.optimizers.RMSprop(rate, momentum=settings.momentum, weight_decay=decay)


class KerasFit(Engine):
    """Keras 3 by `fit`; an engine adds its backend's versions and devices, and what it changes."""

    model: Any
    """What is trained; takes images, in the twin images and masks."""
    inference_model: Any
    """What evaluates and predicts: the same layers, images only."""
    looked_at: Any = None
    """The layers of `inference_model` once more, as a model of one image that gives the output of each; made when
    somebody looks."""
    compile_options: Mapping[str, Any] = MappingProxyType({})
    """What `compile` is told besides optimiser, loss and metrics; `build` may set it first."""

    def feed(self, images: Images, labels: Labels, data: DataShape) -> None:
        super().feed(images, labels, data)
        self.y = labels.astype("int32")

    def build(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        self.settings, self.network = settings, Network.of(settings.network, self.data)
        self.dtype = "float64" if settings.float64 else "float32"
        keras.config.set_floatx(self.dtype)
        # Layers take the policy, which Keras keeps from the first model that this process built.
        keras.config.set_dtype_policy(self.dtype)
        keras.utils.set_random_seed(settings.seed)
        self.x = scaled(self.images, self.dtype)
        self.looked_at = None
        if settings.aligns(Switch.DROPOUT_MASKS):
            self._build_twin()
        else:
            self.model = self.inference_model = self._sequential()
        for model in {id(m): m for m in (self.model, self.inference_model)}.values():
            model.compile(
                optimizer=optimizer_of(settings),
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

    def _layers(self) -> dict[str, Any]:
        """Keras' layer of each of the network's, by its name."""
        return {node.name: layer_of(node, self.settings.dropout) for node in self.network.nodes}

    def _sequential(self) -> Any:
        return keras.Sequential([keras.Input(self.data.image), *self._layers().values()], name="network")

    def _build_twin(self) -> None:
        """Two models over the same layers: with the shared masks in place of dropout, and without any."""
        images = keras.Input(self.data.image, name="images")
        masks = {node.name: keras.Input(node.arrives, name=f"{node.name}_mask") for node in self.network.dropouts}
        trained = read = images
        for name, layer in self._layers().items():
            if name in masks:
                trained = layers.Multiply(name=f"shared_{name}")([trained, masks[name]])
                continue
            trained, read = layer(trained), layer(read)
        self.model = keras.Model([images, *masks.values()] if masks else images, trained, name="network")
        self.inference_model = keras.Model(images, read, name="reader")

    def train_epoch(self, epoch: int, on_step: OnStep) -> Trained:
        settings, data = self.settings, {"x": self.x, "y": self.y}
        options: dict[str, Any] = {"batch_size": settings.batch_size, "shuffle": True}
        shared = parity.batch_order(settings.seed, epoch, len(self.x)) if settings.aligns(Switch.BATCH_ORDER) else None
        if settings.aligns(Switch.DROPOUT_MASKS) and (shared is not None or self.network.dropouts):
            order = self._own_order() if shared is None else shared
            data, options = {"x": TwinBatches(self, epoch, order)}, {"shuffle": False}
        elif shared is not None:
            data, options["shuffle"] = {"x": self.x[shared], "y": self.y[shared]}, False
        # As shipped, a seeded Keras repeats one order in every epoch: what its user gets, docs/fairness.md says so.
        history = self.model.fit(
            **data, **options, initial_epoch=epoch - 1, epochs=epoch, verbose=0, callbacks=[self._watch(on_step)]
        ).history
        return Trained(loss=float(history["loss"][-1]), accuracy=float(history["accuracy"][-1]))

    def _own_order(self) -> npt.NDArray[np.int64]:
        """One for every epoch, as a seeded `fit` has: masks belong to steps, and cannot go through its shuffle."""
        return np.random.default_rng(self.settings.seed).permutation(len(self.x))

    def evaluate(self, images: Images, labels: Labels) -> Evaluated:
        x = scaled(images, self.dtype)
        logs = self.inference_model.evaluate(
            x, labels.astype("int32"), batch_size=EVALUATION_BATCH, verbose=0, return_dict=True
        )
        return Evaluated(loss=float(logs["loss"]), accuracy=float(logs["accuracy"]))

    def predict(self, images: Images) -> Floats:
        # Batch by batch: `predict` itself takes 30 ms for one drawing, most of it to set up its iterator.
        x = scaled(images, self.dtype)
        parts = [x[i : i + EVALUATION_BATCH] for i in range(0, len(x), EVALUATION_BATCH)]
        return np.concatenate([self.inference_model.predict_on_batch(part) for part in parts])

    def look(self, image: Images) -> tuple[dict[str, Floats], Floats]:
        if self.looked_at is None:
            self.looked_at = self._every_output()
        outputs, gradient = self._outputs_and_gradient(scaled(image[np.newaxis], self.dtype))
        return {node.name: output[0] for node, output in zip(self.network.nodes, outputs, strict=True)}, gradient[0]

    def _every_output(self) -> Any:
        held = {layer.name: layer for layer in self.inference_model.layers}
        at = images = keras.Input(self.data.image, dtype=self.dtype)
        outputs = []
        for node in self.network.nodes:
            # The twin's dropout is a mask while it trains, and no layer here.
            at = held[node.name](at) if node.name in held else at
            outputs.append(at)
        return keras.Model(images, outputs)

    @abstractmethod
    def _outputs_and_gradient(self, x: Floats) -> tuple[list[Floats], Floats]:
        """What `looked_at` gives for one input [1, H, W, C], and the gradient of its largest logit by that input.

        Keras has no word for a gradient that holds on every backend.
        """

    def weights(self) -> dict[str, Floats]:
        return {
            spec.name: np.asarray(array)
            for node in self.network.nodes
            if node.weights
            for spec, array in zip(node.weights, self._layer(node).get_weights(), strict=True)
        }

    def load(self, weights: Mapping[str, Floats]) -> None:
        for node in self.network.nodes:
            if node.weights:
                self._layer(node).set_weights([weights[spec.name] for spec in node.weights])

    def _layer(self, node: Node) -> Any:
        return self.inference_model.get_layer(node.name)

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
