"""Static Plotly figures of a finished run; the live ones are drawn in the browser by the live chart component.

Marks have one colour for both themes; text is coloured by the page's CSS, so that a theme switch reaches it.
"""

import math
from collections.abc import Sequence
from html import escape, unescape
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from core.experiment import metrics
from core.experiment.names import framework, is_variant
from core.experiment.titles import cut_apart
from core.results import axes
from core.results.epoch_charts import ACCURACY, LOSS
from core.results.outcome import LaneOutcome

Counts = npt.NDArray[np.int64]

COLOURS = {"keras": "#3d60d4", "torch": "#d3731a", "other": "#80858f"}
SYMBOLS = {"keras": "circle", "torch": "diamond", "other": "square"}
DASHES = {"keras": "solid", "torch": "7px,4px", "other": "2px,3px"}


def base_layout(height: int) -> go.Layout:
    """What all figures share: transparent, no mode bar's room, quiet grid."""
    return go.Layout(
        # Plotly's own template has 7 kB, and nothing that is not set here or by the page's CSS.
        template="none",
        height=height,
        margin={"l": 44, "r": 12, "t": 30, "b": 46},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        hovermode="closest",
        dragmode=False,
        font={"size": 12, "family": "Source Sans, sans-serif"},
        # The margins grow with the ticks, so that no title lies on them.
        xaxis={"title_font_size": 12, "ticks": "", "automargin": True, "title_standoff": 6, "zeroline": False},
        yaxis={"title_font_size": 12, "ticks": "", "automargin": True, "title_standoff": 6, "zeroline": False},
    )


def time_parts(lane: LaneOutcome) -> tuple[tuple[str, float, float], ...]:
    """A lane's start, training and the rest: name, seconds, and how opaque its part of the bar is."""
    return ("start", lane.start_s, 0.3), ("training", lane.train_s, 1.0), ("the rest", lane.rest_s, 0.55)


def time_split(lanes: Sequence[LaneOutcome]) -> tuple[go.Figure, str]:
    """One thin stacked bar a lane: start, training, the rest, in seconds; and the finding in words."""
    figure = go.Figure(layout=base_layout(60 + 72 * len(lanes)))
    words = []
    for lane in lanes:
        parts = time_parts(lane)
        for name, seconds, opacity in parts:
            figure.add_bar(
                x=[seconds],
                y=np.array([lane.title]),
                orientation="h",
                width=0.42,
                marker={"color": COLOURS[framework(lane.engine)], "opacity": opacity, "line": {"width": 0}},
                name=name,
                hovertemplate=f"{lane.title}, {name}: {metrics.duration(seconds)}<extra></extra>",
            )
        text = ", ".join(f"{name} {metrics.duration(seconds)}" for name, seconds, _ in parts)
        words.append(f"{lane.title}: {text}")
        figure.add_annotation(x=0, y=lane.title, text=text, showarrow=False, xanchor="left", yshift=24)
    figure.update_layout(barmode="stack")
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="seconds", rangemode="tozero", showgrid=True)
    return figure, "Where the time went. " + ". ".join(words) + "."


MOST_NUMBERS = 20
"""Classes up to which a matrix has room for its numbers and for the name of each class."""
_TICK_LETTERS = 13


def confusion(lane: LaneOutcome, most: int, classes: Sequence[str]) -> tuple[go.Figure, str]:
    """A confusion matrix in which only mistakes are coloured; `most` is the largest mistake count of any lane.

    Beyond `MOST_NUMBERS` classes its cells answer the pointer in place of numbers. Names are escaped: Plotly takes
    text for markup.
    """
    finding, classes = _finding(lane, np.array(lane.tested.confusion), classes), [escape(name) for name in classes]
    counts = np.array(lane.tested.confusion)
    mistakes = np.where(counts, counts, np.nan)
    np.fill_diagonal(mistakes, np.nan)
    long_names = max(len(name) for name in classes) > 2
    few = len(classes) <= MOST_NUMBERS
    figure = go.Figure(layout=base_layout(380 if len(classes) <= 10 else 520))
    figure.update_layout(margin_t=8)
    figure.add_heatmap(
        z=mistakes,
        x=np.array(classes),
        y=np.array(classes),
        zmin=0,
        zmax=2 * max(most, 1),
        colorscale=[(share, mistake_colour(lane, share)) for share in (0.0, 1.0)],
        showscale=False,
        xgap=int(few),
        ygap=int(few),
        hoverinfo="skip",
    )
    rows, columns = np.nonzero(counts)
    figure.add_scatter(
        x=np.array(classes)[columns],
        y=np.array(classes)[rows],
        text=[f"{counts[i, j]:,}" for i, j in zip(rows, columns, strict=True)],
        customdata=(rows * len(counts) + columns).tolist(),
        mode="text" if few else "markers",
        textfont={"size": 11},
        marker={"symbol": "square", "opacity": 0},
        # The numbers and not the cells answer the pointer: only points of a scatter can be selected.
        hovertemplate="is %{y}, read as %{x}: %{text}<extra></extra>",
    )
    _name_axes(figure, classes, long_names)
    return figure, finding


def _name_axes(figure: go.Figure, classes: Sequence[str], long_names: bool) -> None:
    """The classes on both axes of a matrix; of many every second or third, and the long ones cut."""
    x: dict[str, Any] = {"title_text": "read as", "side": "bottom"}
    y: dict[str, Any] = {"title_text": "" if long_names else "is"}
    if long_names:
        figure.update_layout(margin={"l": 84, "r": 12, "t": 10, "b": 84})
    ticks: dict[str, Any] = {}
    if len(classes) > MOST_NUMBERS or max(map(len, classes)) > _TICK_LETTERS:
        each = -(-len(classes) // MOST_NUMBERS)
        texts = cut_apart([unescape(name) for name in classes], _TICK_LETTERS)
        ticks = {"tickvals": classes[::each], "ticktext": [escape(text) for text in texts[::each]]}
    figure.update_xaxes(type="category", showgrid=False, **x, **ticks)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed", **y, **ticks)


def mistake_colour(lane: LaneOutcome, share: float) -> str:
    """The colour of a cell whose count is this share, 0 to 1, of twice the largest."""
    colour = COLOURS[framework(lane.engine)]
    rgb = ", ".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return f"rgba({rgb}, {0.08 + 0.77 * share:.3g})"


def _finding(lane: LaneOutcome, counts: Counts, classes: Sequence[str]) -> str:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    finding = f"{lane.title}: {wrong.sum():,} mistakes"
    if wrong.any():
        label, predicted = divmod(int(wrong.argmax()), wrong.shape[1])
        finding += f", most often {classes[label]} read as {classes[predicted]} ({wrong.max():,} times)"
    return finding + "."


def mistakes(lane: LaneOutcome) -> int:
    """How many test images a lane predicted wrongly."""
    counts = np.array(lane.tested.confusion)
    return int(counts.sum() - np.trace(counts))


def most_frequent(lane: LaneOutcome, classes: Sequence[str]) -> list[tuple[str, str, int]]:
    """A lane's most frequent mistakes, up to `MOST_NUMBERS`: what it is, what it was read as, and how often."""
    counts = np.array(lane.tested.confusion)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:MOST_NUMBERS]
    found = [(*divmod(int(place), len(classes)), int(counts.flat[place])) for place in order]
    return [(classes[label], classes[predicted], count) for label, predicted, count in found if count]


def most_mistakes(lanes: Sequence[LaneOutcome]) -> int:
    """The largest off-diagonal count of any lane, for one colour scale."""
    largest = 0
    for lane in lanes:
        counts = np.array(lane.tested.confusion)
        np.fill_diagonal(counts, 0)
        largest = max(largest, int(counts.max()))
    return largest


def _line_end(lane: LaneOutcome, x: float, y: float, logarithmic: bool) -> dict[str, Any]:
    """A variant's name at its line's end, PyTorch's below it, to the left so that the figure's edge cuts nothing."""
    y = math.log10(max(y, 1e-12)) if logarithmic else y  # Plotly places annotations of a log axis by the exponent
    below = framework(lane.engine) == "torch"
    side = {"yanchor": "top", "yshift": -4} if below else {"yanchor": "bottom", "yshift": 4}
    return {"x": x, "y": y, "text": lane.title, "showarrow": False, "xanchor": "right", **side}


def curves(lanes: Sequence[LaneOutcome]) -> list[tuple[str, go.Figure, str]]:
    """Validation accuracy and loss by epoch as static figures, for a host that passes no code of ours."""
    drawn = []
    last = max((epoch.epoch for lane in lanes for epoch in lane.epochs), default=1)
    for chart in (ACCURACY, LOSS):
        figure = go.Figure(layout=base_layout(260))
        ends, every = [], []
        for lane in lanes:
            values = [chart.value(epoch) for epoch in lane.epochs]
            epochs = [epoch.epoch for epoch in lane.epochs]
            figure.add_scatter(x=epochs, y=values, name=lane.title, mode="lines+markers", **_line_style(lane.engine))
            if is_variant(lane.engine) and values:
                figure.add_annotation(**_line_end(lane, epochs[-1], values[-1], chart.logarithmic))
            ends += [f"{lane.title} {values[-1]:.4g}"] if values else []
            every += values
        figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.2})
        figure.update_xaxes(title_text="epoch", showgrid=False, **on_axis(axes.epochs(last)))
        figure.update_yaxes(**on_axis(chart.axis(every)))
        drawn.append((chart.heading, figure, f"{chart.heading} by epoch. Last: {', '.join(ends) or 'none yet'}."))
    return drawn


def _line_style(engine: str) -> dict[str, Any]:
    """A lane's line and marks: PyTorch's dashed, so that two curves that are one show both; a variant's thin, open."""
    own, variant = framework(engine), is_variant(engine)
    width = 1.25 if variant else 2
    symbol = SYMBOLS[own] + ("-open" if variant else "")
    return {
        "line": {"color": COLOURS[own], "width": width, "dash": DASHES[own]},
        "marker": {"symbol": symbol, "size": 8},
    }


def on_axis(axis: axes.Axis) -> dict[str, Any]:
    """An axis of ours as Plotly takes it; of a logarithmic one it wants the ends as exponents."""
    ends = [math.log10(end) if axis.logarithmic else end for end in (axis.low, axis.high)]
    values, labels = zip(*axis.ticks, strict=True)
    kind = "log" if axis.logarithmic else "linear"
    return {"type": kind, "range": ends, "tickvals": values, "ticktext": labels}
