"""The settings on the Train page: fields, the URL that restores them, and a sentence for each that is wrong.

The URL holds every field that differs from its default, under the field's own name. It is read before the
first widget and only fills the fields; it never starts anything. Widgets neither clamp nor check: whatever
they hold goes to `TrainSettings.parse`.
"""

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.datasets import DATASETS
from core.launcher import Launcher
from core.metrics import duration
from core.names import ALIGNMENT_TITLES, DEVICE_TITLES, SCHEDULE_TITLES, engine_title
from core.settings import ENGINE_NAMES, InvalidSettings, Schedule, TrainSettings
from core.store import Run

FIELD_PX = 108
WRITTEN, LINK_PROBLEMS = "settings_in_url", "link_problems"
LARGEST_INTEGER = 2**53 - 1
"""A browser holds no larger whole number exactly."""

ALIGNMENT_HELP = (
    "As shipped: each framework's own start, shuffling and Adam. Same start: the same weights, batches and "
    "Adam. Exact twin: the same in float64 with shared dropout, so both compute the same numbers."
)
PATIENCE_HELP = "Epochs without a better validation loss. 0 never stops early."

DEFAULTS: dict[str, Any] = TrainSettings().as_json()


def settings_form(disabled: bool, active: Launcher | None = None) -> TrainSettings | None:
    """Draws the fields in a row; None, after the sentences, where they do not make a run or one not allowed here."""
    read_link()
    _number("Batch size", "batch_size", disabled, width=FIELD_PX)
    _number("Epochs", "epochs", disabled, width=FIELD_PX)
    _number("Dropout", "dropout", disabled, width=FIELD_PX, step=0.05, format="%g")
    with st.popover("More settings", disabled=disabled):
        _folded_fields(disabled)
    write_link()
    try:
        raw = {name: st.session_state[name] for name in DEFAULTS}
        settings = TrainSettings.parse(raw, DATASETS[raw["dataset"]].training_split)
        if active is not None:
            active.check(settings)
        return settings
    except InvalidSettings as error:
        st.session_state["problems"] = error.problems
        return None


def _number(label: str, name: str, disabled: bool, step: float = 1, **options: Any) -> None:
    """A number's field. Without a value of its own it can be empty, which `TrainSettings` refuses in words."""
    st.number_input(label, value=None, step=step, key=name, disabled=disabled, persist_state="session", **options)


def _choice(label: str, titles: Mapping[str, str], name: str, disabled: bool, **options: Any) -> None:
    st.selectbox(
        label,
        list(titles),
        format_func=lambda value: titles[value],
        key=name,
        disabled=disabled,
        persist_state="session",
        **options,
    )


def _folded_fields(disabled: bool) -> None:
    _choice("Alignment", ALIGNMENT_TITLES, "alignment", disabled, help=ALIGNMENT_HELP)
    _choice("Lanes train", SCHEDULE_TITLES, "schedule", disabled)
    _choice("Data set", {name: dataset.title for name, dataset in DATASETS.items()}, "dataset", disabled)
    st.caption(dataset_words(st.session_state["dataset"]))
    st.multiselect(
        "Engines",
        ENGINE_NAMES,
        format_func=engine_title,
        key="engines",
        disabled=disabled,
        persist_state="session",
    )
    _number("Learning rate", "learning_rate", disabled, step=0.0001, format="%g")
    _number("Seed", "seed", disabled)
    _number("Early stopping after", "patience", disabled, help=PATIENCE_HELP)
    _choice("Device", DEVICE_TITLES, "device", disabled)


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
            number = float(text) if isinstance(default, int | float) else math.nan
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
    link = link_of({name: st.session_state[name] for name in DEFAULTS})
    if link == st.session_state.get(WRITTEN):
        return
    others = {name: value for name, value in st.query_params.items() if name not in DEFAULTS}
    st.query_params.from_dict(others | link)
    st.session_state[WRITTEN] = link
    st.session_state[LINK_PROBLEMS] = {}


def link_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a link to settings: every field that differs from its default."""
    return {name: _text(values[name]) for name, default in DEFAULTS.items() if values[name] != default}


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
