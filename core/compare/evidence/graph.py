"""Evidence of claim 4: how often a layer's Python body runs, and what a step takes, in four modes.

Rule: the result supports `Keras: outdated, PyTorch: partly true` where the body ran at every step (at least once a
step) with Keras' run_eagerly=True and in PyTorch's eager mode, and a few times (at most once in `FEW` steps) under
Keras' `fit` and under `torch.compile`: then both frameworks have both, and differ in what they do by default. These
modes must be measured, except `torch.compile`, which needs a C++ compiler: where it cannot run, its part stays
unchecked, and the finding says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.compare.evidence import Picture, Shown, Table
from core.experiment import metrics
from core.experiment.names import framework, joined
from core.results.charts import COLOURS, base_layout

FEW = 10
ELSEWHERE = (
    "Claim 10 gives other milliseconds for the same network, with another layer of one's own, without shuffling and "
    "at another time: compare them within one claim only."
)
EVERY_STEP = ("keras-eager", "torch-eager")

Mode = Mapping[str, Any]


def show(result: Mapping[str, Any]) -> Shown:
    """`result` is that of `core.compare.probes.graph`; a mode that could not run has a reason and no figures."""
    modes: Sequence[Mode] = result["modes"]
    ran = [mode for mode in modes if mode["reason"] is None]
    finding = f"In {result['steps']} steps the layer's Python body ran "
    finding += joined([f"{_times(mode['executions'])} in {mode['title']}" for mode in ran]) + ". "
    finding += "A step took " + joined([f"{_ms(mode['step_s'])} in {mode['title']}" for mode in ran]) + ". " + ELSEWHERE
    finding = " ".join([finding if ran else "No mode could run.", *map(_unmeasured, modes)]).strip()
    return Shown(
        finding=finding,
        supports=_supports(modes),
        pictures=[_bars(ran)] if ran else [],
        tables=[_table(result["steps"], modes)],
    )


def _times(executions: int) -> str:
    return {1: "once", 2: "twice"}.get(executions, f"{executions:,} times")


def _ms(seconds: float) -> str:
    """A step's time in milliseconds, so that all modes have one unit: 8.2 ms, 210 ms."""
    return f"{1000 * seconds:,.{1 if seconds < 0.1 else 0}f}{metrics.NO_BREAK}ms"


def _unmeasured(mode: Mode) -> str:
    if mode["reason"] is None:
        return ""
    return f"{mode['title']} could not run, so it is left open here: {mode['reason']}."


def _supports(modes: Sequence[Mode]) -> bool:
    return all(map(_as_we_say, modes))


def _as_we_say(mode: Mode) -> bool:
    if mode["reason"] is not None:
        return bool(mode["name"] == "torch-compile")
    if mode["name"] in EVERY_STEP:
        return bool(mode["executions"] >= mode["steps"])
    return bool(mode["executions"] * FEW <= mode["steps"])


def _bars(ran: Sequence[Mode]) -> Picture:
    figure = go.Figure(layout=base_layout(200))
    figure.add_bar(
        x=[1000 * mode["step_s"] for mode in ran],
        y=np.array([mode["title"] for mode in ran]),
        orientation="h",
        width=0.42,
        marker={"color": [COLOURS[framework(mode["name"])] for mode in ran], "line": {"width": 0}},
        customdata=np.array([_times(mode["executions"]) for mode in ran]),
        hovertemplate="%{y}: %{x:,.1f} ms a step, body ran %{customdata}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="milliseconds a step", rangemode="tozero")
    words = joined([f"{mode['title']} {_ms(mode['step_s'])}" for mode in ran])
    return Picture(figure, f"Median time of a step: {words}.")


def _table(steps: int, modes: Sequence[Mode]) -> Table:
    rows = []
    for mode in modes:
        if mode["reason"] is None:
            figures = [f"{mode['executions']:,}", _ms(mode["step_s"]), metrics.duration(mode["first_step_s"])]
        else:
            figures = [metrics.NOT_KNOWN] * 3
        rows.append([mode["title"], *figures])
    columns = ["Mode", f"Body ran in {steps} steps", "A step, median", "First step"]
    return Table(columns, rows, "Counted from the call that trains on, tracing included.")
