"""CIFAR-10 as it is published: six pickles of Python 2, in a folder or a .tar.gz, read without believing them.

A pickle is a program. So its operations are looked at first, and all that it may name is replaced by a stand-in that
keeps what it is given: nothing of numpy's is built before shapes and types are known.
"""

import gzip
import hashlib
import io
import pickle
import pickletools
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from core.data.dataset import Dataset, DatasetError, in_sentence, unsound

FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
"""What torchvision calls them."""
TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILES = ("test_batch",)
MOST_FILE_BYTES = 64_000_000
"""Of a batch, which has 31 MB."""
MOST_UNPACKED_BYTES = 500_000_000
"""Of the archive, which has 186 MB."""
_MOST_MEMO = 1_000_000
"""Places of a pickle's memory: a batch needs 10,000 names; the reader makes room for as many as it is told."""
_OPERATIONS = frozenset(
    (
        *("PROTO", "FRAME", "STOP", "MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE"),
        *("TUPLE1", "TUPLE2", "TUPLE3", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "BININT"),
        *("BININT1", "BININT2", "NONE", "NEWTRUE", "NEWFALSE", "SHORT_BINSTRING", "BINSTRING", "SHORT_BINBYTES"),
        *("BINBYTES", "SHORT_BINUNICODE", "BINUNICODE", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    )
)


class _Refused(ValueError):
    """A batch that is none; the rest of a sentence."""


class _Kept:
    """Stands in for whatever a pickle names; keeps what it is made of."""

    def __init__(self, *_: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Array(_Kept):
    """In place of the array; numpy's state is version, shape, type, whether columns come first, and the bytes."""


class _Type(_Kept):
    """In place of numpy's type of an element."""

    def __init__(self, name: object = "", *_: object) -> None:
        super().__init__()
        self.name = name.decode("ascii", "replace") if isinstance(name, bytes) else name


_STAND_INS: dict[tuple[str, str], object] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Type,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise _Refused(f"it names {in_sentence(f'{module}.{name}')}, which no such file does")
        return _STAND_INS[module, name]


def read_batch(content: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images [N, 32, 32, 3] and labels [N] of one published file. Raises ValueError, the rest of a sentence."""
    try:
        for operation, argument, _ in pickletools.genops(content):
            if operation.name not in _OPERATIONS:
                raise _Refused(f"it has the operation {operation.name}, which no such file has")
            if operation.name in ("BINPUT", "LONG_BINPUT") and cast(int, argument) > _MOST_MEMO:
                raise _Refused("it wants more memory than such a file needs")
        found = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except _Refused:
        raise
    except Exception:  # a stranger's pickle can make any error
        raise _Refused("it is cut short, or no pickle of such a file") from None
    data, labels = (found.get(name) for name in (b"data", b"labels")) if isinstance(found, dict) else (None, None)
    if not isinstance(data, _Array) or not isinstance(labels, list):
        raise _Refused("it holds no data and labels")
    match data.state:
        case (_, (int() as count, 3072), _Type(name="u1"), False, bytes() as pixels) if len(pixels) == 3072 * count:
            planes = np.frombuffer(pixels, np.uint8).reshape(count, 3, 32, 32)
        case _:
            raise _Refused("its data are not 3,072 bytes an image")
    if len(labels) != count or not all(type(label) is int and 0 <= label < 10 for label in labels):
        raise _Refused("its labels are not one of 0 to 9 for each image")
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.array(labels, np.uint8)


def read(dataset: Dataset, place: Path) -> tuple[tuple[npt.NDArray[np.uint8], ...], dict[str, str]]:
    """The four arrays in the order of ARRAY_FILES, and the SHA-256 of each file that they come from.

    `place` is the folder of batches or the archive. Raises DatasetError, naming the file.
    """
    batches: dict[str, tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]] = {}
    sha256_by_file: dict[str, str] = {}
    for name, content in _of_archive(place, sha256_by_file) if place.suffix == ".gz" else _of_folder(place):
        path = place if place.suffix == ".gz" else place / name
        try:
            batches[name] = read_batch(content)
        except ValueError as fault:
            raise unsound(path, f"is no sound file of CIFAR-10 ({name}: {fault})") from None
        if place.suffix != ".gz":
            sha256_by_file[name] = hashlib.sha256(content).hexdigest()
    arrays = []
    for names, count in ((TRAIN_FILES, dataset.train_images), (TEST_FILES, dataset.test_images)):
        if missing := [name for name in names if name not in batches]:
            raise unsound(place, f"holds no {missing[0]}")
        images, labels = (np.concatenate(parts) for parts in zip(*(batches[name] for name in names), strict=True))
        if len(images) != count:
            raise unsound(place, f"holds {len(images):,} images in {names[0]} and the like, not {count:,}")
        arrays += [images, labels]
    return tuple(arrays), sha256_by_file


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in (*TRAIN_FILES, *TEST_FILES):
        path = folder / name
        try:
            with path.open("rb") as file:
                content = file.read(MOST_FILE_BYTES + 1)
        except OSError as fault:
            raise DatasetError(
                f"{path} cannot be read ({fault.strerror}): add the file, or leave DUEL_DATASETS_DIR unset to download."
            ) from None
        if len(content) > MOST_FILE_BYTES:
            raise unsound(path, "is larger than a file of CIFAR-10")
        yield name, content


def _of_archive(path: Path, sha256_by_file: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """The batches of the archive by name; nothing of it is written anywhere."""
    try:
        with path.open("rb") as packed:
            sha256_by_file[path.name] = hashlib.file_digest(packed, "sha256").hexdigest()
            packed.seek(0)
            with gzip.GzipFile(fileobj=packed) as stream:
                source = cast("IO[bytes]", _Bounded(stream))
                with tarfile.open(fileobj=source, mode="r|") as archive:
                    yield from _members(archive, path)
    except (EOFError, tarfile.ReadError) as fault:
        raise unsound(path, "ends too early") from fault
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError, ValueError, OverflowError) as fault:
        raise unsound(path, f"is no sound archive ({fault})") from fault
    except OSError as fault:
        raise DatasetError(f"{path} cannot be read ({fault.strerror}): check the file and its permissions.") from fault


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[str, bytes]]:
    wanted = {f"{FOLDER}/{name}": name for name in (*TRAIN_FILES, *TEST_FILES)}
    for member in archive:
        name = wanted.pop(member.name, "")
        if name and member.isreg():
            if member.size > MOST_FILE_BYTES:
                raise unsound(path, f"holds a {name} larger than a file of CIFAR-10")
            file = archive.extractfile(member)
            yield name, file.read() if file else b""
        if not wanted:
            return


class _Bounded:
    """A stream that ends in an error where it gives more than it may: a small file can unpack to any size."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream, self._left = stream, MOST_UNPACKED_BYTES

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {MOST_UNPACKED_BYTES // 10**6} MB")
        return content
