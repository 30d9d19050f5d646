"""Figures of a study: the interval that closes in, both frameworks over a varied number, each lane alone.

Of every figure also what it shows in words. Differences are Keras minus PyTorch.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import plotly.graph_objects as go

from core.experiment import metrics
from core.experiment.engine_names import ALIGNED_PAIR
from core.experiment.metrics import NO_BREAK
from core.experiment.names import engine_title
from core.experiment.statistics import Interval, interval
from core.experiment.study import Finding, Measure, Study, resolution
from core.results import axes
from core.results.charts import COLOURS, DASHES, SYMBOLS, base_layout, on_axis
from core.results.study_bands import FILLS
from core.results.study_marks import drawn_words, marked, spread
from core.results.study_outcome import CellOutcome, EndedPair, of_one_machine
from core.results.study_words import LARGEST_LOGARITHM, difference_words, in_unit, mean_words, unit_of
from core.storage.studies import SIDES

Values = Mapping[str, Sequence[float]]
"""A figure of each lane, by its engine, in the order of the pairs."""

INTERVAL, INTERVAL_FILL, MARGIN_FILL = "#0f766e", "rgba(15, 118, 110, 0.2)", "rgba(128, 133, 143, 0.18)"
MOST_INTERVALS = 200
"""Of a figure; of more pairs only so many have theirs drawn."""
WIDE = 8
"""From this ratio on of the largest to the smallest, a varied number is drawn on a logarithmic axis."""
SPREAD = 0.5
"""How far a lane's marks lie apart across its row, which is 1 high, so that equal ones are seen."""
GOLDEN = 0.618
BAR = 0.7
"""How high the bar is in which most of a lane's runs lie."""


EACH_ROWS = {engine: row for row, engine in enumerate(reversed(ALIGNED_PAIR))}
EACH_UP = axes.Axis(-0.6, 1.6, [(float(row), engine_title(engine)) for engine, row in EACH_ROWS.items()])


def lane_values(pairs: Sequence[EndedPair], measure: Measure) -> Values:
    """Each lane's figure in every one of these pairs, which all have it."""
    return {side: [float(pair.figures[side][measure.figure] or 0.0) for pair in pairs] for side in SIDES}


def points_over(
    cells: Sequence[CellOutcome], measure: Measure, field: str, others: tuple[tuple[str, Any], ...]
) -> tuple[dict[float, Values], str]:
    """The lanes' figures by the varied number, as `over_field` takes them, where what else varies is `others`.

    And of which machine they are, as `of_one_machine` says it.
    """
    points: dict[float, Values] = {}
    able = [pair for cell in cells for pair in cell.pairs if measure.name in pair.differences]
    own, which = of_one_machine(able, measure)
    runs = {pair.run for pair in own}
    for cell in cells:
        its = [pair for pair in cell.pairs if pair.run in runs]
        if its and tuple(one for one in cell.cell if one[0] != field) == others:
            points[dict(cell.cell)[field]] = lane_values(its, measure)
    return points, which


def closing(study: Study, finding: Finding, seeds: Sequence[int]) -> tuple[go.Figure, str]:
    """Each pair's difference, its seed as custom data, and the interval after each of them, around it the margin.

    Of many pairs only the `marked` ones, and dotted lines between which most lie.
    """
    measure = finding.measure
    shown = [_short(in_unit(measure, difference)) for difference in finding.differences]
    places = marked(finding.differences)
    margins = [in_unit(measure, side * finding.margin) for side in (-1, 1)]
    figure = go.Figure(layout=base_layout(280))
    figure.add_hrect(y0=margins[0], y1=margins[1], fillcolor=MARGIN_FILL, line_width=0, layer="below")
    _band(figure, measure, intervals(finding.differences, study.alpha, finding.resolution))
    if len(places) < len(shown):
        _most(figure, shown)
    figure.add_scatter(
        x=[place + 1 for place in places],
        y=[shown[place] for place in places],
        mode="markers",
        marker={"symbol": "circle-open", "size": 8, "color": COLOURS["other"], "line": {"width": 1.5}},
        customdata=[seeds[place] for place in places],
        hovertemplate=f"seed %{{customdata}}: %{{y:.3g}}{unit_of(measure)}<extra></extra>",
    )
    figure.update_xaxes(title_text="pairs", showgrid=False, **on_axis(axes.epochs(len(shown))))
    points = ", points" if measure.name == "test_accuracy" else ""
    figure.update_yaxes(
        title_text=f"Keras {metrics.MINUS} PyTorch{points}", **on_axis(up_of_differences(finding, [*shown, *margins]))
    )
    return figure, closing_words(finding)


def up_of_differences(finding: Finding, drawn: Sequence[float]) -> axes.Axis:
    """The axis upwards of a figure that closes in: with room for what is drawn, zero and the last interval."""
    measure, values = finding.measure, [*drawn, 0.0]
    if finding.interval is not None and finding.interval.bounded:
        values += [in_unit(measure, end) for end in (finding.interval.low, finding.interval.high)]
    return axes.linear(values, unit=f"{NO_BREAK}%" if measure.logarithm else "")


def closing_words(finding: Finding) -> str:
    """What a figure that closes in shows."""
    return (
        f"{finding.measure.title}, Keras minus PyTorch, of {len(finding.differences):,} pairs: "
        f"mean {mean_words(finding)}, interval {difference_words(finding)}."
    )


def closing_caption(finding: Finding) -> str:
    """What is drawn in a figure that closes in."""
    count = len(finding.differences)
    thinned = drawn_words(len(marked(finding.differences)), count, "between the dotted lines")
    rings = f"A ring is a pair: press it for its run. {thinned}".strip()
    return f"{rings} Teal: the interval after each pair. Grey: the margin."


def _most(figure: go.Figure, shown: Sequence[float]) -> None:
    """Lines between which most of the pairs lie."""
    low, _, high = spread(shown)
    figure.add_scatter(
        x=[1, len(shown), math.nan, 1, len(shown)],
        y=[_short(low), _short(low), math.nan, _short(high), _short(high)],
        mode="lines",
        line={"color": COLOURS["other"], "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )


def _band(figure: go.Figure, measure: Measure, ends: Mapping[int, Interval]) -> None:
    """The interval by the number of pairs, and the mean in it."""
    line = {"color": INTERVAL, "width": 1}
    quiet: dict[str, Any] = {"x": list(ends), "mode": "lines", "hoverinfo": "skip"}
    figure.add_scatter(y=[in_unit(measure, one.low) for one in ends.values()], line=line, **quiet)
    high = [in_unit(measure, one.high) for one in ends.values()]
    figure.add_scatter(y=high, line=line, fill="tonexty", fillcolor=INTERVAL_FILL, **quiet)
    figure.add_scatter(y=[in_unit(measure, one.mean) for one in ends.values()], line={**line, "width": 2}, **quiet)


def intervals(differences: Sequence[float], alpha: float, resolution: float) -> dict[int, Interval]:
    """The interval after so many pairs, wherever it is bounded; of many pairs after some, the last always."""
    every = max(1, -(-len(differences) // MOST_INTERVALS))
    numbers = [number for number in range(1, len(differences) + 1) if (len(differences) - number) % every == 0]
    found = {number: interval(differences[:number], alpha, resolution) for number in numbers}
    return {number: one for number, one in found.items() if one.bounded}


def over_field(
    study: Study, measure: Measure, field: str, points: Mapping[float, Values], test_images: int
) -> tuple[go.Figure, str]:
    """Both lanes' means over a varied number, each with its interval, and where they cross.

    `points` holds the lanes' figures by the number; `field` is what it is called.
    """
    over = Over.of(study, measure, field, points, test_images)
    figure = go.Figure(layout=base_layout(280))
    for engine, each in over.lanes.items():
        _line(figure, engine, over.numbers, each, f"{escape(field)} %{{x}}: %{{y:.4g}}{figure_unit(measure)}")
    for at, height in over.crossings:
        x = math.log10(at) if over.along.logarithmic else at  # Plotly places annotations of a log axis by the exponent
        figure.add_annotation(x=x, y=height, text=f"cross near {at:.3g}", ax=0, ay=-36, arrowsize=0.8, arrowwidth=1)
    figure.update_xaxes(title_text=escape(field), showgrid=False, **on_axis(over.along))
    figure.update_yaxes(**on_axis(over.up))
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.2})
    return figure, over.words


@dataclass(frozen=True)
class Over:
    """Both lanes over a varied number, as the page and the report draw it."""

    numbers: list[float]
    lanes: dict[str, list[Interval]]
    """By engine, one a number; unbounded where there are too few runs for one."""
    crossings: list[tuple[float, float]]
    along: axes.Axis
    up: axes.Axis
    words: str
    """What it shows."""

    @classmethod
    def of(cls, study: Study, measure: Measure, field: str, points: Mapping[float, Values], test_images: int) -> "Over":
        """As `over_field`."""
        numbers = sorted(points)
        lanes = {
            engine: [lane_interval(measure, points[number][engine], study.alpha, test_images) for number in numbers]
            for engine in ALIGNED_PAIR
        }
        along = _along(numbers, logarithmic=numbers[0] > 0 and numbers[-1] / numbers[0] >= WIDE)
        keras, torch = ([one.mean for one in lanes[engine]] for engine in ALIGNED_PAIR)
        crossings = cross(numbers, keras, torch, along.logarithmic)
        drawn = [end for each in lanes.values() for one in each for end in (one.mean, one.low, one.high)]
        means = [
            f"{engine_title(engine)}: "
            + ", ".join(f"{number:g} {told(measure, one.mean)}" for number, one in zip(numbers, each, strict=True))
            for engine, each in lanes.items()
        ]
        where = f" They cross near {', '.join(f'{at:.3g}' for at, _ in crossings)}." if crossings else ""
        words = f"{measure.title} over {field}. {'. '.join(means)}.{where}"
        up = _up(measure, [value for value in drawn if math.isfinite(value)])
        return cls(numbers, lanes, crossings, along, up, words)


def told(measure: Measure, value: float) -> str:
    """A lane's own figure in the unit in which it is drawn."""
    return f"{value:.4g}{figure_unit(measure)}"


def _line(figure: go.Figure, engine: str, numbers: Sequence[float], found: Sequence[Interval], told: str) -> None:
    """One lane's means with their intervals, where they are bounded."""
    figure.add_scatter(
        x=numbers,
        y=[one.mean for one in found],
        name=engine_title(engine),
        mode="lines+markers",
        line={"color": COLOURS[engine], "width": 2, "dash": DASHES[engine]},
        marker={"symbol": SYMBOLS[engine], "size": 9},
        error_y={
            "array": [one.high - one.mean if one.bounded else 0 for one in found],
            "arrayminus": [one.mean - one.low if one.bounded else 0 for one in found],
            "thickness": 1.5,
        },
        hovertemplate=f"{engine_title(engine)}, {told}<extra></extra>",
    )


def _along(numbers: Sequence[float], logarithmic: bool) -> axes.Axis:
    """The axis of a varied number, with a tick at each value where there is room for all."""
    axis = axes.logarithmic(numbers) if logarithmic else axes.linear(numbers)
    own = [(number, f"{number:,g}") for number in numbers]
    return replace(axis, ticks=own) if len(own) <= axes.MOST_TICKS else axis


def cross(
    numbers: Sequence[float], first: Sequence[float], second: Sequence[float], logarithmic: bool = False
) -> list[tuple[float, float]]:
    """Where two lines through these points cross between two of them: the number, and how high.

    `logarithmic`: the numbers' axis is.
    """
    places = [math.log(number) if logarithmic else number for number in numbers]
    found = []
    for left, right in itertools.pairwise(range(len(numbers))):
        gap, next_gap = first[left] - second[left], first[right] - second[right]
        if gap * next_gap >= 0:
            continue
        share = gap / (gap - next_gap)
        at = places[left] + share * (places[right] - places[left])
        found.append((math.exp(at) if logarithmic else at, first[left] + share * (first[right] - first[left])))
    return found


def lane_interval(measure: Measure, values: Sequence[float], alpha: float, test_images: int) -> Interval:
    """The interval of the mean of one lane's figure, in the unit in which it is drawn; of a time through logarithms."""
    if not measure.logarithm:
        found = interval(values, alpha, resolution(measure, test_images))
        scale = 100.0 if measure.name == "test_accuracy" else 1.0
        return Interval(*(scale * end for end in (found.mean, found.low, found.high)))
    found = interval([math.log(value) for value in values], alpha, resolution(measure, test_images, min(values)))
    high = math.exp(found.high) if found.bounded and found.high < LARGEST_LOGARITHM else math.inf
    return Interval(math.exp(found.mean), math.exp(found.low) if found.bounded else -math.inf, high)


def each_lane(measure: Measure, values: Values, seeds: Sequence[int]) -> tuple[go.Figure, str]:
    """Every run's figure as a mark of its lane, its seed as custom data, a row each lane; and how far they spread.

    Of many runs only the `marked` ones, in front of a bar in which most lie, with the median in it.
    """
    figure = go.Figure(layout=base_layout(220))
    each = EachLane.of(measure, values)
    places = marked(*values.values())
    for engine, own in each.lanes.items():
        if len(places) < len(own):
            _bar(figure, engine, [x for x, _ in own])
        figure.add_scatter(
            x=[own[place][0] for place in places],
            y=[own[place][1] for place in places],
            name=engine_title(engine),
            mode="markers",
            marker={
                "symbol": f"{SYMBOLS[engine]}-open",
                "size": 9,
                "color": COLOURS[engine],
                "line": {"width": 1.5},
            },
            customdata=[seeds[place] for place in places],
            hovertemplate=f"%{{x:.4g}}{figure_unit(measure)}, seed %{{customdata}}<extra></extra>",
        )
    figure.update_xaxes(title_text=each.title, showgrid=True, **on_axis(each.along))
    figure.update_yaxes(showgrid=False, ticksuffix="  ", **on_axis(EACH_UP))
    return figure, each.words


def lanes_caption(values: Values) -> str:
    """What is drawn in a figure of each lane alone."""
    count, drawn = len(values[ALIGNED_PAIR[0]]), len(marked(*values.values()))
    return f"A mark is a run: press it for its page. {drawn_words(drawn, count, 'in the bar')}".strip()


def _bar(figure: go.Figure, engine: str, figures: Sequence[float]) -> None:
    """Where most of a lane's figures lie, across its row."""
    low, median, high = spread(figures)
    across: dict[str, Any] = {"y0": EACH_ROWS[engine] - BAR / 2, "y1": EACH_ROWS[engine] + BAR / 2, "layer": "below"}
    figure.add_shape(type="rect", x0=_short(low), x1=_short(high), fillcolor=FILLS[engine], line_width=0, **across)
    line = {"color": COLOURS[engine], "width": 2}
    figure.add_shape(type="line", x0=_short(median), x1=_short(median), line=line, **across)


@dataclass(frozen=True)
class EachLane:
    """Every run's figure in its lane's row, as the page and the report draw it."""

    lanes: dict[str, list[tuple[float, float]]]
    """By engine, one a run: the figure, and where across its row, on `EACH_UP`."""
    along: axes.Axis
    title: str
    """The unit, where no tick says it."""
    words: str
    """What it shows."""

    @classmethod
    def of(cls, measure: Measure, values: Values) -> "EachLane":
        """As `each_lane`."""
        percent = measure.name == "test_accuracy"
        own = {engine: [_short(100 * v if percent else v) for v in values[engine]] for engine in ALIGNED_PAIR}
        lanes = {
            engine: [
                (value, _short(EACH_ROWS[engine] + SPREAD * ((GOLDEN * i) % 1 - 0.5))) for i, value in enumerate(its)
            ]
            for engine, its in own.items()
        }
        along = axes.linear([value for its in own.values() for value in its], unit=NO_BREAK + "%" if percent else "")
        spread = [f"{engine_title(e)} {min(its):.4g} to {told(measure, max(its))}" for e, its in own.items() if its]
        runs = len(own[ALIGNED_PAIR[0]])
        words = f"{measure.title} of each lane alone, {runs:,} runs. {'. '.join(spread)}."
        return cls(lanes, along, "" if percent else figure_unit(measure).strip(), words)


def _short(value: float) -> float:
    """As exact as a mark is drawn: a figure of thousands of them travels to every browser."""
    return float(f"{value:.6g}")


def figure_unit(measure: Measure) -> str:
    """The unit of a lane's own figure, with the space before it."""
    unit = {"test_accuracy": "%", "train_s": "s", "images_per_s": "images/s", "rss_mib": "MiB"}.get(measure.figure, "")
    return f"{NO_BREAK}{unit}" if unit else ""


def axis_unit(measure: Measure) -> str:
    """The same in words, where no tick says it: ` in s`."""
    unit = "" if measure.name == "test_accuracy" else figure_unit(measure).strip()
    return f" in {unit}" if unit else ""


def _up(measure: Measure, values: Sequence[float]) -> axes.Axis:
    """Of lanes' own figures: seconds and rates from zero."""
    if measure.name == "test_accuracy":
        return axes.linear(values, unit=f"{NO_BREAK}%", most=100)
    return axes.linear(values, from_zero=measure.figure in ("train_s", "images_per_s"))
