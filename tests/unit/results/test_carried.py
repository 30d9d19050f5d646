"""Weights and predictions inside an exported run: there and back, and nothing of a stranger's is believed."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from core.experiment.weights import load_weights
from core.results.export import as_json
from core.results.gallery import read_predictions
from core.results.importing import ImportRefused, read_json
from core.results.models import can_predict
from core.storage.database import StoreError
from core.storage.records import RECORDED, Run
from core.storage.rows import Row
from core.storage.runs import ALL_ROWS, Store

Change = Callable[[dict[str, Any]], object]


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def recorded() -> tuple[Run, list[Row], Path]:
    """A duel that came with the project, with its files; its many steps are left out."""
    store = Store(Path("nowhere"), RECORDED)
    run = next(run for run in store.recorded() if run.settings.alignment == "exact-twin")
    rows = store.rows(run.id, steps=False, limit=ALL_ROWS)
    return run, [row for row in rows if row.kind != "fairness"], store.artifacts(run.id)


def test_an_import_has_the_same_weights_and_predictions(recorded: tuple[Run, list[Row], Path], tmp_path: Path) -> None:
    taken = read_json(as_json(*recorded).encode())
    store = Store(tmp_path)
    store.open_for_writing()
    run = store.run(store.import_run(*taken))
    assert can_predict(run, store)
    for row in recorded[1]:
        if row.kind != "result":
            continue
        name, sha256 = row.event.weights_file, row.event.weights_sha256
        assert (store.artifacts(run.id) / name).read_bytes() == (recorded[2] / name).read_bytes()
        assert load_weights(store.artifacts(run.id) / name, sha256, run.network.weights)
        files = (folder / row.event.predictions_file for folder in (store.artifacts(run.id), recorded[2]))
        one, other = (read_predictions(row.engine, path) for path in files)
        assert (one.classes == other.classes).all()
        assert (one.probabilities == other.probabilities).all()


def test_without_files_there_is_nothing_to_read_with(recorded: tuple[Run, list[Row], Path], tmp_path: Path) -> None:
    taken = read_json(as_json(*recorded[:2]).encode())
    store = Store(tmp_path)
    store.open_for_writing()
    run = store.run(store.import_run(*taken))
    assert taken.files == {}
    assert not can_predict(run, store)
    assert not store.artifacts(run.id).exists()


def test_files_that_are_damaged_or_gone_do_not_travel(recorded: tuple[Run, list[Row], Path], tmp_path: Path) -> None:
    for path in recorded[2].glob("torch.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "torch.safetensors").write_bytes(b"x")
    assert json.loads(as_json(*recorded[:2], tmp_path))["files"] == {}


def test_a_run_that_cannot_be_kept_leaves_no_files(recorded: tuple[Run, list[Row], Path], tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError):
        store.import_run(*read_json(as_json(*recorded).encode()))
    assert not list(tmp_path.glob("runs/*"))


def other_weights(values: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    """The lane's weights changed, and its SHA-256 with them."""
    arrays = load(base64.b64decode(values["files"]["keras"]["weights"]))
    change(arrays)
    whole(values, save(arrays))


def whole(values: dict[str, Any], content: bytes) -> None:
    """Other bytes as the lane's weights, and their SHA-256."""
    values["files"]["keras"]["weights"] = text(content)
    (row,) = (row for row in values["rows"] if row["kind"] == "result" and row["engine"] == "keras")
    row["weights_sha256"] = hashlib.sha256(content).hexdigest()


def keras(values: dict[str, Any], **changed: object) -> None:
    values["files"]["keras"].update(changed)


def probability(values: dict[str, Any], value: float) -> None:
    keras(values, probabilities=text(np.full(10_000, value, "<f4").tobytes()))


BAD: list[tuple[Change, str]] = [
    (lambda v: keras(v, weights="!"), "the weights of keras are no base64"),
    (lambda v: keras(v, weights=text(b"other")), "is damaged: its SHA-256 is not the recorded one"),
    (lambda v: keras(v, weights="A" * 8_000_001), "files.keras.weights is AAAA"),
    (lambda v: keras(v, classes="A" * 400_001), "files.keras.classes is AAAA"),
    (lambda v: keras(v, more="x"), "files.keras.more is no field that can be"),
    (lambda v: v["files"]["keras"].pop("classes"), "files.keras.classes is missing"),
    (lambda v: whole(v, b"no safetensors"), "is not a safetensors file"),
    (lambda v: other_weights(v, lambda w: w.pop("conv1.bias")), "These weights belong to another network"),
    (
        lambda v: other_weights(v, lambda w: w.update({"conv1.bias": np.zeros(31)})),
        "conv1.bias has the shape (31,), not (30,)",
    ),
    (
        lambda v: other_weights(v, lambda w: w["dense.bias"].__setitem__(0, np.nan)),
        "hold values that are not numbers, in dense.bias",
    ),
    (lambda v: keras(v, classes=text(bytes(9_999))), "are not one for each test image"),
    (lambda v: keras(v, classes=text(bytes(10_000))), "are not those that confusion counts"),
    (lambda v: keras(v, classes=text(b"\xff" * 10_000)), "are not those that confusion counts"),
    (lambda v: keras(v, probabilities=text(bytes(8))), "are not one for each test image"),
    (lambda v: probability(v, 1.5), "hold a probability that is none"),
    (lambda v: probability(v, float("nan")), "hold a probability that is none"),
    (lambda v: v["files"].update(other=v["files"]["keras"]), "it has files of other, which has no result"),
]


@pytest.mark.parametrize(("change", "said"), BAD, ids=[said for _, said in BAD])
def test_files_that_are_not_what_they_say_are_refused_in_a_sentence(
    recorded: tuple[Run, list[Row], Path], change: Change, said: str
) -> None:
    values = json.loads(as_json(*recorded))
    change(values)
    with pytest.raises(ImportRefused, match=r"^The file is no exported run: .*\.$") as refused:
        read_json(json.dumps(values).encode())
    assert said in str(refused.value)
