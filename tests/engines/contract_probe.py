"""An engine under questions, in a process of its own: `python -m tests.engines.contract_probe ENGINE DATA_DIR OUT_DIR`.

Each question is a `Call` on stdin of a method of `Probe`, answered by `Returned`, or by `Failed` with the traceback.
It measures and judges nothing: the tests do.
"""

import hashlib
import math
import os
import queue
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial, partialmethod
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from core.data import datasets
from core.data.shape import MNIST_SHAPE, DataShape
from core.experiment import metrics, parity
from core.experiment.epoch_weights import KeptEpochs, epochs_file
from core.experiment.layers import WeightSpec
from core.experiment.network import Network
from core.experiment.settings import Optimizer, TrainSettings
from core.experiment.weights import from_torch, load_weights, save_weights, to_torch
from core.protocol import lines, messages, predictor_messages
from core.protocol.stdio import Outbox, connect, taking
from core.worker import tuning
from core.worker.__main__ import Worker
from core.worker.engines.base import UNUSED, Engine, EngineError, Floats, certificate_part, engine_class, start_of
from core.worker.inference import LoadedModels
from tests.engines.listing_probe import ListingProbe
from tests.engines.network_probe import NetworkProbe

Answer = dict[str, Any]
CUT_IMAGES, CUT_BATCH, CUT_STEPS = 450, 126, 4
"""A lane of this many images takes three full batches and a smaller one an epoch."""
OTHER_SEED = 1234
LEVELS = 4
"""By which a pixel is changed, of 255."""


def plain_transpose(canonical: dict[str, Floats], specs: Sequence[WeightSpec]) -> dict[str, Floats]:
    """The planted error: a layer after the flatten is moved by `W.T` alone, its inputs channels last."""
    return to_torch(canonical, [replace(spec, grid=None) for spec in specs])


def transposed_out(state: dict[str, Floats], specs: Sequence[WeightSpec]) -> dict[str, Floats]:
    """The planted error: PyTorch's weights on their way out, the dense layer by `W.T` alone."""
    return from_torch(state, [replace(spec, grid=None) for spec in specs])


def counting_anew(adam: Any) -> Any:
    """The planted error: Adam's terms of each epoch are those of the first one."""
    return lambda step, rate: adam((step - 1) % CUT_STEPS + 1, rate)


def feed_shifted(engine: Engine, images: Any, labels: Any, data: DataShape) -> None:
    """The planted error: every training label is one too high."""
    engine.images, engine.labels, engine.data = images, (labels + 1) % 10, data


def scaled_by_256(images: Any, dtype: str) -> Any:
    """The planted error: 256 where 255 belongs."""
    return images.astype(dtype) / np.asarray(256, dtype)


def predict_with_masks(engine: Any, images: Any) -> Any:
    """The planted error: validation and test drop activations as training does."""
    import torch

    with torch.no_grad():
        logits: Any = engine._forward(engine._inputs(images), 1, 1).cpu().numpy()
    return logits


def counting_pads(pool: Any, x: Any) -> Any:
    """The planted error: padding counts among the pixels of an average."""
    from torch.nn import functional

    return functional.avg_pool2d(functional.pad(x, pool.pads), pool.size, pool.stride)


def l2_decay(step: Any, settings: TrainSettings, weights: Any, *, begin: Any) -> None:
    """The planted error: weight decay as a part of the gradient."""
    begin(step, settings.model_copy(update={"weight_decay": 0.0, "optimizer": Optimizer.ADAM}), weights)
    for group in step.optimizer.param_groups:
        group["weight_decay"] = settings.weight_decay


def in_layers(error: str) -> list[Any]:
    """Patches of PyTorch's aligned layers and steps, each wrong in one thing that Keras does."""
    from torch import nn

    from core.worker.engines import torch_layers, torch_steps

    match error:
        case "batch norm's momentum as Keras means it":
            return [mock.patch.object(parity, "KERAS_NORM_MOMENTUM", 1 - parity.KERAS_NORM_MOMENTUM)]
        case "unbiased running variance":
            plain = {"KerasBatchNorm1d": nn.BatchNorm1d, "KerasBatchNorm2d": nn.BatchNorm2d}
            return [mock.patch.multiple(torch_layers, **plain)]
        case "PyTorch's epsilon in normalisations":
            return [mock.patch.object(parity, "KERAS_NORM_EPSILON", 1e-5)]
        case "symmetric padding":
            return [mock.patch("core.experiment.network.padding", lambda _, window, __: (window // 2, window // 2))]
        case "pads counted":
            return [mock.patch.object(torch_layers.PixelAvgPool, "forward", counting_pads)]
        case "tanh GELU":
            return [mock.patch.object(torch_layers, "KerasGELU", partial(nn.GELU, approximate="tanh"))]
        case "L2 in place of decoupled decay":
            begin = torch_steps.KerasStep.__init__
            return [mock.patch.object(torch_steps.KerasStep, "__init__", partialmethod(l2_decay, begin=begin))]
    raise ValueError(error)


@contextmanager
def planted(error: str) -> Iterator[None]:
    """Makes this process wrong in one thing; the other lane's process stays right."""
    order, mask = parity.batch_order, parity.dropout_mask
    match error:
        case "":
            patches = []
        case "channels-first flatten":
            patches = [mock.patch("core.worker.engines.torch.to_torch", plain_transpose)]
        case "other epsilon":
            patches = [mock.patch.object(parity, "KERAS_EPSILON", 1e-8)]
        case "unrounded betas":
            exact = {"ROUNDED_BETA_1": parity.BETA_1, "ROUNDED_BETA_2": parity.BETA_2}
            patches = [mock.patch.multiple(parity, **exact)]
        case "other batch order":
            patches = [mock.patch.object(parity, "batch_order", lambda seed, epoch, n: order(seed, epoch + 1, n))]
        case "masks off by one step":
            shifted = lambda seed, epoch, step, *more: mask(seed, epoch, step + 1, *more)  # noqa: E731
            patches = [mock.patch.object(parity, "dropout_mask", shifted)]
        case "masks at 0.9 times the rate":
            thinner = lambda *given: mask(*given[:4], 0.9 * given[4], *given[5:])  # noqa: E731
            patches = [mock.patch.object(parity, "dropout_mask", thinner)]
        case "one mask for two dropouts":
            patches = [mock.patch.object(parity, "dropout_mask", lambda *given: mask(*given[:5]))]
        case "other batch order from epoch 2":
            later = lambda seed, epoch, n: order(seed, epoch + (epoch > 1), n)  # noqa: E731
            patches = [mock.patch.object(parity, "batch_order", later)]
        case "Adam counts anew each epoch":
            patches = [mock.patch.object(parity, "adam_like_keras", counting_anew(parity.adam_like_keras))]
        case "learning rate ignored":
            ignored = lambda step, _, known=parity.adam_like_keras: known(step, 1e-3)  # noqa: E731
            patches = [mock.patch.object(parity, "adam_like_keras", ignored)]
        case "last batch dropped":
            full = lambda seed, epoch, n: order(seed, epoch, n)[: n - n % CUT_BATCH]  # noqa: E731
            patches = [mock.patch.object(parity, "batch_order", full)]
        case "dense layer transposed on the way out":
            patches = [mock.patch("core.worker.engines.torch.from_torch", transposed_out)]
        case "labels shifted":
            patches = [mock.patch.object(Engine, "feed", feed_shifted)]
        case "scaled by 256":
            patches = [mock.patch("core.worker.engines.keras_fit.scaled", scaled_by_256)]
        case "masks not reordered":
            patches = [mock.patch("core.worker.engines.torch.features_to_torch", lambda features, _: features)]
        case "evaluation with dropout on":
            patches = [mock.patch("core.worker.engines.torch.TorchEngine.predict", predict_with_masks)]
        case "dropout left on":
            left = lambda *given: mask(*given[:4], 0.3, *given[5:])  # noqa: E731
            patches = [mock.patch.object(parity, "dropout_mask", left)]
        case _:
            patches = in_layers(error)
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


class Sent(Outbox):
    """Keeps what a worker sends."""

    def __init__(self) -> None:
        self.messages: list[messages.Event] = []

    def send(self, event: messages.Event) -> None:
        self.messages.append(event)

    @property
    def last_epoch(self) -> bool:
        """Whether no epoch follows."""
        return any(isinstance(message, messages.Epoch) and message.last for message in self.messages)

    @property
    def failed(self) -> bool:
        """Whether the lane failed."""
        return any(isinstance(message, messages.Failed) for message in self.messages)


class CutWorker(Worker):
    """The worker, over few images: an epoch of the twin takes well below a second."""

    def __init__(self, engine: Engine, outbox: Outbox, arrays: datasets.Arrays, images: int) -> None:
        super().__init__(engine, outbox, threading.Event())
        self._cut = arrays._replace(
            train_images=arrays.train_images[:images],
            train_labels=arrays.train_labels[:images],
            validation_images=arrays.validation_images[:100],
            validation_labels=arrays.validation_labels[:100],
            test_images=arrays.test_images[:100],
            test_labels=arrays.test_labels[:100],
        )

    def _load(self) -> None:
        self.arrays, self.data, self.data_s = self._cut, MNIST_SHAPE, 0.0


class Probe(NetworkProbe, ListingProbe):
    """Every public method is a question."""

    def __init__(self, name: str, data_dir: Path, out_dir: Path) -> None:
        self._name, self._data_dir, self._out_dir = name, data_dir, out_dir
        self._class = engine_class(name)
        self._device = self._class(name).use_device("cpu", 0)

    @cached_property
    def _arrays(self) -> datasets.Arrays:
        found = datasets.prepared("mnist5k", self._data_dir)
        assert found is not None
        return found.load()

    def _fed(self) -> Engine:
        """A fresh engine with the training images."""
        engine: Engine = self._class(self._name)
        engine.feed(self._arrays.train_images, self._arrays.train_labels, MNIST_SHAPE)
        return engine

    def _built(self, **raw: Any) -> Engine:
        """A fresh engine, fed and built as the worker does it."""
        settings, engine = TrainSettings.parse(raw), self._fed()
        engine.build(settings, start_of(settings, MNIST_SHAPE))
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

    def forms(self, **settings: Any) -> list[str]:
        """In which forms the engine would be timed."""
        return list(self._class(self._name).forms(TrainSettings.parse(settings)))

    def first_losses(self, form: str, **settings: Any) -> list[float]:
        """Of the first steps of one form."""
        engine = self._fed()
        engine.form = form
        engine.build(TrainSettings.parse(settings), None)
        losses: list[float] = self._trained(engine, 1, 6)[0]["losses"]
        return losses

    def tuned(self, **raw: Any) -> Answer:
        """What two runs say of their tuning, and each one's first losses, as those of a run without it."""
        settings, folder = TrainSettings.parse(raw), Path(tempfile.mkdtemp(dir=self._out_dir))
        said, losses = [], []
        # Not XLA, which compiles for ten seconds.
        forms = [form for form in self._class(self._name).forms(settings) if form.split(", ")[-1] != "XLA"]
        for _ in range(2):
            engine = self._fed()
            engine.forms = lambda _: tuple(forms)  # type: ignore[method-assign]
            with mock.patch.multiple(tuning, BUDGET_S=0, BUSY_SHARE=9):
                said.append(tuning.tune(engine, settings, 0, folder, lambda: False))
            engine.build(settings, None)
            losses.append(self._trained(engine, 1, 10)[0]["losses"])
        untuned = self._fed()
        untuned.form = engine.form
        untuned.build(settings, None)
        losses.append(self._trained(untuned, 1, 10)[0]["losses"])
        return {"forms": forms, "form": engine.form, "said": said, "losses": losses}

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
        other.load(load_weights(path, sha256, other.network.weights))
        moved = other.predict(images)
        named = {"first": first, "again": again, "before": before, "moved": moved}
        return {name: logits.astype(float).tolist() for name, logits in named.items()}

    def look(self, **settings: Any) -> Answer:
        """Inside a network with the shared start weights, for an image of noise; its logits; and a slope to compare.

        Noise, as where two pixels of a window are equal each framework gives another one the gradient of a max-pool.

        `slope` is the change of the largest logit where one pixel, the one of the largest gradient among those with
        room for it, is changed both ways, for a pixel's whole length.
        """
        parsed, engine = TrainSettings.parse(settings), self._fed()
        start = parity.start_weights(parsed.seed, Network.of(parsed.network, MNIST_SHAPE))
        dtype = "float64" if parsed.float64 else "float32"
        engine.build_to_predict(parsed, {name: array.astype(dtype) for name, array in start.items()})
        image = np.random.default_rng(1).integers(0, 256, MNIST_SHAPE.image, np.uint8)
        outputs, gradient = engine.look(image)
        logits = engine.predict(image[np.newaxis])[0]
        room = (image >= LEVELS) & (image <= 255 - LEVELS)
        place = int(np.argmax(np.where(room, np.abs(gradient), 0)))
        changed = np.repeat(image[np.newaxis], 2, axis=0)
        changed.reshape(2, -1)[:, place] += np.array([LEVELS, 256 - LEVELS], np.uint8)
        higher, lower = engine.predict(changed)[:, logits.argmax()].astype(float)
        return {
            "outputs": {name: output.astype(float).tolist() for name, output in outputs.items()},
            "gradient": gradient.astype(float).tolist(),
            "logits": logits.astype(float).tolist(),
            "place": place,
            "slope": (higher - lower) * 255 / (2 * LEVELS),
        }

    def snapshot(self) -> bool:
        """Whether weights that were handed out stay as they were while training goes on."""
        engine = self._built()
        held = engine.weights()
        kept = {name: array.copy() for name, array in held.items()}
        self._trained(engine, 1, 3)
        after = engine.weights()
        assert not np.array_equal(after["dense.bias"], kept["dense.bias"])
        return all(np.array_equal(held[name], kept[name]) for name in kept)

    def replayed(self, **settings: Any) -> Answer:
        """Logits at the start and after each of two epochs, then as a predictor replays them from what was kept."""
        engine, kept, images = self._built(**settings), KeptEpochs(), self._arrays.test_images[:20]
        then = [engine.predict(images)]
        kept.take(0, engine.weights)
        for epoch in (1, 2):
            engine.train_epoch(epoch, lambda step, _: step < 6)
            then.append(engine.predict(images))
            if epoch == 1:
                kept.take(epoch, engine.weights)
        path = self._out_dir / f"{self._name}.safetensors"
        sums = save_weights(engine.weights(), path), kept.save(epochs_file(path))
        models = LoadedModels(self._class(self._name))
        models.answer(predictor_messages.Load("it", engine.settings.as_json(), str(path), sums[0], [*MNIST_SHAPE]))
        command = predictor_messages.Replay("it", str(epochs_file(path)), sums[1], 2, lines.packed(images))
        found = models.answer(command)
        assert isinstance(found, predictor_messages.Replayed), found
        return {"epochs": found.epochs, "then": [each.astype(float).tolist() for each in then], "logits": found.logits}

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
        """What is loaded once a model was trained, read and saved: frameworks, what of `UNUSED`, and Keras' backend."""
        engine = self._built()
        self._trained(engine, 1, 2)
        engine.evaluate(self._arrays.test_images[:10], self._arrays.test_labels[:10])
        engine.save(self._out_dir / ("model.keras" if self._name.startswith("keras") else "model.pt"))
        frameworks = [name for name in ("tensorflow", "torch", "jax") if sys.modules.get(name) is not None]
        keras = sys.modules.get("keras")
        unused = [name for name in UNUSED if sys.modules.get(name) is not None]
        return {"frameworks": frameworks, "unused": unused, "backend": keras.backend.backend() if keras else ""}

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
                self._class(self._name), TrainSettings.parse(settings), images, labels, MNIST_SHAPE, lambda *_: True
            )
        return {"logits": logits, "losses": losses}

    def reported(self, plant: str = "", images: int = CUT_IMAGES, **settings: Any) -> Answer:
        """What a whole lane reports, by the worker's own code, over the first `images` training images."""
        out = Sent()
        folder = Path(tempfile.mkdtemp(dir=self._out_dir))
        worker = CutWorker(self._class(self._name), out, self._arrays, images)
        parsed = TrainSettings.parse(settings)
        worker.engine.device = "cpu"
        worker.order = messages.Train("", parsed.as_json(), "", str(folder))
        worker.settings, worker.device = parsed, "cpu"
        with planted(plant):
            worker.take(messages.Build())
            for epoch in range(1, parsed.epochs + 1):
                if not worker.take(messages.Go(epoch)) or out.last_epoch:
                    break
            if not out.failed:
                worker.take(messages.Finish())
        return {"events": [lines.encode(message) for message in out.messages], "folder": str(folder)}

    def moved_out(self, **settings: Any) -> Answer:
        """Trains, keeps the weights in a file, and reads all test images."""
        engine = self._built(**settings)
        self._trained(engine, 1, 0)
        path = Path(tempfile.mkdtemp(dir=self._out_dir)) / f"{self._name}.safetensors"
        sha256 = save_weights(engine.weights(), path)
        logits = engine.predict(self._arrays.test_images).astype(float).tolist()
        return {"path": str(path), "sha256": sha256, "logits": logits}

    def moved_in(self, path: str, sha256: str, **settings: Any) -> list[list[float]]:
        """Takes the other framework's weights, over another start, and reads all test images."""
        engine = self._built(**settings, seed=OTHER_SEED)
        engine.load(load_weights(Path(path), sha256, engine.network.weights))
        answer: list[list[float]] = engine.predict(self._arrays.test_images).astype(float).tolist()
        return answer


def main(name: str, data_dir: str, out_dir: str) -> None:
    """Answers until stdin closes; what a library prints goes to stderr."""
    calls: queue.SimpleQueue[messages.Call] = queue.SimpleQueue()
    outbox = connect(taking(messages.Call, calls))
    probe = Probe(name, Path(data_dir), Path(out_dir))
    while True:
        asked = calls.get()
        try:
            outbox.send(messages.Returned(getattr(probe, asked.function)(**asked.arguments)))
        except Exception:
            outbox.send(messages.Failed(traceback.format_exc()))


if __name__ == "__main__":
    main(*sys.argv[1:])
