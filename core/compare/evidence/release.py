"""Evidence of claim 1: when both were first seen, and which versions are installed here.

Rule: the result supports `Keras: true, PyTorch: misleading` where the dated constants below bear both - Keras begins
in the month that the article names, PyTorch has a release before its month and its public one after it - and
both frameworks are found on this machine, so that the line from those days leads here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import plotly.graph_objects as go

from core.compare.evidence import Picture, Shown, Table
from core.experiment.metrics import NOT_KNOWN
from core.results.charts import COLOURS, base_layout

KERAS_HISTORY = "git history of keras-team/keras"
PYTORCH_RELEASES = "github.com/pytorch/pytorch/releases"
PYTORCH_YEAR = "pytorch.org/blog/a-year-in, 19 January 2018"


@dataclass(frozen=True)
class Event:
    """A dated event of one framework and where the date is from."""

    framework: Literal["keras", "torch"]
    day: date
    what: str
    label: str
    """As short as a chart on a phone needs it."""
    source: str


EVENTS = (
    Event("keras", date(2015, 3, 27), "first commit", "first commit", KERAS_HISTORY),
    Event("keras", date(2015, 6, 13), "tag 0.1.0", "tag 0.1.0", KERAS_HISTORY),
    Event("torch", date(2016, 9, 1), "alpha-1 (v0.1.1)", "alpha-1", PYTORCH_RELEASES),
    Event("torch", date(2016, 10, 3), "alpha-4 (v0.1.4)", "alpha-4", PYTORCH_RELEASES),
    Event("torch", date(2017, 1, 19), "public release", "public", PYTORCH_YEAR),
)
CLAIMED = {"keras": (2015, 3), "torch": (2016, 10)}
"""The month of release that the article gives."""
NAMES = {"keras": "Keras", "torch": "PyTorch"}


def show(result: Mapping[str, Any]) -> Shown:
    """`result` is that of `core.compare.probes.release`; a package that is not installed is None or missing."""
    here = {package: result["packages"].get(package) for package in ("keras", "tensorflow", "torch")}
    named = ", ".join(f"{package} {about['version']}" if about else f"no {package}" for package, about in here.items())
    first = {lane: min(event.day for event in EVENTS if event.framework == lane) for lane in NAMES}
    last = max(event.day for event in EVENTS if event.framework == "torch")
    finding = (
        f"Keras' first commit dates from {_day(first['keras'])}, PyTorch's first alpha from {_day(first['torch'])} "
        f"and its public release from {_day(last)}: October 2016 is neither. Installed here: {named}."
    )
    return Shown(
        finding=finding,
        supports=_dates_bear_it() and bool(here["keras"] and here["torch"]),
        pictures=[_timeline()],
        tables=[_dates(), _installed(here)],
    )


def _dates_bear_it() -> bool:
    months = {lane: [(e.day.year, e.day.month) for e in EVENTS if e.framework == lane] for lane in NAMES}
    keras, torch = months["keras"], months["torch"]
    return min(keras) == CLAIMED["keras"] and min(torch) < CLAIMED["torch"] < max(torch)


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _timeline() -> Picture:
    figure = go.Figure(layout=base_layout(200))
    for place, (lane, name) in enumerate(NAMES.items()):
        events = [event for event in EVENTS if event.framework == lane]
        year, month = CLAIMED[lane]
        after = date(year + month // 12, month % 12 + 1, 1)
        figure.add_scatter(
            x=[date(year, month, 1), after],
            y=[place, place],
            mode="lines",
            line={"color": COLOURS["other"], "width": 30},
            opacity=0.3,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=[event.day for event in events],
            y=[place] * len(events),
            mode="lines+markers",
            marker={"color": COLOURS[lane], "size": 10, "symbol": "diamond" if lane == "torch" else "circle"},
            line={"color": COLOURS[lane], "width": 2, "dash": "7px,4px" if lane == "torch" else "solid"},
            text=[f"{event.what}, {_day(event.day)}" for event in events],
            hovertemplate=f"{name}: %{{text}}<extra></extra>",
        )
        for number, event in enumerate(events):
            # Alternately above and below: the alphas lie a month apart.
            figure.add_annotation(
                x=event.day, y=place, text=event.label, showarrow=False, yshift=-18 if number % 2 else 18
            )
    figure.update_yaxes(tickvals=[0, 1], ticktext=list(NAMES.values()), range=[1.6, -0.6], showgrid=False)
    figure.update_yaxes(automargin=True, ticksuffix="  ")
    figure.update_xaxes(range=[date(2015, 1, 1), date(2017, 5, 1)], showgrid=True, dtick="M6", tickformat="%b %Y")
    alt = "; ".join(f"{NAMES[event.framework]} {event.what}, {_day(event.day)}" for event in EVENTS)
    return Picture(figure, f"Timeline. {alt}.", "Grey: the month that the article names.")


def _dates() -> Table:
    rows = [[NAMES[event.framework], event.what, _day(event.day), event.source] for event in EVENTS]
    return Table(["framework", "event", "date", "source"], rows)


def _installed(here: Mapping[str, Mapping[str, str | None] | None]) -> Table:
    rows = []
    for package, about in here.items():
        told = [about[field] or NOT_KNOWN for field in ("version", "status", "python")] if about else ["not installed"]
        rows.append([package, *told, *[NOT_KNOWN] * (3 - len(told))])
    return Table(
        ["package", "installed here", "its stage", "Python"],
        rows,
        "As the packages' own metadata says, which has no date.",
    )
