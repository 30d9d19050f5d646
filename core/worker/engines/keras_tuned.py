"""Keras on TensorFlow, faster: the same function of the same weights, written as the framework likes it."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # again: this file imports Keras before the stock engine's does

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from core.experiment.settings import TrainSettings
from core.worker.engines.base import AS_SHIPPED, Floats, OnStep, pools_relus
from core.worker.engines.keras import KerasEngine
from core.worker.engines.keras_fit import Watch


class LastLosses(keras.metrics.Metric):
    """The losses of the last `kept` batches, oldest first: an execution of several steps reports but once."""

    def __init__(self, kept: int) -> None:
        super().__init__(name="batch_loss")
        self.values = self.add_variable(shape=(kept,), initializer="zeros", name="values")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        losses = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        newest = keras.ops.reshape(keras.ops.mean(losses), (1,))
        self.values.assign(keras.ops.concatenate([self.values[1:], newest]))

    def result(self) -> Any:
        return self.values


class GroupWatch(Watch):
    """Tells the worker of each step of an execution, and ends the epoch after the one in which it says so."""

    def __init__(self, on_step: OnStep, steps: int) -> None:
        super().__init__(on_step)
        self.steps, self.told = steps, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # The last execution is shorter, though Keras numbers it like a whole one.
        taken = min(batch + 1, self.steps) - self.told
        for loss in np.asarray(logs["batch_loss"])[-taken:]:
            self.told += 1
            if not self.on_step(self.told, float(loss)):
                self.model.stop_training = True
                return


@dataclass(frozen=True)
class Form:
    """One way to build and compile the network."""

    pool_first: bool
    """Max-pool before ReLU."""
    grouped: bool
    """Whether an execution takes several steps."""
    jit: bool | str


def forms(settings: TrainSettings) -> dict[str, Form]:
    """The forms that differ for a network and a batch, by what they are called."""
    pools, grouped = pools_relus(settings), settings.steps_per_execution > 1
    found = {AS_SHIPPED: Form(pool_first=False, grouped=False, jit="auto")}
    for pool_first, jit in [*([(False, False)] if pools else []), (pools, True), (pools, False)]:
        words = ["pool before ReLU"] if pool_first else []
        words += ["several steps an execution"] if grouped else []
        found[", ".join([*words, "XLA" if jit else "no XLA"])] = Form(pool_first, grouped, jit)
    return found


class KerasTunedEngine(KerasEngine):
    """`keras-tuned`: max-pool before ReLU, several steps an execution and XLA on or off, whatever is fastest here."""

    def forms(self, settings: TrainSettings) -> tuple[str, ...]:
        return tuple(forms(settings))

    def use_device(self, device: str, threads: int) -> str:
        self.device = device
        return super().use_device(device, threads)

    def build(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        known = forms(settings)
        self._form = form = known[self.form or list(known)[-1]]
        self.steps_at_once = settings.steps_per_execution if form.grouped else 1
        self.compile_options = {"steps_per_execution": self.steps_at_once, "jit_compile": form.jit}
        super().build(settings, start)

    def _layers(self) -> dict[str, Any]:
        """A max-pool of ReLUs is the ReLU of the max-pool, over a quarter of the numbers."""
        made = super()._layers()
        if not self._form.pool_first:
            return made
        after: dict[str, Any] = {}
        before: Any = None
        for name, layer in made.items():
            after[name] = layer
            if isinstance(layer, layers.MaxPooling2D) and getattr(before, "activation", None) is keras.activations.relu:
                before.activation = keras.activations.linear
                after[f"{name}_relu"] = layers.ReLU(name=f"{name}_relu")
            before = layer
        return after

    def _batch_loss(self) -> Any:
        return LastLosses(self.steps_at_once)

    def _watch(self, on_step: OnStep) -> Any:
        return GroupWatch(on_step, -(-len(self.x) // self.settings.batch_size))


ENGINE = KerasTunedEngine
