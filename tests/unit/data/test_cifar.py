"""CIFAR-10's files: read as they are published, and nothing believed of them."""

import dataclasses
import gzip
import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data import cifar, datasets, prepare
from core.data.cifar import ARCHIVE, FOLDER
from core.data.dataset import DatasetError
from core.data.datasets import DATASETS
from core.protocol.messages import Done, Failed, PreparationEvent
from tests.cifar_files import archive, as_python_2, batches, pixels

SMALL = dataclasses.replace(DATASETS["cifar10"], train_images=60, test_images=20)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "cifar10", SMALL)


def put(place: Path, packed: bool, files: dict[str, bytes]) -> Path:
    """The files in torchvision's layout, as a folder or as the archive; returns where they lie."""
    place.mkdir(exist_ok=True)
    if packed:
        (place / ARCHIVE).write_bytes(archive(files))
        return place / ARCHIVE
    (place / FOLDER).mkdir()
    for name, content in files.items():
        (place / FOLDER / name).write_bytes(content)
    return place / FOLDER


@pytest.mark.parametrize("packed", [True, False])
def test_images_come_with_their_channels_last_and_in_the_order_of_the_files(tmp_path: Path, packed: bool) -> None:
    place = put(tmp_path, packed, batches())
    (train_images, train_labels, test_images, test_labels), sums = cifar.read(SMALL, place)
    assert (train_images.shape, test_images.shape) == ((60, 32, 32, 3), (20, 32, 32, 3))
    planes = pixels(12, 1)[5].reshape(3, 32, 32)  # the sixth image of the second file
    assert all(np.array_equal(train_images[17, :, :, channel], planes[channel]) for channel in range(3))
    assert train_labels[:14].tolist() == [*range(10), 0, 1, 0, 1]
    assert test_labels.tolist() == [*range(10), *range(10)]
    assert set(sums) == ({ARCHIVE} if packed else set(batches()))
    named = place if packed else place / "test_batch"
    assert sums[named.name] == hashlib.sha256(named.read_bytes()).hexdigest()


@pytest.mark.parametrize("packed", [True, False])
def test_a_local_folder_in_the_layout_of_torchvision_is_read(tmp_path: Path, packed: bool) -> None:
    put(tmp_path / "local", packed, batches())
    events: list[PreparationEvent] = []
    assert prepare.run(SMALL, tmp_path / "data", tmp_path / "local", 1.0, events.append) == 0
    assert events[-1] == Done()
    prepared = datasets.prepared("cifar10", tmp_path / "data")
    assert prepared is not None
    assert prepared.load().validation_images.shape == (6, 32, 32, 3)
    assert prepared.provenance["format"] == 2


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    events: list[PreparationEvent] = []
    prepare.run(SMALL, tmp_path / "data", tmp_path, 1.0, events.append)
    assert events == [
        Failed(
            f"Neither {tmp_path / FOLDER} nor {ARCHIVE} is there: "
            "add the file, or leave DUEL_DATASETS_DIR unset to download."
        )
    ]


def test_a_batch_of_a_newer_pickle_is_read() -> None:
    content = pickle.dumps({b"data": pixels(3, 0), b"labels": [1, 2, 3]}, protocol=3)
    images, labels = cifar.read_batch(content)
    assert (images.shape, labels.tolist()) == ((3, 32, 32, 3), [1, 2, 3])


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch evil",)


class Copies:
    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (10**12,)


GOOD = pixels(4, 0)
BAD: dict[str, bytes] = {
    "a command": pickle.dumps({b"data": Evil(), b"labels": []}, protocol=3),
    "a command by a newer protocol": pickle.dumps({b"data": Evil(), b"labels": []}, protocol=4),
    "a name of many lines": b"\x80\x04\x8c\x03a\nb\x8c\xc8" + b"c" * 200 + b"\x93.",
    "much memory": pickle.dumps(Copies(), protocol=3),
    "a place far away in its memory": b"\x80\x02]r\xff\xff\xff\x7f.",
    "an array of objects": pickle.dumps({b"data": np.array([[None]]), b"labels": [0]}, protocol=3),
    "an array far larger than its bytes": as_python_2(GOOD, [0] * 4).replace(b"(M\x04\x00", b"(M\xff\xff"),
    "another size": pickle.dumps({b"data": GOOD[:, :3071].copy(), b"labels": [0] * 4}, protocol=3),
    "columns first": pickle.dumps({b"data": np.asfortranarray(GOOD), b"labels": [0] * 4}, protocol=3),
    "numbers": pickle.dumps({b"data": GOOD.astype("float32"), b"labels": [0] * 4}, protocol=3),
    "too few labels": as_python_2(GOOD, [0] * 3),
    "a label of 10": as_python_2(GOOD, [0, 1, 2, 10]),
    "labels that are true": pickle.dumps({b"data": GOOD, b"labels": [True] * 4}, protocol=3),
    "no dictionary": pickle.dumps([], protocol=3),
    "no data": pickle.dumps({b"labels": []}, protocol=3),
    "deep lists": b"\x80\x02" + b"]" * 100 + b"a" * 200 + b".",
    "half": as_python_2(GOOD, [0] * 4)[:-20],
    "nothing": b"",
    "text": b"labels",
}


@pytest.mark.parametrize("bad", BAD)
def test_a_batch_that_is_none_does_nothing_and_is_named(
    tmp_path: Path, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = put(tmp_path, False, batches() | {"data_batch_2": BAD[bad]})
    with pytest.raises(DatasetError) as said:
        cifar.read(SMALL, place)
    sentence = str(said.value)
    assert sentence.startswith(f"{place / 'data_batch_2'} is no sound file of CIFAR-10 (data_batch_2: it")
    assert sentence.endswith("): replace it with the published file.")
    assert "\n" not in sentence
    assert len(sentence.replace(str(place), "")) < 250
    assert not (tmp_path / "evil").exists()


def of_zeros(place: Path) -> None:
    """A small file that unpacks to far more than an archive may."""
    with gzip.open(place, "wb", compresslevel=1) as stream:
        member = tarfile.TarInfo(f"{FOLDER}/readme")
        member.size = 10**9
        stream.write(member.tobuf())
        for _ in range(100):
            stream.write(bytes(10**6))


def with_large_member(place: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"{FOLDER}/data_batch_1")
        member.size = 70_000_000
        tar.addfile(member, io.BytesIO(bytes(70_000_000)))
    place.write_bytes(packed.getvalue())


def with_link(place: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"{FOLDER}/data_batch_1")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    place.write_bytes(packed.getvalue())


ARCHIVES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bomb": (of_zeros, "is no sound archive (it unpacks to more than 50 MB)"),
    "a large member": (with_large_member, "holds a data_batch_1 larger than a file of CIFAR-10"),
    "a link": (with_link, "holds no data_batch_1"),
    "half": (lambda place: place.write_bytes(archive(batches())[:-100_000]), "ends too early"),
    "no gzip": (lambda place: place.write_bytes(b"PK\x03\x04"), "is no sound archive"),
    "no tar": (lambda place: place.write_bytes(gzip.compress(b"x" * 2000)), "ends too early"),
    "empty": (lambda place: place.write_bytes(b""), "ends too early"),
    "without its tests": (
        lambda place: place.write_bytes(archive({n: b for n, b in batches().items() if n != "test_batch"})),
        "holds no test_batch",
    ),
    "of another count": (
        lambda place: place.write_bytes(archive(batches(train=11))),
        "holds 55 images in data_batch_1 and the like, not 60",
    ),
}


@pytest.mark.parametrize("fault", ARCHIVES)
def test_a_faulty_archive_is_one_sentence(tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "a bomb":
        monkeypatch.setattr(cifar, "MOST_UNPACKED_BYTES", 50_000_000)
    make, words = ARCHIVES[fault]
    make(tmp_path / ARCHIVE)
    with pytest.raises(DatasetError) as said:
        cifar.read(SMALL, tmp_path / ARCHIVE)
    assert str(said.value).startswith(f"{tmp_path / ARCHIVE} {words}")
    assert str(said.value).endswith(": replace it with the published file.")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    place = put(tmp_path, False, batches())
    (place / "data_batch_3").unlink()
    with pytest.raises(DatasetError, match=rf"^{place}/data_batch_3 cannot be read \(No such file or directory\): add"):
        cifar.read(SMALL, place)
