"""The test images behind a run: which ones a gallery finds, and what it says where it cannot show them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.experiment.settings import TrainSettings
from core.results.gallery import Gallery, GalleryError, Predictions, gone_words, open_gallery
from core.results.outcome import LaneOutcome, Outcome
from core.storage.database import LaneState
from core.storage.records import Lane, Run
from core.storage.runs import Store
from tests import events
from tests.own_images import with_images, written_again

LABELS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1], np.uint8)


def lane(engine: str, wrong: dict[int, tuple[int, float]]) -> Predictions:
    """Reads everything right with 0.5, but for `wrong`: index to (class, probability)."""
    classes, shares = LABELS.copy(), np.full(len(LABELS), 0.5, "float32")
    for index, (read, share) in wrong.items():
        classes[index], shares[index] = read, share
    return Predictions(engine, classes, shares)


KERAS = lane("keras", {3: (5, 0.9), 7: (1, 0.4), 11: (7, 0.99)})
TORCH = lane("torch", {3: (5, 0.6), 4: (9, 0.7)})
ALL = np.arange(len(LABELS))
PIXELS = np.repeat(np.arange(len(LABELS), dtype=np.uint8), 784).reshape(-1, 28, 28)
SHOWN = Gallery(LABELS, (KERAS, TORCH), ALL, PIXELS)


def test_disagreements_are_the_images_read_differently_the_surest_first() -> None:
    assert SHOWN.disagreements("keras", "torch").tolist() == [11, 4, 7]


def test_an_image_that_both_misread_alike_is_no_disagreement() -> None:
    assert 3 not in SHOWN.disagreements("keras", "torch")


def test_confident_mistakes_are_sorted_and_cut() -> None:
    assert SHOWN.confident_mistakes("keras", 2).tolist() == [11, 3]


def test_a_cell_holds_the_images_of_one_class_read_as_another() -> None:
    assert SHOWN.cell("keras", 1, 7).tolist() == [11]
    assert SHOWN.cell("keras", 1, 1).tolist() == [1]


def test_samples_are_the_first_image_of_each_class() -> None:
    assert SHOWN.samples().tolist() == list(range(10))


def test_the_pixels_are_those_of_the_index() -> None:
    assert SHOWN.pixels([11, 4])[:, 0, 0].tolist() == [11, 4]


def test_pixels_that_did_not_come_along_are_a_sentence() -> None:
    few = Gallery(LABELS, (KERAS,), np.array([0, 4, 9]), PIXELS[[0, 4, 9]])
    assert few.pixels([9, 0])[:, 0, 0].tolist() == [9, 0]
    for index in (1, 11, 200):
        with pytest.raises(GalleryError, match="did not come with the recording"):
            few.pixels([index])


def run(tmp_path: Path, source: str = "here", finished: bool = True) -> tuple[Store, Outcome]:
    store = Store(tmp_path)
    found = Run(
        "20261104-081500-1a2b3c4d", "2026-11-04T08:15:00+00:00", None, None, "finished", "",
        TrainSettings(), {}, source, (Lane("keras", LaneState.FINISHED),),
    )  # fmt: skip
    store.artifacts(found.id).mkdir(parents=True)
    result = events.result(predictions_file="keras.npz") if finished else None
    return store, Outcome(found, [LaneOutcome("keras", LaneState.FINISHED, result=result)])


def test_a_run_without_predictions_says_that_it_did_not_finish(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="kept no predictions"):
        open_gallery(*run(tmp_path, finished=False))


def test_damaged_predictions_are_a_sentence(tmp_path: Path) -> None:
    store, found = run(tmp_path)
    (store.artifacts(found.run.id) / "keras.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(GalleryError, match="predictions of Keras are missing or damaged"):
        open_gallery(store, found)


def test_a_data_set_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    store, found = run(tmp_path)
    np.savez(store.artifacts(found.run.id) / "keras.npz", classes=LABELS, probabilities=KERAS.probabilities)
    with pytest.raises(GalleryError, match="not in the data folder"):
        open_gallery(store, found)


def test_predictions_of_another_length_are_a_sentence(tmp_path: Path, prepared_data_dir: Path) -> None:
    store, found = run(tmp_path)
    np.savez(store.artifacts(found.run.id) / "keras.npz", classes=LABELS, probabilities=KERAS.probabilities)
    (tmp_path / "datasets").symlink_to(prepared_data_dir / "datasets")
    with pytest.raises(GalleryError, match="another version of its data set"):
        open_gallery(store, found)


def of_own_images(tmp_path: Path, seed: int = 0) -> tuple[Store, Outcome]:
    """A run that read every test image right, and its data set, whose images are shuffled by the seed."""
    folder = with_images(tmp_path, seed=seed)
    labels = np.load(folder / "test_labels.npy")
    store = Store(tmp_path)
    store.open_for_writing()
    settings = TrainSettings.parse({"dataset": "own-pets", "engines": "keras"})
    found = store.run(store.create(settings, {}))
    store.artifacts(found.id).mkdir(parents=True)
    np.savez(
        store.artifacts(found.id) / "keras.npz", classes=labels, probabilities=np.full(len(labels), 0.5, "float32")
    )
    confusion = np.diag(np.bincount(labels)).tolist()
    result = events.result(predictions_file="keras.npz", confusion=confusion)
    return store, Outcome(found, [LaneOutcome("keras", LaneState.FINISHED, result=result)])


def test_own_images_are_shown_in_their_colours(tmp_path: Path) -> None:
    gallery = open_gallery(*of_own_images(tmp_path))
    assert gallery.pixels(gallery.samples()).shape == (3, 32, 28, 3)
    assert gallery.labels[gallery.samples()].tolist() == [0, 1, 2]


def test_own_images_that_are_gone_or_others_are_a_sentence(tmp_path: Path) -> None:
    store, found = of_own_images(tmp_path)
    folder = tmp_path / "datasets" / "own-pets"
    written_again(folder, title="Our animals")
    assert gone_words(found.run, tmp_path) == ""
    words = r"^Our pets, the data set of this run, was deleted or changed: its results stay\.$"
    written_again(folder, class_names=["cat", "dog", "cow"])
    with pytest.raises(GalleryError, match=words):
        open_gallery(store, found)
    shutil.rmtree(folder)
    with pytest.raises(GalleryError, match=words):
        open_gallery(store, found)
    with_images(tmp_path, seed=1)
    with pytest.raises(GalleryError, match="another version of its data set"):
        open_gallery(store, found)


def test_a_recording_of_an_earlier_version_is_read_with_a_channel(tmp_path: Path) -> None:
    store, found = run(tmp_path, source="recorded")
    folder = store.artifacts(found.run.id)
    np.savez(folder / "keras.npz", classes=KERAS.classes, probabilities=KERAS.probabilities)
    np.savez(folder / "images.npz", index=ALL.astype("int32"), images=PIXELS, test_labels=LABELS)
    assert open_gallery(store, found).images.shape == (12, 28, 28, 1)


def test_a_recorded_run_brings_its_images(tmp_path: Path) -> None:
    store, found = run(tmp_path, source="recorded")
    folder = store.artifacts(found.run.id)
    np.savez(folder / "keras.npz", classes=KERAS.classes, probabilities=KERAS.probabilities)
    np.savez(folder / "images.npz", index=ALL.astype("int32"), images=PIXELS, test_labels=LABELS)
    opened = open_gallery(store, found)
    assert opened.confident_mistakes("keras", 9).tolist() == [11, 3, 7]
    assert opened.pixels([3])[0, 0, 0, 0] == 3
