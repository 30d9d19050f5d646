"""Both frameworks asked for one drawn network, and what of their answers is not the same; the benchmark asks, too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.experiment.fairness import TWIN_BOUNDS, relative_difference, weight_difference
from core.experiment.network import Network
from core.experiment.weights import load_weights
from tests.engines.conftest import Processes
from tests.engines.random_networks import STEPS, Drawn

LOSS_BOUND = 1e-11
LOGIT_BOUNDS = {"float64": 1e-12, "float32": 1e-5}
"""Of the largest logit."""
LOST = 10
"""Times what float32 itself loses: a normalisation of what hardly differs leaves little but rounding."""
PAIR = ("keras", "torch")


def failures(processes: Processes, drawn: Drawn) -> list[str]:
    """What differs by more than its bound, a sentence each."""
    return list(_differing(processes, drawn))


def _differing(processes: Processes, drawn: Drawn) -> Iterator[str]:
    twins: list[dict[str, Any]] = [processes[engine].ask("drawn_twin", **drawn.asked) for engine in PAIR]
    network = Network.of(drawn.network, drawn.data)
    if {twin["parameters"] for twin in twins} != {network.parameters}:
        yield f"parameters: {[twin['parameters'] for twin in twins]}, not {network.parameters}"
    losses = [twin["losses"] for twin in twins]
    if [len(each) for each in losses] != [STEPS, STEPS]:
        yield f"steps: {[len(each) for each in losses]}"
    apart = max(relative_difference(*pair) for pair in zip(*losses, strict=True))
    if not apart <= LOSS_BOUND:
        yield f"losses: {apart:.1e}"
    first, second = (load_weights(Path(twin["path"]), twin["sha256"], network.weights) for twin in twins)
    for name, array in first.items():
        if not (differs := weight_difference(array, second[name])) <= TWIN_BOUNDS.weight:
            yield f"{name}: {differs:.1e}"
    lost = min(_apart(twin["float32 training"], twin["exact"]) for twin in twins)
    for twin, reads in zip(twins, reversed(PAIR), strict=True):
        moved = processes[reads].ask("drawn_logits", path=twin["path"], sha256=twin["sha256"])
        for kind, logits in moved.items():
            bound = LOGIT_BOUNDS[kind.split()[0]]
            if kind == "float32 training":
                bound = max(bound, LOST * lost)
            if not (differs := _apart(logits, twin[kind])) <= bound:
                yield f"{kind} logits of weights moved to {reads}: {differs:.1e}"


def _apart(logits: Any, wanted: Any) -> float:
    """The largest difference, over the largest logit."""
    return float(np.abs(np.array(logits) - np.array(wanted)).max() / np.abs(wanted).max())
