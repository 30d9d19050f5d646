"""What `make record` makes."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import record
from core.cli.record import DUELS, MOST_EPOCHS_BYTES, RecordingError, epochs_brought, record_partings
from core.compare.differences.difference import EVERYTHING
from core.data.datasets import DATASETS
from core.experiment.epoch_weights import FOLDER, epochs_file, load_epochs, save_epochs
from core.experiment.network import Network
from core.experiment.order import Order
from core.experiment.parity import start_weights
from core.experiment.titles import duel_title
from core.storage.measurements import EVIDENCE, Measurement, read_evidence
from core.storage.records import RECORDED
from core.storage.rows import Row
from core.storage.runs import Store
from tests.events import epoch, result


def test_no_two_duels_are_called_alike_and_each_name_is_short() -> None:
    names = [duel_title(settings) for settings in DUELS]
    assert len(set(names)) == len(DUELS) == 5
    assert max(map(len, names)) <= 25


class Measuring:
    """In place of a Launcher: keeps what it is asked for, and measures `names` at once."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.asked: list[Order] = []

    def measure(self, order: Order) -> str:
        self.asked.append(order)
        return "id"

    def show(self, launcher: Any, measurement: str) -> Measurement:
        other = next(iter(read_evidence(RECORDED / EVIDENCE).values()))
        return replace(other, subject=self.asked[-1].subject, result={"names": self.names})


def test_differences_are_recorded_beside_the_other_evidence_and_replace_those_before(tmp_path: Path) -> None:
    shutil.copyfile(RECORDED / EVIDENCE, tmp_path / EVIDENCE)
    before = set(read_evidence(tmp_path / EVIDENCE)) - {EVERYTHING}
    for numbers in (1.0, 2.0):
        measuring = Measuring({"adam-epsilon": {"kept": numbers}})
        record_partings(measuring, measuring.show, tmp_path)  # type: ignore[arg-type]
        kept = read_evidence(tmp_path / EVIDENCE)
        assert set(kept) == before | {EVERYTHING}
        assert kept[EVERYTHING].result == {"names": {"adam-epsilon": {"kept": numbers}}}


def test_nothing_of_the_differences_is_recorded_where_one_of_them_failed(tmp_path: Path) -> None:
    measuring = Measuring({"gelu": {"kept": 1}, "adam-epsilon": {"failed": "Keras: it broke"}})
    with pytest.raises(RecordingError, match=r"^adam-epsilon could not be measured"):
        record_partings(measuring, measuring.show, tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / EVIDENCE).exists()


def test_the_epochs_that_all_duels_bring_have_room(tmp_path: Path) -> None:
    """Their files as they would be, of every duel's network."""
    written, most = 0, epochs_brought()
    for number, duel in enumerate(DUELS):
        network = Network.of(duel.network, DATASETS[duel.dataset].shape)
        weights = {name: array.astype(np.float16) for name, array in start_weights(0, network).items()}
        path = tmp_path / f"{number}"
        save_epochs({epoch: weights for epoch in range(min(most, duel.epochs))}, path)
        written += len(duel.engines) * path.stat().st_size
    assert 0.8 * MOST_EPOCHS_BYTES < written <= MOST_EPOCHS_BYTES == 4_000_000
    assert most >= 5


def test_what_came_with_the_project_keeps_that_bound() -> None:
    assert sum(path.stat().st_size for path in RECORDED.glob(f"*/{FOLDER}/*")) <= MOST_EPOCHS_BYTES


def test_a_result_is_recorded_with_fewer_epochs_and_their_own_sum(tmp_path: Path) -> None:
    run = replace(Store(tmp_path).recorded()[0], source="here")
    source, target = tmp_path / "source", tmp_path / "target"
    epochs = {number: start_weights(number, run.network) for number in range(run.settings.epochs)}
    kept = result(
        weights_file="keras.safetensors", epochs_sha256=save_epochs(epochs, epochs_file(source / "keras.safetensors"))
    )
    row = record._with_fewer_epochs(Row(9, "keras", kept), run, source, target)
    found = load_epochs(epochs_file(target / "keras.safetensors"), row.event.epochs_sha256, run.network.weights)
    assert list(found) == [0, 1, 3, 4, 5, 7][: epochs_brought()]
    for number, weights in found.items():
        assert np.array_equal(weights["dense.bias"], epochs[number]["dense.bias"])
    for event in (epoch(1), result()):
        assert record._with_fewer_epochs(Row(9, "keras", event), run, source, target).event is event
