"""Evidence of claim 2: statements for one network in three ways, each run, with the accuracy that it reached.

Rule: the result supports `Keras: true, PyTorch: misleading` where all three ways ran and learnt (each reads at
least `LEARNT` of the test images), reached the same accuracy (the best and the worst lie within `TOLERANCE`), and
Keras' `fit` takes fewer statements than either loop: then both frameworks span the levels, and what PyTorch lacks
is the high one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from core.compare.evidence import Picture, Shown, Table
from core.experiment import metrics
from core.experiment.names import framework, joined
from core.results.charts import COLOURS, base_layout

TOLERANCE = 0.02
LEARNT = 0.5


def show(result: Mapping[str, Any]) -> Shown:
    """`result` is that of `core.compare.probes.api_level`; a way that could not run has no accuracy and a reason."""
    ways: Sequence[Mapping[str, Any]] = result["ways"]
    total = {way["name"]: sum(way["statements"].values()) for way in ways}
    counted = joined([f"{total[way['name']]} as {way['title']}" for way in ways])
    finding = f"Statements for the same network: {counted}. {_reached(result)}"
    return Shown(
        finding=finding,
        supports=_supports(ways, total),
        pictures=[_bars(ways, total)],
        tables=[_table(result, total)],
    )


def _reached(result: Mapping[str, Any]) -> str:
    """What the ways that ran read of the test images, and why the others did not run."""
    images, epochs = result["test_images"], result["epochs"]
    ran = [way for way in result["ways"] if way["accuracy"] is not None]
    words = []
    if ran:
        read = sorted(way["accuracy"] for way in ran)
        low, high = metrics.percent(read[0], images), metrics.percent(read[-1], images)
        who = "All three" if len(ran) == len(result["ways"]) else joined([way["title"] for way in ran])
        span = low if low == high else f"{low} to {high}"
        words.append(f"{who} ran: after {epochs} epochs {span} of {images:,} test images were read right.")
        if read[-1] - read[0] > TOLERANCE:
            words.append(f"That is not the same accuracy: it is more than {100 * TOLERANCE:.0f} points apart.")
    words += [f"{way['title']} could not run: {way['reason']}." for way in result["ways"] if way["accuracy"] is None]
    return " ".join(words)


def _supports(ways: Sequence[Mapping[str, Any]], total: Mapping[str, int]) -> bool:
    read = [way["accuracy"] for way in ways]
    if None in read:
        return False
    shorter = all(total["keras_fit"] < count for name, count in total.items() if name != "keras_fit")
    return min(read) >= LEARNT and max(read) - min(read) <= TOLERANCE and shorter


def _bars(ways: Sequence[Mapping[str, Any]], total: Mapping[str, int]) -> Picture:
    figure = go.Figure(layout=base_layout(200))
    titles, counts = [way["title"] for way in ways], [total[way["name"]] for way in ways]
    figure.add_bar(
        x=counts,
        y=titles,
        orientation="h",
        width=0.42,
        marker={"color": [COLOURS[framework(way["name"].partition("_")[0])] for way in ways], "line": {"width": 0}},
        hovertemplate="%{y}: %{x} statements<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="statements", rangemode="tozero")
    words = joined([f"{title} {count}" for title, count in zip(titles, counts, strict=True)])
    return Picture(figure, f"Statements for the same network: {words}.")


def _table(result: Mapping[str, Any], total: Mapping[str, int]) -> Table:
    parts = list(result["ways"][0]["statements"])
    rows = [
        [
            way["title"],
            *(str(way["statements"][part]) for part in parts),
            str(total[way["name"]]),
            metrics.percent(way["accuracy"], result["test_images"]),
        ]
        for way in result["ways"]
    ]
    return Table(
        ["Way", *parts, "Together", "Test accuracy"],
        rows,
        "Statements of the syntax tree; imports, loading of data and docstrings are not counted.",
    )
