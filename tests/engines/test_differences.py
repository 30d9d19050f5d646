"""The differences, measured for real: each parts where its row says, and not while it is aligned."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.compare.differences.catalogue import DIFFERENCES, find
from core.compare.evidence.differences import parting, show
from tests.engines.probing import ROOT, measured

MEASURED = [row.name for row in DIFFERENCES if row.measured]
TRAINED = ("adam-epsilon", "batchnorm-variance", "initialisers")
"""Of those that a run can keep, whose networks take longest: one of each way in which they are measured."""
FIRST = [row.name for row in DIFFERENCES if row.kind == "probe" or row.name in TRAINED]
REST = [name for name in MEASURED if name not in FIRST]


@pytest.fixture(scope="module")
def first(prepared_data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = measured("differences", prepared_data_dir, names=["nothing", *FIRST])["names"]
    return found


@pytest.fixture(scope="module")
def rest(prepared_data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = measured("differences", prepared_data_dir, names=REST)["names"]
    return found


def holds(name: str, values: dict[str, Any]) -> None:
    assert "failed" not in values, values["failed"]
    shown = show(find(name), parting(values))
    assert shown.supports, shown.finding


@pytest.mark.parametrize("name", FIRST)
def test_a_default_parts_both_sides_where_its_row_says_so(first: dict[str, Any], name: str) -> None:
    holds(name, first[name])


@pytest.mark.more
@pytest.mark.parametrize("name", REST)
def test_every_other_switch_parts_them_too(rest: dict[str, Any], name: str) -> None:
    holds(name, rest[name])


def test_the_numbers_are_those_that_the_text_names(first: dict[str, Any]) -> None:
    """Figures that a row quotes, taken from what was measured."""
    kept = {name: values["kept"] for name, values in first.items() if name != "nothing"}
    assert 1.461 < min(kept["softmax-twice"]["pytorch"]) < 1.65  # ten classes cannot come below ln(1 + 9 / e)
    assert min(kept["softmax-twice"]["keras"]) < 1.3
    assert max(kept["probability-clip"]["keras"]) == pytest.approx(16.118, abs=1e-3)
    assert kept["kl-divergence"]["keras"][0] == pytest.approx(3 * kept["kl-divergence"]["pytorch"][0])
    keras, pytorch = (kept["embedding-initialiser"][side][0] for side in ("keras", "pytorch"))
    assert pytorch / keras == pytest.approx(34.6, rel=0.02)
    first_steps = {side: 1 - kept["rmsprop-learning-rate"][side][0] for side in ("keras", "pytorch")}
    assert first_steps["pytorch"] == pytest.approx(10 * first_steps["keras"])
    assert kept["plateau-patience"]["keras"].index(0.25) + 1 == kept["plateau-patience"]["pytorch"].index(0.25)
    assert kept["batch-size"] == {"keras": [32, 32, 32, 4], "pytorch": [1] * 100}
    assert kept["lstm-start"]["keras"] == [0, 1, 0, 0]


def test_one_that_cannot_be_measured_says_why_and_harms_no_other(first: dict[str, Any]) -> None:
    assert first["nothing"]["failed"].startswith("Keras: KeyError")
    assert [name for name, values in first.items() if "failed" in values] == ["nothing"]


@pytest.mark.more
@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_the_code_of_every_row_runs_as_it_stands(framework: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.engines.difference_code", framework]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert found.stdout.endswith("all have run\n"), found.stderr[-2000:]
    assert [line for line in found.stdout.splitlines() if line.startswith("FAILED")] == []
