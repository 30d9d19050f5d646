"""A run's figures as one table of text: what stands under "Result in figures", on the page and in the report."""

from core.experiment import metrics
from core.results.outcome import LaneOutcome, Outcome


def result_table(outcome: Outcome) -> dict[str, list[str]]:
    """Figure to its value in each lane, in the lanes' order."""
    rows: dict[str, list[str]] = {}
    for lane in outcome.lanes:
        for name, value in _of(lane, outcome.dataset.test_images).items():
            rows.setdefault(name, []).append(value)
    return rows


def _of(lane: LaneOutcome, test_images: int) -> dict[str, str]:
    built, result = lane.built, lane.result
    return {
        "Test accuracy": metrics.percent(result.test_accuracy if result else None, test_images),
        "Test loss": metrics.loss(result.test_loss if result else None),
        "Training time": metrics.duration(lane.train_s or None),
        "Throughput": metrics.throughput(lane.throughput),
        "Processors used": metrics.of_all(lane.processors_used, lane.processors),
        "Taken by others": metrics.percent(lane.taken_share, 100),
        "Import": metrics.duration(lane.ready.import_s if lane.ready else None),
        "Data": metrics.duration(built.data_s if built else None),
        "Build": metrics.duration(built.build_s if built else None),
        "First step": metrics.duration(lane.epochs[0].first_step_s if lane.epochs else None),
        "Validation": metrics.duration(sum(epoch.val_s for epoch in lane.epochs) or None),
        "Test": metrics.duration(result.test_s if result else None),
        "Peak memory": metrics.mebibytes(result.rss_mib if result else None),
        "Parameters": f"{built.parameters:,}" if built else metrics.NOT_KNOWN,
        "Device": lane.device or metrics.NOT_KNOWN,
    }
