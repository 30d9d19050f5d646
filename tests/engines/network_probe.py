"""What `random_networks` draws, built and trained in one framework: questions of `contract_probe`."""

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from core.data.shape import DataShape
from core.experiment import parity
from core.experiment.network import Network, without_rates
from core.experiment.settings import TrainSettings
from core.experiment.weights import load_weights, save_weights
from core.worker.engines.base import Engine, Floats, scaled
from tests.engines.random_networks import EPOCHS, STEPS, drawn_images

Answer = dict[str, Any]
SHOWN = 12
"""Images whose logits are compared."""


def training_logits(engine: Any, images: Any) -> Floats:
    """Logits as they are while training: statistics of the batch, and in the twin the masks of step 1."""
    if hasattr(engine, "inference_model"):
        x = scaled(images, engine.dtype)
        masks = engine.shared_masks(len(x), 1, 1) if engine.settings.float64 else []
        logits: Floats = np.asarray(engine.model([x, *masks] if masks else x, training=True))
        return logits
    import torch

    engine.model.train()
    with torch.no_grad():
        logits = engine._forward(engine._inputs(images), 1, 1).cpu().numpy()
    return logits


class NetworkProbe:
    """Every public method is a question."""

    _name: str
    _class: type[Engine]
    _out_dir: Path

    def drawn_twin(self, settings: Answer, data: list[int], images: int) -> Answer:
        """Trains the exact twin; its losses, count of parameters, and logits with what it learnt.

        `exact` holds those in training mode without dropout, in float64: beside them float32 shows what it loses.
        """
        shape = DataShape(*data)
        self._twin = self._drawn(settings | {"alignment": "exact-twin"}, shape, images)
        losses: list[float] = []
        for epoch in range(1, EPOCHS + 1):
            self._twin.train_epoch(epoch, lambda _, loss: losses.append(loss) or len(losses) < STEPS)  # type: ignore[func-returns-value]
        # The same network in float32; no dropout, whose numbers each framework draws for itself there.
        plain = settings | {"network": without_rates(settings["network"]), "dropout": 0, "alignment": "same-start"}
        self._single = self._drawn(plain, shape, images)
        weights = self._twin.weights()
        path = self._out_dir / f"{self._name}-drawn.safetensors"
        sha256 = save_weights(weights, path)
        with mock.patch.object(parity, "dropout_mask", lambda *given: np.ones(given[3])):
            self._twin.load(weights)
            exact = training_logits(self._twin, self._images[:SHOWN])
        return {
            "exact": exact.astype(float).tolist(),
            "losses": losses,
            "parameters": self._twin.parameters(),
            "path": str(path),
            "sha256": sha256,
            **self.drawn_logits(str(path), sha256),
        }

    def drawn_logits(self, path: str, sha256: str) -> Answer:
        """Logits of the network that was last drawn, with the weights of a file: in evaluation, then in training."""
        said: Answer = {}
        for dtype, engine in (("float64", self._twin), ("float32", self._single)):
            weights = load_weights(Path(path), sha256, engine.network.weights)
            for mode, logits_of in (("evaluation", engine.predict), ("training", None)):
                engine.load({name: array.astype(dtype) for name, array in weights.items()})
                images = self._images[:SHOWN]
                logits = logits_of(images) if logits_of else training_logits(engine, images)
                said[f"{dtype} {mode}"] = logits.astype(float).tolist()
        return said

    def _drawn(self, raw: Answer, data: DataShape, count: int) -> Engine:
        settings = TrainSettings.parse(raw)
        self._images, labels = drawn_images(settings.seed, data, count)
        engine: Engine = self._class(self._name)
        engine.feed(self._images, labels, data)
        engine.build(settings, parity.start_weights(settings.seed, Network.of(settings.network, data)))
        return engine
