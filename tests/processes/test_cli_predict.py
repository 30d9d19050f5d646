"""`python -m core predict`: pictures read by a run's models, and every file that cannot be."""

import json
from pathlib import Path

import pytest

from core.data import images
from tests.processes.conftest import OpenLauncher, settings, wait_for, workers
from tests.processes.test_cli import core
from tests.strokes import drawn


@pytest.fixture
def seven(tmp_path: Path) -> str:
    path = tmp_path / "seven.png"
    path.write_bytes(images.png(images.rasterise(drawn(7, "middle"))))
    return str(path)


@pytest.fixture
def run_id(open_launcher: OpenLauncher) -> str:
    """A finished run; its dashboard stays open, since reading never takes the data folder's lock."""
    launcher = open_launcher()
    made = launcher.submit(settings("fake-a", epochs=1))
    wait_for("it has ended", lambda: not launcher.active())
    return made


def test_a_picture_is_read_with_class_probabilities_and_time(run_id: str, seven: str, data_dir: Path) -> None:
    status, said, complaints = core("predict", "--run", run_id, seven, seven, "--json", folder=data_dir)
    assert (status, complaints) == (0, "")
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["file"] for line in lines] == [seven, seven]
    for line in lines:
        assert set(line) == {"file", "engine", "class", "probabilities", "compute_ms"}
        assert line["engine"] == "fake-a"
        assert line["class"] == str(max(range(10), key=line["probabilities"].__getitem__))
        assert sum(line["probabilities"]) == pytest.approx(1)
        assert line["compute_ms"] > 0
    assert not workers()


def test_latest_is_the_newest_run_and_words_replace_json(run_id: str, seven: str, data_dir: Path) -> None:
    status, said, _ = core("predict", seven, folder=data_dir)
    assert status == 0
    assert said.startswith(f"{seven}  fake-a: ")
    assert "% sure" in said


def test_a_file_that_cannot_be_read_is_a_sentence_and_the_others_are_read(
    run_id: str, seven: str, data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("hello")
    missing = str(tmp_path / "missing.png")
    status, said, complaints = core("predict", missing, str(tmp_path / "text.png"), seven, folder=data_dir)
    assert status == 2
    assert complaints.splitlines() == [
        f"{missing} cannot be read: No such file or directory.",
        "text.png is text: only PNG and JPEG pictures can be read.",
    ]
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ("20261104-081500-1a2b3c4d", "There is no run"),
        ("../../etc/passwd", "This is not a run's id"),
        ("latest", "No run here has weights to read with: train one first."),
    ],
)
def test_a_run_that_is_not_there_is_bad_input(seven: str, data_dir: Path, run: str, sentence: str) -> None:
    status, said, complaints = core("predict", "--run", run, seven, folder=data_dir)
    assert (status, said) == (2, "")
    assert complaints.startswith(sentence)


def test_a_run_without_weights_says_that_it_did_not_finish(
    open_launcher: OpenLauncher, seven: str, data_dir: Path
) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings("fake-nan"))
    wait_for("it has ended", lambda: not launcher.active())
    status, _, complaints = core("predict", "--run", run_id, seven, folder=data_dir)
    assert (status, complaints) == (2, f"Run {run_id} has no weights: it did not finish.\n")


def test_damaged_weights_are_a_sentence(run_id: str, seven: str, data_dir: Path) -> None:
    (data_dir / "runs" / run_id / "fake-a.safetensors").write_bytes(b"")
    status, _, complaints = core("predict", "--run", run_id, seven, folder=data_dir)
    assert status == 1
    assert "is damaged" in complaints
