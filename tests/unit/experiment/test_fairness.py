"""The verdict of an aligned run: what two lanes report is compared, and only a run that held is called so."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.experiment.fairness import TWIN_BOUNDS, Comparison, FairnessVerdict, from_fields
from core.experiment.settings import TrainSettings
from core.protocol import messages
from core.results.fairness_words import badge_of, badge_words, sentences, words_of
from core.storage.database import State
from core.storage.records import Run

STEPS, EPOCHS = 3, 2
WEIGHTS = {"conv1.weight": np.ones((3, 3, 1, 2)), "dense.weight": np.arange(20.0).reshape(2, 10)}


def loss(epoch: int, step: int) -> float:
    return 2.3 - 0.1 * (STEPS * (epoch - 1) + step)


def reports(epochs: int = EPOCHS, **changed: float) -> list[messages.Message]:
    """A lane's events; `changed` maps `e1s2` to a step's loss, and figures of epoch 2 and the test to values."""
    found: list[messages.Message] = []
    for epoch in range(1, epochs + 1):
        points = [[step, changed.get(f"e{epoch}s{step}", loss(epoch, step))] for step in range(1, STEPS + 1)]
        found.append(messages.Step(epoch, STEPS, points))
        figures = {"train_loss": 1.5, "train_accuracy": 0.5, "val_loss": 1.25, "val_accuracy": 0.6}
        figures |= {name: value for name, value in changed.items() if name in figures and epoch == 2}
        found.append(messages.Epoch(epoch, **figures, train_s=1, val_s=1, images_per_s=100, last=epoch == epochs))
    test = {"test_loss": 1.2, "test_accuracy": 0.7}
    test |= {name: value for name, value in changed.items() if name in test}
    found.append(messages.Result(**test, test_s=1, confusion=[], rss_mib=1, weights_file="", weights_sha256="",
                               predictions_file=""))  # fmt: skip
    return found


def verdict(
    one: list[messages.Message], other: list[messages.Message], alignment: str = "exact-twin", dropout: float = 0.3,
    weights: Any = None, complete: bool = True, certified: bool | None = True,
) -> FairnessVerdict:  # fmt: skip
    comparison = Comparison(("torch", "keras"), alignment, dropout)
    for engine, reported in (("keras", one), ("torch", other)):
        for message in reported:
            comparison.take(engine, message)
    held = (WEIGHTS, WEIGHTS) if weights is None and complete else weights or ()
    return comparison.verdict(held, complete, certified)


# --- what holds ------------------------------------------------------------------------------------------


def test_equal_lanes_held_and_everything_was_compared() -> None:
    found = verdict(reports(), reports())
    assert (found.state, found.steps, found.epochs) == ("held", 6, 2)
    assert found.tested
    assert found.weighed
    assert found.complete
    assert found.parting is None
    assert badge_words(found, "exact-twin") == "fairness held"
    words = sentences(found, "exact-twin")
    assert words.startswith("Both lanes computed the same numbers. Compared: the loss of each of 6 steps")
    assert "the final weights" in words


def test_rounding_is_no_parting() -> None:
    found = verdict(reports(), reports(e2s1=loss(2, 1) + 4e-16))
    assert found.state == "held"
    assert 0 < found.step_loss_difference < 1e-15


def test_turns_may_come_in_any_order() -> None:
    comparison = Comparison(("keras", "torch"), "exact-twin", 0.3)
    for pair in zip(reports(), reports(), strict=True):
        for engine, message in zip(("torch", "keras"), pair, strict=True):
            comparison.take(engine, message)
    assert comparison.verdict((WEIGHTS, WEIGHTS), True, True) == verdict(reports(), reports())


@pytest.mark.parametrize(("alignment", "dropout"), [("exact-twin", 0.3), ("same-start", 0), ("same-start", 0.3)])
@pytest.mark.parametrize("reported", [1, 4], ids=["one step", "an epoch and a step"])
def test_a_run_that_was_cut_off_is_compared_as_far_as_both_got_and_did_not_hold(
    alignment: str, dropout: float, reported: int
) -> None:
    cut = [messages.Step(1, STEPS, [[1, loss(1, 1)]])]
    if reported == 4:
        cut = [*reports()[:2], messages.Step(2, STEPS, [[1, loss(2, 1)]])]
    found = verdict(reports()[:4], cut, alignment, dropout, complete=False)
    assert (found.state, found.steps, found.weighed) == ("not compared", reported, False)
    assert badge_words(found, alignment) == "fairness not compared to the end"
    words = sentences(found, alignment)
    assert words.startswith("Compared: the loss of one step." if reported == 1 else "Compared: the loss of each of 4")
    assert words.endswith(" The run did not come to its end, so it is not said to have held.")
    assert ("Largest difference of a step's loss: 0" in words) == (found.bounds is not None)


def test_what_an_earlier_version_said_of_a_run_that_was_cut_off_is_read_as_not_compared() -> None:
    stored = asdict(verdict(reports()[:4], reports()[:1], complete=False)) | {"state": "held"}
    read = from_fields(json.loads(json.dumps(stored)))
    assert read is not None
    assert (read.state, read.steps) == ("not compared", 3)


@pytest.mark.parametrize("certified", [True, None])
def test_without_a_common_step_nothing_is_compared(certified: bool | None) -> None:
    found = verdict(reports()[:2], [], complete=False, certified=certified)
    assert (found.state, found.steps) == ("not compared", 0)
    assert badge_words(found, "exact-twin") == "fairness not compared"


def test_a_finished_run_whose_weights_cannot_be_read_did_not_hold() -> None:
    found = verdict(reports(), reports(), weights=())
    assert found.state == "not compared"
    assert "The final weights could not be read" in sentences(found, "exact-twin")


def test_a_failed_certificate_is_said_where_nothing_else_parted() -> None:
    found = verdict(reports(), reports(), certified=False)
    assert found.state == "failed"
    assert badge_words(found, "exact-twin") == "fairness certificate failed"


# --- what parts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "badge", "where"),
    [
        ({"e1s2": 2.1001}, "parted at step 2", ("step", 1, 2)),
        ({"e2s1": 1.9001, "e2s3": 9.0}, "parted at step 4", ("step", 2, 1)),
        ({"val_loss": 1.26}, "parted in epoch 2", ("epoch", 2, 0)),
        ({"train_accuracy": 0.51}, "parted in epoch 2", ("epoch", 2, 0)),
        ({"test_accuracy": 0.71}, "parted in the test", ("test", 0, 0)),
        ({"test_loss": 1.21, "val_accuracy": 0.61}, "parted in epoch 2", ("epoch", 2, 0)),
    ],
)
def test_the_first_difference_above_its_bound_is_where_they_parted(
    changed: dict[str, float], badge: str, where: tuple[str, int, int]
) -> None:
    for one, other in ((reports(), reports(**changed)), (reports(**changed), reports())):
        found = verdict(one, other)
        assert found.state == "parted"
        assert found.parting is not None
        assert (found.parting.where, found.parting.epoch, found.parting.step) == where
        assert badge_words(found, "exact-twin") == badge
        assert "does not compare the two" in sentences(found, "exact-twin")


def test_another_confusion_table_alone_parts() -> None:
    """A worker that mixes up its answers after the test leaves losses, accuracies and weights as they are."""
    tables = [[8, 2], [1, 9]], [[8, 1], [2, 9]]
    lanes = [[replace(m, confusion=t) if isinstance(m, messages.Result) else m for m in reports()] for t in tables]
    found = verdict(*lanes)
    assert found.parting is not None
    assert (found.parting.where, found.parting.figure) == ("test", "confusion")
    assert found.parting.difference == pytest.approx(0.05)
    assert "what the test images were read as differs by 0.05" in sentences(found, "exact-twin")
    assert verdict(lanes[0], lanes[0]).state == "held"


def test_other_weights_alone_part_and_the_layer_is_named() -> None:
    other = WEIGHTS | {"dense.weight": WEIGHTS["dense.weight"][::-1]}
    found = verdict(reports(), reports(), weights=(WEIGHTS, other))
    assert found.parting is not None
    assert (found.parting.where, found.parting.figure, found.apart) == ("weights", "dense.weight", "dense.weight")
    assert badge_words(found, "exact-twin") == "parted in the weights"
    assert "those of dense differ most" in sentences(found, "exact-twin")


def test_a_lane_that_skips_a_step_parted_in_that_epoch() -> None:
    short = [messages.Step(m.epoch, STEPS, m.points[:-1]) if isinstance(m, messages.Step) else m for m in reports()]
    for pair in ((reports(), short), (short, reports()), (short, short)):
        found = verdict(*pair)
        assert found.parting is not None
        assert (found.parting.where, found.parting.epoch) == ("steps", 1)
        assert "same number of steps" in sentences(found, "exact-twin")


def test_a_lane_that_trains_an_epoch_more_parted() -> None:
    found = verdict(reports(), reports(epochs=3))
    assert found.parting is not None
    assert (found.parting.where, found.parting.epoch) == ("epochs", 3)


def test_a_small_loss_is_held_to_the_bound_of_a_loss_of_one() -> None:
    """What rounding leaves of a loss of a millionth does not shrink with it."""
    assert verdict(reports(e2s3=1e-6), reports(e2s3=1e-6 + 1e-14)).state == "held"
    assert verdict(reports(e2s3=1e-6), reports(e2s3=1e-6 + 1e-10)).state == "parted"


def test_what_rounding_leaves_of_an_array_that_nothing_learns_is_no_parting() -> None:
    """A bias that a batch normalisation takes away again moves by rounding alone, in each lane its own way."""
    one, other = (WEIGHTS | {"layernorm.bias": sign * np.full(8, 1e-12)} for sign in (1, -1))
    assert verdict(reports(), reports(), weights=(one, other)).state == "held"
    assert verdict(reports(), reports(), "same-start", 0, weights=(one, other)).state == "held"
    learnt = WEIGHTS | {"layernorm.bias": np.full(8, 1e-6)}
    assert verdict(reports(), reports(), weights=(one, learnt)).state == "parted"


# --- same start ------------------------------------------------------------------------------------------


def test_a_same_start_may_drift_as_float32_does_but_not_in_its_first_steps() -> None:
    found = verdict(reports(), reports(e1s2=loss(1, 2) + 1e-5, e2s3=1.0), "same-start", 0)
    assert found.state == "parted"  # six steps are the whole run, all of them among the first
    found = verdict(reports(), reports(e1s2=loss(1, 2) + 1e-5), "same-start", 0)
    assert badge_words(found, "same-start") == "start held"
    words = sentences(found, "same-start")
    assert words.startswith("Both lanes started alike: the first ten steps' losses differ by at most ")
    assert "same numbers" not in words
    assert verdict(reports(), reports(e1s2=loss(1, 2) + 0.2), "same-start", 0).state == "parted"
    later = [messages.Step(5, STEPS, [[1, 1.0]])], [messages.Step(5, STEPS, [[1, 1.01]])]
    found = verdict(*later, "same-start", 0, complete=False)
    assert (found.parting, found.first_losses_difference) == (None, 0)
    assert found.step_loss_difference == pytest.approx(0.0099, abs=1e-3)


def test_a_same_start_with_dropout_says_that_it_differs_by_design() -> None:
    found = verdict(reports(), reports(e1s1=1.0), "same-start", 0.3)
    assert found.state == "held"
    assert found.bounds is None
    words = sentences(found, "same-start")
    assert "differ by design" in words
    assert "same numbers" not in words
    assert verdict(reports(), reports(), "same-start", 0.3, certified=None).state == "not compared"


# --- as it is kept ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{}, {"e1s1": 5.0}])
def test_a_verdict_survives_json(changed: dict[str, float]) -> None:
    found = verdict(reports(), reports(**changed))
    assert from_fields(json.loads(json.dumps(asdict(found), allow_nan=False))) == found
    assert from_fields(None) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"step_loss_difference": 1.0},
        {"first_losses_difference": 1e-11},
        {"weight_difference": 2 * TWIN_BOUNDS.weight},
        {"state": "parted"},
        {
            "state": "parted",
            "parting": {
                "where": "step",
                "figure": "loss",
                "epoch": 1,
                "step": 1,
                "run_step": 1,
                "difference": 1e-20,
                "bound": 1e-12,
            },
        },
        {"steps": -1},
        {"loss_difference": -1e-15},
        {"state": "perfect"},
        {"parting": {"where": "step"}},
    ],
)
def test_a_verdict_that_contradicts_itself_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        from_fields(json.loads(json.dumps(asdict(verdict(reports(), reports())))) | wrong)


KEEPS = TrainSettings.parse({"alignment": "exact-twin", "keep": "adam-epsilon"})


def kept(state: State, said: FairnessVerdict | None, alignment: str = "exact-twin") -> Run:
    settings = TrainSettings.parse({"alignment": alignment})
    return Run(
        "20261104-081500-1a2b3c4d", "2026-11-04T08:15:00+00:00", None, None, state, "", settings, {}, fairness=said
    )


def test_a_run_without_a_verdict_says_why() -> None:
    assert words_of(kept("stopped", None)) == "It ended before its lanes could be compared."
    assert words_of(kept("finished", None)).startswith("This run was made before runs compared themselves")
    assert badge_of(kept("interrupted", None)) == ("fairness not compared", "gray")


def test_nothing_is_said_of_a_run_that_goes_on_or_was_not_aligned() -> None:
    for run in (kept("running", None), kept("finished", None, "as-shipped")):
        assert badge_of(run) is None
        assert words_of(run) == ""


def test_a_twin_that_keeps_a_default_parts_as_expected_and_still_compares_something() -> None:
    later = [message for message in reports()]
    later[0] = replace(later[0], points=[[step, value * 1.01] for step, value in later[0].points])  # type: ignore[attr-defined]
    run = replace(kept("finished", verdict(reports(), later)), settings=KEEPS)
    assert run.fairness is not None
    assert run.fairness.parted
    assert not run.parted
    assert badge_of(run) == ("parted at step 1, as expected", "gray")
    words = words_of(run)
    assert words.startswith("This exact twin keeps Adam's epsilon as shipped, so its lanes were expected to part.")
    assert "The lanes parted at step 1" in words
    assert "does not compare the two" not in words


def test_a_twin_whose_kept_default_makes_no_difference_says_so() -> None:
    run = replace(kept("finished", verdict(reports(), reports())), settings=KEEPS)
    assert badge_of(run) == ("fairness held", "green")
    assert "They did not: here it makes no difference." in words_of(run)
    failed = replace(kept("failed", verdict([], [], certified=False)), settings=KEEPS)
    assert "The certificate before epoch 1 failed by it." in words_of(failed)
