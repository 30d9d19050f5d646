"""The settings on the Train page: fields, the URL that restores them, and a sentence for each that is wrong.

The URL holds every field that differs from its default, under the field's own name. It is read before the
first widget and only fills the fields; it never starts anything. Widgets neither clamp nor check: whatever
they hold goes to `TrainSettings.parse`.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.datasets import DATASETS
from core.metrics import duration
from core.names import ALIGNMENT_TITLES, DEVICE_TITLES, SCHEDULE_TITLES, engine_title
from core.settings import ENGINE_NAMES, InvalidSettings, Schedule, TrainSettings
from core.store import Run

FIELD_PX = 108
WRITTEN, LINK_PROBLEMS = "settings_in_url", "link_problems"
LARGEST_INTEGER = 2**53 - 1
"""A browser holds no larger whole number exactly."""

DEFAULTS: dict[str, Any] = TrainSettings().as_json()


def settings_form(disabled: bool) -> TrainSettings | None:
    """Draws the fields in a row; None, after the sentences, where they do not make a run."""
    read_link()
    st.number_input(
        "Batch size", value=None, step=1, key="batch_size", width=FIELD_PX, disabled=disabled, persist_state="session"
    )
    st.number_input(
        "Epochs", value=None, step=1, key="epochs", width=FIELD_PX, disabled=disabled, persist_state="session"
    )
    st.number_input(
        "Dropout",
        value=None,
        step=0.05,
        format="%g",
        key="dropout",
        width=FIELD_PX,
        disabled=disabled,
        persist_state="session",
    )
    with st.popover("More settings", disabled=disabled):
        _folded_fields(disabled)
    write_link()
    try:
        raw = {name: st.session_state[name] for name in DEFAULTS}
        return TrainSettings.parse(raw, DATASETS[raw["dataset"]].training_split)
    except InvalidSettings as error:
        st.session_state["problems"] = error.problems
        return None


def _folded_fields(disabled: bool) -> None:
    st.selectbox(
        "Alignment",
        list(ALIGNMENT_TITLES),
        format_func=lambda value: ALIGNMENT_TITLES[value],
        key="alignment",
        disabled=disabled,
        persist_state="session",
        help="As shipped: each framework's own start, shuffling and Adam. Same start: the same weights, batches and "
        "Adam. Exact twin: the same in float64 with shared dropout, so both compute the same numbers.",
    )
    st.selectbox(
        "Lanes train",
        list(SCHEDULE_TITLES),
        format_func=lambda value: SCHEDULE_TITLES[value],
        key="schedule",
        disabled=disabled,
        persist_state="session",
    )
    st.selectbox(
        "Data set",
        list(DATASETS),
        format_func=lambda name: DATASETS[name].title,
        key="dataset",
        disabled=disabled,
        persist_state="session",
    )
    st.caption(dataset_words(st.session_state["dataset"]))
    st.multiselect(
        "Engines",
        ENGINE_NAMES,
        format_func=engine_title,
        key="engines",
        disabled=disabled,
        persist_state="session",
    )
    st.number_input(
        "Learning rate", value=None, format="%g", key="learning_rate", disabled=disabled, persist_state="session"
    )
    st.number_input("Seed", value=None, step=1, key="seed", disabled=disabled, persist_state="session")
    st.number_input(
        "Early stopping after",
        value=None,
        step=1,
        key="patience",
        disabled=disabled,
        persist_state="session",
        help="Epochs without a better validation loss. 0 never stops early.",
    )
    st.selectbox(
        "Device",
        list(DEVICE_TITLES),
        format_func=lambda value: DEVICE_TITLES[value],
        key="device",
        disabled=disabled,
        persist_state="session",
    )


def dataset_words(name: str) -> str:
    """What a data set is, and what it costs to get."""
    dataset = DATASETS[name]
    size = dataset.download_bytes
    return dataset.description + (f" Downloads {size / 2**20:.0f} MiB at the first start." if size else "")


def read_link() -> None:
    """Fills the fields from the URL where it changed since we wrote it: a link, or the browser's back button."""
    link = {name: st.query_params[name] for name in DEFAULTS if name in st.query_params}
    fresh = WRITTEN not in st.session_state
    if not fresh and (not link or link == st.session_state[WRITTEN]):
        return
    problems: dict[str, str] = {}
    for name, default in DEFAULTS.items():
        value, problem = _field_value(name, link[name]) if name in link else (default, "")
        st.session_state[name] = value
        if problem:
            problems[name] = f"{problem} The link's value was left out."
    write_link()  # what the link had left out goes from it, and is said
    st.session_state[LINK_PROBLEMS] = problems


def _field_value(name: str, text: str) -> tuple[Any, str]:
    """What a field shows for the text of a link: the value, or the default and what is wrong with the text."""
    default = DEFAULTS[name]
    try:
        value = TrainSettings.parse({name: text}).as_json()[name]
    except InvalidSettings as error:
        # A number out of its limits can be shown where it was meant; other text cannot stand in its field.
        try:
            number = float(text)
            value = int(number) if isinstance(default, int) else number
            if value == number and abs(number) <= LARGEST_INTEGER and "_" not in text:
                return value, ""
        except (ValueError, OverflowError):
            pass
        if name == "alignment" and text in ALIGNMENT_TITLES:
            return text, ""
        return default, error.problems.get(name, str(error))
    if name == "engines" and any(engine not in ENGINE_NAMES for engine in value):
        return default, f"Engines must name some of {', '.join(ENGINE_NAMES)}."
    return value, ""


def write_link() -> None:
    """Keeps the URL a link to what the fields hold; parameters that are no settings stay."""
    link = {
        name: _text(st.session_state[name]) for name, default in DEFAULTS.items() if st.session_state[name] != default
    }
    if link == st.session_state.get(WRITTEN):
        return
    others = {name: value for name, value in st.query_params.items() if name not in DEFAULTS}
    st.query_params.from_dict(others | link)
    st.session_state[WRITTEN] = link
    st.session_state[LINK_PROBLEMS] = {}


def _text(value: Any) -> str:
    return (
        ""
        if value is None  # an emptied field
        else ",".join(value)
        if isinstance(value, list | tuple)
        else f"{value:.12g}"
        if isinstance(value, float)
        else str(value)
    )


def form_problems() -> Mapping[str, str]:
    """A sentence for each field that is wrong, the link's included."""
    return {**st.session_state.get(LINK_PROBLEMS, {}), **st.session_state.pop("problems", {})}


def plan(settings: TrainSettings, last: Run | None) -> str:
    """What Start will do, and how long it took here last time."""
    data = DATASETS[settings.dataset]
    steps = -(-data.training_split // settings.batch_size)
    epochs = f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}"
    turns = "the lanes take turns" if settings.schedule == Schedule.TURNS else "all lanes at once"
    words = f"{data.title}, {data.training_split:,} for training. {steps:,} steps an epoch, {epochs}, {turns}. "
    took = last.elapsed_s if last else None
    return words + (f"The last such run took {duration(took)} here." if took else "First run here, no estimate yet.")
