"""A lane without a worker, for tests: `python -m tests.scripts.lane_figures ENGINE SETTINGS_JSON DATASET DATA_DIR`.

SETTINGS_JSON is a list of runs' settings, which one process trains one after the other on DATASET, prepared in
DATA_DIR. The last line on stdout is a JSON list: each run's figures.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from core.data import datasets
from core.data.shape import DataShape
from core.experiment.settings import TrainSettings
from core.worker.engines.base import Engine, engine_class, start_of


def figures(engine: Engine, settings: TrainSettings, arrays: datasets.Arrays, data: DataShape) -> dict[str, Any]:
    """Trains and evaluates as the worker does: step losses, one dict an epoch, test loss and accuracy."""
    step_losses: list[float] = []

    def on_step(_: int, loss: float) -> bool:
        step_losses.append(loss)
        return True

    engine.feed(arrays.train_images, arrays.train_labels, data)
    engine.build(settings, start_of(settings, data))
    epochs = []
    for epoch in range(1, settings.epochs + 1):
        began = time.perf_counter()
        trained = engine.train_epoch(epoch, on_step)
        train_s = time.perf_counter() - began
        validated = engine.evaluate(arrays.validation_images, arrays.validation_labels)
        epochs.append({"loss": trained.loss, "val_loss": validated.loss, "val_accuracy": validated.accuracy})
        epochs[-1]["train_s"] = train_s
    tested = engine.evaluate(arrays.test_images, arrays.test_labels)
    return {
        "step_losses": step_losses,
        "epochs": epochs,
        "test_loss": tested.loss,
        "test_accuracy": tested.accuracy,
    }


def main(name: str, settings_json: str, dataset_name: str, data_dir: str) -> None:
    """Prints the figures of every run in `settings_json` as one JSON line."""
    runs = [TrainSettings.parse(raw) for raw in json.loads(settings_json)]
    prepared = datasets.prepared(dataset_name, Path(data_dir))
    assert prepared is not None, f"{dataset_name} is not prepared in {data_dir}"
    arrays = prepared.load()
    made = []
    for i, settings in enumerate(runs):
        engine = engine_class(name)(name)
        if i == 0:
            engine.use_device("cpu", 0)
        made.append(figures(engine, settings, arrays, prepared.dataset.shape))
    print(json.dumps(made), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
