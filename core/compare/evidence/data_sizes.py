"""Evidence of claim 3: images/s and peak memory of each lane with more and more images in memory.

Rule: the result supports `Keras: false, PyTorch: false` where both lanes were measured to the end and either each
lane's images/s there lie within `FLAT` of those at the smallest size (a flat line), or both lanes changed alike
(their two ratios differ by at most `FLAT`): then no framework is tied to a size. A size's images/s are those
of its fastest block, since whatever else runs on a machine only slows it. How far the blocks of one size lie apart
is said beside: it is the machine's own, and where it is above `FLAT` and the rule is not met, nothing can be told.
"""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from core.compare.evidence import Picture, Shown, Table
from core.experiment import metrics
from core.experiment.names import framework
from core.results.charts import COLOURS, base_layout

FLAT = 0.15
_MARKS = {"keras": ("circle", "solid"), "torch": ("diamond", "7px,4px")}

Lane = Mapping[str, Any]


def show(result: Mapping[str, Any]) -> Shown:
    """`result` is that of `probes.data_sizes`; a lane may lack its larger sizes, or all, and then has a reason."""
    lanes: Mapping[str, Lane] = result["lanes"]
    measured = {engine: lane for engine, lane in lanes.items() if lane["sizes"]}
    finding = " ".join(
        filter(None, [*map(_change, measured.values()), *_judgement(lanes), _elsewhere(measured), *_reasons(lanes)])
    )
    return Shown(
        finding=finding,
        supports=_supports(lanes),
        pictures=[_lines(measured)] if measured else [],
        tables=[_table(result, lanes)],
    )


def _rate(size: Mapping[str, Any]) -> float:
    rate: float = max(size["images_per_s"])
    return rate


def _ratio(lane: Lane) -> float:
    """Images/s at the largest size over those at the smallest."""
    return _rate(lane["sizes"][-1]) / _rate(lane["sizes"][0])


def _drift(lane: Lane) -> float:
    """The largest difference between the blocks of one size, as a fraction of the fastest."""
    drifts: list[float] = [
        (max(size["images_per_s"]) - min(size["images_per_s"])) / _rate(size) for size in lane["sizes"]
    ]
    return max(drifts)


def _change(lane: Lane) -> str:
    first, last = lane["sizes"][0], lane["sizes"][-1]
    percent = round(100 * (_ratio(lane) - 1))
    sign = "+" if percent > 0 else "\u2212" if percent < 0 else ""
    return (
        f"{lane['title']}: {metrics.throughput(_rate(first))} with {first['images']:,} images in memory, "
        f"{metrics.throughput(_rate(last))} with {last['images']:,} ({sign}{abs(percent)}{metrics.NO_BREAK}%), "
        f"peak memory {metrics.mebibytes(last['peak_mib'])}."
    )


def _judgement(lanes: Mapping[str, Lane]) -> list[str]:
    """What the rule makes of it; nothing where a lane is missing."""
    if not _complete(lanes):
        return []
    allowed = f"{100 * FLAT:.0f}{metrics.NO_BREAK}%"
    drift = f"{100 * max(map(_drift, lanes.values())):.0f}{metrics.NO_BREAK}%"
    if all(_flat(lane) for lane in lanes.values()):
        said = f"Both stay within {allowed}: neither depends on the size"
    elif _alike(lanes):
        said = f"Both changed alike, within {allowed}: the size favours neither"
    elif max(map(_drift, lanes.values())) > FLAT:
        said = f"That is more than {allowed} apart, but so are blocks of one size: the machine was too busy to tell"
    else:
        said = f"That is more than {allowed} apart: here the size favours one of them"
    return [f"{said}. Blocks of one size lie up to {drift} apart, which is the machine's doing."]


def _elsewhere(lanes: Mapping[str, Lane]) -> str:
    """How the two lanes compare here, and why other ratios of them stand in other places."""
    if len(lanes) < 2:
        return ""
    slower, faster = sorted(lanes.values(), key=lambda lane: _rate(lane["sizes"][0]))
    ratio = _rate(faster["sizes"][0]) / _rate(slower["sizes"][0])
    if ratio < 1.01:
        return ""
    more = metrics.more_than(ratio, "images a second", slower["title"])
    return (
        f"Here {faster['title']} trains {more}; claim 7 and a duel on Train give other ratios, since this one counts "
        "only each size's fastest block of single steps, claim 7 whole epochs over repeats, and a duel one run on its "
        "own data."
    )


def _reasons(lanes: Mapping[str, Lane]) -> list[str]:
    said = []
    for lane in lanes.values():
        if lane["reason"]:
            got = f" after {lane['sizes'][-1]['images']:,} images" if lane["sizes"] else ""
            said.append(f"{lane['title']} could not be measured{' further' if got else ''}{got}: {lane['reason']}.")
    return said


def _flat(lane: Lane) -> bool:
    return abs(_ratio(lane) - 1) <= FLAT


def _alike(lanes: Mapping[str, Lane]) -> bool:
    ratios = [_ratio(lane) for lane in lanes.values()]
    return max(ratios) / min(ratios) - 1 <= FLAT


def _complete(lanes: Mapping[str, Lane]) -> bool:
    """Whether both lanes were measured to the end."""
    return len(lanes) > 1 and all(lane["reason"] is None and len(lane["sizes"]) > 1 for lane in lanes.values())


def _supports(lanes: Mapping[str, Lane]) -> bool:
    return _complete(lanes) and (all(_flat(lane) for lane in lanes.values()) or _alike(lanes))


def _lines(lanes: Mapping[str, Lane]) -> Picture:
    figure = go.Figure(layout=base_layout(260))
    words = []
    for engine, lane in lanes.items():
        colour, (symbol, dash) = COLOURS[framework(engine)], _MARKS[engine]
        images, rates = [size["images"] for size in lane["sizes"]], [_rate(size) for size in lane["sizes"]]
        figure.add_scatter(
            x=images,
            y=rates,
            name=lane["title"],
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 9},
            hovertemplate=f"{lane['title']}, %{{x:,}} images: %{{y:,.0f}} images/s<extra></extra>",
        )
        figure.add_scatter(
            x=[size["images"] for size in lane["sizes"] for _ in size["images_per_s"]],
            y=[rate for size in lane["sizes"] for rate in size["images_per_s"]],
            mode="markers",
            marker={"symbol": f"{symbol}-open", "size": 6, "color": colour},
            showlegend=False,
            hoverinfo="skip",
        )
        each = ", ".join(f"{metrics.throughput(r)} with {n:,}" for n, r in zip(images, rates, strict=True))
        words.append(f"{lane['title']} {each}")
    ticks = sorted({size["images"] for lane in lanes.values() for size in lane["sizes"]})
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.2})
    figure.update_xaxes(
        title_text="images in memory", type="log", tickvals=ticks, ticktext=[f"{n:,}" for n in ticks], showgrid=False
    )
    figure.update_yaxes(title_text="images/s", rangemode="tozero")
    alt = f"Images/s by images in memory: {'; '.join(words)}."
    return Picture(figure, alt, "Filled: a size's fastest block. Open: each block.")


def _table(result: Mapping[str, Any], lanes: Mapping[str, Lane]) -> Table:
    rows = [
        [
            lane["title"],
            f"{size['images']:,}",
            metrics.throughput(_rate(size)),
            f"{min(size['images_per_s']):,.0f} to {max(size['images_per_s']):,.0f}",
            metrics.duration(size["epoch_start_s"]),
            metrics.mebibytes(size["peak_mib"]),
        ]
        for lane in lanes.values()
        for size in lane["sizes"]
    ]
    columns = ["Lane", "Images in memory", "Fastest block", "All blocks", "An epoch's first step", "Peak memory"]
    return Table(columns, rows, f"{result['steps']} steps of {result['batch']} images for each size, on the CPU.")
