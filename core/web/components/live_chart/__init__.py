"""The live charts of one run: a Streamlit component that fetches its own rows, without a rerun of the page.

This file owns what crosses to the browser and back; `core/web/components/live_chart/live_chart.js` owns everything that
happens there, `live_figure.js` how it looks, `live_replay.js` how a run that has ended is drawn again. The markup and
the CSS come with the component, so that the charts have their room from the first paint; the code is imported from a
route, since inline code travels with every update.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from core.results.epoch_charts import EPOCH_CHARTS, EpochChart
from core.web.components.assets import PLOTLY_URL, loading

Framework = Literal["keras", "torch", "other"]
Route = Literal["open", "blocked", "no-assets"]

ASSETS = Path(__file__).parent


@dataclass(frozen=True)
class ChartLane:
    """One lane's line in every chart."""

    engine: str
    name: str
    framework: Framework
    """Gives colour, symbol and dash."""
    open: bool = False
    """A variant: open symbols and thinner lines."""


@dataclass(frozen=True)
class FedRows:
    """Rows from the page itself, where the host does not pass the route: all, or only the new ones."""

    rows: Sequence[Mapping[str, object]]
    next: int
    state: str
    twin: tuple[str, str] | None = None
    """Of a twin: the largest difference of its curves in digits, and what that means."""


@dataclass(frozen=True)
class ChartView:
    """What the charts show. Another `run` restarts them in place; everything else is an update."""

    run: str
    epochs: int
    lanes: tuple[ChartLane, ...]
    twin: bool = False
    ended: bool = False
    """The page shows the run as ended already: no trigger when the rows say so."""
    turns: bool = True
    """Whether the lanes took turns; else they trained at the same time."""
    replay: bool = False
    """Whether an ended run is replayed at once, and not only where somebody presses Replay."""
    charts: tuple[EpochChart, ...] = EPOCH_CHARTS
    fed: FedRows | None = None

    def to_data(self) -> dict[str, Any]:
        """The component's `data`: these fields and the addresses, relative to the page's base."""
        return asdict(self) | {"rows_url": f"api/runs/{self.run}/rows", "plotly_url": PLOTLY_URL}


@dataclass(frozen=True)
class ChartAnswer:
    """What the charts report.

    `ended` is the run's final state in the one page run that its end has caused, else None. `route` is
    "blocked" where the host does not pass `api/`: set `ChartView.fed` then. It is "no-assets" where not even
    the code arrives: the component has hidden itself, so draw static figures below it and go on calling it.
    """

    ended: str | None
    route: Route


def _figure(chart: EpochChart) -> str:
    caption = '<p class="live-chart-caption">Thick with markers: validation. Thin: training. Faint: every step.</p>'
    return f"""
  <div class="live-chart-box live-chart-box-{chart.key}">
    <h3 class="live-chart-title">{chart.heading}</h3>
    <div class="live-chart-figure">
      <div class="live-chart-plot" data-chart="{chart.key}" role="img" aria-label="{chart.heading}. Loading."></div>
      <p class="live-chart-waiting" data-waiting="{chart.waiting}">Loading.</p>
    </div>{caption if chart.logarithmic else ""}
  </div>"""


HTML = f"""
<div class="live-chart" data-testid="live-chart" data-rows="0" data-state="loading">
  <p class="live-chart-spoken" role="status"></p>
  <p class="live-chart-lost" role="status"></p>
  <p class="live-chart-twin" hidden></p>
  <div class="live-chart-replay" hidden>
    <button type="button" class="live-chart-again">Replay</button>
    <p class="live-chart-replayed" role="status"></p>
    <p class="live-chart-reached" aria-hidden="true"></p>
  </div>
  <div class="live-chart-grid">{"".join(map(_figure, EPOCH_CHARTS))}
  </div>
</div>
"""

_component = st.components.v2.component(
    "live_chart",
    html=HTML,
    css=(ASSETS / "live_chart.css").read_text(encoding="utf-8"),
    js=loading(
        "live_chart.js",
        otherwise="""component.parentElement.style.display = "none";
  component.setStateValue("route", "no-assets");""",
    ),
    isolate_styles=False,  # in a shadow root Plotly's own style does not reach its figures
)


def _rerun_only() -> None:
    """A callback makes its name part of the result; the rerun itself is all that is wanted."""


def live_chart(view: ChartView, key: str) -> ChartAnswer:
    """Shows the charts of a run, which follow it without a rerun until it has ended.

    `key` is what keeps the charts on the page: the same key is the same DOM, whatever `view` says.
    """
    result = _component(
        key=key,
        data=view.to_data(),
        default={"route": "open"},
        on_route_change=_rerun_only,
        on_ended_change=_rerun_only,
    )
    return ChartAnswer(ended=result.get("ended"), route=result.get("route") or "open")
