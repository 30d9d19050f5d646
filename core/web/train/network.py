"""The network editor on the Train page: what the browser's text means for the data that are chosen, and for Start."""

import contextlib
from dataclasses import fields, replace
from functools import cache, lru_cache

import streamlit as st

from core.data.datasets import Dataset
from core.data.shape import DataShape
from core.deployment.limits import Limits
from core.experiment.layers import ACTIVATIONS, KINDS, Activation, Layer, Pool, spans
from core.experiment.names import joined
from core.experiment.network import (
    MOST_LAYERS,
    MOST_NETWORK_LETTERS,
    PRESET_TITLES,
    PRESETS,
    Network,
    NetworkError,
    Node,
    example,
    layers_of,
    names_of,
    parse,
    parts_of,
    preset_in,
    shortest,
    written,
)
from core.experiment.settings import InvalidSettings, TrainSettings
from core.web.components.network_editor import (
    EditorKind,
    EditorPreset,
    EditorRow,
    EditorView,
    RowField,
    edit_of,
    network_editor,
)

KEY, TAKEN, GIVEN, WHOLE = "network_editor", "network_taken", "network_given", "network_of_page"
"""The component; in the session: the edit that was taken last, the text with its number that is shown, and the network
that the whole page was drawn for."""


def take_edit(shape: DataShape) -> None:
    """Makes the browser's newest text the network that is set; a preset's text is called by its name."""
    edit = edit_of(st.session_state.get(KEY))
    if edit is None or (edit.text, edit.serial) == st.session_state.get(TAKEN):
        return
    st.session_state[TAKEN] = st.session_state[GIVEN] = (edit.text, edit.serial)
    st.session_state["network"] = named(edit.text, shape)


@st.fragment
def editor(dataset: Dataset, limits: Limits, disabled: bool) -> None:
    """The editor. While one types it is redrawn alone, and once the text has settled the page is."""
    take_edit(dataset.shape)
    network = str(st.session_state["network"])
    text, serial = st.session_state.get(GIVEN, ("", 0))
    if not serial or named(text, dataset.shape) != network:  # a link, or other data for the same preset
        text, serial = in_full(network, dataset.shape), serial + 1
        st.session_state[GIVEN] = (text, serial)
    network_editor(replace(view_of(text, dataset, limits), serial=serial, disabled=disabled), key=KEY)
    edit = edit_of(st.session_state.get(KEY))
    if edit and edit.settled and network != st.session_state[WHOLE]:
        st.rerun()


def named(text: str, shape: DataShape) -> str:
    """A preset's name where the text means one for such data, else the text as it is."""
    try:
        name = shortest(text, shape.classes)
    except NetworkError:
        return text
    return name if name in PRESETS else text


def in_full(network: str, shape: DataShape) -> str:
    """A preset's layers, so that they can be changed; any other text as it is."""
    return written(layers_of(network, shape.classes)) if network in PRESETS else network


def problem_of(text: str, dataset: Dataset, limits: Limits) -> str:
    """Why no run here can have such a network, as Start would say it; empty where one can."""
    try:
        TrainSettings.parse({"network": text}, dataset)
    except InvalidSettings as error:
        if "network" in error.problems:
            return error.problems["network"]
    return Network.of(text, dataset.shape).too_large(limits.network)


def view_of(text: str, dataset: Dataset, limits: Limits) -> EditorView:
    """All that the editor shows for a text."""
    shape = dataset.shape
    problem = problem_of(text, dataset, limits)
    preset = PRESET_TITLES.get(named(text, shape), "")
    place, summary, totals = None, "cannot be trained yet", ""
    if problem:
        try:
            Network.of(text, shape)
        except NetworkError as error:
            place = error.place
    else:
        network = Network.of(text, shape)
        parameters = f"{network.parameters:,} parameters"
        summary = f"{preset or 'your own'}, {parameters}"
        totals = f"{parameters}, {network.multiply_adds:,} multiply-adds an image: the same in both frameworks."
    return EditorView(
        text=text,
        serial=0,
        arrives=shape.image,
        rows=rows_of(text, shape),
        presets=presets_for(dataset, limits),
        kinds=kinds(),
        summary=summary,
        totals=totals,
        allowed=f"At most {joined([f'{most:,} {what}' for what, most in limits.network.items()])} here.",
        preset=preset,
        problem=problem,
        problem_place=place,
    )


@lru_cache(maxsize=64)
def presets_for(dataset: Dataset, limits: Limits) -> tuple[EditorPreset, ...]:
    """Every preset, for these data."""
    return tuple(
        EditorPreset(title, in_full(name, dataset.shape), problem_of(name, dataset, limits))
        for name, title in PRESET_TITLES.items()
    )


def rows_of(text: str, shape: DataShape) -> tuple[EditorRow, ...]:
    """The layers of a text, those too that cannot be read or cannot be there."""
    text = in_full(preset_in(text) or text, shape)
    parts = parts_of(text[:MOST_NETWORK_LETTERS])
    layers = [_layer_in(part) for part in parts[: MOST_LAYERS + 1]]
    readable = tuple(layer for layer in layers if layer)
    names = iter(names_of(readable))
    unread = layers.index(None) if None in layers else len(layers)
    nodes = _nodes_of(readable[:unread], shape)
    rows = []
    for place, (part, layer) in enumerate(zip(parts, layers, strict=False)):
        row = EditorRow(part)
        if layer:
            row = replace(row, word=_word_of(layer), name=next(names), fields=fields_of(layer))
        if place < len(nodes):
            row = _with_node(row, nodes[place])
        rows.append(row)
    return tuple(rows)


def _layer_in(part: str) -> Layer | None:
    """The layer in one part of a text, if it is one."""
    try:
        (layer,) = parse(part)
    except NetworkError:
        return None
    return layer


def _nodes_of(layers: tuple[Layer, ...], shape: DataShape) -> list[Node]:
    """The layers in their places, up to the first that cannot be there."""
    nodes: list[Node] = []
    with contextlib.suppress(NetworkError):
        for node in Network(layers, shape).placed():
            nodes.append(node)
    return nodes


def _with_node(row: EditorRow, node: Node) -> EditorRow:
    return replace(
        row,
        leaves=node.leaves,
        changes=node.leaves != node.arrives or node.multiply_adds > 0,
        shape=" x ".join(f"{size:,}" for size in node.leaves),
        parameters=f"{node.parameters:,}" if node.weights else "",
        multiply_adds=f"{node.multiply_adds:,}" if node.multiply_adds else "",
    )


def _word_of(layer: Layer) -> str:
    return layer.function if isinstance(layer, Activation) else layer.word


def fields_of(layer: Layer) -> tuple[RowField, ...]:
    """A layer's numbers and options in the order in which they are written."""
    if isinstance(layer, Activation):
        return ()
    found = []
    for field in fields(layer):
        name, value = field.name, getattr(layer, field.name)
        if name == "stride":
            usual, hint = ("", f"{layer.size}") if isinstance(layer, Pool) else ("1", "1")
            text = str(value or "")
            found.append(RowField(name, "number", name, text, word="stride", usual=usual, hint=hint))
        elif name in spans(type(layer)):
            found.append(RowField(name, "number", name, str(value)))
        elif name == "rate":
            found.append(RowField(name, "number", name, "" if value is None else f"{value:g}", hint="run's"))
        elif name == "same":
            found.append(RowField(name, "flag", "same", "same" if value else "", word="same"))
        else:
            found.append(RowField(name, "choice", name, value, choices=("", *ACTIVATIONS)))
    return tuple(found)


@cache
def kinds() -> tuple[EditorKind, ...]:
    """Every kind of layer that a row can be, activations last."""
    layered = [EditorKind(word, fields_of(parse(example(kind))[0])) for word, kind in KINDS.items()]
    return (*layered, *(EditorKind(word, ()) for word in ACTIVATIONS))
