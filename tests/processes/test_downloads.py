"""The preparing process and what servers, disks and signals do to it: one sentence each, never half a set."""

import contextlib
import hashlib
import http.server
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.data import datasets
from core.data.cifar import ARCHIVE, FOLDER, TEST_FILES, TRAIN_FILES
from core.data.datasets import ARRAY_FILES, DATASETS, PROVENANCE_FILE, DatasetError
from core.data.prepare import IDX_FILES
from core.protocol.lines import decode_event, encode
from core.protocol.messages import Done, Failed, Preparing, Returned
from tests.cifar_files import archive, batches
from tests.processes.prepare_from import SMALL_MNIST, idx_files, tree

PREPARE_FROM = "tests.processes.prepare_from"
PROJECT_DIR = Path(__file__).resolve().parents[2]
COMPLETE = sorted([*ARRAY_FILES, PROVENANCE_FILE])
DIGITS_SHA256 = {
    "train_images.npy": "a207a1245ef466d883b4cac6cc1cbd17c54efe768741029a385e9acec782caa6",
    "train_labels.npy": "70607bbd99d45fd16010a657deeb0f99e46bf54fefcfe684ffd7b5f4fb8aae34",
    "test_images.npy": "3942c6865264fb8f9fd161975d3fdac435180da97193c82073488cf29702c1af",
    "test_labels.npy": "a3e4d34d51f2ba5e4812d2e94338f1fa9eb33c78b3c3612bb5a560c11115f5b5",
}
Outcome = dict[str, Any]  # a line of prepare_from --tries
FIRST_FILE = "train-images-idx3-ubyte.gz"


class FaultyHandler(http.server.BaseHTTPRequestHandler):
    """Serves the fabricated files; the first part of the path says what is to go wrong."""

    def do_GET(self) -> None:
        fault, name = self.path.strip("/").split("/")
        if fault in ("403", "404", "500"):
            self.send_error(int(fault))
            return
        body = archive(batches()) if name == ARCHIVE else idx_files()[name]
        if fault == "checksum":
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # torchvision looks for redirects and hangs up at once
            self.wfile.write(body[: len(body) // 2] if fault == "half" else body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server: http://host:port/FAULT/ is a mirror with that fault."""
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FaultyHandler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}/"
    web.shutdown()
    web.server_close()


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """A mirror that accepts connections (the kernel does, for a listening socket) and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


@pytest.fixture(scope="module")
def closed() -> str:
    """A mirror at a port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue's MNIST with the counts of the fabricated files."""
    monkeypatch.setitem(DATASETS, "mnist", SMALL_MNIST)


@pytest.fixture(scope="module")
def outcomes(server: str, silent: str, closed: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What came of a try at each faulty server, all into one data folder, and of a good one after them."""
    shared, other = (str(tmp_path_factory.mktemp(name)) for name in ("shared", "other"))
    faults = ("half", "checksum", "403", "404", "500")
    mirrors = {"unreachable": [closed], "silent": [silent]}
    mirrors |= {fault: [f"{server}{fault}/"] for fault in faults}
    tries = {name: {"mirrors": urls, "data_dir": shared} for name, urls in mirrors.items()}
    tries["good after all"] = {"mirrors": [f"{server}good/"], "data_dir": shared}
    cifar = {fault: {"mirrors": [f"{server}{fault}/"], "data_dir": other} for fault in ("half", "checksum", "good")}
    tries |= {f"cifar10 {fault}": one | {"dataset": "cifar10"} for fault, one in cifar.items()}
    tries["second mirror"] = {"mirrors": [silent, f"{server}good/"], "data_dir": other}
    argv = [sys.executable, "-m", PREPARE_FROM, "--tries", json.dumps(list(tries.values()))]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT_DIR, timeout=120, check=True)
    return dict(zip(tries, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unreachable", "could not be reached (Connection refused): check the network"),
        ("silent", "did not answer in time: try again later"),
        ("half", f"broke off before {FIRST_FILE} was complete: try again"),
        ("checksum", f"sent a {FIRST_FILE} whose checksum is wrong: try again later"),
        ("403", f"refuses to send {FIRST_FILE} (HTTP 403)"),
        ("404", f"no longer has {FIRST_FILE} (HTTP 404)"),
        ("cifar10 half", f"broke off before {ARCHIVE} was complete: try again"),
        ("cifar10 checksum", f"sent a {ARCHIVE} whose checksum is wrong: try again later"),
        ("500", f"failed to send {FIRST_FILE} (HTTP 500)"),
    ],
)
def test_a_faulty_server_gives_one_sentence_and_leaves_nothing(
    outcomes: dict[str, Outcome], fault: str, words: str
) -> None:
    outcome = outcomes[fault]
    assert outcome["status"] == 1
    last = decode_event(outcome["last"])
    assert isinstance(last, Failed)
    message = last.reason
    assert words in message
    assert message.startswith("127.0.0.1:")
    assert_one_sentence(message)
    assert outcome["tree"] == []


def test_another_try_works_after_every_failure(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["good after all"]
    assert decode_event(outcome["last"]) == Done()
    assert outcome["tree"] == [f"datasets/mnist/{name}" for name in COMPLETE]


def test_cifar10_is_downloaded_after_failures_too(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["cifar10 good"]
    assert decode_event(outcome["last"]) == Done()
    assert outcome["tree"] == [f"datasets/cifar10/{name}" for name in COMPLETE]


def test_a_second_mirror_stands_in_for_a_silent_first(outcomes: dict[str, Outcome]) -> None:
    assert decode_event(outcomes["second mirror"]["last"]) == Done()


def test_torchvision_publishes_what_the_catalogue_says() -> None:
    script = """if True:
        import json
        import torchvision
        from core.data.datasets import TORCHVISION_CLASS
        published = {n: getattr(torchvision.datasets, c) for n, c in TORCHVISION_CLASS.items()}
        cifar = published.pop("cifar10")
        parts = [file for file, _ in cifar.train_list], [file for file, _ in cifar.test_list]
        found = {n: [c.classes, [file for file, _ in c.resources]] for n, c in published.items()}
        print(json.dumps([found, [cifar.base_folder, cifar.filename, cifar.url, *parts]]))
        """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=PROJECT_DIR, check=True)
    published, of_cifar = json.loads(done.stdout)
    assert {*published, "mnist5k", "cifar10", "digits"} == {*DATASETS}
    folder, file, url, *parts = of_cifar
    assert (folder, file, url.rpartition("/")[2]) == (FOLDER, ARCHIVE, ARCHIVE)
    assert parts == [[*TRAIN_FILES], [*TEST_FILES]]
    for name, (class_names, files) in published.items():
        assert files == [f"{file}.gz" for file in IDX_FILES]
        if name != "mnist":  # there "0 - zero" and so on
            assert tuple(class_names) == DATASETS[name].class_names


@pytest.mark.usefixtures("small_mnist")
def test_killed_in_mid_download_is_a_sentence_and_the_next_try_cleans_up(
    server: str, silent: str, tmp_path: Path
) -> None:
    partial = tmp_path / "datasets" / ".mnist.partial"
    with preparing(tmp_path, silent) as outcome:
        wait_until((partial / "raw").is_dir)
        only_child().send_signal(signal.SIGKILL)
    why = "its process was ended by SIGKILL, perhaps because memory ran out"
    assert f"broke down ({why}): look into" in str(outcome[0])
    assert_one_sentence(str(outcome[0]))
    assert datasets.prepared("mnist", tmp_path) is None
    assert partial.exists()

    seen: list[Preparing] = []
    program = (PREPARE_FROM, "--mirror", f"{server}good/")
    prepared = datasets.prepare("mnist", tmp_path, on_progress=seen.append, program=program)
    assert tree(tmp_path) == [f"datasets/mnist/{name}" for name in COMPLETE]
    assert [*dict.fromkeys(progress.phase for progress in seen)] == ["download", "verify", "convert"]
    assert seen[-1].received_bytes == seen[-1].total_bytes == SMALL_MNIST.download_bytes
    assert prepared.provenance["source"].startswith(f"downloaded from {server}good/")
    sha256_by_name = {name: hashlib.sha256(content).hexdigest() for name, content in idx_files().items()}
    assert prepared.provenance["source_sha256"] == sha256_by_name
    assert prepared.load().train_labels.tolist() == [number % 10 for number in range(54)]
    assert prepared.load().validation_labels.tolist() == [4, 5, 6, 7, 8, 9]


@pytest.mark.usefixtures("small_mnist")
def test_suspended_in_mid_download_is_a_sentence(silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with preparing(tmp_path, silent) as outcome:
        wait_until((tmp_path / "datasets" / ".mnist.partial" / "raw").is_dir)
        monkeypatch.setattr("core.protocol.process.SILENT_S", 2.0)
        child = only_child()
        child.suspend()
    said = r"The preparation of MNIST broke down \(its process was suspended for \d s\): look into .*, then try again\."
    assert re.fullmatch(said, str(outcome[0]))
    assert not is_alive(child)


@pytest.mark.usefixtures("small_mnist")
def test_cancel_ends_the_child_and_leaves_nothing(silent: str, tmp_path: Path) -> None:
    cancel = threading.Event()
    with preparing(tmp_path, silent, cancelled=cancel.is_set) as outcome:
        wait_until((tmp_path / "datasets" / ".mnist.partial" / "raw").is_dir)
        child = only_child()
        cancel.set()
    assert isinstance(outcome[0], datasets.PreparationCancelled)
    assert_one_sentence(str(outcome[0]))
    assert not is_alive(child)
    assert tree(tmp_path) == []
    assert not (tmp_path / "datasets" / ".mnist.partial").exists()


def test_the_child_ends_when_its_parent_dies(tmp_path: Path) -> None:
    """The child here waits for the data set's lock, which we hold: it would not end otherwise."""
    import filelock

    (tmp_path / "datasets").mkdir()
    script = """if True:
        import sys
        from pathlib import Path
        from core.data.datasets import prepare
        prepare("mnist5k", Path(sys.argv[1]), on_progress=lambda progress: print(progress.phase, flush=True))
        """
    argv = [sys.executable, "-c", script, str(tmp_path)]
    with filelock.FileLock(tmp_path / "datasets" / "mnist5k.lock"):
        with subprocess.Popen(argv, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "wait\n"
            [child] = psutil.Process(parent.pid).children()
            assert is_alive(child)
            parent.kill()
        wait_until(lambda: not is_alive(child))


def test_two_at_once_prepare_the_embedded_set_once_and_as_recorded(tmp_path: Path) -> None:
    seen: list[Preparing] = []
    results: list[datasets.Prepared] = []

    def prepare() -> None:
        results.append(datasets.prepare("mnist5k", tmp_path, on_progress=seen.append))

    threads = [threading.Thread(target=prepare) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert results[0].provenance == results[1].provenance
    assert "wait" in {progress.phase for progress in seen}
    assert tree(tmp_path) == [f"datasets/mnist5k/{name}" for name in COMPLETE]

    # Recorded once: a different split would make recorded runs incomparable with new ones.
    assert results[0].provenance["array_sha256"] == {
        "train_images.npy": "15afc065d54ebfc7d14ce45c2675e6d5574ba012360145f995f92236e2ee3a6f",
        "train_labels.npy": "8dd344243883524307a1a09278f472b54f7456cfd4bafd54618fe8df42581e5c",
        "test_images.npy": "42d58af8e337cd02ecc5bb3f4a78757d2ee3dbb65df582f56280f4defd0dc75f",
        "test_labels.npy": "884cb9174b03bfdca8c7f6eaeab568ebc09da23289b7e82b8a37546c79a36137",
    }
    for name, sha256 in results[0].provenance["array_sha256"].items():
        assert hashlib.sha256((results[0].folder / name).read_bytes()).hexdigest() == sha256
    arrays = results[0].load()
    assert np.bincount(arrays.test_labels).tolist() == [100] * 10
    training = np.bincount(arrays.train_labels)
    validation = np.bincount(arrays.validation_labels)
    assert (training + validation).tolist() == [400] * 10
    assert validation.min() >= 20, "the last 10 % must hold every class"


def test_the_digits_of_scikit_learn_are_prepared_as_recorded(tmp_path: Path) -> None:
    prepared = datasets.prepare("digits", tmp_path)
    assert prepared.provenance["array_sha256"] == DIGITS_SHA256
    arrays = prepared.load()
    assert (arrays.train_images.shape, arrays.test_images.shape) == ((1294, 8, 8, 1), (360, 8, 8, 1))
    assert (arrays.train_images.min(), arrays.train_images.max()) == (0, 255)
    assert np.bincount(arrays.test_labels).min() >= 34
    assert np.bincount(arrays.validation_labels).min() >= 8, "the last 10 % must hold every class"


def test_a_full_disk_is_a_sentence_and_leaves_nothing(server: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: a write fails with an errno, in mid-download."""
    program = (PREPARE_FROM, "--mirror", f"{server}good/", "--file-limit-bytes", "20000")
    assert len(idx_files()[FIRST_FILE]) > 20_000
    with pytest.raises(DatasetError, match=r"^The disk that holds .* is full: free 1 MB there and try again\.$"):
        datasets.prepare("mnist", tmp_path, program=program)
    assert tree(tmp_path) == []


def test_a_data_folder_without_permission_is_a_sentence(readable_by_all: Path) -> None:
    data_dir = readable_by_all / "data"
    data_dir.mkdir()
    data_dir.chmod(0o555)
    with pytest.raises(DatasetError, match=rf"^This account may not write to {data_dir}/datasets: change") as raised:
        datasets.prepare("mnist5k", data_dir, program=(PREPARE_FROM, "--unprivileged"))
    assert_one_sentence(str(raised.value))
    assert list(data_dir.iterdir()) == []


def test_a_child_that_breaks_down_is_a_sentence_and_its_traceback_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DatasetError, match=r"broke down \(its process ended by itself with code 1\)") as raised:
        datasets.prepare("mnist5k", tmp_path, program=("core.not_there",))
    assert_one_sentence(str(raised.value))
    assert "No module named core.not_there" in caplog.text


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("no message", "its process sent something that is no message"),
        (encode(Returned(1)), "its process sent 'returned', which has no place here"),
    ],
)
def test_a_child_that_says_what_no_preparation_says_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, fault: str
) -> None:
    program = tmp_path / "babbler"
    program.write_text(f"#!/bin/sh\necho '{said}'\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr("core.protocol.process.sys.executable", str(program))
    with pytest.raises(DatasetError, match=rf"^The preparation of .* broke down \({fault}\): look into") as raised:
        datasets.prepare("mnist5k", tmp_path)
    assert_one_sentence(str(raised.value))


def test_a_program_that_is_not_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.protocol.process.sys.executable", str(tmp_path / "missing"))
    with pytest.raises(DatasetError, match="could not be started") as raised:
        datasets.prepare("mnist5k", tmp_path)
    assert_one_sentence(str(raised.value))


@pytest.fixture
def readable_by_all() -> Iterator[Path]:
    """A temporary folder that another account may look into, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def preparing(data_dir: Path, mirror: str, cancelled: Callable[[], bool] | None = None) -> Iterator[list[DatasetError]]:
    """Prepare the small MNIST from `mirror` in a thread; when the block is left, the list holds its error."""
    errors: list[DatasetError] = []

    def prepare() -> None:
        try:
            datasets.prepare("mnist", data_dir, cancelled=cancelled, program=(PREPARE_FROM, "--mirror", mirror))
        except DatasetError as error:
            errors.append(error)

    thread = threading.Thread(target=prepare)
    thread.start()
    try:
        yield errors
    finally:
        thread.join()


def only_child() -> psutil.Process:
    [child] = [c for c in psutil.Process().children() if PREPARE_FROM in c.cmdline()]
    return child


def is_alive(process: psutil.Process) -> bool:
    # An orphan stays a zombie where nobody reaps it, in a container for instance.
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def wait_until(condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def assert_one_sentence(message: str) -> None:
    assert message.endswith(".")
    assert ". " not in message
    assert "\n" not in message
    assert "Error" not in message
