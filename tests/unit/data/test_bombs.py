"""Files that are small and cost much: each is refused in one sentence, in under a second, with bounded memory."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.unit.data.bombs import BOMBS, PICTURES

LIMIT_S = 1.0
"""Of a core: on a busy machine a wall clock would tell of others."""
LIMIT_MIB = 200
"""Above what the process held: a picture of 4 megapixels, which is allowed, takes three quarters of that."""
LETTERS = 400
TAKEN = {"notes of 2 billion orientations", "notes that lie in themselves", "5,000 orientations"}
"""Pictures with harmless pixels: the notes alone are wrong, and are not followed."""


@pytest.fixture(scope="module")
def exploded() -> dict[str, dict[str, Any]]:
    child = subprocess.run(
        [sys.executable, "-m", "tests.unit.data.bombs"],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for line in child.stdout.splitlines():
        values = json.loads(line)
        found[values["name"]] |= values
    return found


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_a_sentence_soon_and_with_little_memory(
    exploded: dict[str, dict[str, Any]], name: str
) -> None:
    took = exploded[name]
    sentence = took["sentence"]
    if name in TAKEN:
        assert sentence == ""
    else:
        assert sentence.startswith(
            "bomb " if name in PICTURES else ("The file", "A run", "There is", "Dropout", "Data set")
        )
        assert sentence.isprintable()
        assert sentence.endswith(".")
        assert 10 < took["letters"] <= LETTERS
    assert took["cpu_s"] < LIMIT_S
    assert took["mib"] < LIMIT_MIB
