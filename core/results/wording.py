"""What is said of a run beside its figures, in the same words on the page and in the report. Plain text throughout."""

from typing import Any

from core.experiment import metrics
from core.experiment.dates import day
from core.experiment.machine import machine_words
from core.experiment.settings import Alignment, Schedule
from core.results.outcome import DOING, ENDED, LaneOutcome, Outcome
from core.storage.records import Run


def origin(run: Run) -> str:
    """Whether a run is of this folder, recorded or imported, on which machine and day it ran."""
    how = {"recorded": "recorded on ", "imported": "imported, ran on "}.get(run.source, "ran on ")
    return f"{how}{machine_words(run.machine)}, {day(run.created_at)}"


def card(outcome: Outcome, lane: LaneOutcome) -> tuple[str, str, str]:
    """A lane in brief: what its one figure is, the figure, and a caption."""
    if lane.result:
        value = metrics.percent(lane.result["test_accuracy"], outcome.dataset.test_images)
        caption = f"loss {metrics.loss(lane.result['test_loss'])}"
        if lane.throughput is not None and not outcome.busy:
            caption += f" · {metrics.throughput(lane.throughput)}"
        return "Test accuracy", value, caption
    label = "Test accuracy" if lane.state in ENDED else "Accuracy"
    if lane.state == "failed":
        return label, metrics.NOT_KNOWN, f"failed in epoch {len(lane.epochs) + 1}" if lane.built else "failed"
    doing = "waits" if lane.state == "waiting" else DOING.get(lane.state, lane.state)
    if not lane.epochs:
        return label, metrics.NOT_KNOWN, doing
    last = lane.epochs[-1]
    value = metrics.percent(last["val_accuracy"], outcome.dataset.validation_images)
    return "Accuracy", value, f"validation, epoch {last['epoch']} · {doing}"


def time_caption(outcome: Outcome) -> str:
    """What the parts of the time are, and why they may not be compared where they may not."""
    words = "Start: import, data, build. The rest: validation and test. Times never include the dashboard's own work."
    if outcome.beside is not None:
        words = "Drawn beside: somebody drew while this trained, so its times are a little too long. " + words
    if outcome.run.settings.schedule == Schedule.TOGETHER:
        return (
            f"{'Both' if len(outcome.lanes) == 2 else 'All'} ran at once, so their times cannot be compared. " + words
        )
    if outcome.busy:
        return "The machine was busy, so the lanes' times cannot be compared. " + words
    return (
        words
        if outcome.same_device
        else "The lanes ran on different devices, so their times cannot be compared. " + words
    )


def confusion_caption(outcome: Outcome) -> str:
    """How to read the matrices."""
    return f"{outcome.dataset.test_images:,} test images. Colour marks mistakes only; the diagonal is right."


def certificate_words(certificate: dict[str, Any]) -> str:
    """What was done before epoch 1."""
    return (
        f"Before epoch 1 both lanes trained {certificate['steps']} batches of {certificate['batch_size']} images from "
        "the run's start, without dropout, on a network of their own."
    )


def certificate_lines(certificate: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """What was compared, to how much was measured and how much is allowed."""
    names = {
        "logit": "Largest difference of an output, over the largest output",
        "loss": "Largest relative difference of a loss",
    }
    return {
        name: (metrics.digits(certificate[f"{key}_difference"]), metrics.digits(certificate[f"{key}_bound"]))
        for key, name in names.items()
    }


def certificate_meaning(outcome: Outcome) -> str:
    """What the larger of the certificate's differences means in the numbers that the lanes compute in."""
    certificate = outcome.certificate or {}
    largest = max(certificate["logit_difference"], certificate["loss_difference"])
    twin = outcome.run.settings.alignment == Alignment.EXACT_TWIN
    return f"At most {metrics.digits(largest)} apart. {metrics.rounding(largest, 'float64' if twin else 'float32')}"


def machine_line(run: Run) -> str:
    """Where, when and with which Python a run was measured."""
    m = run.machine
    return (
        f"{m['name']}: {m['processor']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['system']}, "
        f"Python {m['python']}. {day(run.created_at)}, run "
    )


def versions_line(lane: LaneOutcome) -> str:
    """What computed a lane, and on which device."""
    versions = ", ".join(f"{name} {version}" for name, version in lane.versions.items())
    return f"{versions or metrics.NOT_KNOWN}, on {lane.built.get('device', 'no device')}."


def data_line(outcome: Outcome) -> str:
    """Which data were used, and where they came from."""
    data = outcome.prepared or {}
    source = str(data.get("source", outcome.dataset.description)).rstrip(".")
    return f"Data: {outcome.dataset.title}. {source[:1].upper()}{source[1:]}. {data.get('note', '')}".rstrip()
