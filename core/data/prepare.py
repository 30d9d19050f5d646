"""The program that makes a data set's folder: `python -m core.data.prepare NAME --data-dir D [--datasets-dir S]`.

core.data.datasets starts it and hears `Preparing`, and at last `Done` or `Failed`, as JSON lines on its stdout.
It is a process of its own because torchvision, scikit-learn and mlxtend must stay out of the web process.
The folder is built in `datasets/.NAME.partial` and renamed when it is complete, under a file lock, so nobody
ever sees half of it.
"""

import argparse
import contextlib
import datetime
import gzip
import hashlib
import http.client
import io
import json
import math
import os
import shutil
import signal
import socket
import sys
import threading
import urllib.error
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data import cifar, disk
from core.data.dataset import unsound
from core.data.datasets import (
    ARRAY_FILES,
    DATASETS,
    PREPARED_FORMAT,
    PROVENANCE_FILE,
    TORCHVISION_CLASS,
    Dataset,
    DatasetError,
    UInt8Array,
    folder_of,
    prepared,
)
from core.data.embedded import read_embedded, sha256_of
from core.protocol.messages import Done, Failed, Phase, PreparationEvent, Preparing
from core.protocol.stdio import connect, leave_after, refuse

Emit = Callable[[PreparationEvent], None]

SILENCE_LIMIT_S = 20.0
IMAGES_MAGIC = 0x0803  # IDX: unsigned bytes, three dimensions
LABELS_MAGIC = 0x0801  # IDX: unsigned bytes, one dimension

# In the order of ARRAY_FILES; the names that torchvision and all three publishers use.
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_PROGRESS_INTERVAL_S = 0.25


@dataclass(frozen=True)
class Source:
    """What a data set is made from: the four arrays in the order of ARRAY_FILES, and where they came from."""

    arrays: tuple[UInt8Array, ...]
    words: str
    sha256_by_file: dict[str, str]


def main(argv: list[str] | None = None) -> int:
    """Prepare one data set. Returns the exit status, 0 if it is ready."""
    parser = argparse.ArgumentParser(
        prog="python -m core.data.prepare", description="Make a data set ready to train on."
    )
    parser.add_argument("name", choices=tuple(DATASETS))
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument(
        "--datasets-dir", type=Path, help="the published files in torchvision's layout, instead of a download"
    )
    parser.add_argument("--silence-limit-s", type=float, default=SILENCE_LIMIT_S, help="give up on a silent server")
    options = parser.parse_args(argv)
    outbox = connect(refuse)
    # An exception in place of the default action, so that the temporary folder is removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return run(DATASETS[options.name], options.data_dir, options.datasets_dir, options.silence_limit_s, outbox.send)


def run(dataset: Dataset, data_dir: Path, datasets_dir: Path | None, silence_limit_s: float, emit: Emit) -> int:
    """Prepare `dataset` below `data_dir`, emitting events; returns the exit status, 0 if it is ready."""
    try:
        with _only_one(dataset, data_dir, emit):
            if prepared(dataset.name, data_dir) is None:
                _build_folder(dataset, data_dir, datasets_dir, silence_limit_s, emit)
    except DatasetError as fault:
        emit(Failed(str(fault)))
        return 1
    except OSError as fault:
        emit(Failed(disk_sentence(dataset, data_dir, fault)))
        return 1
    emit(Done())
    return 0


@contextlib.contextmanager
def _only_one(dataset: Dataset, data_dir: Path, emit: Emit) -> Iterator[None]:
    """Hold the data set's lock: a second process waits, then finds the folder complete."""
    import filelock

    folder = folder_of(dataset.name, data_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_name(f"{dataset.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        _emit_progress(emit, "wait", 0, dataset)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build_folder(
    dataset: Dataset, data_dir: Path, datasets_dir: Path | None, silence_limit_s: float, emit: Emit
) -> None:
    """Build the folder beside its place and rename it there; what an earlier try left is removed first."""
    target = folder_of(dataset.name, data_dir)
    partial = target.with_name(f".{dataset.name}.partial")
    _remove(partial)
    try:
        partial.mkdir()
        if dataset.download_bytes is None:
            source = _embedded(dataset, emit)
        elif datasets_dir is not None:
            source = _read_local(dataset, datasets_dir, emit)
        else:
            source = _download(dataset, partial / "raw", silence_limit_s, emit)
        _emit_progress(emit, "convert", dataset.download_bytes or 0, dataset)
        ready = partial / "ready"
        write_folder(dataset, source, ready)
        _remove(target)  # a torn one: a complete folder is never built again
        os.replace(ready, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _remove(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)


def write_folder(dataset: Dataset, source: Source, folder: Path) -> None:
    """Write the four arrays and their provenance into a new `folder`."""
    folder.mkdir()
    sha256_by_array = {}
    for file_name, array in zip(ARRAY_FILES, source.arrays, strict=True):
        if array.shape != dataset.array_shapes[file_name] or array.dtype != np.uint8:
            raise ValueError(f"{file_name} would hold {array.dtype} {array.shape}")
        # Through memory, because numpy's own writing to a file loses the errno of a full disk.
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        (folder / file_name).write_bytes(buffer.getbuffer())
        sha256_by_array[file_name] = hashlib.sha256(buffer.getbuffer()).hexdigest()
    provenance = {
        "format": PREPARED_FORMAT,
        "dataset": dataset.name,
        "source": source.words,
        "source_sha256": source.sha256_by_file,
        "array_sha256": sha256_by_array,
        "train_images": dataset.train_images,
        "test_images": dataset.test_images,
        "prepared_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    (folder / PROVENANCE_FILE).write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


# ------------------------------------------------------------------------------------------ the three sources


def _embedded(dataset: Dataset, emit: Emit) -> Source:
    """What comes with a library."""
    _emit_progress(emit, "convert", 0, dataset)
    found = read_embedded(dataset)
    return Source(found.arrays, found.words, sha256_of(found.source_file))


def _read_local(dataset: Dataset, datasets_dir: Path, emit: Emit) -> Source:
    """The published files, packed or not, from a folder in torchvision's layout; nothing is written there."""
    words = "read from a local folder (DUEL_DATASETS_DIR)"
    if dataset.name == "cifar10":
        place = next((one for name in (cifar.FOLDER, cifar.ARCHIVE) if (one := datasets_dir / name).exists()), None)
        if place is None:
            raise _absent(datasets_dir / cifar.FOLDER, cifar.ARCHIVE)
        return _read_cifar(dataset, place, words, emit)
    folder = datasets_dir / TORCHVISION_CLASS[dataset.name] / "raw"
    paths = []
    for file_name in IDX_FILES:
        choices = (folder / file_name, folder / f"{file_name}.gz")
        path = next((choice for choice in choices if os.path.lexists(choice)), None)
        if path is None:
            raise _absent(choices[0], choices[1].name)
        paths.append(path)
    return _read_all(dataset, paths, words, emit)


def _absent(path: Path, packed: str) -> DatasetError:
    return DatasetError(
        f"Neither {path} nor {packed} is there: add the file, or leave DUEL_DATASETS_DIR unset to download."
    )


def _download(dataset: Dataset, folder: Path, silence_limit_s: float, emit: Emit) -> Source:
    """The published files from torchvision's mirrors into `folder`, each checked against torchvision's MD5.

    Not by `MNIST(download=True)`: that swallows what went wrong, and gives up at a first mirror that does not
    answer.
    """
    _emit_progress(emit, "download", 0, dataset)  # the import below takes seconds
    import torchvision

    socket.setdefaulttimeout(silence_limit_s)
    published = getattr(torchvision.datasets, TORCHVISION_CLASS[dataset.name])
    if dataset.name == "cifar10":
        mirrors, files = [published.url.removesuffix(published.filename)], [(published.filename, published.tgz_md5)]
    else:
        mirrors, files = list(published.mirrors), published.resources
    words = f"downloaded from {' or '.join(mirrors)}, MD5 checksums as in torchvision {torchvision.__version__}"
    folder.mkdir()
    with _watched(folder, dataset, emit):
        for file_name, md5 in files:
            _fetch(folder / file_name, md5, mirrors)
    if dataset.name == "cifar10":
        return _read_cifar(dataset, folder / cifar.ARCHIVE, words, emit)
    return _read_all(dataset, [folder / f"{name}.gz" for name in IDX_FILES], words, emit)


def _read_all(dataset: Dataset, paths: list[Path], words: str, emit: Emit) -> Source:
    _emit_progress(emit, "verify", dataset.download_bytes or 0, dataset)
    arrays, sha256_by_file = [], {}
    for path, array_file in zip(paths, ARRAY_FILES, strict=True):
        array, sha256_by_file[path.name] = read_idx(path, dataset.array_shapes[array_file][:3], dataset.shape.classes)
        # IDX files hold grey images without their channel.
        arrays.append(array.reshape(dataset.array_shapes[array_file]))
    return Source(tuple(arrays), words, sha256_by_file)


def _read_cifar(dataset: Dataset, place: Path, words: str, emit: Emit) -> Source:
    _emit_progress(emit, "verify", dataset.download_bytes or 0, dataset)
    arrays, sha256_by_file = cifar.read(dataset, place)
    return Source(arrays, words, sha256_by_file)


# ------------------------------------------------------------------------------------------------ downloading


def _fetch(path: Path, md5: str, mirrors: list[str]) -> None:
    """Download one file to `path` from the first of `mirrors` that gives it whole.

    A mirror that fails goes to the end of the list, so the next file need not wait for it again. Raises
    DatasetError with what the first mirror did, or OSError where the fault lies here (disk full).
    """
    from torchvision.datasets.utils import download_url

    sentences = []
    for mirror in tuple(mirrors):
        try:
            download_url(mirror + path.name, str(path.parent), path.name, md5)
            return
        except (RuntimeError, http.client.HTTPException, OSError) as fault:
            if _is_ours(fault):
                raise
            sentences.append(server_sentence(mirror, path, fault))
            mirrors.remove(mirror)
            mirrors.append(mirror)
    raise DatasetError(sentences[0])


def _is_ours(fault: Exception) -> bool:
    """Whether a failed download is due to this machine's disk, not to the server or the way to it."""
    if not isinstance(fault, OSError) or isinstance(fault, urllib.error.URLError):
        return False
    return disk.is_full(fault) or fault.filename is not None


def server_sentence(mirror: str, path: Path, fault: Exception) -> str:
    """One sentence: what the server did instead of sending the file `path`, and what to do."""
    server = urllib.parse.urlsplit(mirror).netloc
    instead = "or set DUEL_DATASETS_DIR to a folder that holds the files"
    reason = getattr(fault, "reason", fault)
    if isinstance(fault, urllib.error.HTTPError):
        words = {403: "refuses to send", 404: "no longer has"}.get(fault.code, "failed to send")
        return f"{server} {words} {path.name} (HTTP {fault.code}): try again later, {instead}."
    if isinstance(reason, TimeoutError):
        return f"{server} did not answer in time: try again later, {instead}."
    if isinstance(fault, urllib.error.URLError):
        words = getattr(reason, "strerror", None) or str(reason)
        return f"{server} could not be reached ({words}): check the network and try again, {instead}."
    # A checksum that does not fit is a RuntimeError, for half a file too.
    if isinstance(fault, RuntimeError) and path.exists() and not _is_cut_off(path):
        return f"{server} sent a {path.name} whose checksum is wrong: try again later, {instead}."
    return f"{server} broke off before {path.name} was complete: try again, {instead}."


def _is_cut_off(gz_path: Path) -> bool:
    """Whether a gzip file ends before its own end mark."""
    try:
        with gzip.open(gz_path) as stream:
            while stream.read(1 << 20):
                pass
    except EOFError:
        return True
    except (OSError, zlib.error):
        return False
    return gz_path.stat().st_size == 0


@contextlib.contextmanager
def _watched(folder: Path, dataset: Dataset, emit: Emit) -> Iterator[None]:
    """Emit the download's progress four times a second, from the sizes of the files that grow in `folder`."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_PROGRESS_INTERVAL_S):
            _emit_progress(emit, "download", sum(path.stat().st_size for path in folder.iterdir()), dataset)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _emit_progress(emit: Emit, phase: Phase, received_bytes: int, dataset: Dataset) -> None:
    total_bytes = dataset.download_bytes or 0
    emit(Preparing(phase, min(received_bytes, total_bytes), total_bytes))


# ------------------------------------------------------------------------------------------ reading IDX files


def read_idx(path: Path, shape: tuple[int, ...], classes: int) -> tuple[UInt8Array, str]:
    """The images [N, H, W] or labels [N] of an IDX file, plain or .gz, as uint8, and the file's SHA-256.

    Raises DatasetError, naming the file, if it is not a complete IDX file of exactly `shape`, or a label is not
    below `classes`.
    """
    header_bytes = 4 + 4 * len(shape)
    payload, sha256 = _read_payload(path, header_bytes + math.prod(shape))
    kind, magic = ("images", IMAGES_MAGIC) if len(shape) == 3 else ("labels", LABELS_MAGIC)
    header = np.frombuffer(payload[: len(payload) // 4 * 4][:header_bytes], dtype=">u4")
    if len(header) == 0 or header[0] != magic:
        raise unsound(path, f"is not an IDX file of {kind}")
    if len(header) <= len(shape):
        raise unsound(path, "ends too early")
    count, *size = (int(number) for number in header[1:])
    if size != list(shape[1:]):
        raise unsound(path, f"holds images of {size[0]}x{size[1]} pixels, not {shape[1]}x{shape[2]}")
    if count != shape[0]:
        raise unsound(path, f"holds {count:,} {kind}, not {shape[0]:,}")
    values: npt.NDArray[np.uint8] = np.frombuffer(payload, dtype=np.uint8, offset=header_bytes)
    if len(values) != math.prod(shape):
        raise unsound(path, "ends too early" if len(values) < math.prod(shape) else "is longer than its header says")
    if kind == "labels" and values.max() >= classes:
        raise unsound(path, f"holds the label {values.max()}, where only 0 to {classes - 1} have a meaning")
    return values.reshape(shape), sha256


def _read_payload(path: Path, expected_bytes: int) -> tuple[bytes, str]:
    """What is in `path`, unpacked, at most a byte more than expected, and the file's own SHA-256."""
    try:
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if path.suffix != ".gz":
            return content, sha256
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            return stream.read(expected_bytes + 1), sha256
    except EOFError as fault:
        raise unsound(path, "ends too early") from fault
    except (gzip.BadGzipFile, zlib.error) as fault:
        raise unsound(path, "is not a sound gzip file") from fault
    except OSError as fault:
        raise DatasetError(f"{path} cannot be read ({fault.strerror}): check the file and its permissions.") from fault


# ----------------------------------------------------------------------------------------------- this machine


def disk_sentence(dataset: Dataset, data_dir: Path, fault: OSError) -> str:
    """One sentence: what kept us from writing below `data_dir`, and what to do."""
    needed_bytes = (dataset.download_bytes or 0) + sum(map(math.prod, dataset.array_shapes.values()))
    return disk.sentence(data_dir, needed_bytes, fault)


if __name__ == "__main__":
    leave_after(main)
