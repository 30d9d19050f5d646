"""The four charts of a run by epoch, described once: the live charts, the report and the static figures draw these."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.experiment import metrics
from core.protocol.messages import Epoch
from core.results import axes
from core.results.axes import Axis


@dataclass(frozen=True)
class EpochChart:
    """What one of them shows of an epoch, and how it says it."""

    key: str
    heading: str
    title: str
    """For who cannot see it."""
    figure: str
    """The field of an epoch that it draws, times `scale`."""
    scale: float = 1.0
    unit: str = ""
    """Stands behind a figure; on the axis only where that need not begin at 0."""
    decimals: int | None = None
    """None: three digits that count."""
    logarithmic: bool = False
    from_zero: bool = False
    waiting: str = "Waiting for the first epoch."

    def value(self, epoch: Epoch) -> float:
        """Its figure of an epoch."""
        return self.scale * float(getattr(epoch, self.figure))

    def say(self, value: float) -> str:
        """A figure in words."""
        if self.logarithmic:
            return metrics.loss(value)
        return (three_digits(value) if self.decimals is None else f"{value:.{self.decimals}f}") + self.unit

    def axis(self, values: Iterable[float]) -> Axis:
        """The axis that has room for these figures."""
        if self.logarithmic:
            return axes.logarithmic(values)
        return axes.linear(values, from_zero=True) if self.from_zero else axes.linear(values, self.unit, most=100)


NB = metrics.NO_BREAK
ACCURACY = EpochChart(
    "val_accuracy", "Validation accuracy", "Validation accuracy by epoch", "val_accuracy", 100.0, f"{NB}%", 1
)
LOSS = EpochChart(
    "loss",
    "Loss",
    "Validation loss by epoch",
    "val_loss",
    decimals=4,
    logarithmic=True,
    waiting="Waiting for the first step.",
)
SECONDS = EpochChart("seconds", "Seconds per epoch", "Seconds per epoch", "train_s", unit=f"{NB}s", from_zero=True)
THROUGHPUT = EpochChart(
    "throughput", "Images per second", "Images per second", "images_per_s", unit=f"{NB}images/s", from_zero=True
)
EPOCH_CHARTS = (ACCURACY, LOSS, SECONDS, THROUGHPUT)


def epoch_charts(validation_images: int) -> tuple[EpochChart, ...]:
    """The four, with an accuracy no finer than one of so many images."""
    return replace(ACCURACY, decimals=metrics.percent_decimals(validation_images)), LOSS, SECONDS, THROUGHPUT


def three_digits(value: float) -> str:
    """1.53, 38.2, 3,310."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else metrics.NOT_KNOWN
    places = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(0, places)}f}"
