"""A run's four charts in its report: what the live ones show of it."""

import math
from collections.abc import Sequence

from core.experiment import metrics
from core.experiment.names import engine_title, framework, is_variant
from core.protocol.messages import Step
from core.results import axes
from core.results.axes import Axis
from core.results.epoch_charts import EpochChart, epoch_charts
from core.results.outcome import LaneOutcome, Outcome
from core.results.report.drawn import Chart, Line, Name, Points, Tip, column, placed, ticks_across, ticks_up
from core.results.twin import is_twin
from core.storage.rows import Row

DRAWN_STEPS = 2000
"""A lane's steps at most, as in the live charts: more cannot be told apart."""
LAST_IN_FRONT = {"keras": 0, "other": 1, "torch": 2}
"""PyTorch is drawn last: its dashes over Keras' solid line show two curves that are one."""


def charts(outcome: Outcome, rows: Sequence[Row]) -> list[Chart]:
    """The charts of a run that has epochs or steps; a twin's loss first, as on the page. `rows`: all of the run."""
    lanes = in_drawing_order(outcome.lanes)
    steps = {lane.engine: _steps(lane.engine, rows) for lane in lanes}
    if not any(lane.epochs or steps[lane.engine][0] for lane in lanes):
        return []
    kinds = epoch_charts(outcome.dataset.validation_images)
    drawn = [_chart(kind, outcome, lanes, steps if kind.key == "loss" else {}) for kind in kinds]
    return sorted(drawn, key=lambda chart: chart.key != "loss") if is_twin(outcome.run.settings) else drawn


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
    lines = [Line(part, placed(points, x, y), lane.engine, _marked(part, points)) for part, lane, points in parts]
    mains = [line for line in lines if line.part == "main" and line.places]
    return Chart(
        key=kind.key,
        heading=kind.heading,
        finding=finding(kind, outcome),
        caption=_loss_caption(lines, any(thinned for _, thinned in steps.values())) if kind.key == "loss" else "",
        title_across="epoch",
        across=ticks_across(x),
        up=ticks_up(y),
        lines=[line for line in lines if line.places],
        tips=_tips(kind, lanes, x),
        names=[
            Name(*line.places[-1], engine_title(line.engine), below=framework(line.engine) == "torch")
            for line in mains
            if is_variant(line.engine)
        ],
        lanes=lanes,
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

    return [
        column(x.share(epoch - 0.5), x.share(epoch + 0.5), [f"Epoch {epoch}", *known[epoch]]) for epoch in sorted(known)
    ]


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
