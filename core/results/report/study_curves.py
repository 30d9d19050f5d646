"""A study's charts in its report: what its page shows, of every measure."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.experiment import metrics
from core.experiment.engine_names import ALIGNED_PAIR
from core.experiment.kinds import Number
from core.experiment.names import engine_title, joined
from core.experiment.settings import SETTINGS
from core.experiment.statistics import Interval
from core.experiment.study import MEASURES, Measure
from core.results import axes, study_charts
from core.results.report.drawn import Area, Chart, Line, Points, Tip, column, placed, ticks_across, ticks_up
from core.results.study_charts import EACH_UP, EachLane, Over
from core.results.study_outcome import CellOutcome, EndedPair, StudyOutcome, of_one_machine
from core.results.study_words import cell_words, in_unit, one_difference, pair_name, unit_of

MOST_CELLS = 6
"""Combinations of which each has charts of its own, and charts over one number beside other values of another one."""
MOST_TIPS = 200
"""Columns of a chart that say something when they are pointed at."""


@dataclass(frozen=True)
class Side:
    """A lane in a legend."""

    engine: str
    title: str


SIDES = [Side(engine, engine_title(engine)) for engine in ALIGNED_PAIR]


def of_cell(found: StudyOutcome, cell: CellOutcome) -> Iterator[Chart]:
    """Of each measure that a pair has: the interval that closes in, then each lane alone."""
    for measure in MEASURES:
        its = [pair for pair in cell.pairs if measure.name in pair.differences]
        if its:
            yield closing(found, cell, measure, its)
            yield _each_lane(measure, its)


def over_fields(found: StudyOutcome) -> Iterator[Chart]:
    """Of each measure: both lanes over every number that varies, for each combination of what else does."""
    for measure in MEASURES:
        for name, _ in found.record.study.vary:
            if isinstance(SETTINGS[name], Number):
                others = dict.fromkeys(tuple(one for one in cell.cell if one[0] != name) for cell in found.cells)
                for beside in list(others)[:MOST_CELLS]:
                    points, which = study_charts.points_over(found.cells, measure, name, beside)
                    if len(points) > 1:
                        yield _over(found, measure, name, points, beside, which)


def closing(found: StudyOutcome, cell: CellOutcome, measure: Measure, its: Sequence[EndedPair]) -> Chart:
    """Each pair's difference, and the interval after each of them, around it the margin."""
    finding = cell.finding(measure.name)
    shown = [in_unit(measure, difference) for difference in finding.differences]
    low, high = (in_unit(measure, side * finding.margin) for side in (-1, 1))
    ends = study_charts.intervals(finding.differences, found.record.study.alpha, finding.resolution)
    x, y = axes.epochs(len(shown)), study_charts.up_of_differences(finding, [*shown, low, high])
    across = (x.low, x.high)
    band = [(float(n), in_unit(measure, one.low)) for n, one in ends.items()]
    band += reversed([(float(n), in_unit(measure, one.high)) for n, one in ends.items()])
    margin = [(across[0], low), (across[1], low), (across[1], high), (across[0], high)]
    points = ", points" if measure.name == "test_accuracy" else ""
    return Chart(
        key=f"closing-{measure.name}",
        heading=f"{measure.title}: the interval closes in",
        finding=study_charts.closing_words(finding),
        caption=f"A ring is a pair: Keras minus PyTorch{points}. Teal: the interval after each pair. Grey: the margin.",
        title_across="pairs",
        across=ticks_across(x),
        up=ticks_up(y),
        lines=[
            Line("zero", placed([(end, 0.0) for end in across], x, y)),
            Line("mean", placed([(float(n), in_unit(measure, one.mean)) for n, one in ends.items()], x, y)),
            Line("marks", placed([(float(n), value) for n, value in enumerate(shown, start=1)], x, y), marked=True),
        ],
        tips=_pair_tips(measure, its, ends, x),
        areas=[Area("margin", _inside(placed(margin, x, y))), Area("interval", _inside(placed(band, x, y)))],
    )


def _inside(places: Points) -> Points:
    """No farther up or down than the chart: the first intervals are far wider than all that matters."""
    return [(x, max(0.0, min(100.0, y))) for x, y in places]


def _pair_tips(measure: Measure, its: Sequence[EndedPair], ends: dict[int, Interval], x: axes.Axis) -> list[Tip]:
    every = -(-len(its) // MOST_TIPS)
    tips = []
    for number in range(every, len(its) + 1, every):
        pair, found = its[number - 1], ends.get(number)
        said = [f"Pair {number:,}, {pair_name(pair.seed, ())}", one_difference(measure, pair.differences[measure.name])]
        if found:
            low, high = (metrics.digits(in_unit(measure, end)) for end in (found.low, found.high))
            said.append(f"interval {low} to {high}{unit_of(measure)}")
        tips.append(column(x.share(number - every / 2), x.share(number + every / 2), said))
    return tips


def _each_lane(measure: Measure, its: Sequence[EndedPair]) -> Chart:
    own, which = of_one_machine(its, measure)
    each = EachLane.of(measure, study_charts.lane_values(own, measure))
    return Chart(
        key=f"lanes-{measure.name}",
        heading=f"{measure.title}: each lane alone",
        finding=each.words,
        caption=f"Every mark is a run. {which}".strip(),
        title_across=each.title,
        across=ticks_across(each.along),
        up=ticks_up(EACH_UP),
        lines=[Line("marks", placed(own, each.along, EACH_UP), engine, True) for engine, own in each.lanes.items()],
    )


def _over(
    found: StudyOutcome,
    measure: Measure,
    name: str,
    points: dict[float, study_charts.Values],
    beside: tuple[tuple[str, Any], ...],
    which: str,
) -> Chart:
    word = SETTINGS[name].word
    over = Over.of(found.record.study, measure, word, points, found.cells[0].test_images)
    where = f"They cross near {joined([f'{at:.3g}' for at, _ in over.crossings])}." if over.crossings else ""
    lines = []
    for engine, each in over.lanes.items():
        ends = [[(n, one.low), (n, one.high)] for n, one in zip(over.numbers, each, strict=True) if one.bounded]
        lines += [Line("error", placed(end, over.along, over.up), engine) for end in ends]
        means = [(n, one.mean) for n, one in zip(over.numbers, each, strict=True)]
        lines.append(Line("main", placed(means, over.along, over.up), engine, True))
    return Chart(
        key=f"over-{name}-{measure.name}",
        heading=f"{measure.title}{study_charts.axis_unit(measure)} over {word}"
        + (f", {cell_words(beside)}" if beside else ""),
        finding=over.words,
        caption=f"{where} {which}".strip(),
        title_across=word,
        across=ticks_across(over.along),
        up=ticks_up(over.up),
        lines=lines,
        tips=_number_tips(measure, over),
        lanes=SIDES,
    )


def _number_tips(measure: Measure, over: Over) -> list[Tip]:
    """What each number says, its column half the way to its neighbours."""
    shares = [over.along.share(number) for number in over.numbers]
    edges = [-math.inf, *((a + b) / 2 for a, b in itertools.pairwise(shares)), math.inf]
    tips = []
    for i, number in enumerate(over.numbers):
        said = [
            f"{engine_title(engine)} {study_charts.told(measure, each[i].mean)}" for engine, each in over.lanes.items()
        ]
        tips.append(column(edges[i], edges[i + 1], [f"{number:,g}", *said]))
    return tips
