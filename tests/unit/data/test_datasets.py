"""The catalogue, the prepared folder, and the reading of IDX files."""

import dataclasses
import errno
import gzip
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.data import datasets, prepare
from core.data.dataset import ARRAY_FILES, DatasetError
from core.data.datasets import DATASETS, PROVENANCE_FILE
from core.protocol.messages import Done, Failed, PreparationEvent, Preparing

SMALL = dataclasses.replace(DATASETS["mnist"], train_images=60, test_images=20)
IMAGES = np.arange(20 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(20, 28, 28)
LABELS = (np.arange(20) % 10).astype(np.uint8)


@pytest.fixture(autouse=True)
def _small_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "mnist", SMALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The complete prepared folder of a small MNIST; the pixel values tell the images apart."""
    return write(tmp_path, SMALL.array_shapes, {"format": 2})


def write(tmp_path: Path, shapes: dict[str, tuple[int, ...]], provenance: dict[str, object]) -> Path:
    folder = tmp_path / "datasets" / "mnist"
    folder.mkdir(parents=True)
    for name, shape in shapes.items():
        index = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        values = index % 10 if "labels" in name else index
        np.save(folder / name, np.broadcast_to(values, shape).astype(np.uint8))
    (folder / PROVENANCE_FILE).write_text(json.dumps(provenance))
    return folder


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


# ---- the catalogue


def test_each_data_set_of_the_catalogue_is_called_by_its_name_and_has_ten_classes() -> None:
    assert all(dataset.name == name for name, dataset in DATASETS.items())
    assert all(len(set(dataset.class_names)) == 10 for dataset in DATASETS.values())


def test_a_tenth_of_the_training_images_is_for_validation() -> None:
    assert (DATASETS["mnist5k"].training_split, DATASETS["mnist5k"].validation_images) == (3_600, 400)
    assert (DATASETS["kmnist"].training_split, DATASETS["kmnist"].validation_images) == (54_000, 6_000)


def test_only_the_embedded_sets_need_no_download() -> None:
    assert [name for name, dataset in DATASETS.items() if dataset.download_bytes is None] == ["mnist5k", "digits"]
    assert DATASETS["kmnist"].download_bytes == 21_240_888


def test_an_unknown_name_is_refused_with_those_there_are(tmp_path: Path) -> None:
    for name in ("cifar", "../mnist", ""):
        with pytest.raises(DatasetError, match="choose one of mnist5k, mnist, fashion-mnist, kmnist, cifar10, digits"):
            datasets.prepared(name, tmp_path)


def test_the_catalogue_imports_no_framework_and_no_scientific_library() -> None:
    script = "import sys, core.data.datasets; print(*sys.modules)"
    root = Path(datasets.__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    unwanted = {"torch", "torchvision", "tensorflow", "keras", "sklearn", "scipy", "mlxtend", "core.data.prepare"}
    assert unwanted.isdisjoint(done.stdout.split())


# ---- the prepared folder


def test_the_last_tenth_becomes_validation_and_everything_is_mapped(folder: Path, tmp_path: Path) -> None:
    prepared = datasets.prepared("mnist", tmp_path)
    assert prepared is not None
    assert prepared.folder == folder
    assert prepared.provenance == {"format": 2}
    arrays = prepared.load()
    assert arrays.train_images.shape == (54, 28, 28, 1)
    assert arrays.validation_images[:, 0, 0, 0].tolist() == [54, 55, 56, 57, 58, 59]
    assert arrays.validation_labels.tolist() == [4, 5, 6, 7, 8, 9]
    assert arrays.test_images.shape == (20, 28, 28, 1)
    for array in arrays:
        assert isinstance(array, np.memmap)
        assert array.dtype == np.uint8
        assert not array.flags.writeable


def test_a_folder_of_an_earlier_version_is_read_with_a_channel(tmp_path: Path) -> None:
    write(tmp_path, {name: shape[:3] for name, shape in SMALL.array_shapes.items()}, {"source": "made up"})
    prepared = datasets.prepared("mnist", tmp_path)
    assert prepared is not None
    assert prepared.load().train_images.shape == (54, 28, 28, 1)
    assert prepared.load().validation_images[:, 27, 27, 0].tolist() == [54, 55, 56, 57, 58, 59]


@pytest.mark.parametrize("provenance", [{"format": 3}, {"format": "2"}, {"format": []}, {"format": 1}, {}])
def test_a_folder_that_does_not_hold_what_its_format_says_counts_as_not_prepared(
    tmp_path: Path, provenance: dict[str, object]
) -> None:
    write(tmp_path, SMALL.array_shapes, provenance)
    assert datasets.prepared("mnist", tmp_path) is None


def test_a_prepared_folder_is_taken_as_it_is_without_starting_anything(folder: Path, tmp_path: Path) -> None:
    prepared = datasets.prepare("mnist", tmp_path, program=("not.there",))
    assert prepared.folder == folder


@pytest.mark.parametrize("name", [*ARRAY_FILES, PROVENANCE_FILE])
@pytest.mark.parametrize("tear", ["missing", "empty", "half", "nonsense"])
def test_a_torn_folder_counts_as_not_prepared(folder: Path, tmp_path: Path, name: str, tear: str) -> None:
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if tear != "missing":
        path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "nonsense": b"nonsense"}[tear])
    assert datasets.prepared("mnist", tmp_path) is None


@pytest.mark.parametrize(
    "array",
    [np.zeros((59, 28, 28, 1), np.uint8), np.zeros((60, 28, 28, 1), np.float32), np.zeros((60, 784), np.uint8)],
    ids=["count", "dtype", "shape"],
)
def test_a_wrong_array_counts_as_not_prepared(folder: Path, tmp_path: Path, array: np.ndarray) -> None:
    np.save(folder / "train_images.npy", array)
    assert datasets.prepared("mnist", tmp_path) is None


def test_a_folder_damaged_after_it_was_found_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    prepared = datasets.prepared("mnist", tmp_path)
    assert prepared is not None
    (folder / "test_labels.npy").unlink()
    with pytest.raises(DatasetError, match=r"^The files of MNIST in .* are damaged: delete that folder"):
        prepared.load()


# ---- IDX files


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read_plain_and_packed(tmp_path: Path, suffix: str) -> None:
    pack = gzip.compress if suffix else bytes
    for name, values in (("images", IMAGES), ("labels", LABELS)):
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(pack(idx(values)))
        array, sha256 = prepare.read_idx(path, values.shape, 10)
        assert np.array_equal(array, values)
        assert len(sha256) == 64


FAULTS = {
    "magic": (idx(LABELS), IMAGES.shape, "is not an IDX file of images"),
    "empty": (b"", IMAGES.shape, "is not an IDX file of images"),
    "header": (idx(IMAGES)[:10], IMAGES.shape, "ends too early"),
    "payload": (idx(IMAGES)[:-1], IMAGES.shape, "ends too early"),
    "tail": (idx(IMAGES) + b"\0", IMAGES.shape, "is longer than its header says"),
    "count": (idx(IMAGES[:19]), IMAGES.shape, "holds 19 images, not 20"),
    "size": (idx(IMAGES[:, :14]), IMAGES.shape, "holds images of 14x28 pixels, not 28x28"),
    "label count": (idx(LABELS[:7]), LABELS.shape, "holds 7 labels, not 20"),
    "label": (idx(np.where(LABELS == 9, 10, LABELS).astype(np.uint8)), LABELS.shape, "holds the label 10"),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_idx_file_is_named_with_its_fault(tmp_path: Path, fault: str, suffix: str) -> None:
    content, shape, words = FAULTS[fault]
    path = tmp_path / f"data{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DatasetError) as raised:
        prepare.read_idx(path, shape, 10)
    assert str(raised.value).startswith(f"{path} {words}")
    assert str(raised.value).endswith(": replace it with the published file.")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(idx(IMAGES))[:-20], "ends too early"),
        (gzip.compress(idx(IMAGES))[:-8] + bytes(8), "is not a sound gzip file"),
        (idx(IMAGES), "is not a sound gzip file"),
    ],
    ids=["cut off", "checksum", "not packed"],
)
def test_a_faulty_gzip_file_is_named_with_its_fault(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "data.gz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=f"data.gz {words}: replace it"):
        prepare.read_idx(path, IMAGES.shape, 10)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"^{tmp_path} cannot be read \(Is a directory\)"):
        prepare.read_idx(tmp_path, IMAGES.shape, 10)


# ---- a folder of IDX files in place of a download


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A folder in torchvision's layout with a small MNIST: the training part packed, the test part plain."""
    raw = tmp_path / "local" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 60), ("t10k", 20)):
        pack, suffix = (gzip.compress, ".gz") if part == "train" else (bytes, "")
        images = np.resize(IMAGES, (count, 28, 28))
        (raw / f"{part}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
        (raw / f"{part}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(np.resize(LABELS, count))))
    return tmp_path / "local"


def run_from(local: Path, tmp_path: Path) -> list[PreparationEvent]:
    events: list[PreparationEvent] = []
    prepare.run(SMALL, tmp_path / "data", local, 1.0, events.append)
    return events


def test_a_local_folder_is_read_and_left_alone(local: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in local.rglob("*")}
    events = run_from(local, tmp_path)
    size = SMALL.download_bytes or 0
    assert events == [Preparing("verify", size, size), Preparing("convert", size, size), Done()]
    assert {path: path.stat().st_mtime_ns for path in local.rglob("*")} == before
    prepared = datasets.prepared("mnist", tmp_path / "data")
    assert prepared is not None
    assert np.array_equal(prepared.load().test_images[..., 0], IMAGES)
    assert prepared.provenance["source"] == "read from a local folder (DUEL_DATASETS_DIR)"
    assert sorted(prepared.provenance["source_sha256"]) == [
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]


def test_a_torn_folder_is_built_anew_and_leftovers_go(local: Path, folder: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (tmp_path / "datasets").rename(data_dir / "datasets")
    (data_dir / "datasets" / "mnist" / "test_labels.npy").unlink()
    leftover = data_dir / "datasets" / ".mnist.partial" / "raw"
    leftover.mkdir(parents=True)
    assert run_from(local, tmp_path)[-1] == Done()
    assert datasets.prepared("mnist", data_dir) is not None
    assert sorted(path.name for path in (data_dir / "datasets").iterdir()) == ["mnist", "mnist.lock"]


def test_a_missing_local_file_is_named_and_nothing_is_left(local: Path, tmp_path: Path) -> None:
    missing = local / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    missing.unlink()
    [event] = [event for event in run_from(local, tmp_path) if isinstance(event, Failed)]
    assert event.reason.startswith(f"Neither {missing} nor {missing.name}.gz is there: add the file")
    assert [path.name for path in (tmp_path / "data" / "datasets").iterdir()] == ["mnist.lock"]


def test_a_local_file_with_the_wrong_count_is_named(local: Path, tmp_path: Path) -> None:
    faulty = local / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    faulty.write_bytes(idx(IMAGES[:10]))
    event = run_from(local, tmp_path)[-1]
    assert isinstance(event, Failed)
    assert event.reason.startswith(f"{faulty} holds 10 images, not 20")


# ---- this machine's faults, in words


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (OSError(errno.ENOSPC, "x"), "The disk that holds /data is full: free 67 MB there and try again."),
        (OSError(errno.EDQUOT, "x"), "The disk that holds /data is full: free 67 MB there and try again."),
        (
            OSError(errno.EROFS, "x", "/data/datasets"),
            "This account may not write to /data/datasets: "
            "change the permissions, or choose another data folder with DUEL_DATA_DIR.",
        ),
        (
            OSError(errno.EIO, "Input/output error"),
            "/data could not be written (Input/output error): check the data folder and try again.",
        ),
    ],
)
def test_a_fault_of_the_disk_is_one_sentence(fault: OSError, sentence: str) -> None:
    full = dataclasses.replace(SMALL, train_images=60_000, test_images=10_000)
    assert math.prod(full.array_shapes["train_images.npy"]) == 47_040_000
    assert prepare.disk_sentence(full, Path("/data"), fault) == sentence
