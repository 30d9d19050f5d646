"""An engine without a framework, for tests: softmax regression in numpy that really learns, and faults on order.

Its name says how it behaves: `fake` and `fake-a` well, `fake-slow` 50 ms a step; `fake-nan`, `fake-raise`,
`fake-crash` and `fake-hang` do so in epoch 2, step 2. It is never offered to a user.
"""

import math
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.experiment import parity
from core.experiment.logits import probabilities
from core.experiment.network import Network
from core.experiment.settings import Alignment, TrainSettings
from core.experiment.weights import save_weights
from core.worker.engines.base import Engine, Evaluated, Floats, Images, Labels, OnStep, Trained, scaled

FAULT_EPOCH, FAULT_STEP = 2, 2
RATE = 500
"""Times the learning rate: plain gradient descent needs longer steps than Adam."""


class FakeEngine(Engine):
    """`fake`: only the last layer learns, from the pixels; the other weights are carried."""

    @property
    def behaviour(self) -> str:
        """What follows the hyphen of the name."""
        return self.name.partition("-")[2]

    @staticmethod
    def versions() -> dict[str, str]:
        return {"fake": "1", "numpy": np.__version__}

    @staticmethod
    def devices() -> list[str]:
        return ["cpu"]

    def use_device(self, device: str, threads: int) -> str:
        return "cpu"

    def build(self, settings: TrainSettings, start: Mapping[str, Floats] | None) -> None:
        self.settings, self.network = settings, Network.of(settings.network, self.data)
        self.dtype = "float64" if settings.float64 else "float32"
        self.generator = np.random.default_rng(settings.seed)
        self.load(parity.start_weights(settings.seed, self.network) if start is None else start)
        self.x, self.y = self._features(self.images), np.eye(self.data.classes)[self.labels]

    def _features(self, images: Images) -> Floats:
        """[N, features]: as many pixels as the last layer takes, then zeros."""
        features = self.network.nodes[-1].arrives[0]
        pixels = scaled(images, self.dtype).reshape(len(images), math.prod(images.shape[1:]))[:, :features]
        return np.pad(pixels, ((0, 0), (0, features - pixels.shape[1])))

    def _last(self, kind: str) -> str:
        """What an array of the last layer is called."""
        return f"{self.network.nodes[-1].name}.{kind}"

    def train_epoch(self, epoch: int, on_step: OnStep) -> Trained:
        rate, order = RATE * self.settings.learning_rate, self.generator.permutation(len(self.x))
        if self.settings.alignment != Alignment.AS_SHIPPED:
            order = parity.batch_order(self.settings.seed, epoch, len(self.x))
        total, correct, seen = 0.0, 0, 0
        for step, first in enumerate(range(0, len(order), self.settings.batch_size), start=1):
            rows = order[first : first + self.settings.batch_size]
            x, y = self.x[rows], self.y[rows]
            logits = self._logits(x)
            chances = probabilities(logits)
            loss = float(-np.log((chances * y).sum(1) + 1e-12).mean())
            self.held[self._last("weight")] -= (rate * x.T @ (chances - y) / len(rows)).astype(self.dtype)
            self.held[self._last("bias")] -= (rate * (chances - y).mean(0)).astype(self.dtype)
            total += loss * len(rows)
            correct += int((logits.argmax(1) == y.argmax(1)).sum())
            seen += len(rows)
            if not on_step(step, self._behave(epoch, step, loss)):
                break
        return Trained(loss=total / seen, accuracy=correct / seen)

    def _behave(self, epoch: int, step: int, loss: float) -> float:
        if self.behaviour == "slow":
            time.sleep(0.05)
        if (epoch, step) != (FAULT_EPOCH, FAULT_STEP):
            return loss
        match self.behaviour:
            case "nan":
                return math.nan
            case "raise":
                raise RuntimeError("a fault on order")
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "hang":
                os.kill(os.getpid(), signal.SIGSTOP)
        return loss

    def _logits(self, x: Floats) -> Floats:
        logits: Floats = x @ self.held[self._last("weight")] + self.held[self._last("bias")]
        return logits

    def evaluate(self, images: Images, labels: Labels) -> Evaluated:
        logits = self.predict(images)
        chance = probabilities(logits)[np.arange(len(labels)), labels]
        return Evaluated(float(-np.log(chance + 1e-12).mean()), float((logits.argmax(1) == labels).mean()))

    def predict(self, images: Images) -> Floats:
        return self._logits(self._features(images))

    def look(self, image: Images) -> tuple[dict[str, Floats], Floats]:
        """The layers before the last hold the pixels in their own shape, repeated or cut: they compute nothing."""
        logits = self._logits(self._features(image[np.newaxis]))[0]
        pixels = scaled(image, self.dtype)
        outputs = {node.name: np.resize(pixels, node.leaves) for node in self.network.nodes[:-1]}
        weight = self.held[self._last("weight")][:, logits.argmax()]
        gradient = np.zeros(image.size, self.dtype)
        gradient[: len(weight)] = weight[: image.size]
        return outputs | {self.network.nodes[-1].name: logits}, gradient.reshape(image.shape)

    def weights(self) -> dict[str, Floats]:
        return {name: array.copy() for name, array in self.held.items()}

    def load(self, weights: Mapping[str, Floats]) -> None:
        self.held = {name: np.array(array, self.dtype) for name, array in weights.items()}

    def save(self, path: Path) -> None:
        save_weights(self.weights(), path)

    def summary(self) -> str:
        return f"softmax regression in numpy, for tests\nTotal parameters: {self.parameters():,}"

    def parameters(self) -> int:
        return sum(array.size for array in self.held.values())


ENGINE = FakeEngine
