"""The Train page's network editor: presets, the text, the same network as rows, and its drawing, in one component.

The text is the only source: presets set it, rows edit it, undo goes back in the browser's list of texts. The browser
numbers its texts (`serial`); the page answers by a rerun of its fragment with the same network as rows, which
`core/web/components/network_editor/network_editor.js` shows. It knows how a row is written, and nothing of layers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from core.web.components.assets import loading

ASSETS = Path(__file__).parent


@dataclass(frozen=True)
class RowField:
    """A number or an option of a layer. Written are its `word`, where it has one, and its value, unless it is usual."""

    name: str
    kind: Literal["number", "flag", "choice"]
    label: str
    value: str
    """Of a flag: its own name, or nothing."""
    word: str = ""
    usual: str = ""
    """What it is where nothing is written."""
    hint: str = ""
    """Stands in an empty field."""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class EditorKind:
    """A kind of layer that a row can become, with the fields of a new one."""

    word: str
    fields: tuple[RowField, ...]


@dataclass(frozen=True)
class EditorRow:
    """A layer: its text, its fields, and what comes of it, as far as the network can be."""

    text: str
    word: str = ""
    """Empty where the text is no layer."""
    name: str = ""
    fields: tuple[RowField, ...] = ()
    leaves: tuple[int, ...] = ()
    """[height, width, channels] or [features]; empty where it cannot be told."""
    changes: bool = False
    """Whether what leaves has another shape than what arrives: it then has a box of its own in the drawing."""
    shape: str = ""
    parameters: str = ""
    multiply_adds: str = ""


@dataclass(frozen=True)
class EditorPreset:
    """A network with a name."""

    title: str
    text: str
    problem: str = ""
    """Why it cannot be for these data."""


@dataclass(frozen=True)
class EditorView:
    """What the component shows. `text` and `serial` are its own newest ones, or, with a higher serial, the page's."""

    text: str
    serial: int
    arrives: tuple[int, ...]
    """The shape of one image of the data."""
    rows: Sequence[EditorRow]
    presets: Sequence[EditorPreset]
    kinds: Sequence[EditorKind]
    summary: str
    """Stands on the fold, after "Network"."""
    totals: str
    allowed: str
    preset: str = ""
    """The title of the preset that it is."""
    problem: str = ""
    problem_place: int | None = None
    """The row whose fault it is."""
    disabled: bool = False


@dataclass(frozen=True)
class Edit:
    """What the browser holds: any text. `settled` once nothing has changed for a while."""

    text: str
    serial: int
    settled: bool


HTML = """
<div class="network-editor" data-testid="network-editor" data-serial="0" data-drawn="">
  <p class="network-editor-spoken" role="status"></p>
  <details class="network-editor-fold">
    <summary class="network-editor-summary"><span>Network</span> <span class="network-editor-which"></span></summary>
    <div class="network-editor-inside">
      <div class="network-editor-presets" role="group" aria-label="Networks with a name"></div>
      <label class="network-editor-label">Layers with commas between them, or a preset's name
        <textarea class="network-editor-text" rows="2" spellcheck="false" autocomplete="off" autocapitalize="off"
          aria-describedby="network-editor-problem"></textarea></label>
      <p class="network-editor-problem" id="network-editor-problem"></p>
      <div class="network-editor-beside">
        <div class="network-editor-list">
          <div class="network-editor-heads" aria-hidden="true">
            <span>output shape</span><span>parameters</span><span>multiply-adds</span>
          </div>
          <ol class="network-editor-rows"></ol>
          <button type="button" class="network-editor-button network-editor-add"
            aria-label="Add a layer">Add a layer</button>
        </div>
        <div class="network-editor-seen">
          <div class="network-editor-drawing"></div>
          <p class="network-editor-totals"></p>
          <p class="network-editor-allowed"></p>
        </div>
      </div>
    </div>
  </details>
  <p class="network-editor-problem network-editor-problem-folded"></p>
  <div class="network-editor-instead" role="group" aria-label="Networks that fit"></div>
</div>
"""

_component = st.components.v2.component(
    "network_editor",
    html=HTML,
    css=(ASSETS / "network_editor.css").read_text(encoding="utf-8"),
    js=loading("network_editor.js", otherwise="component.parentElement.textContent = component.data.problem;"),
    isolate_styles=False,  # the page's fonts and its focus outline hold here, too
)


def edit_of(state: object) -> Edit | None:
    """What `st.session_state.get(key)` holds, readable before `network_editor` is called; None where it is nothing."""
    edit = state.get("edit") if isinstance(state, Mapping) else None
    if not isinstance(edit, Mapping) or not isinstance(edit.get("text"), str):
        return None
    serial = edit.get("serial")
    if not isinstance(serial, int) or isinstance(serial, bool) or not 0 <= serial < 2**53:
        return None
    return Edit(edit["text"].encode("utf-8", "replace").decode(), serial, edit.get("settled") is True)


def _rerun_only() -> None:
    """A callback makes its name part of the result; the rerun itself is all that is wanted."""


def network_editor(view: EditorView, key: str) -> None:
    """Shows the editor. Call it in a fragment, with `view` made from `edit_of(st.session_state.get(key))`."""
    _component(key=key, data=asdict(view) | {"key": key}, default={"edit": None}, on_edit_change=_rerun_only)
