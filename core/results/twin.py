"""How far the two loss curves of an exact twin lie apart: one definition for the live charts and the report.

The certificate and the verdict on fairness are stricter, and relative (`core.experiment.fairness`): this one is what a
reader sees as the gap of two lines.
"""

import math
from collections.abc import Iterable

from core.experiment import metrics
from core.experiment.settings import Alignment, TrainSettings
from core.protocol.messages import Epoch, Step
from core.storage.rows import Row


def is_twin(settings: TrainSettings) -> bool:
    """Whether a run's lanes are to compute the same numbers."""
    return settings.alignment == Alignment.EXACT_TWIN


class CurveDifference:
    """The largest difference of two losses of the same step or epoch, over all rows that both lanes have written."""

    def __init__(self) -> None:
        self._unmatched: dict[tuple[str, int, int], tuple[str, float]] = {}
        self.largest: float | None = None
        """None where nothing was in both yet."""

    def take(self, rows: Iterable[Row]) -> "CurveDifference":
        """Compares what is new. Returns itself."""
        for row in rows:
            match event := row.event:
                case Step():
                    for step, loss in event.points:
                        self._compare(("step", event.epoch, int(step)), row.engine, loss)
                case Epoch():
                    self._compare(("training", event.epoch, 0), row.engine, event.train_loss)
                    self._compare(("validation", event.epoch, 0), row.engine, event.val_loss)
        return self

    def _compare(self, point: tuple[str, int, int], engine: str, loss: float) -> None:
        if not math.isfinite(loss):
            return
        other, other_loss = self._unmatched.get(point, (engine, loss))
        if other == engine:
            self._unmatched[point] = engine, loss
        else:
            del self._unmatched[point]
            self.largest = max(self.largest or 0.0, abs(other_loss - loss))

    @property
    def words(self) -> tuple[str, str] | None:
        """In digits, and what that means, as a sentence."""
        if self.largest is None:
            return None
        return metrics.digits(self.largest), metrics.rounding(self.largest, "float64")
