"""What an operator is told of a data folder's processes."""

import pytest

from core.storage.health import program_of


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("python -m core.worker keras", "core.worker keras"),
        ("python -m core.compare.probes speed", "core.compare.probes speed"),
        (
            "python -m core.compare.probes.part core.compare.probes.speed",
            "core.compare.probes.part core.compare.probes.speed",
        ),
        ("python -m core.data.prepare", "core.data.prepare"),
        ("python -m core.serve", ""),
    ],
)
def test_a_child_is_called_by_its_program(command: str, program: str) -> None:
    assert program_of(command.split()) == program
