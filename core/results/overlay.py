"""Several runs in one chart: a mark for each run, names beside the line ends, a legend; what differs, in words."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from core.experiment import metrics
from core.experiment.names import framework
from core.results import axes
from core.results.charts import COLOURS, SYMBOLS, base_layout, on_axis
from core.results.outcome import LaneOutcome, Outcome

MOST = 4
LETTERS = "ABCD"
INSIDE = ("", "-open", "-open-dot", "-x-open")
"""What a run does to its lanes' marks: filled, open, open with a dot, open with a cross."""
GLYPHS = {"keras": "●○◉⊗", "torch": "◆◇◈❖", "other": "■□▣⊠"}
"""The same marks as letters, a run's at its place."""
WIDTHS = (3.0, 1.5, 1.5, 1.5)
LINE, NAME, TOP, BOTTOM = 300, 17, 12, 46
"""Pixels: the least height of the plot, the height of a name, and the margins above and below the plot."""
MOST_MARKS = 12
"""Of a line: more of them would hide each other, and with it whose they are."""


def overlay(outcomes: Sequence[Outcome]) -> tuple[go.Figure, str]:
    """Validation accuracy by epoch of up to four runs, and the finding in words."""
    lines = [
        (number, lane, [100 * epoch.val_accuracy for epoch in lane.epochs])
        for number, outcome in enumerate(outcomes[:MOST])
        for lane in outcome.lanes
        if lane.epochs
    ]
    height = max(LINE, NAME * len(lines))
    figure = go.Figure(layout=base_layout(height + TOP + BOTTOM))
    for number, lane, values in lines:
        _line(figure, number, lane, values)
    drawn = [value for _, _, values in lines for value in values]
    longest = max((lane.epochs[-1].epoch for _, lane, _ in lines), default=1)
    along, up = axes.epochs(longest), axes.linear(drawn, unit=f"{metrics.NO_BREAK}%", most=100)
    figure.update_xaxes(title_text="epoch", showgrid=False, **on_axis(along))
    figure.update_yaxes(**on_axis(up))
    _names(figure, [(number, lane, values[-1]) for number, lane, values in lines], along.high, height)
    words = [f"{_name(number, lane)} ends at {values[-1]:.2f} %" for number, lane, values in lines]
    return figure, "Validation accuracy by epoch. " + ". ".join(words) + "."


def _name(number: int, lane: LaneOutcome) -> str:
    return f"{LETTERS[number]} {lane.title}"


def _line(figure: go.Figure, number: int, lane: LaneOutcome, values: Sequence[float]) -> None:
    own = framework(lane.engine)
    figure.add_scatter(
        x=[epoch.epoch for epoch in lane.epochs],
        y=values,
        name=_name(number, lane),
        mode="lines+markers",
        line={
            "color": COLOURS[own],
            "width": WIDTHS[number],
            "dash": "7px,4px" if own == "torch" else "solid",
        },
        marker={
            "symbol": SYMBOLS[own] + INSIDE[number],
            "size": 9,
            "maxdisplayed": MOST_MARKS,
            "line": {"width": 1.5, "color": COLOURS[own]},
        },
        cliponaxis=False,
        hovertemplate=f"{_name(number, lane)}: %{{y:.2f}} %<extra></extra>",
    )


def _names(figure: go.Figure, ends: Sequence[tuple[int, LaneOutcome, float]], edge: float, height: int) -> None:
    """Each line's name at the right edge, with a thin thread from the line's end to it."""
    low, high = figure.layout.yaxis.range
    pixel = (high - low) / height
    places = spread([value for _, _, value in ends], NAME * pixel, low + NAME / 2 * pixel, high - NAME / 2 * pixel)
    threads: tuple[list[float], list[float]] = [], []
    for (number, lane, value), place in zip(ends, places, strict=True):
        threads[0].extend([lane.epochs[-1].epoch, edge, math.nan])
        threads[1].extend([value, place, math.nan])
        text = f"<b>{LETTERS[number]}</b> {lane.title}"
        figure.add_annotation(x=edge, y=place, text=text, showarrow=False, xanchor="left", xshift=2)
    figure.add_scatter(
        x=threads[0],
        y=threads[1],
        mode="lines",
        line={"color": COLOURS["other"], "width": 1, "dash": "dot"},
        cliponaxis=False,
        hoverinfo="skip",
        name="",
    )
    longest = max((len(_name(number, lane)) for number, lane, _ in ends), default=0)
    figure.update_layout(hovermode="x unified", margin={"t": TOP, "b": BOTTOM, "r": 8 + 7 * longest})


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places from `low` to `high` near the values, in their order, no two nearer than `gap` where there is room."""
    places = list(values)
    order = sorted(range(len(values)), key=lambda i: values[i])
    top = high - gap * (len(order) - 1)
    lowest = low
    for rank, i in enumerate(order):
        places[i] = lowest = max(lowest, min(places[i], top + gap * rank))
        lowest += gap
    return places


def legend(outcome: Outcome, number: int) -> str:
    """The marks of the run at this place, as Markdown: its letter, then a mark for each framework in its colour."""
    colours = {"keras": "blue", "torch": "orange", "other": "gray"}
    kinds = dict.fromkeys(framework(lane.engine) for lane in outcome.lanes)
    marks = " ".join(f":{colours[kind]}[{GLYPHS[kind][number]}]" for kind in kinds)
    return f"**{LETTERS[number]}** {marks}"


def results(outcomes: Sequence[Outcome]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of one table: each lane of each run with its result."""
    columns: tuple[str, ...] = (
        "Run",
        "Lane",
        "Test accuracy",
        "Test loss",
        "Throughput",
        "Training time",
        "Peak memory",
    )
    rows: list[tuple[str, ...]] = []
    for letter, outcome in zip(LETTERS, outcomes, strict=False):
        for lane in outcome.lanes:
            result = lane.result
            rows.append(
                (
                    letter,
                    lane.title,
                    metrics.percent(result.test_accuracy if result else None, outcome.dataset.test_images),
                    metrics.loss(result.test_loss if result else None),
                    metrics.throughput(lane.throughput) if outcome.times_compare else metrics.NOT_KNOWN,
                    metrics.NOT_KNOWN if outcome.busy else metrics.duration(lane.train_s or None),
                    metrics.mebibytes(result.rss_mib if result else None),
                )
            )
    return columns, rows
