"""The lesson "Why not just look?": a slider, how often each interval is wrong, and studies where the t test was."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.experiment.metrics import NO_BREAK, times
from core.learn.peeking import PAIRS, SLUG, STUDIES, TITLE, WORDS, Floats, Simulation, simulate
from core.results import axes
from core.results.charts import COLOURS, base_layout, on_axis
from core.results.study_charts import INTERVAL, INTERVAL_FILL
from core.web.elements.lanes import plot, side_by_side
from core.web.elements.markdown import literal
from core.web.elements.spoken import spoken

GREY = COLOURS["other"]
SHOWN = 3
"""Studies that are drawn one by one."""
HIGHEST = 2.0
"""Of their vertical axis, in standard deviations of one pair: the first intervals are far wider."""


def lesson() -> None:
    """The whole lesson; nothing of it needs a Launcher."""
    st.header(TITLE, anchor=False)
    st.markdown(WORDS, width=720)
    pairs = st.slider("Pairs watched", 2, PAIRS, 50, key="pairs_watched", width=440, persist_state="session")
    found = simulate()
    words = rates_words(found, pairs)
    spoken(words, SLUG)
    st.markdown(literal(words), width=720)
    st.subheader("How often each was wrong", anchor=False)
    plot(rates_figure(found, pairs), words, "peeking_rates")
    st.caption(
        "Teal: a study's interval. Grey: the t test. Dotted: the 5 % that both promise, the t test for one look."
    )
    wrong = np.flatnonzero(found.t_test.wrong[:, pairs - 1])
    both = int(found.interval.wrong[wrong, pairs - 1].sum())
    st.subheader("Studies that the t test got wrong", anchor=False)
    for column, (place, study) in side_by_side(list(enumerate(wrong[:SHOWN].tolist())), most=SHOWN):
        with column:
            plot(study_figure(found, study), study_words(found, study), f"peeking_study_{place}")
    st.caption(
        f"The first {SHOWN} of {len(wrong):,}; in {both:,} of these the interval was wrong by pair {pairs}, too. Each "
        "is drawn to its end, though a reader would have stopped at the cross, where the t interval (grey) first left "
        "out zero, the truth. Teal: the interval of a study. Differences are in standard deviations of one pair."
    )


def rates_words(found: Simulation, pairs: int) -> str:
    """How often each was wrong, and what never being misled costs."""
    wider = found.interval.half_widths[pairs - 1] / found.t_test.half_widths[pairs - 1]
    price = (
        f"The price is width: after {pairs} pairs the interval is {times(wider)} times as wide."
        if np.isfinite(wider)
        else f"After {pairs} pairs the interval says nothing yet."
    )
    return (
        f"Of {STUDIES:,} simulated studies in which nothing differs, looked at after every pair up to pair {pairs}, "
        f"the t test finds a difference in {_share(found.t_test.rate(pairs))}, the interval in "
        f"{_share(found.interval.rate(pairs))}. {price}"
    )


def _share(rate: float) -> str:
    return f"{100 * rate:.1f}{NO_BREAK}%"


def rates_figure(found: Simulation, pairs: int) -> go.Figure:
    """The share of studies in which each was wrong, by pairs watched; a mark where the slider stands."""
    figure = go.Figure(layout=base_layout(260))
    every = list(range(1, PAIRS + 1))
    figure.add_scatter(
        x=[1, PAIRS], y=[5, 5], mode="lines", line={"color": GREY, "width": 1, "dash": "1px,3px"}, hoverinfo="skip"
    )
    for name, watched, colour, dash, above in (
        ("t test", found.t_test, GREY, "7px,4px", 4),
        ("interval", found.interval, INTERVAL, "solid", 14),  # above the promise, too
    ):
        rates = (100 * watched.wrong.mean(axis=0)).tolist()
        figure.add_scatter(
            x=every,
            y=rates,
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate=f"{name}: %{{y:.1f}} % after %{{x}} pairs<extra></extra>",
        )
        figure.add_scatter(
            x=[pairs], y=[rates[pairs - 1]], mode="markers", marker={"color": colour, "size": 10}, hoverinfo="skip"
        )
        figure.add_annotation(
            x=PAIRS, y=rates[-1], text=name, showarrow=False, xanchor="right", yanchor="bottom", yshift=above
        )
    highest = 100 * found.t_test.rate(PAIRS)
    figure.update_xaxes(title_text="pairs watched", showgrid=False, **on_axis(axes.epochs(PAIRS)))
    figure.update_yaxes(**on_axis(axes.linear([0, highest], unit=f"{NO_BREAK}%", from_zero=True)))
    return figure


def study_figure(found: Simulation, study: int) -> go.Figure:
    """Both intervals of one study pair by pair, its mean, and where the t test was wrong first."""
    figure = go.Figure(layout=base_layout(200))
    every = list(range(1, PAIRS + 1))
    mean, deviation = found.means[study], found.deviations[study]
    with np.errstate(invalid="ignore"):
        ours, usual = (one.half_widths * deviation for one in (found.interval, found.t_test))
    band: dict[str, Any] = {"mode": "lines", "hoverinfo": "skip"}
    line = {"color": INTERVAL, "width": 2}
    figure.add_scatter(x=every, y=_drawn(mean - ours), line=line, **band)
    figure.add_scatter(x=every, y=_drawn(mean + ours), line=line, fill="tonexty", fillcolor=INTERVAL_FILL, **band)
    for end in (mean - usual, mean + usual):
        figure.add_scatter(x=every, y=_drawn(end), line={"color": GREY, "width": 1.5, "dash": "7px,4px"}, **band)
    figure.add_scatter(x=[1, PAIRS], y=[0, 0], line={"color": GREY, "width": 1}, **band)
    figure.add_scatter(
        x=[_stopped_at(found, study)],
        y=[0],
        mode="markers",
        marker={"symbol": "x", "color": GREY, "size": 10},
        hovertemplate="the t test stops at pair %{x}<extra></extra>",
    )
    figure.update_xaxes(title_text="pairs", showgrid=False, **on_axis(axes.epochs(PAIRS)))
    figure.update_yaxes(**on_axis(axes.linear([-HIGHEST, HIGHEST])))
    return figure


def _stopped_at(found: Simulation, study: int) -> int:
    """The pair after which the t interval first left out zero."""
    return int(found.t_test.wrong[study].argmax()) + 1


def _drawn(ends: Floats) -> Floats:
    """An interval's ends, without those that it does not have yet."""
    return np.where(np.isfinite(ends), ends, np.nan)


def study_words(found: Simulation, study: int) -> str:
    """What the figure of a study shows."""
    ours = "left zero out, too" if found.interval.wrong[study, -1] else f"held zero in all {PAIRS}"
    return f"The t interval left zero out at pair {_stopped_at(found, study)}; the study's interval {ours}."
