"""The test images behind a run's result: where its lanes disagree, their most confident mistakes, any confusion cell.

Predictions are computed once, at the end of a run, and kept with it. The pixels come from the prepared data set, or,
for a recorded run, from the few images that the recording brings.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data import datasets
from core.experiment.names import engine_title
from core.results.outcome import Outcome
from core.storage.records import Run
from core.storage.runs import Store

Indices = npt.NDArray[np.int64]
Images = npt.NDArray[np.uint8]


class GalleryError(Exception):
    """A run's test images cannot be shown, in one plain sentence."""


@dataclass(frozen=True)
class Predictions:
    """One lane's reading of every test image: class, uint8 [N], and its probability, float32 [N]."""

    engine: str
    classes: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Gallery:
    """A run's test labels and predictions, and the images that can be shown.

    `index` int64 [K] says which test images `images` uint8 [K, H, W, C] are; `labels` uint8 [N] covers all of them.
    """

    labels: npt.NDArray[np.uint8]
    predictions: tuple[Predictions, ...]
    index: Indices
    images: Images

    def pixels(self, which: Sequence[int] | Indices) -> Images:
        """The images of test indices, uint8 [n, H, W, C]. Raises `GalleryError` where one did not come along."""
        place = np.searchsorted(self.index, which)
        if (place >= len(self.index)).any() or (self.index[np.minimum(place, len(self.index) - 1)] != which).any():
            raise GalleryError("These test images did not come with the recording.")
        return self.images[place]

    def lane(self, engine: str) -> Predictions:
        """One lane's predictions; raises `KeyError`."""
        return {lane.engine: lane for lane in self.predictions}[engine]

    def disagreements(self, first: str, second: str) -> Indices:
        """Test images that two lanes read differently, those first on which either is surest."""
        a, b = self.lane(first), self.lane(second)
        found = np.flatnonzero(a.classes != b.classes)
        surest = np.maximum(a.probabilities[found], b.probabilities[found])
        return found[np.argsort(-surest, kind="stable")]

    def confident_mistakes(self, engine: str, most: int) -> Indices:
        """The misread test images of which a lane was surest."""
        lane = self.lane(engine)
        wrong = np.flatnonzero(lane.classes != self.labels)
        return wrong[np.argsort(-lane.probabilities[wrong], kind="stable")][:most]

    def cell(self, engine: str, is_class: int, read_as: int) -> Indices:
        """Test images of one class that a lane read as another."""
        return np.flatnonzero((self.labels == is_class) & (self.lane(engine).classes == read_as))

    def samples(self) -> Indices:
        """One test image of each class, the first there is, by class."""
        _, first = np.unique(self.labels[self.index], return_index=True)
        return self.index[first]


def open_gallery(store: Store, outcome: Outcome) -> Gallery:
    """The gallery of a run. Raises `GalleryError` where it has no predictions, or its data set is gone."""
    run, folder = outcome.run, store.artifacts(outcome.run.id)
    done = [lane for lane in outcome.lanes if lane.result]
    predictions = tuple(read_predictions(lane.engine, folder / lane.tested.predictions_file) for lane in done)
    if not predictions:
        raise GalleryError("This run kept no predictions: it did not finish.")
    if run.source == "recorded":
        return _recorded(folder, predictions)
    if words := gone_words(run, store.data_dir):
        raise GalleryError(words)
    try:
        prepared = datasets.prepared(run.settings.dataset, store.data_dir)
        arrays = prepared.load() if prepared else None
    except datasets.DatasetError as error:
        raise GalleryError(str(error)) from None
    if arrays is None:
        raise GalleryError("The data set of this run is not in the data folder: train on it here to see images.")
    labels = np.asarray(arrays.test_labels)
    fits = [len(labels) == len(lane.classes) for lane in predictions]
    if run.data is not None:
        # One's own images can be others under the same name: then they are not those that confusion counts.
        size = run.data.shape.classes
        fits = [
            _counts(labels, lane.classes, size) == tested.tested.confusion
            for lane, tested in zip(predictions, done, strict=True)
        ]
    if not all(fits):
        raise GalleryError("This run's predictions belong to another version of its data set.")
    return Gallery(labels, predictions, np.arange(len(labels)), arrays.test_images)


def gone_words(run: Run, data_dir: Path) -> str:
    """That the data set of a run is not there any more, or another one, as a sentence; empty where it is there.

    One of the catalogue counts as there: it can be had again.
    """
    if run.data is None:
        return ""
    try:
        if datasets.find(run.settings.dataset, data_dir).is_like(run.data):
            return ""
    except datasets.DatasetError:
        pass
    if run.source == "imported":
        return f"{run.data.title}, the data set of this run, is not in this data folder: its results stay."
    return f"{run.data.title}, the data set of this run, was deleted or changed: its results stay."


def _counts(labels: npt.NDArray[np.uint8], classes: npt.NDArray[np.uint8], size: int) -> list[list[int]] | None:
    """The confusion table of a lane's classes, `size` by `size`; None where they are not one for each label."""
    if len(labels) != len(classes) or max(labels.max(initial=0), classes.max(initial=0)) >= size:
        return None
    table = np.zeros((size, size), np.int64)
    np.add.at(table, (labels, classes), 1)
    return [[int(count) for count in line] for line in table]


def read_predictions(engine: str, path: Path) -> Predictions:
    """One lane's predictions. Raises `GalleryError` where they are missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return Predictions(engine, kept["classes"], kept["probabilities"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise GalleryError(f"The predictions of {engine_title(engine)} are missing or damaged.") from None


def _recorded(folder: Path, predictions: tuple[Predictions, ...]) -> Gallery:
    with np.load(folder / "images.npz", allow_pickle=False) as kept:
        images = kept["images"]
        # Those of earlier versions are grey, without their channel.
        images = images[..., np.newaxis] if images.ndim == 3 else images
        return Gallery(kept["test_labels"], predictions, kept["index"].astype(np.int64), images)
