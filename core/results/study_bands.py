"""Figures of a study's epochs: both lanes' median and how far its runs spread, with the runs themselves behind.

Of every figure also what it shows in words.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from core.experiment import metrics
from core.experiment.engine_names import ALIGNED_PAIR
from core.experiment.names import engine_title
from core.results import axes
from core.results.charts import COLOURS, DASHES, SYMBOLS, base_layout, on_axis
from core.results.epoch_charts import ACCURACY, LOSS, EpochChart
from core.results.study_marks import HIGH, LOW, spread

MOST_RUNS = 200
"""Of a figure; of more runs as many, evenly chosen, have their epochs read."""
MOST_LINES = 50
"""Of a figure; of these runs as many, evenly chosen, have a line of their own."""
CHARTS = (ACCURACY, LOSS)
DIGITS = 5
FILLS = {"keras": "rgba(61, 96, 212, 0.16)", "torch": "rgba(211, 115, 26, 0.16)"}
"""The frameworks' colours."""


@dataclass(frozen=True)
class RunCurves:
    """A run's epochs: by side (`keras`, `torch`) validation accuracy and loss of each, from the first on."""

    seed: int
    finished: bool
    sides: Mapping[str, Sequence[tuple[float, ...]]]


def evenly(count: int, most: int) -> list[int]:
    """At most so many places of `count`, the first and the last among them."""
    return list(range(count)) if count <= most else [round(i * (count - 1) / (most - 1)) for i in range(most)]


def heading(chart: EpochChart) -> str:
    """What stands above one of the `CHARTS`: none of them draws the training loss."""
    return "Validation loss" if chart is LOSS else chart.heading


def band(chart: EpochChart, read_runs: Callable[[], Sequence[RunCurves]]) -> tuple[go.Figure, str]:
    """One of the `CHARTS` of a combination's runs, and what it shows.

    A mark's custom data is its run's seed. Failed runs are drawn and are in no band.
    """
    runs, place = read_runs(), CHARTS.index(chart)
    last = max((len(epochs) for run in runs for epochs in run.sides.values()), default=1)
    figure = go.Figure(layout=base_layout(280))
    spreads, every = {}, []
    for engine in ALIGNED_PAIR:
        values = _by_epoch(chart, place, [run.sides.get(engine, ()) for run in runs if run.finished], last)
        spreads[engine] = _spread(values)
        _fill(figure, engine, *spreads[engine])
    drawn = [runs[one] for one in evenly(len(runs), MOST_LINES)]
    for engine in ALIGNED_PAIR:
        every += _thin(figure, engine, chart, place, drawn, single=last == 1)
    for engine in ALIGNED_PAIR:
        epochs, _, medians, _ = spreads[engine]
        figure.add_scatter(
            x=epochs,
            y=medians,
            name=engine_title(engine),
            mode="lines+markers" if last == 1 else "lines",
            line={"color": COLOURS[engine], "width": 3, "dash": DASHES[engine]},
            marker={"symbol": SYMBOLS[engine], "size": 11},
            hoverinfo="skip",  # the runs answer the pointer
            showlegend=True,
        )
        every += [*spreads[engine][1], *spreads[engine][3]]
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.2})
    figure.update_xaxes(title_text="epoch", showgrid=False, **on_axis(axes.epochs(last)))
    figure.update_yaxes(**on_axis(chart.axis(every)))
    return figure, _words(chart, runs, spreads)


def _by_epoch(
    chart: EpochChart, place: int, lanes: Sequence[Sequence[tuple[float, ...]]], last: int
) -> dict[int, list[float]]:
    """The runs' figures by epoch, as drawn; runs that ended early have none of the later ones."""
    return {
        epoch: found
        for epoch in range(1, last + 1)
        if (found := [chart.scale * lane[epoch - 1][place] for lane in lanes if len(lane) >= epoch])
    }


def _spread(values: Mapping[int, Sequence[float]]) -> tuple[list[int], list[float], list[float], list[float]]:
    """Epochs, and of each the band's low end, the median and the band's high end."""
    ends = [_rounded(spread(found)) for found in values.values()]
    low, median, high = (list(each) for each in zip(*ends, strict=True)) if ends else ([], [], [])
    return list(values), low, median, high


def _rounded(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]


def _fill(
    figure: go.Figure, engine: str, epochs: list[int], low: list[float], _: list[float], high: list[float]
) -> None:
    quiet: dict[str, Any] = {"x": epochs, "mode": "lines", "hoverinfo": "skip", "showlegend": False, "line_width": 0}
    figure.add_scatter(y=low, **quiet)
    figure.add_scatter(y=high, fill="tonexty", fillcolor=FILLS[engine], **quiet)


def _thin(
    figure: go.Figure, engine: str, chart: EpochChart, place: int, runs: Sequence[RunCurves], single: bool
) -> list[float]:
    """A thin line for every run, as one trace with gaps; returns what it draws."""
    x: list[float] = []
    y: list[float] = []
    seeds: list[float] = []
    for run in runs:
        own = _rounded([chart.scale * epoch[place] for epoch in run.sides.get(engine, ())])
        x += [*range(1, len(own) + 1), math.nan]
        y += [*own, math.nan]
        seeds += [*[run.seed] * len(own), math.nan]
    figure.add_scatter(
        x=x,
        y=y,
        customdata=seeds,
        mode="markers" if single else "lines",
        line={"color": COLOURS[engine], "width": 1, "dash": DASHES[engine]},
        marker={"symbol": f"{SYMBOLS[engine]}-open", "size": 6, "color": COLOURS[engine]},
        opacity=0.4,
        showlegend=False,
        hovertemplate=f"{engine_title(engine)}, seed %{{customdata}}, epoch %{{x}}: %{{y}}{chart.unit}<extra></extra>",
    )
    return [value for value in y if math.isfinite(value)]


def _words(
    chart: EpochChart,
    runs: Sequence[RunCurves],
    spreads: Mapping[str, tuple[list[int], list[float], list[float], list[float]]],
) -> str:
    count = sum(run.finished for run in runs)
    ends = [
        f"{engine_title(engine)} {chart.say(median[-1])} ({chart.say(low[-1])} to {chart.say(high[-1])})"
        for engine, (_, low, median, high) in spreads.items()
        if median
    ]
    told = f" Median of the last epoch, and {LOW} to {HIGH}{metrics.NO_BREAK}% of the runs: {', '.join(ends)}."
    return f"{heading(chart)} by epoch of {count:,} run{'' if count == 1 else 's'}.{told if ends else ''}"
