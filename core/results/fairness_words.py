"""A verdict of fairness in words: the badge beside a run's state, and the sentences below it."""

from core.experiment.fairness import FairnessVerdict, Parting
from core.experiment.metrics import digits
from core.experiment.names import joined
from core.experiment.settings import Alignment, TrainSettings
from core.experiment.switches import titles
from core.storage.database import State
from core.storage.records import Run

NOT_COMPARED = "fairness not compared"
CUT_OFF = "fairness not compared to the end"
COLOURS = {"held": "green", "parted": "red", "failed": "red", "not compared": "gray"}
TWIN_ROUNDING = "Differences of this size are rounding: a float64 holds about 16 digits."
SAME_NUMBERS = "Both lanes computed the same numbers."
NO_COMPARISON = "So more than the framework differs, and this run does not compare the two."
ENDED_BEFORE = "It ended before its lanes could be compared."
NOT_RECORDED = "This run was made before runs compared themselves; only its certificate before epoch 1 is known."
FIGURE_WORDS = {
    "train_loss": "the training loss",
    "train_accuracy": "the training accuracy",
    "val_loss": "the validation loss",
    "val_accuracy": "the validation accuracy",
    "test_loss": "the test loss",
    "test_accuracy": "the test accuracy",
    "confusion": "what the test images were read as",
}


def badge_of(run: Run) -> tuple[str, str] | None:
    """What stands beside an ended run's state, and its colour; None where nothing was aligned."""
    if run.live or run.settings.alignment == Alignment.AS_SHIPPED:
        return None
    if run.fairness is None:
        return NOT_COMPARED, "gray"
    words, state = badge_words(run.fairness, run.settings.alignment), run.fairness.state
    if run.settings.keep and run.fairness.parted:
        return f"{words}, as expected", "gray"
    return words, COLOURS[state]


def words_of(run: Run) -> str:
    """What an ended run's lanes have in common, as sentences; empty where nothing was aligned."""
    if badge_of(run) is None:
        return ""
    if run.fairness is None:
        return NOT_RECORDED if run.state == State.FINISHED else ENDED_BEFORE
    if run.settings.keep:
        return kept_words(run.fairness, run.settings)
    return sentences(run.fairness, run.settings.alignment)


def badge_words(verdict: FairnessVerdict, alignment: str) -> str:
    """The verdict in two or three words: fairness held, parted at step 14; of a same start only its start can hold."""
    match verdict.state:
        case "held" if alignment != Alignment.EXACT_TWIN:
            return "start held"
        case "held":
            return "fairness held"
        case "failed":
            return "fairness certificate failed"
        case "not compared":
            return CUT_OFF if verdict.steps and not verdict.complete else NOT_COMPARED
    assert verdict.parting is not None
    return _parted(verdict.parting)


def _parted(parting: Parting) -> str:
    match parting.where:
        case "step":
            return f"parted at step {parting.run_step:,}"
        case "test":
            return "parted in the test"
        case "weights":
            return "parted in the weights"
        case _:
            return f"parted in epoch {parting.epoch}"


def sentences(verdict: FairnessVerdict, alignment: str) -> str:
    """What was compared and found, as plain sentences."""
    twin = alignment == Alignment.EXACT_TWIN
    match verdict.state:
        case "held" if twin:
            return " ".join([SAME_NUMBERS, _compared(verdict), _largest(verdict), TWIN_ROUNDING])
        case "held" if verdict.bounds is not None:
            return " ".join([_started_alike(verdict), _compared(verdict), _drifted(verdict)])
        case "held":
            return _without_bounds(verdict)
        case "parted":
            return " ".join([_where(verdict), _compared(verdict), _weights_sentence(verdict), NO_COMPARISON])
        case "failed":
            return f"The certificate before epoch 1 failed: the lanes did not start alike. {NO_COMPARISON}"
    if verdict.complete:
        return f"{_compared(verdict)} The final weights could not be read, so the run is not said to have held."
    if not verdict.steps:
        return "Nothing was compared: no step was reported by both lanes."
    found = f" {_largest(verdict)}" if verdict.bounds is not None else ""
    return f"{_compared(verdict)}{found} The run did not come to its end, so it is not said to have held."


def kept_words(verdict: FairnessVerdict, settings: TrainSettings) -> str:
    """What a twin that keeps defaults shows: that it parts is what was asked for."""
    kept = f"This exact twin keeps {titles(settings.keep)} as shipped, so its lanes were expected to part."
    if verdict.state == "parted":
        return " ".join([kept, _where(verdict), _compared(verdict), _weights_sentence(verdict)])
    if verdict.state == "failed":
        return f"{kept} The certificate before epoch 1 failed by it."
    if verdict.state == "held":
        return f"{kept} They did not: here it makes no difference. {_compared(verdict)} {_largest(verdict)}"
    return f"{kept} {sentences(verdict, settings.alignment)}"


def _compared(verdict: FairnessVerdict) -> str:
    """Compared: the losses of 232 steps, the figures of 8 epochs and of the test, and the final weights."""
    parts = []
    if verdict.steps:
        parts.append(f"the loss of each of {verdict.steps:,} steps" if verdict.steps > 1 else "the loss of one step")
    if verdict.epochs:
        parts.append(f"the figures of {verdict.epochs} epoch{'s' if verdict.epochs > 1 else ''}")
    if verdict.tested:
        parts.append("the test")
    if verdict.weighed:
        parts.append("the final weights")
    return f"Compared: {joined(parts)}." if parts else ""


def _largest(verdict: FairnessVerdict) -> str:
    """The largest differences beside what is allowed."""
    assert verdict.bounds is not None
    loss, allowed = verdict.step_loss_difference, verdict.bounds.step_loss
    words = f"Largest difference of a step's loss: {digits(loss)} (allowed: {digits(allowed)})"
    if verdict.weighed:
        weight = f"{digits(verdict.weight_difference)} (allowed: {digits(verdict.bounds.weight)})"
        words += f"; of a layer's weights, as a part of their size: {weight}"
    return f"{words}."


def _started_alike(verdict: FairnessVerdict) -> str:
    assert verdict.bounds is not None
    first, allowed = digits(verdict.first_losses_difference), digits(verdict.bounds.first_losses)
    return f"Both lanes started alike: the first ten steps' losses differ by at most {first} (allowed: {allowed})."


def _drifted(verdict: FairnessVerdict) -> str:
    """What float32 makes of a same start after its first steps."""
    return (
        "Then float32 drifts: its rounding, of 7 digits, grows with every step, here to "
        f"{digits(verdict.step_loss_difference)} of a loss. So only the start is held to be the same, and later "
        "differences of this size say nothing of the frameworks."
    )


def _without_bounds(verdict: FairnessVerdict) -> str:
    return (
        "The start held: same weights, same first steps without dropout. With dropout each framework drops other "
        f"activations, so the lanes then differ by design, here by up to {digits(verdict.step_loss_difference)} of a "
        "loss. Whether anything else differs cannot be seen beside that: an exact twin shows it."
    )


def _where(verdict: FairnessVerdict) -> str:
    """Where the lanes first parted, by how much, and what was allowed."""
    parting = verdict.parting
    assert parting is not None
    by = f"by {digits(parting.difference)}, where {digits(parting.bound)} is allowed"
    match parting.where:
        case "step":
            place = f"at step {parting.run_step:,} (step {parting.step} of epoch {parting.epoch})"
            return f"The lanes parted {place}: their losses differ {by}."
        case "steps":
            return f"The lanes parted in epoch {parting.epoch}: they did not take the same number of steps."
        case "epoch":
            return f"The lanes parted in epoch {parting.epoch}: {FIGURE_WORDS[parting.figure]} differs {by}."
        case "epochs":
            return f"The lanes parted in epoch {parting.epoch}: only one of them trained it."
        case "test":
            return f"The lanes parted in the test: {FIGURE_WORDS[parting.figure]} differs {by}."
    return f"The lanes parted in their final weights: {parting.figure} differs {by}."


def _weights_sentence(verdict: FairnessVerdict) -> str:
    """Which layer's weights differ most in the end."""
    if not verdict.weighed:
        why = "The final weights could not be read" if verdict.complete else "The run did not come to its end"
        return f"{why}, so none were compared."
    layer = verdict.apart.partition(".")[0]
    return f"Of the final weights those of {layer} differ most, by {digits(verdict.weight_difference)} of their size."
