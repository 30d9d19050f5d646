"""`python -m core claims`: listing, measuring, JSON lines, and what it says of rows that cannot be measured."""

import json
from pathlib import Path

import pytest

from core.compare.claims import CLAIMS, VERDICTS
from tests.processes.conftest import OpenLauncher, Spawn
from tests.processes.test_cli import core

FIELDS = {"claim", "topic", "verdict", "reason", "evidence", "sources", "machine", "measured_at"}


def test_the_listing_needs_no_lock_and_names_every_row(open_launcher: OpenLauncher, data_dir: Path) -> None:
    open_launcher()
    status, said, _ = core("claims", folder=data_dir)
    assert status == 0
    assert all(claim.topic in said for claim in CLAIMS)
    assert "ten claims" in said


def test_json_gives_one_object_a_row(data_dir: Path) -> None:
    status, said, _ = core("claims", "--json", folder=data_dir)
    assert status == 0
    rows = [json.loads(line) for line in said.splitlines()]
    assert [row["claim"] for row in rows] == list(range(1, 11))
    assert all(set(row) == FIELDS for row in rows)
    assert all(set(row["verdict"]) == {"keras", "pytorch"} for row in rows)
    assert {verdict for row in rows for verdict in row["verdict"].values()} <= set(VERDICTS)
    assert all(source["url"].startswith("https://") for row in rows for source in row["sources"])


def test_rows_are_measured_and_stored_with_machine_and_date(spawn: Spawn, data_dir: Path) -> None:
    process = spawn("core", "claims", "--measure", "9,1", "--json")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    rows = {row["claim"]: row for row in map(json.loads, said.splitlines())}
    assert set(rows) == {1, 9}
    for row in rows.values():
        assert row["evidence"]["source"] == "here"
        assert row["evidence"]["result"]
        assert row["machine"]["processor"]
        assert row["measured_at"]
    _, again, _ = core("claims", "--json", folder=data_dir)
    assert json.loads(again.splitlines()[8]) == rows[9]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("11", "There is no claim 11: choose some of 1 to 10, or all."),
        ("4,x", "There is no claim x: choose some of 1 to 10, or all."),
        ("6", "Claim 6 stands on a dated snapshot: there is nothing to measure here."),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(data_dir: Path, given: str, said: str) -> None:
    status, _, complaint = core("claims", "--measure", given, folder=data_dir)
    assert (status, complaint.strip()) == (2, said)


def test_measuring_needs_the_data_folders_lock(open_launcher: OpenLauncher, data_dir: Path) -> None:
    open_launcher()
    status, _, complaint = core("claims", "--measure", "1", folder=data_dir)
    assert status == 1
    assert "is in use by the dashboard" in complaint
