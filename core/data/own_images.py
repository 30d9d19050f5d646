"""One's own images as data sets: made, looked at, kept, renamed and deleted.

A set is made in a hidden folder beside its place, by a process of its own (core/data/make_own.py), and moved there when
it is kept, so that nobody ever sees half of it. `core.data.own` reads what is kept. The web process imports this file.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import unicodedata
import uuid
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import filelock
import numpy as np

from core.data import disk
from core.data.dataset import Dataset, DatasetError, can_be_shown
from core.data.datasets import DATASETS, UInt8Array, all_datasets, run_preparation
from core.data.machine_lock import MachineLock
from core.data.own import DATASET_FILE, OWN_NAME, read_own
from core.protocol.messages import Preparing

SMALLEST_SIDE, LARGEST_SIDE = 28, 64
MOST_OWN_CLASSES = 50
LEAST_OF_A_CLASS = 10
MOST_TITLE_LETTERS = 40
MOST_ZIP_MB = 200
MUCH_LARGER = 1.5
"""How many times the smallest class the largest may be before a sentence says what that means."""
SAMPLES = 8

_MAKER = "core.data.make_own"
_DRAFT = ".own-"
_LOCK = ".own.lock"
_PATIENCE_S = 0.3
"""Who asks whether the machine is busy has its lock for an instant: that refuses no pictures."""


class MachineBusy(DatasetError):
    """Something trains, is measured, or reads pictures."""


@dataclass(frozen=True)
class Wanted:
    """What one's own images shall become."""

    title: str
    side: int = 32
    """Height and width of each image, in pixels."""
    colour: bool = False
    seed: int = 0
    """Decides which images are for training, validation and testing."""

    @property
    def name(self) -> str:
        """What the set is called in settings, links and folders: of the title, what a link takes as it is."""
        plain = unicodedata.normalize("NFKD", self.title.casefold()).encode("ascii", "ignore").decode()
        slug = re.sub("[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
        return f"own-{slug or hashlib.sha256(self.title.encode()).hexdigest()[:8]}"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.side, self.side, 3 if self.colour else 1


class Draft:
    """A set that is not kept yet, in a folder of its own, whose lock it holds until it is kept or discarded.

    Until it is made, it keeps the machine for itself: no run and no measurement begins meanwhile, in any process. A
    folder that nobody holds was left behind by a process that is gone: the next draft removes it.
    """

    def __init__(self, data_dir: Path, wanted: Wanted) -> None:
        """Makes the folder.

        Raises DatasetError where there can be no such set, or nothing can be written, and MachineBusy.
        """
        check(data_dir, wanted)
        self.wanted, self._data_dir = wanted, data_dir
        self.folder = data_dir / "datasets" / f"{_DRAFT}{uuid.uuid4().hex[:12]}"
        # Not thread_local: it is made beside the page, and kept by the page.
        self._lock = filelock.FileLock(self.folder / "lock", thread_local=False)
        self._machine = MachineLock(data_dir)
        with _in_words(data_dir):
            data_dir.mkdir(parents=True, exist_ok=True)
            if not self._machine.take(_PATIENCE_S):
                raise MachineBusy(
                    "Pictures are read while nothing trains, is measured or reads others: wait until that has ended."
                )
            try:
                with _only_one(data_dir):
                    _remove_leftovers(data_dir)
                    self.folder.mkdir()
                    self._lock.acquire(timeout=0)
            except OSError:
                self._machine.release()
                raise
        # A page whose reader goes away forgets its draft, and so does a server that ends.
        self._remove = weakref.finalize(self, _remove, self.folder)

    @property
    def upload(self) -> Path:
        """Where `take` puts a zip."""
        return self.folder / "upload.zip"

    def take(self, write: Callable[[BinaryIO], object]) -> None:
        """Writes a zip that is no file yet. Raises DatasetError, and discards the draft, where there is no room."""
        try:
            with _in_words(self._data_dir), self.upload.open("wb") as file:
                write(file)
        except DatasetError:
            self.discard()
            raise

    @property
    def _ready(self) -> Path:
        return self.folder / "ready"

    def make(
        self,
        source: Path,
        on_progress: Callable[[Preparing], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        """Makes the set of a folder or zip that holds a folder a class; blocks until it is made.

        `on_progress` is called in this thread, `cancelled` about ten times a second. Raises DatasetError with one
        sentence, or PreparationCancelled. However this ends, no process is left.
        """
        wanted = self.wanted
        options = [f"--title={wanted.title}", "--side", str(wanted.side), "--seed", str(wanted.seed)]
        options += ["--colour"] * wanted.colour
        # Its memory is limited, and each of numpy's threads would reserve some.
        threads = {"OPENBLAS_NUM_THREADS": "1"}
        program = (_MAKER, str(source.resolve()), str(self.folder.resolve()), *options)
        try:
            run_preparation(wanted.title, program, on_progress, cancelled, threads)
        finally:
            self._machine.release()
        with _in_words(self._data_dir):
            self.upload.unlink(missing_ok=True)

    def look(self) -> "Look":
        """What was made. Raises DatasetError where nothing was."""
        return look(replace(read_own(self._ready), name=self.wanted.name), self._ready)

    def keep(self) -> Dataset:
        """Puts the set in its place; the draft is over. Raises DatasetError where the name was taken meanwhile."""
        check(self._data_dir, self.wanted)
        place = self._data_dir / "datasets" / self.wanted.name
        with _in_words(self._data_dir):
            os.rename(self._ready, place)
        self.discard()
        return read_own(place)

    def discard(self) -> None:
        """Removes what was made; nothing else can be done with the draft."""
        self._remove()
        self._lock.release()
        self._machine.release()


@dataclass(frozen=True)
class Look:
    """What there is to see of a set before anything trains on it."""

    dataset: Dataset
    counts: tuple[int, ...]
    """Images of each class, of all splits."""
    samples: tuple[UInt8Array, ...]
    """Of each class the first few training images, uint8 [n, H, W, C]."""
    guessing: float
    """The test accuracy of always guessing the class that has most images."""

    @property
    def unequal(self) -> str:
        """What it means that the classes are unequal, as a sentence; empty where they are about equal."""
        largest, smallest = max(self.counts), min(self.counts)
        if largest <= MUCH_LARGER * smallest:
            return ""
        name = self.dataset.class_names[self.counts.index(largest)]
        return (
            f"The classes are unequal: always guessing {name} would be right in "
            f"{100 * self.guessing:.1f}\u00a0% of the tests."
        )


def look(dataset: Dataset, folder: Path) -> Look:
    """What there is to see of the set in `folder`. Raises DatasetError where its files are damaged."""
    try:
        names = ("train_images.npy", "train_labels.npy", "test_labels.npy")
        images, train, test = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in names)
        classes = range(len(dataset.class_names))
        counts = [int((train == i).sum() + (test == i).sum()) for i in classes]
        samples = [np.asarray(images[np.flatnonzero(train == i)[:SAMPLES]]) for i in classes]
        guessing = float((test == counts.index(max(counts))).mean())
    except (OSError, ValueError, IndexError) as fault:
        raise DatasetError(f"The files of {dataset.title} are damaged: delete it and add its images again.") from fault
    return Look(dataset, tuple(counts), tuple(samples), guessing)


def check(data_dir: Path, wanted: Wanted) -> None:
    """Raises DatasetError with a sentence where there can be no such set."""
    if not SMALLEST_SIDE <= wanted.side <= LARGEST_SIDE:
        raise DatasetError(f"Images can have {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side, not {wanted.side:,}.")
    if not 0 <= wanted.seed < 2**32:
        raise DatasetError(f"Seed must be a whole number from 0 to {2**32 - 1:,}, not {wanted.seed}.")
    check_title(data_dir, wanted.title)
    if os.path.lexists(data_dir / "datasets" / wanted.name):
        raise DatasetError(f"There is already a data set {wanted.name}: choose another name, or delete that one first.")


def check_title(data_dir: Path, title: str, name: str = "") -> None:
    """Raises DatasetError where no set can have the title, or another one than `name` has it."""
    if not title or title != title.strip():
        raise DatasetError("The data set needs a name.")
    if len(title) > MOST_TITLE_LETTERS:
        raise DatasetError(
            f"The name has {len(title):,} letters: at most {MOST_TITLE_LETTERS} fit into the pages' fields."
        )
    if not can_be_shown(title):
        raise DatasetError("The name holds a letter that cannot be shown: type it anew.")
    taken = {dataset.title.casefold() for dataset in all_datasets(data_dir).values() if dataset.name != name}
    if title.casefold() in taken | DATASETS.keys():
        raise DatasetError(f"There is already a data set called {title}: choose another name.")


def rename(data_dir: Path, name: str, title: str) -> None:
    """Gives a set another title; what it is called in links and settings stays. Raises DatasetError."""
    title = title.strip()
    folder = _own_folder(data_dir, name)
    dataset = read_own(folder)
    check_title(data_dir, title, name)
    with _in_words(data_dir):
        write_facts(Dataset.of_json(name, {**dataset.as_json(), "title": title}), folder)


@contextlib.contextmanager
def staying(data_dir: Path, name: str) -> Iterator[None]:
    """No set called `name` is deleted meanwhile. Raises DatasetError where nothing can be locked."""
    with contextlib.ExitStack() as stack:
        if OWN_NAME.fullmatch(name):
            with _in_words(data_dir):
                stack.enter_context(_only_one(data_dir))
        yield


def delete(data_dir: Path, name: str, check_unneeded: Callable[[], None]) -> None:
    """Removes a set for good, a damaged one, too, unless `check_unneeded` raises.

    Nobody is inside `staying` meanwhile. Raises DatasetError where there is none.
    """
    folder = _own_folder(data_dir, name)
    with _in_words(data_dir), _only_one(data_dir):
        check_unneeded()
        # In one step: half a set would look like a damaged one.
        gone = folder.with_name(f"{_DRAFT}{uuid.uuid4().hex[:12]}")
        folder.rename(gone)
        _remove(gone)


def remove_leftovers(data_dir: Path) -> None:
    """Removes what processes that are gone have left; what cannot be removed stays."""
    if (data_dir / "datasets").is_dir():
        with contextlib.suppress(OSError), _only_one(data_dir):
            _remove_leftovers(data_dir)


def write_facts(dataset: Dataset, folder: Path) -> None:
    """Writes what the set's folder says of itself, whole or not at all. Raises OSError."""
    part = folder / f"{DATASET_FILE}.part"
    part.write_text(json.dumps(dataset.as_json(), indent=2) + "\n", encoding="utf-8")
    part.replace(folder / DATASET_FILE)


def _own_folder(data_dir: Path, name: str) -> Path:
    folder = data_dir / "datasets" / name
    if name in DATASETS:
        raise DatasetError(f"{name} comes with the project: only your own images can be renamed and deleted.")
    if not OWN_NAME.fullmatch(name) or not folder.is_dir():
        raise DatasetError(f"There is no data set {name!r} of your own here.")
    return folder


def _remove_leftovers(data_dir: Path) -> None:
    for folder in (data_dir / "datasets").glob(f"{_DRAFT}*/"):
        lock = filelock.FileLock(folder / "lock", thread_local=False)
        with contextlib.suppress(filelock.Timeout, OSError):
            lock.acquire(timeout=0)
            _remove(folder)
            lock.release()


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Nobody else begins, deletes or tidies meanwhile."""
    folder = data_dir / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / _LOCK, thread_local=False):
        yield


@contextlib.contextmanager
def _in_words(data_dir: Path) -> Iterator[None]:
    """A fault of the disk as a sentence."""
    try:
        yield
    except OSError as fault:
        raise DatasetError(disk.sentence(data_dir, 1_000_000, fault)) from fault
