"""A verdict of fairness is taken in however a run ended, and refused where the run's own rows do not make it."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from core.experiment.engine_names import ALIGNED_PAIR
from core.experiment.fairness import Comparison
from core.launcher.lanes import RunLane
from core.protocol import messages
from core.results.export import as_json
from core.results.importing import read_json
from core.storage.rows import Entry, to_fields
from tests.unit.results.test_importing import recorded_as, refused

STEPS = 106
"""Of an epoch in batches of 512: every other one is kept."""


def reports(epochs: int, steps: int = 0, test: bool = True, **changed: float) -> list[messages.Message]:
    """What a lane says of so many epochs, then of `steps` of the next one, or of the test; `changed` by figure."""
    loss = {step: 2.3 - 0.001 * step for step in range(1, STEPS + 1)}
    loss |= {int(name[1:]): value for name, value in changed.items() if name[0] == "s"}
    figures = {"train_loss": 1.5, "train_accuracy": 0.5, "val_loss": 1.25, "val_accuracy": 0.6}
    figures |= {name: value for name, value in changed.items() if name in figures}
    found: list[messages.Message] = []
    for epoch in range(1, epochs + 1):
        points = [[step, value] for step, value in loss.items() if value]
        found.append(messages.Step(epoch, STEPS, points))
        found.append(messages.Epoch(epoch, **figures, train_s=1, val_s=1, images_per_s=100))
    if steps:
        found.append(messages.Step(epochs + 1, STEPS, [[step, loss[step]] for step in range(1, steps + 1)]))
    elif test:
        result = next(row.event for row in recorded_as("exact-twin")[1] if isinstance(row.event, messages.Result))
        found.append(replace(result, **{name: changed[name] for name in ("test_loss",) if name in changed}))
    return found


def ended(one: list[messages.Message], other: list[messages.Message], state: str, certified: bool | None = True,
          weights: bool = True) -> dict[str, Any]:  # fmt: skip
    """A twin of three epochs as `launcher.run` would have stored it; lanes without a result have the run's state."""
    values: dict[str, Any] = json.loads(as_json(recorded_as("exact-twin")[0], []))
    values["run"].update(state=state, settings=values["run"]["settings"] | {"epochs": 3, "batch_size": 512})
    comparison, rows = Comparison(ALIGNED_PAIR, "exact-twin", 0.3), []
    for lane, reported in zip(values["lanes"], (one, other), strict=True):
        going = RunLane(lane["engine"])
        lane.update(state=state, test_loss=None, test_accuracy=None)
        for message in reported:
            comparison.take(going.engine, message)
            if isinstance(message, messages.Step):
                going.keep_steps(message)
                continue
            going.steps.append(Entry(going.engine, message))
            if isinstance(message, messages.Result):
                lane.update(state="finished", test_loss=message.test_loss, test_accuracy=message.test_accuracy)
        rows += [{**to_fields(entry.event), "engine": entry.engine, "kind": entry.kind} for entry in going.steps]
    if certified is not None:
        own = next(row.as_json() for row in recorded_as("exact-twin")[1] if row.kind == "certificate")
        difference = own["loss_difference"] if certified else 0.9
        own = own | {"passed": certified, "loss_difference": difference}
        rows.append(own)
    complete = all(lane["state"] == "finished" for lane in values["lanes"])
    held = ({"dense.weight": np.ones(3)},) * 2 if complete and weights else ()
    rows.append({"engine": "", "kind": "fairness", **asdict(comparison.verdict(held, complete, certified))})
    values["rows"] = [row | {"seq": n} for n, row in enumerate(rows, start=1)]
    return values


ENDED: dict[str, tuple[Callable[[], dict[str, Any]], str, int]] = {
    "finished": (lambda: ended(reports(3), reports(3), "finished"), "held", 3 * STEPS),
    "stopped early": (lambda: ended(reports(2), reports(2), "finished"), "held", 2 * STEPS),
    "stopped before a step": (lambda: ended([], [], "stopped", None), "not compared", 0),
    "stopped within an epoch": (lambda: ended(reports(2, 40), reports(1, 30), "stopped"), "not compared", STEPS + 30),
    "stopped in the same one": (lambda: ended(reports(1, 40), reports(1, 40), "stopped"), "not compared", STEPS + 40),
    "stopped by turns": (lambda: ended(reports(2, 7), reports(1, test=False), "stopped"), "not compared", STEPS),
    "one failed": (lambda: ended(reports(3), reports(0, 51), "failed"), "not compared", 51),
    "interrupted": (lambda: ended(reports(1, 1), reports(0, 105), "interrupted"), "not compared", 105),
    "parted at a step": (lambda: ended(reports(3), reports(3, s20=9.0), "finished"), "parted", 3 * STEPS),
    "parted at a kept step": (lambda: ended(reports(3), reports(3, s21=9.0), "finished"), "parted", 3 * STEPS),
    "parted in an epoch": (lambda: ended(reports(3), reports(3, val_loss=9.0), "finished"), "parted", 3 * STEPS),
    "parted in the test": (lambda: ended(reports(3), reports(3, test_loss=9.0), "finished"), "parted", 3 * STEPS),
    "a step less": (lambda: ended(reports(3), reports(3, s20=0), "finished"), "parted", 3 * (STEPS - 1)),
    "an epoch less": (lambda: ended(reports(3), reports(2), "finished"), "parted", 2 * STEPS),
    "not certified": (lambda: ended(reports(3), reports(3), "finished", False), "failed", 3 * STEPS),
    "without weights": (
        lambda: ended(reports(3), reports(3), "finished", weights=False), "not compared", 3 * STEPS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDED)
def test_a_run_is_taken_in_with_its_verdict_however_it_ended(how: str) -> None:
    made, state, steps = ENDED[how]
    _, rows, _ = read_json(json.dumps(made()).encode())
    assert (rows[-1].event.state, rows[-1].event.steps) == (state, steps)


@pytest.mark.parametrize(
    ("how", "steps", "span"),
    [
        ("stopped before a step", 1, "0 to 0"),
        ("stopped by turns", STEPS + 1, f"{STEPS // 2} to {STEPS}"),
        ("stopped within an epoch", STEPS + 31, f"{STEPS // 2 + 15} to {STEPS + 30}"),
        ("one failed", 25, "26 to 52"),
    ],
)
def test_a_run_that_was_cut_off_compared_no_more_steps_than_both_lanes_made(how: str, steps: int, span: str) -> None:
    values = ENDED[how][0]()
    values["rows"][-1].update(steps=steps)
    assert f"steps of its fairness is {steps}, and its rows make it {span}" in refused(json.dumps(values).encode())


@pytest.mark.parametrize(
    ("how", "parting", "words"),
    [
        ("parted at a step", {"epoch": 4}, "at step 20 of epoch 4, where this run cannot part"),
        ("parted at a step", {"epoch": 0}, "at step 20 of epoch 0, where this run cannot part"),
        ("parted at a step", {"step": STEPS + 1}, "at step 107 of epoch 1, where this run cannot part"),
        ("parted at a step", {"run_step": 999}, "at step 20 of epoch 1, where this run cannot part"),
        ("parted at a step", {"difference": 0.0}, "lanes part where a difference is above its bound"),
        ("parted at a step", {"where": "epochs", "step": 0, "run_step": 0}, "by 0.746667), and its rows do not part"),
        ("parted at a kept step", {"step": 23, "run_step": 23}, "and its rows part at step 21 of epoch 1"),
        ("parted in an epoch", {"epoch": 2}, "in epoch 2 (val_loss, by 0.861111), and its rows part in epoch 1 (val"),
        ("parted in the test", {"epoch": 1}, "in epoch 1 (test_loss, by 0.996285), where this run cannot part"),
        ("parted in the test", {"where": "weights"}, "and its rows part in the test (test_loss, by 0.996285)"),
    ],
)
def test_lanes_part_within_the_run_and_where_its_rows_do(how: str, parting: dict[str, object], words: str) -> None:
    values = ENDED[how][0]()
    values["rows"][-1]["parting"].update(parting)
    assert words in refused(json.dumps(values).encode())
