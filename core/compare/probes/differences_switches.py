"""Rows of the catalogue that a run can keep: the exact twin of a small network, trained by a real engine.

The twin that keeps nothing is trained once for all rows that share its settings.
"""

from pathlib import Path

from core.compare.differences.twins import RUNS
from core.data import datasets
from core.experiment.settings import Alignment, TrainSettings
from core.experiment.switches import Switch
from core.worker.engines.base import Engine, engine_class, start_of

STEPS, BATCH = 30, 32
EVALUATED_EPOCHS, EVALUATED_STEPS, EVALUATED_IMAGES = 6, 4, 200
"""Where what evaluation uses differs and training does not."""
EVALUATED = (Switch.BATCHNORM_MOMENTUM, Switch.BATCHNORM_VARIANCE)

_aligned: dict[tuple[str, bool], list[float]] = {}


def numbers(engine: str, switch: Switch, kept: bool, data_dir: Path) -> list[float]:
    """The losses of the steps, or the test losses of the epochs."""
    settings = TrainSettings(
        **RUNS[switch], alignment=Alignment.EXACT_TWIN, batch_size=BATCH, keep=(switch.value,) if kept else ()
    )
    key = settings.model_dump_json(), switch in EVALUATED
    if key not in _aligned:
        train = _test_losses if switch in EVALUATED else _losses
        _aligned[key] = train(engine_class(engine)(engine), settings, data_dir)
    return _aligned[key]


def _build(engine: Engine, settings: TrainSettings, images: int, data_dir: Path) -> datasets.Arrays:
    """Hands over the first images of mnist5k and builds the run's network; returns all arrays."""
    found = datasets.prepared("mnist5k", data_dir)
    assert found is not None, "the Launcher prepares mnist5k"
    arrays, data = found.load(), found.dataset.shape
    engine.feed(arrays.train_images[:images], arrays.train_labels[:images], data)
    engine.build(settings, start_of(settings, data))
    return arrays


def _losses(engine: Engine, settings: TrainSettings, data_dir: Path) -> list[float]:
    losses: list[float] = []

    def keep(step: int, loss: float) -> bool:
        losses.append(loss)
        return True

    _build(engine, settings, STEPS * BATCH, data_dir)
    engine.train_epoch(1, keep)
    return losses


def _test_losses(engine: Engine, settings: TrainSettings, data_dir: Path) -> list[float]:
    arrays = _build(engine, settings, EVALUATED_STEPS * BATCH, data_dir)
    images, labels = arrays.test_images[:EVALUATED_IMAGES], arrays.test_labels[:EVALUATED_IMAGES]
    losses = []
    for epoch in range(1, EVALUATED_EPOCHS + 1):
        engine.train_epoch(epoch, lambda step, loss: True)
        losses.append(engine.evaluate(images, labels).loss)
    return losses
