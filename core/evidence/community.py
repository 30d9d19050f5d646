"""Claim 6, community: dated constants, no live call. Supports "PyTorch: true" where each of its counts is larger."""

from collections.abc import Mapping
from typing import Any

from core.evidence import Shown, Table

DATE = "16 October 2025"
COUNTS = (
    # what is counted, Keras, PyTorch: as the source gives them, rounded
    ("Stars on GitHub", 63_000, 94_000),
    ("Contributors", 1_400, 6_000),
    ("Dependent repositories", 300_000, 830_000),
    ("Downloads from PyPI a month", 17_000_000, 65_000_000),
)


def show(result: Mapping[str, Any]) -> Shown:
    """The snapshot; there is no result to read."""
    more = sum(pytorch > keras for _, keras, pytorch in COUNTS)
    rows = [(what, f"{keras:,}", f"{pytorch:,}") for what, keras, pytorch in COUNTS]
    return Shown(
        finding=f"On {DATE} PyTorch counted more in {more} of {len(COUNTS)}.",
        supports=more == len(COUNTS),
        tables=[Table(("", "Keras", "PyTorch"), rows, f"A snapshot of {DATE}; nothing is measured here.")],
    )
