"""Claim 6, community: dated constants, no live call.

Supports "partly true" on both sides where each of PyTorch's counts is larger: that part of the claim holds.
"""

from collections.abc import Mapping
from typing import Any

from core.compare.evidence import Shown, Table
from core.experiment import metrics
from core.experiment.names import joined

DATE = "16 October 2025"
NOUNS = ("stars", "contributors", "dependent repositories", "downloads a month")
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
    led = "all" if more == len(COUNTS) else f"{more} of"
    ratios = [
        f"{metrics.as_many(pytorch / keras)} {noun}" for noun, (_, keras, pytorch) in zip(NOUNS, COUNTS, strict=True)
    ]
    return Shown(
        finding=f"On {DATE} PyTorch led in {led} {len(COUNTS)} counts: {joined(ratios)}.",
        supports=more == len(COUNTS),
        tables=[Table(("Count", "Keras", "PyTorch"), rows, f"A snapshot of {DATE}; nothing is measured here.")],
    )
