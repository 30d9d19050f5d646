"""A slider over the epochs of a training, and how two models' answers to one image grew: the Draw page's replay.

All epochs cross at once, so that choosing one, or playing them, asks the server for nothing. The script
`training_replay.js` owns what happens in the browser.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from core.web.components.assets import loading

Framework = Literal["keras", "torch", "other"]

ASSETS = Path(__file__).parent
DIGITS = 4
"""Of a probability, after the point: a thousandth of a bar is less than a pixel."""


@dataclass(frozen=True)
class ReplayLane:
    """One model: its probability of each shown class after each epoch, [epochs][rows]."""

    name: str
    framework: Framework
    """Gives colour, mark and dash."""
    probabilities: Sequence[Sequence[float]]


@dataclass(frozen=True)
class ReplayLine:
    """A line of the chart: the probability of one class by epoch."""

    lane: int
    row: int
    final: bool
    """Whether it is the class that the model reads in the end; else a thin line."""


@dataclass(frozen=True)
class ReplayView:
    """What the component shows. Other `words` are another replay; the chosen epoch stays where it can."""

    epochs: Sequence[int]
    lanes: Sequence[ReplayLane]
    labels: Sequence[str]
    """The shown classes: short, no two alike."""
    lines: Sequence[ReplayLine]
    words: Sequence[str]
    """What both read after each epoch, as a sentence."""
    finding: str
    """How the answers grew, as a sentence."""

    def to_data(self) -> dict[str, Any]:
        """The component's `data`. A probability that is no number has no bar: JSON has no word for it either."""
        data = asdict(self)
        for lane in data["lanes"]:
            lane["probabilities"] = [
                [round(p, DIGITS) if math.isfinite(p) else 0.0 for p in after] for after in lane["probabilities"]
            ]
        return data


HTML = """
<div class="training-replay" data-testid="training-replay" data-place="">
  <p class="training-replay-finding"></p>
  <div class="training-replay-controls">
    <button type="button" class="training-replay-play" aria-label="Play">
      <svg viewBox="0 0 24 24" aria-hidden="true"><path class="training-replay-icon" d="M8 5v14l11-7z"/></svg>
    </button>
    <span class="training-replay-first" aria-hidden="true"></span>
    <input type="range" class="training-replay-slider" aria-label="Epoch" min="0" value="0" step="1">
    <span class="training-replay-last" aria-hidden="true"></span>
  </div>
  <p class="training-replay-words"></p>
  <p class="training-replay-spoken" role="status"></p>
  <div class="training-replay-beside">
    <div class="training-replay-growth">
      <div class="training-replay-legend" aria-hidden="true"></div>
      <div class="training-replay-chart" role="img"></div>
    </div>
    <div class="training-replay-bars" role="img"></div>
  </div>
</div>
"""

_component = st.components.v2.component(
    "training_replay",
    html=HTML,
    css=(ASSETS / "training_replay.css").read_text(encoding="utf-8"),
    js=loading(
        "training_replay.js",
        otherwise="""component.parentElement.querySelector(".training-replay").textContent =
    "The replay cannot be shown: its code did not arrive, or this host does not pass it.";""",
    ),
    isolate_styles=False,  # the page's fonts and its focus outline hold here, too
)


def training_replay(view: ReplayView, key: str) -> None:
    """Shows the replay, at its last epoch until somebody chooses another."""
    _component(key=key, data=view.to_data())
