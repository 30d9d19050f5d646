"""Evidence of claim 7: images/s and time to a given accuracy of both lanes, over repeats, as shipped and tuned.

Rule: `RULE` gives the verdict, from the lanes as shipped. Our word for the row is `measured`, so the result supports
it as soon as the rule can be applied: as shipped, both lanes have 2 repeats or more.

A difference is told as the leader's gain, without a sign: so much more a second, so much sooner. Where its interval
holds zero it is not quoted: only how far it may go either way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from core.compare.evidence import Picture, Shown, Table
from core.experiment import metrics
from core.results.charts import COLOURS, base_layout

RULE = (
    "As shipped, over all repeats: if the whole 95\u00a0% interval of the difference in images/s is on PyTorch's side, "
    "the claim is true for both; if it is on Keras' side, false for both; if it holds zero, no difference is seen. "
    "The tuned lanes are shown beside it and do not decide."
)
DECIDES = "as shipped"
NAMES = {"keras": "Keras", "torch": "PyTorch"}
OTHER = {"keras": "torch", "torch": "keras"}
VERDICTS = {"torch": "true", "keras": "false", None: "no difference seen"}
PER_CENT = f"{metrics.NO_BREAK}%"
BUSY = 0.15
"""The share of the machine in other hands from which the finding says so."""

Values = Mapping[str, Any]


def show(result: Values) -> Shown:
    """`result` is that of `core.compare.probes.speed`; a mode, a lane or a difference may be missing."""
    modes: Mapping[str, Values] = result["modes"]
    sentences = [_mode_sentence(name, mode, result) for name, mode in modes.items()]
    sentences += [_turned(modes), _elsewhere(modes), _busy(modes)]
    difference = modes.get(DECIDES, {}).get("difference")
    verdict = VERDICTS[_Lead.in_rate(difference).ahead] if difference else None
    return Shown(
        finding=" ".join(filter(None, sentences)),
        supports=verdict is not None,
        pictures=_pictures(modes),
        tables=[_table(result), _differences(result)],
        verdicts={"keras": verdict, "pytorch": verdict} if verdict else {},
    )


def repeats(result: Values) -> int:
    """Of how many repeats the verdict would be; 0 where there is none."""
    difference = result.get("modes", {}).get(DECIDES, {}).get("difference")
    return int(difference["pairs"]) if difference else 0


# --- the finding -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lead:
    """A difference as each lane's gain over the other in per cent: the interval's low end, the middle, the high end."""

    gains: Mapping[str, Sequence[float]]
    """By lane. A negative gain is the other's lead."""

    @classmethod
    def in_rate(cls, difference: Values) -> "_Lead":
        """How many more images a second."""
        return cls._of(difference, lambda ratio: 100 * (ratio - 1))

    @classmethod
    def in_time(cls, difference: Values) -> "_Lead":
        """How much sooner."""
        return cls._of(difference, lambda ratio: 100 * (1 - ratio))

    @classmethod
    def _of(cls, difference: Values, gain: Callable[[float], float]) -> "_Lead":
        ratios = [1 + difference[end] / 100 for end in ("low", "percent", "high")]
        torch, keras = sorted(map(gain, ratios)), sorted(gain(1 / ratio) for ratio in ratios)
        return cls({"keras": keras, "torch": torch})

    @property
    def ahead(self) -> str | None:
        """The lane on whose side the whole interval lies, if it does."""
        return next((lane for lane, gains in self.gains.items() if gains[0] > 0), None)

    def said(self, word: str) -> tuple[str, str, str]:
        """The leader's gain, its interval, and what compares: 22 % more, 11 to 35 %, than; or 11 times as many, 9.8 to
        12 times, as."""
        assert self.ahead is not None
        low, middle, high = self.gains[self.ahead]
        if word == "more" and round(middle) >= 100:
            low, many, high = (1 + gain / 100 for gain in (low, middle, high))
            return metrics.as_many(many), f"{metrics.times(low)} to {metrics.times(high)} times", "as"
        text = _per_cent([middle, low, high])
        return f"{text[0]}{PER_CENT} {word}", f"{text[1]} to {text[2]}{PER_CENT}", "than"

    def cell(self, word: str) -> str:
        """PyTorch 32 % sooner (27 to 36 %); none seen (Keras up to 2 % sooner, PyTorch up to 15 %)."""
        if self.ahead is None:
            most = [gains[2] for gains in self.gains.values()]
            keras, torch = (f"{gain:.{0 if max(most) >= 10 else 1}f}" for gain in most)
            return f"none seen (Keras up to {keras}{PER_CENT} {word}, PyTorch up to {torch}{PER_CENT})"
        gain, interval, _ = self.said(word)
        return f"{NAMES[self.ahead]} {gain} ({interval})"


def _per_cent(values: Sequence[float]) -> list[str]:
    """Whole per cents, or one decimal where the last two values, an interval, are closer than 2 to each other."""
    decimals = 0 if abs(values[-1] - values[-2]) >= 2 else 1
    return [f"{round(value, decimals) + 0.0:,.{decimals}f}" for value in values]


def _mode_sentence(name: str, mode: Values, result: Values) -> str:
    """What the differences are in images/s and in the time to the target, or why they are not known."""
    difference, title = mode["difference"], name.capitalize()
    why = f" It ended early: {mode['failed']}." if mode["failed"] else ""
    if difference is None:
        return f"{title}: no difference could be measured.{why}"
    rate, time = _rate_words(mode), _target_words(mode, result)
    return f"{title}, in {difference['pairs']} repeats: {rate}; {time}.{why}"


def _rate_words(mode: Values) -> str:
    lead = _Lead.in_rate(mode["difference"])
    if lead.ahead is None:
        return "no difference seen in images a second"
    (gain, interval, than), slower = lead.said("more"), OTHER[lead.ahead]
    rates = [f"{mode['lanes'][lane]['images_per_s']['mean']:,.0f}" for lane in (lead.ahead, slower)]
    return (
        f"{NAMES[lead.ahead]} trained {gain} images a second {than} {NAMES[slower]} "
        f"(95{PER_CENT} interval {interval}; {rates[0]} against {rates[1]})"
    )


def _target_words(mode: Values, result: Values) -> str:
    """Which lane read the target's share of the test images right sooner, and how often one did not."""
    goal, lanes, difference = f"{_target(result)} accuracy", mode["lanes"], mode.get("to_target_difference")
    missed = [_missed(lane, values, result) for lane, values in lanes.items()]
    also = "".join(f", and {words}" for words in missed if words)
    if difference is None:
        return f"the times to {goal} do not compare{also}"
    lead = _Lead.in_time(difference)
    if lead.ahead is None:
        return f"no difference seen in the time to {goal}{also}"
    (gain, interval, than), slower = lead.said("sooner"), OTHER[lead.ahead]
    took = [metrics.duration(lanes[lane]["to_target_s"]["mean"]) for lane in (lead.ahead, slower)]
    return (
        f"{NAMES[lead.ahead]} reached {goal} {gain} {than} {NAMES[slower]} "
        f"({interval}; {took[0]} against {took[1]}){also}"
    )


def _missed(lane: str, values: Values, result: Values) -> str:
    repeats = len(values["repeats"])
    if values["reached"] == repeats:
        return ""
    often = f"in {repeats - values['reached']} of {repeats} repeats" if values["reached"] else "in any repeat"
    return f"{NAMES[lane]} did not get there {often}, of {result['epochs']} epochs each"


def _turned(modes: Mapping[str, Values]) -> str:
    """Said where tuning turns the order of images/s round."""
    decided = [_Lead.in_rate(mode["difference"]).ahead for mode in modes.values() if mode["difference"]]
    return "Tuning reverses the order." if {"keras", "torch"} <= set(decided) else ""


def _elsewhere(modes: Mapping[str, Values]) -> str:
    """Why other ratios of the same two lanes stand in other places."""
    if not any(mode["difference"] for mode in modes.values()):
        return ""
    return (
        "Claim 3 and a duel on Train give other ratios, since they count other things: claim 3 only the fastest block "
        "of single steps, a duel one run on its own data."
    )


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
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[len(rows) - 0.5, -0.6], showgrid=False)
    figure.update_yaxes(automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="images/s", showgrid=True, tickformat=",")
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
        "Geometric means over the repeats with 95\u00a0% intervals; a first repeat, to warm up, is left out. "
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
        rate, time = mode["difference"], mode.get("to_target_difference")
        rows.append(
            [
                name,
                _Lead.in_rate(rate).cell("more") if rate else metrics.NOT_KNOWN,
                _Lead.in_time(time).cell("sooner") if time else metrics.NOT_KNOWN,
            ]
        )
    caption = (
        "With 95\u00a0% intervals, from the ratio of each repeat's two lanes; Student's t over the ratios' logarithms. "
        "Where an interval holds zero, no difference was seen."
    )
    return Table(["difference", "in images/s", f"in time to {_target(result)}"], rows, caption)
