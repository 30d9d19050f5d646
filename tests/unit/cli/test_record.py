"""What `make record` makes."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cli.record import DUELS, RecordingError, record_partings
from core.compare.differences.difference import EVERYTHING
from core.experiment.order import Order
from core.experiment.titles import duel_title
from core.storage.measurements import EVIDENCE, Measurement, read_evidence
from core.storage.records import RECORDED


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
