"""The contract of an engine: how the worker trains the network without knowing the framework.

An engine owns its framework's objects (model, optimizer) and nothing else: epochs, stopping, times and figures
belong to the worker, so they exist once. Importing an engine's module imports its framework.
"""

import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.shape import DataShape
from core.experiment import parity
from core.experiment.layers import Activation, Dropout, MaxPool
from core.experiment.network import Network, layers_of, without_rates
from core.experiment.settings import TrainSettings
from core.experiment.switches import Switch

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]

OnStep = Callable[[int, float], bool]
"""Called after every step with its number in the epoch (from 1) and its batch loss; False ends the epoch."""


@dataclass(frozen=True)
class Trained:
    """What an epoch of training gives: means over the images that were visited, each with the weights of its step."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Evaluated:
    """Mean loss and accuracy (a fraction) over a set of images, dropout off."""

    loss: float
    accuracy: float


class EngineError(Exception):
    """An engine cannot compute on this machine: the rest of a sentence, without its stop."""


class Engine(ABC):
    """One network in one framework. Methods are called in the order in which they stand here."""

    device = "cpu"
    """The framework's own name of where this engine computes; set by `use_device`."""

    steps_at_once = 1
    """Steps that the framework takes between two looks at what `on_step` says; set by `build`.

    `on_step` still hears of each of them, up to the one at which it says False; those after it in the same group
    have then been taken.
    """

    settings: TrainSettings
    """Of the run; set by `build`."""

    network: Network
    """Of the run, for the data that was fed; set by `build`."""

    form = ""
    """Which of `forms` the next `build` takes; "" the last of them."""

    not_tried: tuple[str, ...] = ()
    """Lines for the run's summary: what is no form of this engine, and why."""

    def __init__(self, name: str) -> None:
        self.name = name

    def forms(self, settings: TrainSettings) -> tuple[str, ...]:
        """In words, the ways to compute the same function with these settings; empty where there is but one.

        The stock engine's comes first, last the one that is taken where none could be timed.
        """
        return ()

    @staticmethod
    @abstractmethod
    def versions() -> dict[str, str]:
        """Name to version of what computes: framework, backend, numpy."""

    @staticmethod
    @abstractmethod
    def devices() -> list[str]:
        """The devices that the framework sees, the CPU first and the best last."""

    @abstractmethod
    def use_device(self, device: str, threads: int) -> str:
        """Chooses `cpu` or `gpu`, and how many CPU threads (0: the framework's choice); says the choice in words.

        Must come before `build`; a worker calls it once.
        """

    def feed(self, images: Images, labels: Labels, data: DataShape) -> None:
        """Hands over the training images, uint8 [N, H, W, C], and labels, uint8 [N], before `build`."""
        self.images, self.labels, self.data = images, labels, data

    @abstractmethod
    def build(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        """Builds model and optimizer, seeded; `start` holds canonical start weights, or None for the engine's own."""

    def build_to_predict(self, settings: TrainSettings, weights: Mapping[str, Floats]) -> None:
        """Instead of `build`, where nothing will be trained; an engine leaves out what only training needs.

        It takes the stock engine's form, whose layers are the network's, so that each can be looked at.
        """
        self._take_stock_form(settings)
        self.build(settings, weights)

    def _take_stock_form(self, settings: TrainSettings) -> None:
        self.form = next(iter(self.forms(settings)), "")

    @abstractmethod
    def train_epoch(self, epoch: int, on_step: OnStep) -> Trained:
        """Trains one epoch (from 1) over the fed images, calling `on_step` after every step."""

    @abstractmethod
    def evaluate(self, images: Images, labels: Labels) -> Evaluated:
        """Loss and accuracy over uint8 images [N, H, W, C]."""

    @abstractmethod
    def predict(self, images: Images) -> Floats:
        """Logits [N, classes] of uint8 images [N, H, W, C], in the run's dtype."""

    @abstractmethod
    def look(self, image: Images) -> tuple[dict[str, Floats], Floats]:
        """What the network makes of one image, uint8 [H, W, C], dropout off; only after `build_to_predict`.

        Each layer's output by its name, in the network's order and the canonical layout: [H, W, C], or [features] in
        the order of channels last; a layer's own activation is in it. And the gradient [H, W, C] of the largest logit
        by the network's input, whose pixels go from 0 to 1. All in the run's dtype.
        """

    def shared_masks(self, images: int, epoch: int, step: int) -> list[Floats]:
        """The twin's mask for each dropout of the network, [images, *activations], channels last."""
        settings = self.settings
        return [
            parity.dropout_mask(
                settings.seed,
                epoch,
                step,
                (images, *node.arrives),
                settings.dropout if node.layer.rate is None else node.layer.rate,
                place,
            )
            for place, node in enumerate(self.network.dropouts)
            if isinstance(node.layer, Dropout)
        ]

    @abstractmethod
    def weights(self) -> dict[str, Floats]:
        """The weights as canonical arrays."""

    @abstractmethod
    def load(self, weights: Mapping[str, Floats]) -> None:
        """Takes canonical weights; the optimizer keeps its state."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Writes the model as the framework's users keep it: `.keras`, or a state dict as `.pt`."""

    @abstractmethod
    def summary(self) -> str:
        """The framework's own printed summary of the model."""

    @abstractmethod
    def parameters(self) -> int:
        """How many trainable numbers the framework counts in its model."""


AS_SHIPPED = "as shipped"
"""The stock engine's form."""


def pools_relus(settings: TrainSettings) -> bool:
    """Whether a max-pool follows a ReLU in the network."""
    layers = layers_of(settings.network)
    return any(
        isinstance(pool, MaxPool) and (getattr(before, "activation", "") == "relu" or before == Activation("relu"))
        for before, pool in pairwise(layers)
    )


UNUSED = ("matplotlib", "pandas", "sklearn")
"""What Keras imports where it is installed, for plots, tables and wrappers. No lane and no probe has any, a plain
installation of either framework brings none of them, and they took a third of a Keras lane's start and 150 MiB.
"""


def leave_out_unused() -> None:
    """`UNUSED` is not there for this process, whatever is installed."""
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # Python's way to say so


def engine_class(engine: str) -> type[Engine]:
    """Imports an engine: a file of its own each, but one for all that are called fake-..."""
    leave_out_unused()
    module = "fake" if engine.startswith("fake") else engine.replace("-", "_")
    found: type[Engine] = importlib.import_module(f"core.worker.engines.{module}").ENGINE
    return found


def scaled(images: Images, dtype: str) -> Floats:
    """Network inputs of uint8 images: the same numbers divided by 255, in `dtype`, same shape."""
    inputs: Floats = images.astype(dtype) / np.asarray(255, dtype)
    return inputs


def start_of(settings: TrainSettings, data: DataShape) -> dict[str, Floats] | None:
    """The weights with which both lanes begin, or None where each framework draws its own."""
    if not settings.aligns(Switch.INITIALISERS):
        return None
    return parity.start_weights(settings.seed, Network.of(settings.network, data))


def certificate_part(
    engine: Engine, settings: TrainSettings, images: Images, labels: Labels, data: DataShape, on_step: OnStep
) -> tuple[list[list[float]], list[float]]:
    """One lane's part of the certificate of an aligned run: (start logits, loss of each step); see
    `core.experiment.parity`.

    `engine` is a fresh one, to be dropped afterwards, so that the run's own network and optimizer stay untouched.
    `on_step` returning False cuts it short.
    """
    batch = min(settings.batch_size, parity.CERTIFICATE_BATCH)
    update = {
        "batch_size": batch,
        "dropout": 0.0,
        "network": without_rates(settings.network),
        "learning_rate": parity.CERTIFICATE_LEARNING_RATE,
    }
    # Whole batches: of a last one that is a single image, batch normalisation could take no mean.
    images = images[: batch * min(parity.CERTIFICATE_STEPS, len(images) // batch)]
    engine.feed(images, labels[: len(images)], data)
    engine.build(settings.model_copy(update=update), start_of(settings, data))
    logits = engine.predict(images[:batch])
    losses: list[float] = []

    def keep(step: int, loss: float) -> bool:
        losses.append(loss)
        return on_step(step, loss)

    engine.train_epoch(1, keep)
    return logits.astype(float).tolist(), losses
