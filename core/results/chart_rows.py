"""What the live charts need of a run's rows: a phone on a thin line gets it, second after second."""

from collections.abc import Iterable, Mapping
from typing import Any

from core.results.epoch_charts import EPOCH_CHARTS

STEP_DIGITS = 4
"""Digits that count: a step is a point of a faint line. An epoch's figures are said, too, and rounded once, where
they are shown: 0.75499999 is 75 %, but 0.755 would be 76 %."""
FIELDS = {
    "step": ("epoch", "steps_per_epoch"),
    "epoch": ("epoch", "train_loss", *(chart.figure for chart in EPOCH_CHARTS)),
    "lane": ("state", "reason"),
}


def chart_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of rows as JSON objects those that the charts draw or say, with these fields alone; steps are rounded.

    For eyes only: what compares curves or exports a run takes the rows themselves.
    """
    return [_chart_row(row) for row in rows if row["kind"] in FIELDS]


def _chart_row(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: row[name] for name in ("seq", "engine", "kind")}
    kept |= {name: row[name] for name in FIELDS[row["kind"]] if name in row}
    if row["kind"] == "step" and isinstance(row.get("points"), list):
        kept["points"] = [_point(point) for point in row["points"]]
    return kept


def _point(point: Any) -> Any:
    """[step, loss], the loss with `STEP_DIGITS`; anything else as it is."""
    if not (isinstance(point, list) and len(point) == 2):
        return point
    step, loss = point
    counted = int(step) if isinstance(step, float) and step.is_integer() else step
    return [counted, float(f"{loss:.{STEP_DIGITS}g}") if isinstance(loss, float) else loss]
