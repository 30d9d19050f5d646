"""The report's four charts: what the live ones show of a run, placed in per cent, so that they are right at any width.

Nothing here draws: `chart.html.j2` does, as SVG whose lines stretch with the page and whose words and marks do not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.experiment import metrics
from core.experiment.names import framework, is_variant
from core.protocol.messages import Step
from core.results import axes
from core.results.axes import Axis
from core.results.epoch_charts import EpochChart, epoch_charts
from core.results.outcome import LaneOutcome, Outcome
from core.results.twin import is_twin
from core.storage.rows import Row

DRAWN_STEPS = 2000
"""A lane's steps at most, as in the live charts: more cannot be told apart."""
LAST_IN_FRONT = {"keras": 0, "other": 1, "torch": 2}
"""PyTorch is drawn last: its dashes over Keras' solid line show two curves that are one."""

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One line of a lane: `part` is `steps`, `training` or `main`; places from 0 to 100, from left and from top."""

    part: str
    lane: LaneOutcome
    places: Points
    marked: bool = False
    """With a mark at each place, and not a line alone."""


@dataclass(frozen=True)
class Tip:
    """What one epoch says when it is pointed at: its column from `left`, `width` wide, in per cent."""

    left: float
    width: float
    lines: Sequence[str]


@dataclass(frozen=True)
class Chart:
    """One chart, ready to be drawn."""

    kind: EpochChart
    finding: str
    caption: str
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    lines: Sequence[Line]
    tips: Sequence[Tip]
    names: Sequence[tuple[float, float, LaneOutcome]] = field(default=())
    """A variant's name at its line's end."""

    @property
    def letters(self) -> int:
        """How many letters its widest label upwards has, for which there must be room."""
        return max((len(label) for _, label in self.up), default=1)


def charts(outcome: Outcome, rows: Sequence[Row]) -> list[Chart]:
    """The charts of a run that has epochs or steps; a twin's loss first, as on the page. `rows`: all of the run."""
    lanes = in_drawing_order(outcome.lanes)
    steps = {lane.engine: _steps(lane.engine, rows) for lane in lanes}
    if not any(lane.epochs or steps[lane.engine][0] for lane in lanes):
        return []
    kinds = epoch_charts(outcome.dataset.validation_images)
    drawn = [_chart(kind, outcome, lanes, steps if kind.key == "loss" else {}) for kind in kinds]
    return sorted(drawn, key=lambda chart: chart.kind.key != "loss") if is_twin(outcome.run.settings) else drawn


def in_drawing_order(lanes: Sequence[LaneOutcome]) -> list[LaneOutcome]:
    """Those behind first."""
    return sorted(lanes, key=lambda lane: LAST_IN_FRONT[framework(lane.engine)])


def _chart(
    kind: EpochChart, outcome: Outcome, lanes: list[LaneOutcome], steps: dict[str, tuple[Points, bool]]
) -> Chart:
    parts: list[tuple[str, LaneOutcome, Points]] = []
    if kind.key == "loss":
        parts += [("steps", lane, steps[lane.engine][0]) for lane in lanes]
        training = [(lane, [(float(e.epoch), e.train_loss) for e in lane.epochs]) for lane in lanes]
        parts += [("training", lane, points) for lane, points in training]
    parts += [("main", lane, [(float(e.epoch), kind.value(e)) for e in lane.epochs]) for lane in lanes]
    x = axes.epochs(outcome.run.settings.epochs, first=0 if kind.key == "loss" else 1)
    y = kind.axis([value for _, _, points in parts for _, value in points])
    lines = [Line(part, lane, _placed(points, x, y), _marked(part, points)) for part, lane, points in parts]
    mains = [line for line in lines if line.part == "main" and line.places]
    return Chart(
        kind,
        finding(kind, outcome),
        _loss_caption(lines, any(thinned for _, thinned in steps.values())) if kind.key == "loss" else "",
        [(100 * x.share(tick), label) for tick, label in x.ticks],
        [(100 * (1 - y.share(tick)), label) for tick, label in y.ticks],
        [line for line in lines if line.places],
        _tips(kind, lanes, x),
        [(*line.places[-1], line.lane) for line in mains if is_variant(line.lane.engine)],
    )


def _loss_caption(lines: Sequence[Line], sampled: bool) -> str:
    """Which line is which; of one epoch, which mark."""
    one = any(line.marked for line in lines if line.part == "training")
    which = "Large marks: validation. Small: training." if one else "Thick with markers: validation. Thin: training."
    if not any(line.places for line in lines if line.part == "steps"):  # a study's file has epochs alone
        return which
    return f"{which} Faint: {'single steps' if sampled else 'every step'}."


def _marked(part: str, points: Points) -> bool:
    """Validation is; training where one epoch is no line."""
    return part == "main" or (part == "training" and len(points) == 1)


def _placed(points: Points, x: Axis, y: Axis) -> Points:
    """Per cent from the left and from the top; what the axis cannot hold is left out."""
    return [(100 * x.share(at), 100 * (1 - y.share(value))) for at, value in points if y.holds(value)]


def _steps(engine: str, rows: Sequence[Row]) -> tuple[Points, bool]:
    """A lane's step losses over epochs, and whether some steps between them are missing."""
    found: Points = []
    sampled, before = False, 0
    for row in rows:
        if not isinstance(row.event, Step) or row.engine != engine:
            continue
        per_epoch = row.event.steps_per_epoch
        for step, loss in row.event.points:
            place = (row.event.epoch - 1) * per_epoch + int(step)
            sampled |= bool(before) and place > before + 1
            before = place
            found.append((place / per_epoch, loss))
    every = math.ceil(len(found) / DRAWN_STEPS) or 1
    return found[::every], sampled or every > 1


def _tips(kind: EpochChart, lanes: list[LaneOutcome], x: Axis) -> list[Tip]:
    """Every epoch's figures, the lanes in drawing order."""
    known: dict[int, list[str]] = {}
    for lane in lanes:
        for epoch in lane.epochs:
            words = f"{lane.title} {kind.say(kind.value(epoch))}"
            if kind.key == "loss":
                words += f", training {metrics.loss(epoch.train_loss)}"
            known.setdefault(epoch.epoch, []).append(words)

    def column(epoch: int) -> Tip:
        left, right = (max(0.0, min(100.0, 100 * x.share(epoch + half))) for half in (-0.5, 0.5))
        return Tip(left, right - left, [f"Epoch {epoch}", *known[epoch]])

    return [column(epoch) for epoch in sorted(known)]


def finding(kind: EpochChart, outcome: Outcome) -> str:
    """A chart in words: "Validation accuracy by epoch. Keras 98.6 %, PyTorch 98.5 % after epoch 5."."""
    lanes = [lane for lane in outcome.lanes if lane.epochs]
    if not lanes:
        return f"{kind.title}. No epoch has ended."
    lasts = [lane.epochs[-1] for lane in lanes]
    words = [f"{lane.title} {kind.say(kind.value(last))}" for lane, last in zip(lanes, lasts, strict=True)]
    if len({last.epoch for last in lasts}) == 1:
        return f"{kind.title}. {', '.join(words)} after epoch {lasts[0].epoch}."
    each = [f"{word} after epoch {last.epoch}" for word, last in zip(words, lasts, strict=True)]
    return f"{kind.title}. {', '.join(each)}."
