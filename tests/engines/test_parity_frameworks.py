"""Keras and PyTorch, each in its process, are the same computation: the twin, the certificate, moved weights."""

from typing import Any

import numpy as np
import pytest

from core.experiment import parity
from tests.engines.conftest import Processes
from tests.engines.networks import THIN
from tests.engines.test_fairness import TRAPS

# A hundred float64 steps take half a minute on two quiet cores, and ten times that beside other work.
pytestmark = pytest.mark.timeout(900)
BATCH = 126
HUNDRED_STEPS = {"epochs": 2, "stop_after": 100, "alignment": "exact-twin", "batch_size": 63}
"""Of half the usual batch: float64 is slow."""


def certificate(processes: Processes, alignment: str, keras: str = "", torch: str = "", **settings: Any) -> Any:
    """The Launcher's comparison of what the workers' own function measures, with a planted error or none."""
    lanes = [
        processes[engine].ask("certificate", plant=plant, alignment=alignment, **settings)
        for engine, plant in (("keras", keras), ("torch", torch))
    ]
    first, second = ((lane["logits"], lane["losses"]) for lane in lanes)
    return parity.compare(first, second, alignment == "exact-twin", settings.get("batch_size", BATCH))


# --- the exact twin --------------------------------------------------------------------------------------


def test_the_twins_losses_agree_over_a_hundred_steps(processes: Processes) -> None:
    curves = []
    for engine in ("keras", "torch"):
        asked = processes[engine].ask("training", **HUNDRED_STEPS, dropout=0.3)
        curves.append([loss for epoch in asked for loss in epoch["losses"]])
    keras, torch = np.array(curves)
    assert len(keras) == 100
    assert keras[-1] < keras[0] / 4  # it learns: the agreement is not that of two networks that stand still
    assert (np.abs(keras - torch) / keras).max() <= 1e-12


def test_the_twins_epochs_agree_too(processes: Processes) -> None:
    keras, torch = (processes[engine].ask("training", **HUNDRED_STEPS, dropout=0.3) for engine in ("keras", "torch"))
    assert len(keras) == 2
    for ours, theirs in zip(keras, torch, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-12)
        assert ours["accuracy"] == pytest.approx(theirs["accuracy"], rel=1e-12)


def test_the_twins_masks_drop(processes: Processes) -> None:
    asked = {"epochs": 1, "stop_after": 1, "alignment": "exact-twin"}
    without, with_dropout = (processes["torch"].ask("training", **asked, dropout=rate) for rate in (0, 0.3))
    assert without[0]["losses"][0] != pytest.approx(with_dropout[0]["losses"][0], rel=1e-5)


# --- the certificate -------------------------------------------------------------------------------------


def test_the_twins_certificate_passes(processes: Processes) -> None:
    made = certificate(processes, "exact-twin")
    assert made.passed, made
    assert (made.steps, made.batch_size, made.logit_bound, made.loss_bound) == (10, BATCH, 1e-12, 1e-12)


def test_the_certificate_of_a_same_start_is_within_its_bounds(processes: Processes) -> None:
    made = certificate(processes, "same-start")
    assert made.passed, made
    assert (made.steps, made.logit_bound, made.loss_bound) == (10, 1e-5, 1e-4)


def test_a_run_with_other_settings_has_the_same_certificate(processes: Processes) -> None:
    """Dropout and learning rate are the run's, not the certificate's."""
    plain = processes["torch"].ask("certificate", plant="", alignment="exact-twin")
    other = processes["torch"].ask("certificate", plant="", alignment="exact-twin", dropout=0.9, learning_rate=1.0)
    assert other == plain


def test_a_small_batch_makes_a_small_certificate(processes: Processes) -> None:
    made = certificate(processes, "exact-twin", batch_size=8)
    assert made.passed, made
    assert made.steps == 10


def test_a_certificate_leaves_a_later_run_as_it_was(processes: Processes) -> None:
    """The worker certifies before it builds the run's own network, in the same process."""
    for engine in ("keras", "torch"):
        asked = processes[engine]
        before = asked.ask("network", alignment="same-start", seed=9)["weights"]
        asked.ask("certificate", plant="", alignment="same-start", seed=9)
        assert asked.ask("network", alignment="same-start", seed=9, epochs=9)["weights"] == before


@pytest.mark.parametrize(
    ("engine", "error"),
    [
        ("torch", "channels-first flatten"),
        ("torch", "other epsilon"),
        ("torch", "unrounded betas"),
        ("keras", "other batch order"),
        ("keras", "dropout left on"),
    ],
)
def test_one_wrong_thing_fails_the_twins_certificate(processes: Processes, engine: str, error: str) -> None:
    made = certificate(processes, "exact-twin", **{engine: error}, network=THIN)
    assert not made.passed
    start_is_wrong = made.logit_difference > made.logit_bound
    assert start_is_wrong == (error == "channels-first flatten")
    assert made.loss_difference > 1000 * made.loss_bound  # not by a hair


@pytest.mark.parametrize(
    "error",
    [
        "symmetric padding",
        "pads counted",
        "tanh GELU",
        "channels-first flatten",
        "PyTorch's epsilon in normalisations",
        "L2 in place of decoupled decay",
    ],
)
def test_one_trap_of_a_layer_fails_the_twins_certificate(processes: Processes, error: str) -> None:
    assert certificate(processes, "exact-twin", **TRAPS).passed
    made = certificate(processes, "exact-twin", torch=error, **TRAPS)
    assert not made.passed
    assert (made.logit_difference > made.logit_bound) == (error != "L2 in place of decoupled decay")
    assert made.loss_difference > 1000 * made.loss_bound


@pytest.mark.parametrize(
    "error", ["batch norm's momentum as Keras means it", "unbiased running variance", "one mask for two dropouts"]
)
def test_what_ten_steps_without_dropout_do_not_show_is_left_to_the_runs_verdict(
    processes: Processes, error: str
) -> None:
    assert certificate(processes, "exact-twin", torch=error, **TRAPS).passed


# --- moved weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trained", "reads"), [("keras", "torch"), ("torch", "keras")])
def test_moved_weights_give_the_same_logits_on_all_test_images(processes: Processes, trained: str, reads: str) -> None:
    """In float64 those of drawn networks do, in `parity_of`."""
    out = processes[trained].ask("moved_out", alignment="as-shipped")
    found = processes[reads].ask("moved_in", path=out["path"], sha256=out["sha256"], alignment="as-shipped")
    wanted, logits = np.array(out["logits"]), np.array(found)
    assert wanted.shape == (1000, 10)
    assert np.abs(wanted).max() > 5  # a trained network
    assert np.abs(logits - wanted).max() <= 1e-5 * np.abs(wanted).max()
