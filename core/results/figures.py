"""A run's figures as one table of text: what stands under "Result in figures", on the page and in the report."""

from core.experiment import metrics
from core.results.outcome import LaneOutcome, Outcome


def figures(outcome: Outcome) -> dict[str, list[str]]:
    """Figure to its value in each lane, in the lanes' order."""
    rows: dict[str, list[str]] = {}
    for lane in outcome.lanes:
        for name, value in _of(lane, outcome.dataset.test_images).items():
            rows.setdefault(name, []).append(value)
    return rows


def _of(lane: LaneOutcome, test_images: int) -> dict[str, str]:
    return {
        "Test accuracy": metrics.percent(lane.result.get("test_accuracy"), test_images),
        "Test loss": metrics.loss(lane.result.get("test_loss")),
        "Training time": metrics.duration(lane.train_s or None),
        "Throughput": metrics.throughput(lane.throughput),
        "Processors used": metrics.of_all(lane.processors_used, lane.processors),
        "Taken by others": metrics.percent(lane.taken_share, 100),
        "Import": metrics.duration(lane.ready.get("import_s")),
        "Data": metrics.duration(lane.built.get("data_s")),
        "Build": metrics.duration(lane.built.get("build_s")),
        "First step": metrics.duration(lane.epochs[0].get("first_step_s") if lane.epochs else None),
        "Validation": metrics.duration(sum(epoch["val_s"] for epoch in lane.epochs) or None),
        "Test": metrics.duration(lane.result.get("test_s")),
        "Peak memory": metrics.mebibytes(lane.result.get("rss_mib")),
        "Parameters": f"{lane.built['parameters']:,}" if lane.built else metrics.NOT_KNOWN,
        "Device": lane.built.get("device", metrics.NOT_KNOWN),
    }
