"""The program that makes a data set of one's own images: `python -m core.data.make_own SOURCE FOLDER --title T ...`.

core.data.own_images starts it and hears `Preparing`, and at last `Done` or `Failed`, as JSON lines on its stdout. It is
a process of its own with a limited memory, because it unpacks and decodes what strangers packed. Nothing is unpacked to
the disk: each picture is read, resized and forgotten. SOURCE holds a folder a class; `FOLDER/ready` becomes the set.
"""

import argparse
import contextlib
import hashlib
import resource
import signal
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL

from core.data import disk, pictures
from core.data.dataset import Dataset, DatasetError, can_be_shown, in_sentence
from core.data.own_images import LEAST_OF_A_CLASS, MOST_OWN_CLASSES, Wanted, write_facts
from core.data.picture_files import PICTURE, File, Files, Folder, Zip, shown, too_deep
from core.data.pictures import PictureError
from core.data.prepare import Source, write_folder
from core.protocol.messages import Done, Failed, PreparationEvent, Preparing
from core.protocol.stdio import connect, leave_after, refuse

Emit = Callable[[PreparationEvent], None]
Indices = npt.NDArray[np.int64]

MOST_FILES = 100_000
MOST_MEMORY_BYTES = 2 * 2**30
MOST_ARRAY_BYTES = 300_000_000
"""Of all images resized: twice as much is in memory while they are written."""
MOST_CLASS_LETTERS = 40
NAMED = 5
"""So many of the files with a fault are named."""

_PROGRESS_INTERVAL_S = 0.25
_TEST_SHARE = 0.2


def main(argv: list[str] | None = None) -> int:
    """Makes one set. Returns the exit status, 0 if it is ready."""
    parser = argparse.ArgumentParser(prog="python -m core.data.make_own", description="Make a data set of own images.")
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path, help="an empty one, to build in")
    parser.add_argument("--title", required=True)
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--colour", action="store_true")
    options = parser.parse_args(argv)
    outbox = connect(refuse)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with contextlib.suppress(OSError, ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    wanted = Wanted(options.title, options.side, options.colour, options.seed)
    return run(options.source, options.folder, wanted, outbox.send)


def run(source: Path, folder: Path, wanted: Wanted, emit: Emit) -> int:
    """Makes the set in `folder/ready`, emitting events; returns the exit status, 0 if it is ready."""
    try:
        make(source, folder / "ready", wanted, emit)
    except DatasetError as fault:
        emit(Failed(str(fault)))
        return 1
    except MemoryError:
        emit(Failed("These images need more memory than a data set may take: give fewer or smaller ones."))
        return 1
    except OSError as fault:
        emit(Failed(disk.sentence(folder.parent, MOST_ARRAY_BYTES, fault)))
        return 1
    emit(Done())
    return 0


def make(source: Path, ready: Path, wanted: Wanted, emit: Emit) -> None:
    """Makes the set in a new folder `ready`. Raises DatasetError, OSError where it cannot be written, MemoryError."""
    emit(Preparing("verify", 0, 0))
    files = _opened(source)
    by_class = classes_of(_listed(files))
    everything = [(file, label) for label, inside in enumerate(by_class.values()) for file in inside]
    array_bytes = len(everything) * int(np.prod(wanted.image_shape))
    if array_bytes > MOST_ARRAY_BYTES:
        raise DatasetError(
            f"{len(everything):,} pictures of {wanted.side} x {wanted.side} pixels take {array_bytes / 1e6:.0f} MB: at "
            f"most {MOST_ARRAY_BYTES / 1e6:.0f} MB fit, so choose fewer, a smaller side or grey."
        )
    pixels, sha256 = _read_all(files, [file for file, _ in everything], wanted, emit)
    labels = np.array([label for _, label in everything], np.uint8)
    training, validation, test = split(labels, wanted.seed)
    train = np.concatenate([training, validation])
    dataset = Dataset.of_json(
        wanted.name,
        {
            "title": wanted.title,
            "image_shape": list(wanted.image_shape),
            "class_names": list(by_class),
            "train_images": len(train),
            "test_images": len(test),
        },
    )
    words = (
        f"{len(everything):,} own pictures; the square in the middle of each, resized by the Lanczos filter of Pillow "
        f"{PIL.__version__}; split stratified, seed {wanted.seed}"
    )
    arrays = (pixels[train], labels[train], pixels[test], labels[test])
    write_folder(dataset, Source(arrays, words, {"pictures": sha256}), ready)
    write_facts(dataset, ready)


def _opened(source: Path) -> Files:
    if source.is_dir():
        return Folder(source)
    if source.is_file():
        return Zip(source)
    raise DatasetError(f"{source} is neither a folder nor a zip.")


def _listed(files: Files) -> list[File]:
    """Every file, at most so many. Raises DatasetError."""
    found: list[File] = []
    try:
        for file in files.listed():
            found.append(file)
            if len(found) > MOST_FILES:
                raise DatasetError(f"There are more than {MOST_FILES:,} files: give fewer.")
    except OSError as fault:
        name = in_sentence(str(fault.filename), 120)
        raise DatasetError(f"{name} cannot be read ({fault.strerror}): check its permissions.") from fault
    return found


def classes_of(files: Sequence[File]) -> dict[str, list[File]]:
    """The files of each class by its name, both in order. Raises DatasetError where they are no classes."""
    depth = _depth_of_wrapper(files)
    by_class: defaultdict[str, list[File]] = defaultdict(list)
    for file in files:
        if len(file.path) == depth + 1:
            raise DatasetError(f"{shown(file.path)} lies in no class's folder: put it into one, or take it out.")
        if len(file.path) > depth + 2:
            raise too_deep(file.path)
        by_class[file.path[depth]].append(file)
    _check_names(list(by_class))
    _check_counts(by_class)
    return {name: sorted(by_class[name], key=lambda file: file.path) for name in sorted(by_class, key=str.casefold)}


def _depth_of_wrapper(files: Sequence[File]) -> int:
    """How many folders, one in another, hold nothing but the next: a zip of a folder begins with that folder."""
    depth = 0
    while files and all(len(file.path) > depth + 2 and file.path[depth] == files[0].path[depth] for file in files):
        depth += 1
    return depth


def _check_names(names: Sequence[str]) -> None:
    """Raises DatasetError where a class cannot have its name."""
    for name in names:
        if len(name) > MOST_CLASS_LETTERS:
            raise DatasetError(
                f"The class {shown((name,))} has a name of {len(name)} letters: "
                f"at most {MOST_CLASS_LETTERS} can be shown."
            )
        if not can_be_shown(name) or name != name.strip():
            raise DatasetError(f"The class {shown((name,))} has letters in its name that cannot be shown: rename it.")
    alike = Counter(unicodedata.normalize("NFC", name).casefold() for name in names)
    for name in sorted(names):
        if alike[unicodedata.normalize("NFC", name).casefold()] > 1:
            raise DatasetError(f"Two classes are called {name}, but for capitals: rename one or put them together.")


def _check_counts(by_class: Mapping[str, Sequence[File]]) -> None:
    """Raises DatasetError where there are too few or too many classes, or too few files in one."""
    if not by_class:
        raise DatasetError(f"No pictures were found: give a folder for each of 2 to {MOST_OWN_CLASSES} classes.")
    if len(by_class) == 1:
        raise DatasetError(f"There is one class alone, {next(iter(by_class))}: give a folder for each of at least two.")
    if len(by_class) > MOST_OWN_CLASSES:
        raise DatasetError(f"There are {len(by_class):,} classes: at most {MOST_OWN_CLASSES} can be compared.")
    few = [f"{name} has {len(inside)}" for name, inside in by_class.items() if len(inside) < LEAST_OF_A_CLASS]
    if few:
        raise DatasetError(f"Each class needs at least {LEAST_OF_A_CLASS} pictures: {_first_of(few)}.")


def split(labels: npt.NDArray[np.uint8], seed: int) -> tuple[Indices, Indices, Indices]:
    """Which images are for training, validation and testing, each a mixed-up int64 array, by class alike.

    A fifth of each class is for testing; of the N that are left, N // 10 are for validation.
    """
    rng = np.random.default_rng(seed)
    left, test = [], []
    for label in range(int(labels.max()) + 1):
        mixed = rng.permutation(np.flatnonzero(labels == label))
        held_out = round(_TEST_SHARE * len(mixed))
        test.append(mixed[:held_out])
        left.append(mixed[held_out:])
    counts = _shared_out(sum(map(len, left)) // 10, [len(one) for one in left])
    validation = [one[:count] for one, count in zip(left, counts, strict=True)]
    training = [one[count:] for one, count in zip(left, counts, strict=True)]
    first, second, third = (rng.permutation(np.concatenate(part)) for part in (training, validation, test))
    return first, second, third


def _shared_out(total: int, sizes: Sequence[int]) -> list[int]:
    """`total` in proportion to `sizes`, as whole numbers: what is left over goes to the largest remainders."""
    exact = [total * size / sum(sizes) for size in sizes]
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def _read_all(
    files: Files, wanted_files: Sequence[File], wanted: Wanted, emit: Emit
) -> tuple[npt.NDArray[np.uint8], str]:
    """Every picture, uint8 [N, H, W, C], and the SHA-256 of all files.

    Raises DatasetError, naming those that cannot be read.
    """
    pixels = np.empty((len(wanted_files), *wanted.image_shape), np.uint8)
    digest, faults = hashlib.sha256(), []
    done_bytes, total_bytes, said_at = 0, sum(file.size_bytes for file in wanted_files), 0.0
    for i, file in enumerate(wanted_files):
        try:
            content = files.read(file)
            pixels[i] = pictures.from_picture(content, file.path[-1], wanted.image_shape, PICTURE, files.count)
            digest.update(content)
        except PictureError as fault:
            faults.append(f"{shown(file.path)} {fault.what}")
        done_bytes += file.size_bytes
        if time.monotonic() - said_at > _PROGRESS_INTERVAL_S:
            said_at = time.monotonic()
            emit(Preparing("convert", done_bytes, total_bytes))
    if faults:
        raise DatasetError(
            f"{len(faults):,} of {len(wanted_files):,} files cannot be read as PNG or JPEG pictures: "
            f"{_first_of(faults)}."
        )
    emit(Preparing("convert", total_bytes, total_bytes))
    return pixels, digest.hexdigest()


def _first_of(faults: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(faults) - NAMED
    return "; ".join(faults[:NAMED]) + (f"; and {more:,} more" if more > 0 else "")


if __name__ == "__main__":
    leave_after(main)
