"""The data sets: what there is to train on, and the prepared files that every process maps.

`DATASETS` is the catalogue. `prepare` makes a data set's folder once, in a process of its own
(core/data/prepare.py, the only place that downloads and converts); `prepared` finds that folder again.
The web process imports this file, so it needs no scientific library but numpy.
"""

import contextlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from core.data.dataset import ARRAY_FILES, Dataset, DatasetError
from core.data.own import OWN_NAME, own_folders, read_own
from core.protocol.listener import Listener, Lost
from core.protocol.messages import Done, Failed, PreparationEvent, Preparing
from core.protocol.process import ChildProcess

__all__ = ["ARRAY_FILES", "Dataset", "DatasetError"]

UInt8Array = npt.NDArray[np.uint8]

PREPARED_FORMAT = 2
"""Of a prepared folder, in its provenance: images are [N, H, W, C]. Folders of format 1 hold grey images [N, H, W] and
name no format."""
PROVENANCE_FILE = "provenance.json"
TORCHVISION_CLASS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST", "cifar10": "CIFAR10"}
"""The published data sets, by their names in torchvision."""

_POLL_S = 0.1
_TIDY_S = 3.0
"""How long an ended preparation may take to remove its temporary folder."""
_LOG_TAIL_BYTES = 4000
_DIGITS = tuple("0123456789")

log = logging.getLogger(__name__)


class PreparationCancelled(DatasetError):
    """The caller's `cancelled` turned true; nothing half prepared is left in the data set's folder."""


_CATALOGUE = (
    Dataset(
        name="mnist5k",
        title="MNIST, 5,000 images",
        description=(
            "5,000 handwritten digits, 500 a class, all from MNIST's training set; comes with the project, no download."
        ),
        train_images=4_000,
        test_images=1_000,
        class_names=_DIGITS,
        drawable=True,
    ),
    Dataset(
        name="mnist",
        title="MNIST",
        description="70,000 handwritten digits: the data set of the article.",
        train_images=60_000,
        test_images=10_000,
        class_names=_DIGITS,
        drawable=True,
        download_bytes=9_912_422 + 28_881 + 1_648_877 + 4_542,
    ),
    Dataset(
        name="fashion-mnist",
        title="Fashion-MNIST",
        description="70,000 pictures of clothes, in MNIST's format; harder than digits.",
        train_images=60_000,
        test_images=10_000,
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        download_bytes=26_421_880 + 29_515 + 4_422_102 + 5_148,
    ),
    Dataset(
        name="kmnist",
        title="Kuzushiji-MNIST",
        description="70,000 handwritten Japanese characters of ten kinds, in MNIST's format.",
        train_images=60_000,
        test_images=10_000,
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        drawable=True,
        download_bytes=18_165_135 + 29_497 + 3_041_136 + 5_120,
    ),
    Dataset(
        name="cifar10",
        title="CIFAR-10",
        description="60,000 small photos of animals and vehicles, 32 x 32 in colour; much harder than digits.",
        train_images=50_000,
        test_images=10_000,
        class_names=(
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
        download_bytes=170_498_071,
        image_shape=(32, 32, 3),
    ),
    Dataset(
        name="digits",
        title="Digits, 8 x 8",
        description=(
            "1,797 handwritten digits of 8 x 8 pixels; comes with scikit-learn, no download, and trains in seconds."
        ),
        train_images=1_437,
        test_images=360,
        class_names=_DIGITS,
        drawable=True,
        image_shape=(8, 8, 1),
    ),
)
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _CATALOGUE}


class Arrays(NamedTuple):
    """A data set in memory-mapped uint8 arrays: images [N, H, W, C] in 0..255, labels [N]."""

    train_images: UInt8Array
    train_labels: UInt8Array
    validation_images: UInt8Array
    validation_labels: UInt8Array
    test_images: UInt8Array
    test_labels: UInt8Array

    def without_channels(self) -> "Arrays":
        """Grey images as [N, H, W]."""
        return Arrays(*(array[..., 0] if array.ndim == 4 else array for array in self))


@dataclass(frozen=True)
class Prepared:
    """A complete prepared folder and what is written in it about where its data came from."""

    dataset: Dataset
    folder: Path
    provenance: Mapping[str, Any]

    def load(self) -> Arrays:
        """Map the arrays, read-only; nothing is read before it is used.

        Raises DatasetError if the folder was damaged or removed since it was found.
        """
        try:
            arrays = _map_arrays(self.dataset, self.folder, self.provenance)
        except (OSError, ValueError) as fault:
            raise DatasetError(
                f"The files of {self.dataset.title} in {self.folder} are damaged: delete that folder and try again."
            ) from fault
        train_images, train_labels, test_images, test_labels = arrays
        train_images, test_images = (
            images.reshape(-1, *self.dataset.image_shape) for images in (train_images, test_images)
        )
        split = self.dataset.training_split
        return Arrays(
            train_images=train_images[:split],
            train_labels=train_labels[:split],
            validation_images=train_images[split:],
            validation_labels=train_labels[split:],
            test_images=test_images,
            test_labels=test_labels,
        )


def find(name: str, data_dir: Path | None = None) -> Dataset:
    """The data set called `name`: of the catalogue, or one's own images below `data_dir`, which have `own-` before it.

    Raises DatasetError, naming those there are, where there is none, or where its dataset.json is damaged.
    """
    if name in DATASETS:
        return DATASETS[name]
    if data_dir is not None and OWN_NAME.fullmatch(name):
        return read_own(data_dir / "datasets" / name)
    raise DatasetError(f"There is no data set {name!r}: choose one of {', '.join(DATASETS)}.")


def all_datasets(data_dir: Path) -> dict[str, Dataset]:
    """Every data set by its name: the catalogue, then one's own in `data_dir`, by title; a damaged one is left out."""
    own = []
    for folder in own_folders(data_dir):
        with contextlib.suppress(DatasetError):
            own.append(read_own(folder))
    own.sort(key=lambda dataset: (dataset.title.casefold(), dataset.name))
    return DATASETS | {dataset.name: dataset for dataset in own}


def folder_of(name: str, data_dir: Path) -> Path:
    """Where the prepared files of data set `name` lie, whether or not they do yet."""
    return data_dir / "datasets" / find(name, data_dir).name


def prepared(name: str, data_dir: Path) -> Prepared | None:
    """The prepared folder of `name`, or None where there is none or it is torn.

    Torn: a file is missing, has a wrong shape, or a label of no class. Reads the labels, and of the images their
    headers: about a millisecond. Raises DatasetError where there is no such data set.
    """
    dataset = find(name, data_dir)
    folder = data_dir / "datasets" / dataset.name
    try:
        provenance = json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
        if not isinstance(provenance, dict):
            return None
        _map_arrays(dataset, folder, provenance)
    except (OSError, ValueError):
        return None
    return Prepared(dataset, folder, provenance)


def _map_arrays(dataset: Dataset, folder: Path, provenance: Mapping[str, Any]) -> list[UInt8Array]:
    """The four arrays in the order of ARRAY_FILES; raises OSError or ValueError if one is amiss."""
    format_ = provenance.get("format", 1)
    if format_ not in (1, PREPARED_FORMAT):
        raise ValueError(f"format {format_} is not known")
    arrays = []
    for file_name, shape in dataset.array_shapes.items():
        if format_ == 1 and shape[3:] == (1,):
            shape = shape[:3]
        try:
            array = np.load(folder / file_name, mmap_mode="r", allow_pickle=False)
        except EOFError as fault:  # numpy's word for an empty file
            raise ValueError(f"{file_name} is empty") from fault
        if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != np.uint8:
            raise ValueError(f"{file_name} is not uint8 {shape}")
        if array.ndim == 1 and array.max(initial=0) >= dataset.shape.classes:
            raise ValueError(f"{file_name} has a label of no class")
        arrays.append(array)
    return arrays


def prepare(
    name: str,
    data_dir: Path,
    datasets_dir: Path | None = None,
    on_progress: Callable[[Preparing], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    program: Sequence[str] = ("core.data.prepare",),
) -> Prepared:
    """Make the data set ready to map, once; blocks until it is, in at most 0.1 s if it already was.

    `datasets_dir` holds the published files in torchvision's layout, read instead of downloading. `on_progress` is
    called in this thread, `cancelled` about ten times a second. `program` is the module that prepares, and arguments
    for it. Raises DatasetError, or PreparationCancelled. However this ends, no process is left.
    """
    dataset = find(name, data_dir)
    ready = prepared(name, data_dir)
    if ready is not None:
        return ready
    if name not in DATASETS:
        raise DatasetError(f"The files of {dataset.title} are damaged: delete it and add its images again.")
    arguments = [name, "--data-dir", str(data_dir.resolve())]
    if datasets_dir is not None:
        arguments += ["--datasets-dir", str(datasets_dir.resolve())]
    run_preparation(dataset.title, (*program, *arguments), on_progress, cancelled)
    ready = prepared(name, data_dir)
    if ready is None:
        raise DatasetError(f"The prepared files of {dataset.title} have vanished from {data_dir}: try again.")
    return ready


def run_preparation(
    title: str,
    program: Sequence[str],
    on_progress: Callable[[Preparing], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs the module `program[0]`, which makes the data set called `title`; blocks until it is done.

    Raises DatasetError, or PreparationCancelled; see `prepare`. However this ends, no process is left.
    """
    with _child(*program, environment=environment) as child:
        _follow(title, child, on_progress, cancelled)


@contextlib.contextmanager
def _child(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[ChildProcess]:
    """The preparing process, with its stderr in a temporary file; it is gone when the block is left.

    Raises DatasetError if it cannot be started.
    """
    with contextlib.ExitStack() as stack:
        try:
            log_file = stack.enter_context(tempfile.NamedTemporaryFile())
            child = ChildProcess(*arguments, log=Path(log_file.name), environment=environment)
        except OSError as fault:
            raise DatasetError(
                f"The preparing process could not be started ({fault.strerror or fault}): "
                "look at this machine's memory and temporary folder, then try again."
            ) from fault
        try:
            yield child
        finally:
            child.close(tidy_s=_TIDY_S)


def _follow(
    title: str,
    child: ChildProcess,
    on_progress: Callable[[Preparing], None] | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Relay the child's events until it is done.

    Raises DatasetError with the sentence that the child sent or that its end makes, or PreparationCancelled.
    """
    listener: Listener[PreparationEvent] = Listener(PreparationEvent, child)
    while True:
        if cancelled is not None and cancelled():
            raise PreparationCancelled("The preparation was cancelled: start it again at any time.")
        if (heard := listener.next(_POLL_S)) is None:
            continue
        match heard.event:
            case Preparing() as progress:
                if on_progress is not None:
                    on_progress(progress)
            case Done():
                return
            case Failed(sentence):
                raise DatasetError(sentence)
            case Lost(reason):
                raise DatasetError(_broke_down(title, child, reason))
            case _:
                assert_never(heard.event)


def _broke_down(title: str, child: ChildProcess, reason: str) -> str:
    """One sentence for a child that is lost for `reason`; what it wrote to stderr goes to our log."""
    tail = child.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace") if child.log else ""
    log.error("The preparation of %s broke down: %s.\n%s", title, reason, tail)
    return f"The preparation of {title} broke down ({reason}): look into the server's log, then try again."
