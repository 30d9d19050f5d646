"""Several runs in one chart: A in full, the others thin and open, letters at the line ends; what differs, in words."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core import axes, metrics
from core.charts import COLOURS, base_layout, on_axis
from core.names import SETTING_WORDS, framework, setting_value
from core.outcome import Outcome

MOST = 4
LETTERS = "ABCD"
CLOSE = 0.07
"""Of the accuracies' span: letters nearer than this would cover each other."""
SYMBOLS = {"torch": "diamond", "keras": "circle", "other": "square"}


def overlay(outcomes: Sequence[Outcome]) -> tuple[go.Figure, str]:
    """Validation accuracy by epoch of up to four runs, and the finding in words."""
    figure = go.Figure(layout=base_layout(320))
    words = []
    ends: list[tuple[int, float, str]] = []
    drawn: list[float] = []
    for number, (letter, outcome) in enumerate(zip(LETTERS, outcomes, strict=False)):
        for lane in outcome.lanes:
            if not lane.epochs:
                continue
            own = framework(lane.engine)
            epochs = [epoch["epoch"] for epoch in lane.epochs]
            values = [100 * epoch["val_accuracy"] for epoch in lane.epochs]
            figure.add_scatter(
                x=epochs,
                y=values,
                name=f"{letter} {lane.title}",
                mode="lines+markers",
                line={
                    "color": COLOURS[own],
                    "width": 3 if number == 0 else 1.25,
                    "dash": "7px,4px" if own == "torch" else "solid",
                },
                marker={"symbol": SYMBOLS[own] + ("" if number == 0 else "-open"), "size": 8},
                hovertemplate=f"{letter} {lane.title}: %{{y:.2f}} %<extra></extra>",
            )
            ends.append((epochs[-1], values[-1], letter))
            drawn += values
            words.append(f"{letter} {lane.title} ends at {values[-1]:.2f} %")
    for x, y, letters in line_ends(ends, max(drawn, default=0.0) - min(drawn, default=0.0)):
        figure.add_annotation(x=x, y=y, text=f"<b>{letters}</b>", showarrow=False, xanchor="left", xshift=8)
    figure.update_layout(hovermode="x unified", margin_r=56)
    figure.update_xaxes(title_text="epoch", showgrid=False, **on_axis(axes.epochs(_longest(outcomes))))
    figure.update_yaxes(ticksuffix=" %", zeroline=False)
    return figure, "Validation accuracy by epoch. " + ". ".join(words) + "."


def line_ends(ends: Sequence[tuple[int, float, str]], span: float) -> list[tuple[int, float, str]]:
    """Where letters stand beside the lines' ends (epoch, value, letter), of an axis of such a span.

    Ends that lie so close that their letters would cover each other share one place.
    """
    places: list[tuple[int, list[float], list[str]]] = []
    for x, y, letter in sorted(ends):
        if places and places[-1][0] == x and y - places[-1][1][-1] < CLOSE * span:
            places[-1][1].append(y)
            places[-1][2].append(letter)
        else:
            places.append((x, [y], [letter]))
    return [(x, sum(ys) / len(ys), " ".join(sorted(set(letters)))) for x, ys, letters in places]


def _longest(outcomes: Sequence[Outcome]) -> int:
    return max((len(lane.epochs) for outcome in outcomes for lane in outcome.lanes), default=0)


def differences(settings: Sequence[Mapping[str, object]]) -> str:
    """Which settings of the runs differ, with each run's value: `batch size 126, 512`."""
    names = [name for name in settings[0] if len({setting_value(one.get(name)) for one in settings}) > 1]
    parts = [
        f"{SETTING_WORDS.get(name, name)} {', '.join(setting_value(one.get(name)) for one in settings)}"
        for name in names
    ]
    return f"They differ in: {'; '.join(parts)}." if parts else "Their settings are the same."


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
            rows.append(
                (
                    letter,
                    lane.title,
                    metrics.percent(lane.result.get("test_accuracy"), outcome.dataset.test_images),
                    metrics.loss(lane.result.get("test_loss")),
                    metrics.throughput(lane.throughput) if outcome.times_compare else metrics.NOT_KNOWN,
                    metrics.duration(lane.train_s or None),
                    metrics.mebibytes(lane.result.get("rss_mib")),
                )
            )
    return columns, rows
