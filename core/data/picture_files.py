"""A folder or a zip of a stranger's pictures: what is in it, and each file's bytes, within limits."""

import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from core.data.dataset import DatasetError, in_sentence
from core.data.own_images import MOST_ZIP_MB
from core.data.pictures import PictureError, PictureLimits

MOST_FOLDERS = 30
"""One in another."""
MOST_ZIP_PIXELS = 4_000_000_000
"""Of all pictures in a zip: packed well, they can be a thousandth of this in bytes, and each takes time to decode."""
PICTURE = PictureLimits(most_bytes=50 * 2**20, most_pixels=50_000_000)

_JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
"""What file managers leave; so is all that begins with a dot."""
_PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class File(NamedTuple):
    """A file of the source, by its path there."""

    path: tuple[str, ...]
    size_bytes: int
    """As the source says."""


class Files(Protocol):
    """A folder or a zip."""

    def listed(self) -> Iterator[File]:
        """Every file but those that file managers leave. Raises DatasetError for what has no place there."""

    def read(self, file: File) -> bytes:
        """What is in a file, at most a byte more than a picture may have.

        Raises PictureError where it cannot be read, and DatasetError where the whole source may not be.
        """

    def count(self, pixels: int) -> None:
        """Hears how many pixels are decoded next. Raises DatasetError where they are too many together."""


class Folder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def listed(self) -> Iterator[File]:
        yield from self._below(())

    def _below(self, path: tuple[str, ...]) -> Iterator[File]:
        with os.scandir(self._root.joinpath(*path)) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            inside = (*path, entry.name)
            if _is_junk(inside):
                continue
            if entry.is_symlink():
                raise DatasetError(f"{shown(inside)} is a link: put the file itself there.")
            if entry.is_dir():
                _check_depth(inside)
                yield from self._below(inside)
            elif entry.is_file():
                yield File(inside, entry.stat().st_size)
            else:
                raise DatasetError(f"{shown(inside)} is no plain file: take it out.")

    def read(self, file: File) -> bytes:
        try:
            with self._root.joinpath(*file.path).open("rb") as opened:
                return opened.read(PICTURE.most_bytes + 1)
        except OSError as fault:
            raise PictureError(shown(file.path), f"cannot be opened ({fault.strerror})", "") from fault

    def count(self, pixels: int) -> None:
        """Whoever reads a folder of this machine may take the time."""


class Zip:
    """A zip, of which nothing is believed: what is unpacked is counted."""

    def __init__(self, path: Path) -> None:
        """Raises DatasetError where it is none."""
        try:
            self._archive = zipfile.ZipFile(path)
        except MemoryError:
            raise
        except Exception as fault:  # zipfile raises half a dozen kinds of error at hostile bytes
            raise DatasetError("The zip is damaged, or no zip: pack the folder once more.") from fault
        self._entries: dict[tuple[str, ...], zipfile.ZipInfo] = {}
        self._unpacked_bytes = self._pixels = 0

    def listed(self) -> Iterator[File]:
        if sum(info.file_size for info in self._archive.infolist()) > MOST_ZIP_MB * 1_000_000:
            raise _too_much()
        for info in sorted(self._archive.infolist(), key=lambda info: info.filename):
            # Some programs of Windows pack with its own separator.
            name = info.filename.replace("\\", "/")
            parts = tuple(part for part in name.split("/") if part not in ("", "."))
            if name.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
                raise DatasetError(f"{shown(parts)} leads out of the zip: pack the folder once more.")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DatasetError(f"{shown(parts)} is a link: put the file itself there.")
            if name.endswith("/") or not parts or _is_junk(parts):
                continue
            _check_depth(parts[:-1])
            if info.flag_bits & 1:
                raise DatasetError("The zip is locked with a password: pack it without one.")
            if info.compress_type not in _PACKED_BY:
                raise DatasetError("The zip is packed in an unusual way: pack it with the usual one, Deflate.")
            if parts in self._entries:
                raise DatasetError(f"{shown(parts)} is in the zip twice: pack the folder once more.")
            self._entries[parts] = info
            yield File(parts, info.file_size)

    def read(self, file: File) -> bytes:
        try:
            with self._archive.open(self._entries[file.path]) as opened:
                content = opened.read(PICTURE.most_bytes + 1)
        except MemoryError:
            raise
        except Exception as fault:  # as above
            raise PictureError(shown(file.path), "is damaged in the zip", "") from fault
        self._unpacked_bytes += len(content)
        if self._unpacked_bytes > MOST_ZIP_MB * 1_000_000:
            raise _too_much()
        return content

    def count(self, pixels: int) -> None:
        self._pixels += pixels
        if self._pixels > MOST_ZIP_PIXELS:
            raise DatasetError(
                f"The pictures in the zip have more than {MOST_ZIP_PIXELS / 1e6:,.0f} megapixels together: make them "
                "smaller, or unpack it and give the folder in the terminal."
            )


def _check_depth(folder: tuple[str, ...]) -> None:
    if len(folder) > MOST_FOLDERS:
        raise too_deep(folder[: MOST_FOLDERS + 1])


def too_deep(path: tuple[str, ...]) -> DatasetError:
    """That a file lies in too many folders."""
    return DatasetError(f"{shown(path)} lies too deep: put the pictures of a class straight into its folder.")


def _too_much() -> DatasetError:
    return DatasetError(
        f"The zip unpacks to more than {MOST_ZIP_MB} MB: make its pictures smaller, "
        "or unpack it and give the folder in the terminal."
    )


def _is_junk(path: tuple[str, ...]) -> bool:
    return any(part.startswith(".") or part.casefold() in _JUNK for part in path)


def shown(path: tuple[str, ...]) -> str:
    """The end of a path as it may stand in a sentence."""
    return in_sentence("/".join(path[-3:]))
