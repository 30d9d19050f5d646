"""`python -m core differences`: listing, JSON lines, a network's own rows, what cannot be measured; and measuring."""

import json
from pathlib import Path

import pytest

from core.compare.differences.catalogue import DIFFERENCES, touching
from core.data.shape import MNIST_SHAPE
from core.experiment.network import Network
from core.experiment.settings import TrainSettings
from tests.processes.conftest import OpenLauncher, Spawn
from tests.processes.test_cli import core
from tests.unit.compare.test_differences_measured import FIELDS


def test_the_listing_needs_no_lock_and_names_every_row(open_launcher: OpenLauncher, data_dir: Path) -> None:
    open_launcher()
    status, said, _ = core("differences", folder=data_dir)
    assert status == 0
    assert all(row.name in said for row in DIFFERENCES)
    assert f"{len(DIFFERENCES)} of {len(DIFFERENCES)} differences." in said
    status, said, _ = core("differences", "--json", folder=data_dir)
    rows = [json.loads(line) for line in said.splitlines()]
    assert status == 0
    assert [row["difference"] for row in rows] == [row.name for row in DIFFERENCES]
    assert all(set(row) == FIELDS for row in rows)
    assert all(source["url"].startswith("https://") and source["date"] for row in rows for source in row["sources"])


def test_a_network_has_its_own_rows_with_its_layers(data_dir: Path) -> None:
    text = "conv 4 3 stride 2 same, batchnorm, relu, flatten, dense 10"
    status, said, _ = core("differences", "--network", text, "--json", folder=data_dir)
    assert status == 0
    rows = {row["difference"]: row["layers"] for row in map(json.loads, said.splitlines())}
    settings = TrainSettings(network=text)
    assert rows == {row.name: layers for row, layers in touching(settings, Network.of(text, MNIST_SHAPE))}
    assert rows["batchnorm-momentum"] == ["batchnorm"]
    assert "rmsprop-rho" not in rows


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--measure", "adam"], f"There is no difference adam: choose one of {DIFFERENCES[0].name},"),
        (["--measure", "gelu,tf32"], "TF32 on new GPUs: "),
        (["--network", "dense 10"], "Dense 10 after"),
        (["--network", "wheel 3"], "There is no layer"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(data_dir: Path, options: list[str], said: str) -> None:
    status, _, complaint = core("differences", *options, folder=data_dir)
    assert status == 2
    assert complaint.startswith(said)
    assert len(complaint.strip().splitlines()) == 1


def test_measuring_needs_the_data_folders_lock(open_launcher: OpenLauncher, data_dir: Path) -> None:
    open_launcher()
    status, _, complaint = core("differences", "--measure", "gelu", folder=data_dir)
    assert status == 1
    assert "is in use by the dashboard" in complaint


@pytest.mark.more
@pytest.mark.timeout(180)
def test_a_row_is_measured_and_stored_with_machine_and_date(spawn: Spawn, data_dir: Path) -> None:
    process = spawn("core", "differences", "--measure", "gelu", "--json")
    said, _ = process.communicate(timeout=150)
    assert process.returncode == 0
    (row,) = map(json.loads, said.splitlines())
    assert row["parts_at_step"] == 1
    assert row["gap"] > 1e-9
    assert row["evidence"]["source"] == "here"
    assert row["machine"]["processor"]
    _, again, _ = core("differences", "--json", folder=data_dir)
    assert row in map(json.loads, again.splitlines())
