"""An engine under questions, in a process of its own: `python -m tests.engines.contract_probe ENGINE DATA_DIR OUT_DIR`.

Reads one question a line from stdin, `{"question": NAME, "arguments": {...}}`, and answers each with one line of
JSON on stdout. A question is a method of `Probe`; it measures and judges nothing: the tests do.
"""

import hashlib
import importlib
import json
import math
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from core import datasets, metrics, parity
from core.engines.base import Engine, EngineError, Floats, certificate_part, module_of
from core.settings import Alignment, TrainSettings
from core.weights import load_weights, save_weights

Answer = dict[str, Any]
OTHER_SEED = 1234


def plain_transpose(canonical: dict[str, Floats]) -> dict[str, Floats]:
    """The planted error: convolutions moved rightly, the dense layer by `W.T` alone."""
    axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    return {name: np.ascontiguousarray(array.transpose(axes[array.ndim])) for name, array in canonical.items()}


@contextmanager
def planted(error: str) -> Iterator[None]:
    """Makes this process wrong in one thing; the other lane's process stays right."""
    order, mask = parity.batch_order, parity.dropout_mask
    match error:
        case "":
            patches = []
        case "plain dense transpose":
            patches = [mock.patch("core.engines.torch.to_torch", plain_transpose)]
        case "other epsilon":
            patches = [mock.patch.object(parity, "KERAS_EPSILON", 1e-8)]
        case "other epsilon in Keras":
            import keras

            patches = [mock.patch("keras.optimizers.Adam", partial(keras.optimizers.Adam, epsilon=1e-8))]
        case "unrounded betas":
            exact = {"ROUNDED_BETA_1": parity.BETA_1, "ROUNDED_BETA_2": parity.BETA_2}
            patches = [mock.patch.multiple(parity, **exact)]
        case "other batch order":
            patches = [mock.patch.object(parity, "batch_order", lambda seed, epoch, n: order(seed, epoch + 1, n))]
        case "dropout left on":
            patches = [mock.patch.object(parity, "dropout_mask", lambda *given: mask(*given[:-1], 0.3))]
        case _:
            raise ValueError(error)
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


class Probe:
    """Every public method is a question."""

    def __init__(self, name: str, data_dir: Path, out_dir: Path) -> None:
        self._name, self._out_dir = name, out_dir
        found = datasets.prepared("mnist5k", data_dir)
        assert found is not None
        self._arrays = found.load()
        self._class = importlib.import_module(module_of(name)).ENGINE
        self._device = self._class(name).use_device("cpu", 0)

    def _built(self, **raw: Any) -> Engine:
        """A fresh engine, fed and built as the worker does it."""
        settings = TrainSettings.parse(raw)
        engine: Engine = self._class(self._name)
        engine.feed(self._arrays.train_images, self._arrays.train_labels)
        aligned = settings.alignment != Alignment.AS_SHIPPED
        engine.build(settings, parity.start_weights(settings.seed) if aligned else None)
        return engine

    @staticmethod
    def _trained(engine: Engine, epochs: int, stop_after: int) -> list[Answer]:
        """Trains; each epoch's step numbers, step losses, and means. `stop_after` counts steps over all epochs."""
        rows: list[Answer] = []
        total = 0
        for epoch in range(1, epochs + 1):
            steps: list[int] = []
            losses: list[float] = []

            def on_step(step: int, loss: float, steps: list[int] = steps, losses: list[float] = losses) -> bool:
                nonlocal total
                total += 1
                steps.append(step)
                losses.append(loss)
                return total != stop_after

            trained = engine.train_epoch(epoch, on_step)
            rows.append({"steps": steps, "losses": losses, "loss": trained.loss, "accuracy": trained.accuracy})
            if total == stop_after:
                break
        return rows

    # --- questions -------------------------------------------------------------------------------------

    def about(self) -> Answer:
        """What the engine says of itself."""
        ours = issubclass(self._class, Engine)
        return {
            "is_engine": ours,
            "device": self._device,
            "versions": self._class.versions(),
            "devices": self._class.devices(),
        }

    def network(self, **settings: Any) -> Answer:
        """The model as it is built: counts, summary, weights' names, shapes, types, digests and extremes."""
        engine = self._built(**settings)
        weights = {
            name: {
                "shape": array.shape,
                "dtype": str(array.dtype),
                "sha256": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest(),
                "largest": float(np.abs(array).max()),
                "spread": float(array.std()),
            }
            for name, array in engine.weights().items()
        }
        built = {"parameters": engine.parameters(), "summary": engine.summary(), "weights": weights}
        return built | {"steps_at_once": engine.steps_at_once}

    def training(self, epochs: int = 1, stop_after: int = 0, **settings: Any) -> list[Answer]:
        """Epochs of training."""
        return self._trained(self._built(**settings), epochs, stop_after)

    def standing_still(self, epochs: int, stop_after: int = 0, **settings: Any) -> Answer:
        """Epochs at a learning rate that moves no weight, and the logits of all training images before them."""
        engine = self._built(**settings, learning_rate=1e-30)
        logits = engine.predict(self._arrays.train_images).astype(float).tolist()
        return {"logits": logits, "epochs": self._trained(engine, epochs, stop_after)}

    def reloaded(self, **settings: Any) -> Answer:
        """Logits of a trained engine, after it took its own weights, and of another start that took them by file."""
        engine, images = self._built(**settings), self._arrays.test_images
        self._trained(engine, 1, 5)
        first = engine.predict(images)
        engine.load(engine.weights())
        again = engine.predict(images)
        path = self._out_dir / "reloaded.safetensors"
        sha256 = save_weights(engine.weights(), path)
        other = self._built(**{**settings, "seed": OTHER_SEED})
        before = other.predict(images)
        other.load(load_weights(path, sha256))
        moved = other.predict(images)
        named = {"first": first, "again": again, "before": before, "moved": moved}
        return {name: logits.astype(float).tolist() for name, logits in named.items()}

    def snapshot(self) -> bool:
        """Whether weights that were handed out stay as they were while training goes on."""
        engine = self._built()
        held = engine.weights()
        kept = {name: array.copy() for name, array in held.items()}
        self._trained(engine, 1, 3)
        after = engine.weights()
        assert not np.array_equal(after["dense.bias"], kept["dense.bias"])
        return all(np.array_equal(held[name], kept[name]) for name in kept)

    def reading(self, **settings: Any) -> dict[str, Answer]:
        """Evaluation and logits of a trained engine over the named sets of images."""
        engine, arrays = self._built(**settings), self._arrays
        self._trained(engine, 1, 10)
        answers = {}
        for name, images, labels in (
            ("validation", arrays.validation_images, arrays.validation_labels),
            ("test", arrays.test_images, arrays.test_labels),
            ("1,500 training", arrays.train_images[:1500], arrays.train_labels[:1500]),
        ):
            found = engine.evaluate(images, labels)
            logits = engine.predict(images).astype(float).tolist()
            answers[name] = {"loss": found.loss, "accuracy": found.accuracy, "logits": logits}
        return answers

    def dropout_off(self) -> Answer:
        """Logits of an engine with dropout 0.9 after some training, twice, and of one without that took its weights."""
        images = self._arrays.test_images[:200]
        engine = self._built(dropout=0.9)
        self._trained(engine, 1, 3)
        without = self._built(dropout=0)
        without.load(engine.weights())
        named = {"first": engine.predict(images), "again": engine.predict(images), "without": without.predict(images)}
        return {name: logits.astype(float).tolist() for name, logits in named.items()}

    def exploding(self, seed: int) -> list[float]:
        """Step losses of the first epoch at a learning rate of 1e6, up to the one that ends a lane."""
        losses: list[float] = []

        def on_step(_: int, loss: float) -> bool:
            losses.append(loss)
            return math.isfinite(loss) and loss <= metrics.DIVERGED_LOSS

        self._built(seed=seed, learning_rate=1e6).train_epoch(1, on_step)
        return losses

    def loaded(self) -> Answer:
        """Which frameworks this process has loaded once a model was trained, read and saved; and Keras' backend."""
        engine = self._built()
        self._trained(engine, 1, 2)
        engine.evaluate(self._arrays.test_images[:10], self._arrays.test_labels[:10])
        engine.save(self._out_dir / ("model.keras" if self._name.startswith("keras") else "model.pt"))
        frameworks = [name for name in ("tensorflow", "torch", "jax") if sys.modules.get(name) is not None]
        keras = sys.modules.get("keras")
        return {"frameworks": frameworks, "backend": keras.backend.backend() if keras else ""}

    def without_compiler(self) -> str:
        """What is said where no C++ compiler is found."""
        with mock.patch.dict(os.environ, {"CXX": "no-such-compiler"}):
            try:
                self._trained(self._built(), 1, 1)
            except EngineError as error:
                return str(error)
        return ""

    def certificate(self, plant: str = "", **settings: Any) -> Answer:
        """This lane's part of the certificate, by the worker's own function."""
        images, labels = self._arrays.train_images, self._arrays.train_labels
        with planted(plant):
            logits, losses = certificate_part(
                self._class(self._name), TrainSettings.parse(settings), images, labels, lambda *_: True
            )
        return {"logits": logits, "losses": losses}

    def moved_out(self, **settings: Any) -> Answer:
        """Trains, keeps the weights in a file, and reads all test images."""
        engine = self._built(**settings)
        self._trained(engine, 1, 0)
        path = self._out_dir / f"{self._name}-{settings['alignment']}.safetensors"
        sha256 = save_weights(engine.weights(), path)
        logits = engine.predict(self._arrays.test_images).astype(float).tolist()
        return {"path": str(path), "sha256": sha256, "logits": logits}

    def moved_in(self, path: str, sha256: str, **settings: Any) -> list[list[float]]:
        """Takes the other framework's weights, over another start, and reads all test images."""
        engine = self._built(**settings, seed=OTHER_SEED)
        engine.load(load_weights(Path(path), sha256))
        answer: list[list[float]] = engine.predict(self._arrays.test_images).astype(float).tolist()
        return answer


def main(name: str, data_dir: str, out_dir: str) -> None:
    """Answers until stdin closes; what a library prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    probe = Probe(name, Path(data_dir), Path(out_dir))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"answer": getattr(probe, asked["question"])(**asked["arguments"])}
        except Exception:
            answer = {"fault": traceback.format_exc()}
        out.write(json.dumps(answer) + "\n")
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
