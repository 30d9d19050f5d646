"""A study's pairs as a table for others to read."""

import csv
import io

import pytest

from core.experiment.study import MEASURES
from core.results.study_export import as_csv
from core.results.study_outcome import outcome
from core.storage.database import State
from core.storage.lane_figures import FIGURES
from tests.unit.results.test_study_outcome import BETTER, IMAGES, VARIED, ran, record

MACHINE = {"name": "=cmd", "processor": "one", "cores": 2}


def test_every_run_that_ended_is_a_line_with_its_figures_and_differences() -> None:
    first, second, third, fourth = VARIED.pairs
    busy, cut = ran(second, number=2, busy=True), ran(third, State.STOPPED, 3)
    found = outcome(record(VARIED), [ran(first, number=1), busy, cut, ran(fourth, State.RUNNING, 4)], IMAGES)
    lines = list(csv.DictReader(io.StringIO(as_csv(found, {"run-0001": MACHINE}))))
    assert [(line["run"], line["batch_size"], line["seed"], line["state"], line["busy"]) for line in lines] == [
        ("run-0001", "32", "0", "finished", "False"),
        ("run-0002", "64", "0", "finished", "True"),
        ("run-0003", "32", "1", "stopped", "False"),
    ]
    assert {line["study"] for line in lines} == {"a-study"}
    assert [line["machine"] for line in lines] == ["'=cmd: one, 2 cores", "", ""], "text, for a spreadsheet"
    assert float(lines[0]["difference_test_accuracy"]) == pytest.approx(BETTER)
    assert [lines[1][f"difference_{name}"] for name in ("log_train_s", "log_images_per_s")] == ["", ""]
    assert lines[1]["keras_train_s"] == "4"
    columns = {f"{side}_{name}" for side in ("keras", "torch") for name in FIGURES}
    assert columns | {f"difference_{measure.name}" for measure in MEASURES} < set(lines[0])
