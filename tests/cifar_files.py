"""CIFAR-10's published files, made up: noise, with labels that go round the ten classes."""

import io
import pickle
import tarfile
from functools import cache

import numpy as np

from core.data.cifar import FOLDER, TEST_FILES, TRAIN_FILES


def pixels(count: int, seed: int) -> np.ndarray:
    """Red, green and blue planes as the files hold them, uint8 [count, 3072]."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def short(text: bytes) -> bytes:
    """A string of Python 2 up to 255 bytes in its pickle."""
    return b"U" + bytes([len(text)]) + text


def as_python_2(data: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 pickled it: the operations of the published files."""
    raw = data.tobytes()
    shape = b"(M" + len(data).to_bytes(2, "little") + b"M" + (3072).to_bytes(2, "little") + b"t"
    kind = b"cnumpy\ndtype\n(" + short(b"u1") + b"K\x00K\x01tR(K\x03" + short(b"|") + b"NNN"
    kind += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + short(b"b") + b"tR(K\x01" + shape
    array += kind + b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    said = b"]q\x01(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    label = short(b"batch_label") + short(b"training batch")
    return b"\x80\x02}(" + label + short(b"data") + array + short(b"labels") + said + b"u."


@cache
def batches(train: int = 12, test: int = 20) -> dict[str, bytes]:
    """The six files by name; `train` images in each of the five."""
    files = {}
    for seed, name in enumerate((*TRAIN_FILES, *TEST_FILES)):
        count = train if name in TRAIN_FILES else test
        files[name] = as_python_2(pixels(count, seed), [number % 10 for number in range(count)])
    return files


def archive(files: dict[str, bytes]) -> bytes:
    """Files in the archive's folder, packed as they are published."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in ({"batches.meta": pickle.dumps({})} | files).items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
