"""Whether both frameworks compute the same, whatever the network, the optimiser and the data."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.result import Result, quantile
from tests.engines.conftest import opened
from tests.engines.parity_of import failures
from tests.engines.random_networks import draw
from tests.shell import ONE_CORE

HOW = """
Networks of every kind of layer, optimisers and shapes of data are drawn at random (`tests/engines/random_networks.py`:
a number gives the same draw everywhere, and `make test` holds twelve of the first
thirteen). For each, both frameworks count the
parameters, train the exact twin for 20 steps, and read each other's weights, statistics included, in evaluation and in
training mode, in float64 and in float32. The bounds stand in `tests/engines/parity_of.py`; what is above one is noted.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many networks are drawn."""

    networks: int


FULL = Size(networks=200)
QUICK = Size(networks=3)


def measure(size: Size) -> list[Result]:
    """How many networks differ, and which."""
    different = []
    with tempfile.TemporaryDirectory(prefix="duel-bench-") as name, opened(Path(name), Path(name), **ONE_CORE) as asked:
        for number in range(size.networks):
            drawn = draw(number)
            try:
                found = failures(asked, drawn)
            except AssertionError as error:  # a framework that could not build or train it
                found = [str(error).strip().splitlines()[-1]]
            if found:
                log.info("  %s: %s", drawn, "; ".join(found))
                different.append(f"{drawn.network}: {found[0]}")
    title = f"Drawn networks that the frameworks compute differently, of {size.networks}"
    return [Result(title, quantile([len(different)]), "count", 0, "; ".join(different))]
