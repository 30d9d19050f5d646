"""A twin that keeps every default is a run as shipped: the same start, the same order, the same steps."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.experiment.engine_names import ALIGNED_PAIR
from core.experiment.switches import Switch
from tests.engines import networks
from tests.engines.conftest import Processes

SHIPPED: Mapping[str, Mapping[str, Any]] = {
    "article": {},
    "every layer": {"network": networks.EVERY_LAYER, "optimizer": "rmsprop", "momentum": 0.5, "weight_decay": 0.01},
}


@pytest.mark.parametrize("settings", SHIPPED.values(), ids=SHIPPED)
@pytest.mark.parametrize("engine", ALIGNED_PAIR)
def test_a_twin_that_keeps_everything_starts_orders_and_steps_as_shipped(
    processes: Processes, engine: str, settings: Mapping[str, Any]
) -> None:
    kept = {**settings, "alignment": "exact-twin", "keep": [*Switch]}
    shipped, twin = (processes[engine].ask("training", stop_after=8, **one) for one in (settings, kept))
    assert shipped == twin


@pytest.mark.parametrize("engine", ALIGNED_PAIR)
def test_a_twin_that_keeps_its_start_starts_as_the_framework_does(processes: Processes, engine: str) -> None:
    kept = {"alignment": "exact-twin", "keep": ["initialisers", "float32"]}
    shipped, twin = (processes[engine].ask("network", **one)["weights"] for one in ({}, kept))
    assert {name: array["sha256"] for name, array in shipped.items()} == {
        name: array["sha256"] for name, array in twin.items()
    }


@pytest.mark.parametrize("engine", ALIGNED_PAIR)
def test_a_twin_in_float32_keeps_the_masks_and_the_order(processes: Processes, engine: str) -> None:
    settings = {"alignment": "exact-twin", "stop_after": 5}
    exact, single = (processes[engine].ask("training", **settings, keep=keep) for keep in ([], ["float32"]))
    assert single[0]["losses"] == pytest.approx(exact[0]["losses"], rel=1e-5)
    assert single[0]["losses"] != exact[0]["losses"]
