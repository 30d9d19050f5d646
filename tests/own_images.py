"""One's own images as a data folder holds them, made up: three classes, 40 images to train on and 10 to test."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from core.data.own import read_own

FIELDS = {
    "title": "Our pets",
    "image_shape": [32, 28, 3],
    "class_names": ["cat", "dog", "Hängebauchschwein 🐖"],
    "train_images": 40,
    "test_images": 10,
}
NAME = "own-pets"


def written(data_dir: Path, fields: Any = FIELDS, name: str = NAME) -> Path:
    """The folder of a data set that says this of itself, without its images."""
    folder = data_dir / "datasets" / name
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(fields if isinstance(fields, str) else json.dumps(fields))
    return folder


def written_again(folder: Path, **changed: Any) -> None:
    """The same folder, which now says something else."""
    (folder / "dataset.json").write_text(json.dumps({**FIELDS, **changed}))


def with_images(data_dir: Path, fields: Any = FIELDS, name: str = NAME, seed: int = 0) -> Path:
    """A whole data set: pixels of noise, the classes in turn but for a shuffle by the seed."""
    folder = written(data_dir, fields, name)
    draw = np.random.default_rng(seed)
    for file_name, shape in (dataset := read_own(folder)).array_shapes.items():
        labels = draw.permutation(np.arange(shape[0]) % len(dataset.class_names))
        values = labels if len(shape) == 1 else draw.integers(0, 256, shape)
        np.save(folder / file_name, values.astype(np.uint8))
    (folder / "provenance.json").write_text(json.dumps({"format": 2, "source": "made up"}))
    return folder
