"""What to try after a run: one next run that follows from its outcome, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.experiment.engine_names import ALIGNED_PAIR
from core.experiment.layers import Dropout
from core.experiment.metrics import loss
from core.experiment.network import layers_of
from core.experiment.settings import Alignment, Optimizer, Schedule, TrainSettings
from core.results.outcome import Outcome
from core.storage.database import State

CHANCE = 2
"""A test accuracy below this many times that of guessing one of the classes is no better than guessing."""
ROSE = 1.15
"""A validation loss that ends this many times above its lowest has risen for good: between epochs it wavers less."""
ENOUGH_DROPOUT = 0.5
USUAL_RATES = {Optimizer.SGD: 0.01, Optimizer.NESTEROV: 0.01}
"""The learning rate that an optimiser usually has, where not the article's."""
WAIT = 2
"""Epochs without a better validation loss, where dropout does not keep a lane from overfitting."""


@dataclass(frozen=True)
class Suggestion:
    """The next run's settings, what it is in a few words, and why, as a sentence."""

    settings: TrainSettings
    what: str
    why: str


Rule = Callable[[Outcome, TrainSettings], tuple[dict[str, Any], str, str] | None]
"""What changes, in the run's own settings; what that is called; and why."""


def _smaller_rate(outcome: Outcome, settings: TrainSettings) -> tuple[dict[str, Any], str, str] | None:
    rate, usual = settings.learning_rate, USUAL_RATES.get(settings.optimizer, TrainSettings().learning_rate)
    chance = CHANCE / outcome.dataset.shape.classes
    away = [lane for lane in outcome.lanes if lane.diverged]
    guessing = [lane for lane in outcome.lanes if lane.result and lane.result.test_accuracy < chance]
    if away:
        why = f"{away[0].title} diverged at {rate:g}."
    elif guessing and rate > usual:
        why = f"{guessing[0].title} learnt nothing at {rate:g}."
    else:
        return None
    smaller = min(usual, float(f"{rate / 10:.3g}"))
    return {"learning_rate": smaller}, f"a learning rate of {smaller:g}", why


def _both(outcome: Outcome, settings: TrainSettings) -> tuple[dict[str, Any], str, str] | None:
    if len(settings.engines) > 1:
        return None
    return {"engines": ALIGNED_PAIR}, "both frameworks", "One lane alone is no comparison."


def _more_epochs(outcome: Outcome, settings: TrainSettings) -> tuple[dict[str, Any], str, str] | None:
    if settings.epochs > 1:
        return None
    epochs = TrainSettings().epochs
    why = "After one epoch the lanes are still learning, and the first is no measure of speed."
    return {"epochs": epochs}, f"{epochs} epochs", why


def _against_overfitting(outcome: Outcome, settings: TrainSettings) -> tuple[dict[str, Any], str, str] | None:
    for lane in outcome.lanes:
        losses = [epoch.val_loss for epoch in lane.epochs]
        lowest = min(losses, default=0.0)
        if not losses or losses[-1] <= ROSE * lowest:
            continue
        best = losses.index(lowest) + 1
        why = (
            f"{lane.title} overfitted: its validation loss rose from {loss(lowest)} after epoch {best} "
            f"to {loss(losses[-1])}."
        )
        if settings.dropout < ENOUGH_DROPOUT and Dropout() in layers_of(settings.network):
            return {"dropout": ENOUGH_DROPOUT}, f"dropout {ENOUGH_DROPOUT:g}", why
        if not settings.patience:
            return {"patience": WAIT}, f"stopping early, with patience {WAIT}", why
    return None


def _times_that_compare(outcome: Outcome, settings: TrainSettings) -> tuple[dict[str, Any], str, str] | None:
    if outcome.busy:
        return (
            {},
            "the same again when the machine is idle",
            "It was busy, so the times of this run cannot be compared.",
        )
    if settings.schedule == Schedule.TOGETHER:
        return {"schedule": Schedule.TURNS}, "the same with the lanes in turns", "Then their times can be compared."
    return None


def _alignment(outcome: Outcome, settings: TrainSettings) -> tuple[dict[str, Any], str, str] | None:
    verdict = outcome.run.fairness
    if settings.alignment == Alignment.EXACT_TWIN:
        if not (verdict and verdict.state == "held"):
            return None
        why = "The twin held: what then still differs is what each framework ships with."
        return {"alignment": Alignment.AS_SHIPPED}, "the same as shipped", why
    if sorted(settings.engines) != sorted(ALIGNED_PAIR):
        return None
    right = {round(lane.result.test_accuracy * outcome.dataset.test_images) for lane in outcome.lanes if lane.result}
    if settings.alignment == Alignment.AS_SHIPPED and len(right) < 2:
        return None
    why = "It shows whether a difference is the framework's: everything else is equal then."
    return {"alignment": Alignment.EXACT_TWIN}, "an exact twin of this run", why


def _another_seed(outcome: Outcome, settings: TrainSettings) -> tuple[dict[str, Any], str, str] | None:
    if settings.alignment == Alignment.EXACT_TWIN:
        return None
    seed = settings.seed + 1 if settings.seed < 2**31 - 1 else 0
    return {"seed": seed}, f"seed {seed}", "One run is an anecdote: see whether another seed says the same."


RULES: tuple[Rule, ...] = (
    *(_smaller_rate, _both, _more_epochs, _against_overfitting),
    *(_times_that_compare, _alignment, _another_seed),
)


def suggestion(outcome: Outcome) -> Suggestion | None:
    """The first rule that has something to say; None after a run that somebody ended or that compares nothing."""
    run, verdict = outcome.run, outcome.run.fairness
    if run.state not in (State.FINISHED, State.FAILED) or (verdict and verdict.state in ("parted", "failed")):
        return None
    for rule in RULES if run.state == State.FINISHED else (_smaller_rate,):
        if found := rule(outcome, run.settings):
            changes, what, why = found
            return Suggestion(run.settings.model_copy(update=changes), what, why)
    return None
