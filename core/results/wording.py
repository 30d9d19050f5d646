"""What is said of a run beside its figures, in the same words on the page and in the report. Plain text throughout."""

from collections.abc import Mapping
from typing import Any

from core.experiment import metrics
from core.experiment.dates import day
from core.experiment.machine import machine_words
from core.experiment.parity import Certificate
from core.experiment.settings import Schedule, TrainSettings
from core.experiment.switches import titles
from core.experiment.titles import sentence_case
from core.results.outcome import LANE_STATE_VERBS, LaneOutcome, Outcome
from core.storage.database import LaneState, State
from core.storage.records import Run
from core.storage.studies import StudyRecord

STATE_COLOURS = {
    State.FINISHED: "green",
    State.STOPPED: "gray",
    State.INTERRUPTED: "yellow",
    State.FAILED: "red",
}
"""A badge's colour; gray for every other state."""


def origin(run: Run | StudyRecord) -> str:
    """Whether a run or a study is of this folder, recorded or imported, on which machine and day it ran."""
    how = {"recorded": "recorded on ", "imported": "imported, ran on "}.get(run.source, "ran on ")
    return f"{how}{machine_words(run.machine)}, {day(run.created_at)}"


def card(outcome: Outcome, lane: LaneOutcome) -> tuple[str, str, str]:
    """A lane in brief: what its one figure is, the figure, and a caption."""
    if lane.result:
        value = metrics.percent(lane.result.test_accuracy, outcome.dataset.test_images)
        caption = f"loss {metrics.loss(lane.result.test_loss)}"
        if lane.throughput is not None and not outcome.busy:
            caption += f" · {metrics.throughput(lane.throughput)}"
        return "Test accuracy", value, caption
    label = "Test accuracy" if lane.state.ended else "Accuracy"
    if lane.state == LaneState.FAILED:
        return label, metrics.NOT_KNOWN, f"failed in epoch {len(lane.epochs) + 1}" if lane.built else "failed"
    doing = "waits" if lane.state == LaneState.WAITING else LANE_STATE_VERBS.get(lane.state, lane.state)
    if not lane.epochs:
        return label, metrics.NOT_KNOWN, doing
    last = lane.epochs[-1]
    value = metrics.percent(last.val_accuracy, outcome.dataset.validation_images)
    return "Accuracy", value, f"validation, epoch {last.epoch} · {doing}"


def time_caption(outcome: Outcome) -> str:
    """What the parts of the time are, and why they may not be compared where they may not."""
    words = "Start: import, data, build. The rest: validation and test. Times never include the dashboard's own work."
    if outcome.drawn_meanwhile:
        words = "Drawn meanwhile: somebody drew while this trained, so its times are a little too long. " + words
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


def certificate_words(certificate: Certificate) -> str:
    """What was done before epoch 1."""
    return (
        f"Before epoch 1 both lanes trained {certificate.steps} batches of {certificate.batch_size} images from "
        "the run's start, without dropout, on a network of their own."
    )


def certificate_lines(certificate: Certificate) -> dict[str, tuple[str, str]]:
    """What was compared, to how much was measured and how much is allowed."""
    compared = {
        "Largest difference of an output, over the largest output": (
            certificate.logit_difference,
            certificate.logit_bound,
        ),
        "Largest relative difference of a loss": (certificate.loss_difference, certificate.loss_bound),
    }
    return {name: (metrics.digits(measured), metrics.digits(bound)) for name, (measured, bound) in compared.items()}


def certificate_meaning(certificate: Certificate, settings: TrainSettings) -> str:
    """What the larger of the certificate's differences means in the numbers that the lanes compute in."""
    largest = max(certificate.logit_difference, certificate.loss_difference)
    apart = f"At most {metrics.digits(largest)} apart."
    if settings.keep:
        expected = f"This run keeps {titles(settings.keep)} as shipped: it was expected to fail by that."
        return f"{apart} {expected}" if not certificate.passed else f"{apart} {expected} Here it passed all the same."
    return f"{apart} {metrics.rounding(largest, 'float64' if settings.float64 else 'float32')}"


def machine_line(machine: Mapping[str, Any]) -> str:
    """Where and with which Python something was measured."""
    m = machine
    return (
        f"{m['name']}: {m['processor']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['system']}, "
        f"Python {m['python']}."
    )


def versions_line(lane: LaneOutcome) -> str:
    """What computed a lane, and on which device."""
    versions = ", ".join(f"{name} {version}" for name, version in lane.versions.items())
    return f"{versions or metrics.NOT_KNOWN}, on {lane.device or 'no device'}."


def data_line(outcome: Outcome) -> str:
    """Which data were used, and where they came from."""
    prepared, dataset = outcome.prepared, outcome.dataset
    source = f"{sentence_case(prepared.source)}." if prepared.source else dataset.description
    return " ".join(filter(None, (f"Data: {dataset.title}.", source, prepared.note)))
