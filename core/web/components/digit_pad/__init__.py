"""The Draw page's own component: the pad, both answers, what the models see, and test images to take instead.

One component, so that an answer needs no second element of Streamlit to be redrawn. The browser owns the
drawing and numbers its states (`serial`); the page answers by a rerun of its fragment, and `PadView.serial`
says which drawing the answers belong to. `core/web/components/digit_pad/digit_pad.js` owns what happens in the browser,
`digit_answers.js` how answers and pictures look.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from core.web.components.assets import script_url

Framework = Literal["keras", "torch", "other"]

SIDE = 1000
"""The pad's side in the units of a stroke."""
PEN_WIDTH = 75
"""The ink's width in the same units: 7.5 % of the side, about what MNIST's digits have."""

ASSETS = Path(__file__).parent
SCRIPTS = ("digit_pad.js", "digit_answers.js")
"""Served files; the first imports the second with its own version."""
IMPORT = re.compile(r"^// With this file's own \?v=.*?^const \{[^}]*\} = looks;$", re.DOTALL | re.MULTILINE)
"""How the first script loads the second; both in one text need none of it."""


@dataclass(frozen=True)
class PadLane:
    """One model's answer: two bars' worth of colour, the classes' probabilities and the best three in words."""

    engine: str
    name: str
    framework: Framework
    """Gives colour, hatching and mark."""
    probabilities: Sequence[float] | None = None
    tops: str = ""
    """7 97.2 %, 1 1.2 %, 2 0.6 %"""


@dataclass(frozen=True)
class PadSample:
    """A test image that can be taken instead of drawing."""

    index: int
    """What comes back as `PadAnswer.sample`."""
    label: int
    """Its place in `PadView.classes`."""
    pixels_base64: str
    """Its bytes, as those of `PadView.seen`."""


@dataclass(frozen=True)
class PadView:
    """What the component shows: a drawing, the answers to it, and the samples."""

    strokes: Sequence[Sequence[int]]
    """With `sample` and `serial` the drawing that the answers belong to, from `PadAnswer` or what the page keeps.

    The browser takes it over when it has just mounted, or when `serial` is higher than its own; else it keeps
    its own, which is newer.
    """
    sample: int | None
    serial: int
    lanes: tuple[PadLane, ...]
    classes: tuple[str, ...]
    labels: tuple[str, ...]
    """The classes as they stand beside bars: short, no two alike."""
    rows: tuple[int, ...]
    """Which of the classes have a bar."""
    image_shape: tuple[int, int, int]
    """Height, width and channels of all pictures."""
    drawable: bool = True
    """Whether a pen draws on the pad; else it shows pictures alone."""
    how: str = ""
    """How what the models see was made."""
    samples: tuple[PadSample, ...] = ()
    headline: str = ""
    detail: str = ""
    seen: str | None = None
    """The models' input, a byte a pixel and channel, as base64."""
    picture: str | None = None
    """In place of strokes, as `seen`: an upload, shown on the pad until something is drawn."""
    hint: str = ""
    """Stands where the answers would."""
    fault: bool = False
    """Whether the hint says what was wrong."""

    def to_data(self) -> dict[str, Any]:
        """The component's `data`. A probability that is no number has no bar: JSON has no word for it either."""
        data = asdict(self)
        for lane in data["lanes"]:
            if lane["probabilities"] is not None:
                lane["probabilities"] = [p if math.isfinite(p) else 0.0 for p in map(float, lane["probabilities"])]
        return data | {"pen_width": PEN_WIDTH}


@dataclass(frozen=True)
class PadAnswer:
    """What a browser says was drawn: unchecked but for `sample` and `serial` being whole numbers."""

    strokes: object
    """Meant to be [[x0, y0, x1, y1, ...], ...] from 0 to `SIDE`: whoever reads it checks it."""
    sample: int | None
    serial: int


NOTHING_DRAWN = PadAnswer(strokes=[], sample=None, serial=0)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def code_in_one() -> str:
    """Both scripts as one, which loads nothing: for a host that does not pass their address."""
    pad, answers = ((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return answers + IMPORT.sub("", pad, count=1)


def drawing_of(state: object) -> PadAnswer:
    """The drawing in `st.session_state.get(key)`, readable before `digit_pad` is called; else `NOTHING_DRAWN`."""
    drawing = state.get("drawing") if isinstance(state, Mapping) else None
    if not isinstance(drawing, Mapping):
        return NOTHING_DRAWN
    return PadAnswer(
        strokes=drawing.get("strokes"),
        sample=_whole(drawing.get("sample")),
        serial=max(0, _whole(drawing.get("serial")) or 0),
    )


UNDO = '<path d="M9 6 5 10l4 4"/><path d="M5 10h9.5a4.5 4.5 0 0 1 0 9H11"/>'
BIN = '<path d="M5 7h14M10 7V4.5h4V7M7 7v12.5h10V7M10.5 10.5v5.5M13.5 10.5v5.5"/>'


def _button(name: str, icon: str) -> str:
    # aria-disabled and not disabled: a button that goes grey when pressed must not lose the focus.
    return f"""
    <button type="button" class="digit-pad-button digit-pad-{name.lower()}" aria-disabled="true">
      <svg viewBox="0 0 24 24" aria-hidden="true">{icon}</svg>{name}
    </button>"""


HTML = f"""
<div class="digit-pad" data-testid="digit-pad" data-serial="0" data-answered="">
  <p class="digit-pad-spoken" role="status"></p>
  <div class="digit-pad-grid">
    <div class="digit-pad-draw">
      <canvas class="digit-pad-canvas" role="img" aria-label="Drawing pad, empty."></canvas>
      <div class="digit-pad-buttons">{_button("Undo", UNDO)}{_button("Clear", BIN)}
      </div>
    </div>
    <div class="digit-pad-answers">
      <p class="digit-pad-words">
        <strong class="digit-pad-headline"></strong> <span class="digit-pad-detail"></span>
        <span class="digit-pad-hint"></span>
      </p>
      <div class="digit-pad-legend" aria-hidden="true"></div>
      <div class="digit-pad-chart" role="img" aria-label="Probabilities of the classes."></div>
      <div class="digit-pad-tops"></div>
    </div>
    <div class="digit-pad-see">
      <h2 class="digit-pad-title">What the models see</h2>
      <canvas class="digit-pad-seen" role="img" aria-label="Nothing yet."></canvas>
      <p class="digit-pad-caption digit-pad-how"></p>
    </div>
    <div class="digit-pad-instead">
      <p class="digit-pad-offer">No pen at hand? Take a test image.</p>
      <div class="digit-pad-samples" role="radiogroup" aria-label="Test images"></div>
    </div>
  </div>
</div>
"""

# Tried twice: a browser may come here while the dashboard restarts. Where a host does not pass the code's address, the
# page sends the code itself, once: `code` lives as long as the browser's page.
JS = f"""
let code = null;
const load = (again) => import(new URL("{script_url(SCRIPTS[0])}" + again, document.baseURI));
const unpack = (text) => import(URL.createObjectURL(new Blob([text], {{ type: "text/javascript" }})));
export default async (component) => {{
  const {{ data, parentElement, setStateValue }} = component;
  if (data?.code) code ??= await unpack(data.code);
  code ??= await load("").catch(() => load("&again")).catch(() => null);
  if (data?.code || !code) setStateValue("code", code ? "here" : "wanted");
  if (code) return code.default(component);
  const words = parentElement.querySelector(".digit-pad-hint");
  words.textContent = "The pad's code did not arrive yet.";
}};
"""

_component = st.components.v2.component(
    "digit_pad",
    html=HTML,
    css=(ASSETS / "digit_pad.css").read_text(encoding="utf-8"),
    js=JS,
    isolate_styles=False,  # the page's fonts and its focus outline hold here, too
)


def _rerun_only() -> None:
    """A callback makes its name part of the result; the rerun itself is all that is wanted."""


def digit_pad(view: PadView, key: str) -> PadAnswer:
    """Shows the pad and returns the newest drawing, which is the one in `view` unless the browser is ahead.

    Call it in a fragment, with `view` made from `drawing_of(st.session_state.get(key))`: so the rerun that
    brings a drawing also answers it. Only the first run of a session that a browser reconnects to can
    return a higher serial than `view.serial`; rerun the fragment then.
    """
    state = st.session_state.get(key)
    wanted = isinstance(state, Mapping) and state.get("code") == "wanted"
    result = _component(
        key=key,
        data=view.to_data() | {"key": key, "code": code_in_one() if wanted else None},
        default={"drawing": None, "code": None},
        on_drawing_change=_rerun_only,
        on_code_change=_rerun_only,
    )
    return drawing_of(result)
