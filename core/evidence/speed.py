"""Evidence of claim 7: images/s and time to a given accuracy of both lanes, over repeats, as shipped and tuned.

Rule: `RULE` gives the verdict, from the lanes as shipped. Our word for the row is `measured`, so the result supports
it as soon as the rule can be applied: as shipped, both lanes have 2 repeats or more.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from core import metrics
from core.charts import COLOURS, base_layout
from core.evidence import Picture, Shown, Table
from core.names import joined

RULE = (
    "As shipped, over all repeats: if the whole 95\u00a0% interval of the difference in images/s is on PyTorch's side, "
    "the claim is true for both; if it is on Keras' side, false for both; if it holds zero, no difference is seen. "
    "The tuned lanes are shown beside it and do not decide."
)
DECIDES = "as shipped"
NAMES = {"keras": "Keras", "torch": "PyTorch"}
VERDICTS = {"torch": "true", "keras": "false", None: "no difference seen"}
BUSY = 0.15
"""The share of the machine in other hands from which the finding says so."""

Values = Mapping[str, Any]


def show(result: Values) -> Shown:
    """`result` is that of `core.probes.speed`; a mode, a lane or a difference may be missing."""
    modes: Mapping[str, Values] = result["modes"]
    sentences = [_mode_sentence(name, mode) for name, mode in modes.items()]
    sentences += [_turned(modes), _target_sentence(result), _busy(modes)]
    difference = modes.get(DECIDES, {}).get("difference")
    verdict = VERDICTS[_favour(difference)] if difference else None
    return Shown(
        finding=" ".join(filter(None, sentences)),
        supports=verdict is not None,
        pictures=_pictures(modes),
        tables=[_table(result), _differences(result)],
        verdicts={"keras": verdict, "pytorch": verdict} if verdict else {},
    )


# --- the finding -----------------------------------------------------------------------------------------


def _favour(difference: Values) -> str | None:
    """The lane on whose side the whole interval lies, if it does."""
    return "torch" if difference["low"] > 0 else "keras" if difference["high"] < 0 else None


def _of_keras(percent: float) -> float:
    """PyTorch's lead over Keras, in per cent, as Keras' lead over PyTorch."""
    return 100 * (1 / (1 + percent / 100) - 1)


def _per_cent(values: Sequence[float]) -> list[str]:
    """Whole per cents, or one decimal where the last two values, an interval, are closer than 2 to each other."""
    decimals = 0 if abs(values[-1] - values[-2]) >= 2 else 1
    return [f"{round(value, decimals) + 0.0:,.{decimals}f}" for value in values]


def _mode_sentence(name: str, mode: Values) -> str:
    """What the difference in images/s is, or why it is not known."""
    difference, title = mode["difference"], name.capitalize()
    why = f" It ended early: {mode['failed']}." if mode["failed"] else ""
    if difference is None:
        return f"{title}: no difference could be measured.{why}"
    repeats = f"{difference['pairs']} repeats"
    ahead = _favour(difference)
    middle, low, high = difference["percent"], difference["low"], difference["high"]
    if ahead is None:
        low_text, high_text = _per_cent([low, high])
        return f"{title}: no difference seen in {repeats} ({low_text} to {high_text}{metrics.NO_BREAK}%).{why}"
    if ahead == "keras":
        middle, low, high = _of_keras(middle), _of_keras(high), _of_keras(low)
    text = _per_cent([middle, low, high])
    slower = "keras" if ahead == "torch" else "torch"
    rates = [metrics.throughput(mode["lanes"][lane]["images_per_s"]["mean"]) for lane in (ahead, slower)]
    interval = f"{text[1]} to {text[2]}{metrics.NO_BREAK}%"
    return (
        f"{title}, {NAMES[ahead]} trained {text[0]}{metrics.NO_BREAK}% faster than {NAMES[slower]} "
        f"({interval}) in {repeats}: {rates[0]} against {rates[1]}.{why}"
    )


def _turned(modes: Mapping[str, Values]) -> str:
    """Said where tuning turns the order round."""
    decided = [_favour(mode["difference"]) for mode in modes.values() if mode["difference"]]
    return "Tuning turns the order round." if {"keras", "torch"} <= set(decided) else ""


def _target_sentence(result: Values) -> str:
    """Time to the target as shipped: each lane's mean, and how often it was not reached."""
    lanes = result["modes"].get(DECIDES, {}).get("lanes", {})
    said = []
    for lane, values in lanes.items():
        repeats = len(values["repeats"])
        if repeats and values["reached"]:
            missed = "" if values["reached"] == repeats else f" where it got there, in {values['reached']} of {repeats}"
            said.append(f"{NAMES[lane]} {metrics.duration(values['to_target_s']['mean'])}{missed}")
        elif repeats:
            said.append(f"{NAMES[lane]} did not get there in {result['epochs']} epochs")
    return f"Training until {_target(result)} of the test images were read right: {joined(said)}." if said else ""


def _busy(modes: Mapping[str, Values]) -> str:
    """A warning where other programs had much of the machine."""
    others = max((mode.get("others", 0.0) for mode in modes.values()), default=0.0)
    if others < BUSY:
        return ""
    share = f"{100 * others:.0f}{metrics.NO_BREAK}%"
    return f"Other programs took {share} of the processors meanwhile: measure again when the machine is quiet."


# --- chart and table -------------------------------------------------------------------------------------


def _rows(modes: Mapping[str, Values]) -> list[tuple[str, str, str, Values]]:
    """Each lane that has a repeat: its mode, its framework, its name on the page, its values."""
    return [
        (mode, lane, NAMES[lane] if mode == DECIDES else f"{NAMES[lane]}, {mode}", values)
        for mode, held in modes.items()
        for lane, values in held["lanes"].items()
        if values["images_per_s"]
    ]


def _with_interval(interval: Values) -> str:
    """3,291 (3,233 to 3,349); without an interval the mean alone."""
    if interval["low"] is None:
        return f"{interval['mean']:,.0f}"
    return f"{interval['mean']:,.0f} ({interval['low']:,.0f} to {interval['high']:,.0f})"


def _error(interval: Values) -> dict[str, Any]:
    """The interval as Plotly's error bar."""
    if interval["low"] is None:
        return {"visible": False}
    above, below = interval["high"] - interval["mean"], interval["mean"] - interval["low"]
    return {"array": [above], "arrayminus": [below], "symmetric": False, "width": 4}


def _pictures(modes: Mapping[str, Values]) -> list[Picture]:
    """A row a lane: the mean with its interval, and below it an open mark for each repeat."""
    rows = _rows(modes)
    if not rows:
        return []
    figure = go.Figure(layout=base_layout(200 if len(rows) <= 2 else 320))
    for place, (mode, lane, name, values) in enumerate(rows):
        shipped, colour = mode == DECIDES, COLOURS[lane]
        symbol, interval = "diamond" if lane == "torch" else "circle", values["images_per_s"]
        figure.add_scatter(
            x=[row["images_per_s"] for row in values["repeats"]],
            y=[place + 0.2] * len(values["repeats"]),
            mode="markers",
            marker={"symbol": f"{symbol}-open", "size": 8, "color": colour, "line": {"width": 1.5}},
            hovertemplate=f"{name}, one repeat: %{{x:,.0f}} images/s<extra></extra>",
        )
        figure.add_scatter(
            x=[interval["mean"]],
            y=[place - 0.1],
            mode="markers",
            marker={"symbol": symbol if shipped else f"{symbol}-open", "size": 9, "color": colour},
            error_x=_error(interval) | {"color": colour, "thickness": 2.5 if shipped else 1.5},
            hovertemplate=f"{name}, mean: {_with_interval(interval)} images/s<extra></extra>",
        )
        figure.add_annotation(
            x=interval["mean"], y=place - 0.1, text=f"{interval['mean']:,.0f}", showarrow=False, yshift=14
        )
    names = [name for _, _, name, _ in rows]
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=names, range=[len(rows) - 0.5, -0.6], showgrid=False, zeroline=False
    )
    figure.update_yaxes(automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="images/s", zeroline=False, showgrid=True, tickformat=",")
    said = [f"{name} {_with_interval(values['images_per_s'])}" for _, _, name, values in rows]
    alt = f"Images/s, mean and 95{metrics.NO_BREAK}% interval: {', '.join(said)}."
    caption = (
        "Each open mark is one repeat; the bar is the mean with its 95\u00a0% interval. The axis may start above 0."
    )
    return [Picture(figure, alt, caption)]


def _target(result: Values) -> str:
    return f"{100 * result['target']:g}{metrics.NO_BREAK}%"


def _table(result: Values) -> Table:
    rows = []
    for _, _, name, values in _rows(result["modes"]):
        reached = f"{values['reached']} of {len(values['repeats'])}"
        rows.append([name, _with_interval(values["images_per_s"]), _seconds(values["to_target_s"]), reached])
    target = _target(result)
    caption = (
        "Geometric means over the repeats with 95\u00a0% intervals, after one repeat that warmed up and is left out. "
        f"Each repeat trains a fresh network for {result['epochs']} epochs; images/s is its median after the first "
        f"epoch, which traces. Time to {target} is training time, that tracing included, to the end of the first epoch "
        f"after which {target} of the test images were read right."
    )
    return Table(["lane", "images/s", f"time to {target}", "reached"], rows, caption)


def _seconds(interval: Values | None) -> str:
    if interval is None:
        return metrics.NOT_KNOWN
    if interval["low"] is None:
        return metrics.duration(interval["mean"])
    low, high = metrics.duration(interval["low"]), metrics.duration(interval["high"])
    return f"{metrics.duration(interval['mean'])} ({low} to {high})"


def _differences(result: Values) -> Table:
    rows = []
    for name, mode in result["modes"].items():
        rows.append([name, _more(mode["difference"]), _more(mode.get("to_target_difference"))])
    caption = "PyTorch over Keras, from the ratio of each repeat's two lanes; Student's t over the ratios' logarithms."
    return Table(["PyTorch over Keras", "images/s", f"time to {_target(result)}"], rows, caption)


def _more(difference: Values | None) -> str:
    """+4 % (1 to 7 %)."""
    if difference is None:
        return metrics.NOT_KNOWN
    middle, low, high = _per_cent([difference["percent"], difference["low"], difference["high"]])
    sign = "" if middle.startswith("-") else "+"
    return f"{sign}{middle}{metrics.NO_BREAK}% ({low} to {high}{metrics.NO_BREAK}%)"
