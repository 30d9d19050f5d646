"""One self-contained HTML report of a run: opens offline, in light and dark, with charts that answer the pointer."""

import re
from pathlib import Path
from typing import Any

import jinja2
import plotly
import plotly.graph_objects as go

from core import charts, metrics
from core.figures import figures
from core.listings import FILENAMES, listing
from core.machine import machine_words
from core.names import engine_title, run_title
from core.outcome import Outcome, conclusion
from core.settings import InvalidSettings, TrainSettings

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=True,  # names, notes and messages come from people: they are text
)


def as_html(outcome: Outcome) -> str:
    """The report, about 5 MB: Plotly's own code travels in it."""
    run = outcome.run
    done = [lane for lane in outcome.lanes if lane.epochs]
    more = [("Where the time went", *charts.time_split(done))] if done else []
    tested = [lane for lane in outcome.lanes if lane.result]
    for lane in tested:
        drawn = charts.confusion(lane, charts.most_mistakes(tested), outcome.dataset.class_names)
        more.append((f"What {lane.title} confuses", *drawn))
    return _TEMPLATES.get_template("report.html.j2").render(
        title=run_title(run.name, run.settings),
        note=run.note,
        state=f"{run.state.capitalize()}. {run.reason}",
        where=f"{run.source} on {machine_words(run.machine)}, {run.created_at[:10]}, run {run.id}",
        conclusion=re.sub(r"\*\*", "", conclusion(outcome)),
        curves=[(name, _div(figure), alt) for name, figure, alt in charts.curves(done)] if done else [],
        more=[(name, _div(figure), alt) for name, figure, alt in more],
        lanes=[lane.title for lane in outcome.lanes],
        figures=figures(outcome),
        certificate=_certificate(outcome.certificate),
        settings={name: _plain(value) for name, value in run.settings.items()},
        machine=_machine(outcome),
        code=_code(outcome),
        summaries=[(lane.title, lane.built["summary"]) for lane in outcome.lanes if lane.built],
        plotly_js=(Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8"),
    )


def _div(figure: go.Figure) -> str:
    drawn: str = figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})
    return drawn


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _certificate(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    digits = metrics.digits
    lines = [
        ("Largest difference of an output", digits(values["logit_difference"]), digits(values["logit_bound"])),
        ("Largest relative difference of a loss", digits(values["loss_difference"]), digits(values["loss_bound"])),
    ]
    return {**values, "lines": lines}


def _machine(outcome: Outcome) -> dict[str, str]:
    known = {name: str(value) for name, value in outcome.run.machine.items()}
    for lane in outcome.lanes:
        versions = ", ".join(f"{name} {version}" for name, version in lane.versions.items())
        known[lane.title] = f"{versions or metrics.NOT_KNOWN}, on {lane.built.get('device', 'no device')}"
    data = outcome.prepared or {}
    known["data"] = f"{outcome.dataset.title}. {data.get('source', outcome.dataset.description)} {data.get('note', '')}"
    return known


def _code(outcome: Outcome) -> list[tuple[str, str]]:
    try:
        settings = TrainSettings.parse(outcome.run.settings)
    except InvalidSettings:
        return []
    engines = [lane.engine for lane in outcome.lanes if lane.engine in FILENAMES]
    return [(engine_title(engine), listing(engine, settings).script) for engine in engines]
