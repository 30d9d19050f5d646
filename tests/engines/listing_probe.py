"""The script shown for a run, run in an engine's own process beside the lane: a question of `contract_probe`."""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.data.datasets import Dataset
from core.data.shape import DataShape
from core.experiment.settings import Alignment, TrainSettings
from core.results.listings import listing
from core.worker.engines.base import Engine, start_of
from tests.engines.random_networks import drawn_images

Answer = dict[str, Any]


class ListingProbe:
    """Every public method is a question."""

    _name: str
    _class: type[Engine]
    _out_dir: Path

    def shown(self, settings: Answer, data: list[int], images: int) -> Answer:
        """One epoch, by the script and by the lane: the losses of the first ten steps, and the test loss.

        As shipped a script prints no losses of steps.
        """
        shape = DataShape(*data)
        made = TrainSettings.parse(settings | {"epochs": 1, "device": "cpu"}).model_copy(
            update={"dataset": "own-drawn"}
        )
        while (images - images // 10) % made.batch_size == 1:
            images -= 1  # of a single image batch normalisation could take no mean
        pixels, labels = drawn_images(made.seed, shape, images)
        return {"script": self._script(made, shape, pixels, labels), "lane": self._lane(made, shape, pixels, labels)}

    def _script(self, settings: TrainSettings, data: DataShape, images: Any, labels: Any) -> Answer:
        own = Dataset(
            name=settings.dataset,
            title="Drawn",
            description="",
            train_images=len(images),
            test_images=len(images),
            class_names=tuple(map(str, range(data.classes))),
            image_shape=data.image,
        )
        for part in ("train", "test"):
            np.save(self._out_dir / f"{part}_images.npy", images)
            np.save(self._out_dir / f"{part}_labels.npy", labels)
        script = listing(self._name, settings, own).script
        folder = f'"datasets/{own.name}"'
        assert script.count(folder) == 1
        printed = io.StringIO()
        with (
            contextlib.redirect_stdout(printed),
            _types_of_a_fresh_process("float64" if settings.float64 else "float32"),
        ):
            exec(compile(script.replace(folder, repr(str(self._out_dir))), self._name, "exec"), {})
        said = dict(
            line.split(": ", 1) for line in printed.getvalue().splitlines() if line.startswith(("test ", "first "))
        )
        losses = [float(word) for word in said.get("first losses", "").split()]
        return {"losses": losses, "test_loss": float(said["test loss"])}

    def _lane(self, settings: TrainSettings, data: DataShape, images: Any, labels: Any) -> Answer:
        split = len(images) - len(images) // 10
        aligned = settings.alignment != Alignment.AS_SHIPPED
        engine, losses = self._class(self._name), []

        def keep(_: int, loss: float) -> bool:
            losses.append(loss)
            return True

        engine.feed(images[:split], labels[:split], data)
        engine.build(settings, start_of(settings, data))
        engine.train_epoch(1, keep)
        return {"losses": losses[:10] if aligned else [], "test_loss": engine.evaluate(images, labels).loss}


@contextlib.contextmanager
def _types_of_a_fresh_process(dtype: str) -> Iterator[None]:
    """A script finds float32 and leaves it; Keras' layers have the type that the first one of a process had."""
    if "keras" in sys.modules:
        import keras

        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(dtype)
        yield
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    else:
        import torch

        yield
        torch.set_default_dtype(torch.float32)
