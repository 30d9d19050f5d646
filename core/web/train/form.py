"""The settings on the Train page: fields, the URL that restores them, and a sentence for each that is wrong.

The URL holds every field that differs from its default, under the field's own name. It is read before the
first widget and only fills the fields; it never starts anything. A number's field holds text: whatever is typed or
linked stays in it as it is and goes to `TrainSettings.parse`, which reads it or says what is wrong.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from core.data import datasets
from core.data.datasets import DATASETS, Dataset
from core.deployment.limits import NO_LIMITS, Limits
from core.experiment.dataset_name import DatasetName
from core.experiment.engine_names import ENGINE_NAMES, Engines, installed_engines
from core.experiment.kinds import Choice, Number
from core.experiment.names import engine_title
from core.experiment.settings import (
    DEFAULTS,
    MOST_UNKNOWN,
    NUMBERS,
    SETTINGS,
    Alignment,
    InvalidSettings,
    Schedule,
    TrainSettings,
    in_order,
    no_setting,
)
from core.experiment.switches import Switch, Switches
from core.launcher.launcher import Launcher
from core.results.estimate import Estimate
from core.web.elements import address
from core.web.elements.markdown import literal
from core.web.elements.settings_link import keeps_any_text, link_of, most_letters
from core.web.server.installation import installation
from core.web.train import kept, network

FIELD_PX = 108
SPAN_PX = 23
"""The line under a field."""
NEEDED = {"keep": {"alignment": Alignment.EXACT_TWIN}}
"""What another field must be for this one to be anything: a link says both, and the form checks them together."""
WRITTEN, LINK_PROBLEMS = "settings_in_url", "link_problems"
LEFT_OUT = "The link's value was left out."

IN_SIGHT = ("batch_size", "epochs", "dropout")
FIRST_FOLDED = ("alignment", "keep", "schedule", "dataset", "engines", "optimizer")
FOLDED = [name for name in in_order(*FIRST_FOLDED) if name not in (*IN_SIGHT, "network")]
"""The settings whose fields stand in a row, and those behind More settings, each in this order.

A network has an editor.
"""


def settings_form(disabled: bool, launcher: Launcher | None = None) -> TrainSettings | None:
    """Draws the fields in a row; None, after the sentences, where they do not make a run or one not allowed here."""
    read_link()
    dataset = chosen_dataset()
    network.take_edit(dataset.shape)
    st.session_state["network"] = network.named(st.session_state["network"], dataset.shape)  # a link's, too
    st.session_state[network.WHOLE] = st.session_state["network"]
    spans = allowed(installation().limits if launcher else NO_LIMITS)
    for name in IN_SIGHT:
        _field(name, spans, disabled, width=FIELD_PX)
    with button_in_field_row(), st.popover("More settings", disabled=disabled):
        for name in FOLDED:
            _field(name, spans, disabled)
    write_link()
    try:
        raw = {name: st.session_state[name] for name in DEFAULTS}
        settings = TrainSettings.parse(raw, dataset)
        if launcher is not None:
            launcher.admission.check(settings)
        return settings
    except InvalidSettings as error:
        st.session_state["problems"] = error.problems
        return None


def network_editor(disabled: bool, launcher: Launcher | None = None) -> None:
    """Draws the editor of the network, folded until it is wanted."""
    network.editor(chosen_dataset(), installation().limits if launcher else NO_LIMITS, disabled)


def chosen_dataset() -> Dataset:
    """The data set in its field; the usual one where a forged message names none, or it is gone meanwhile."""
    try:
        return datasets.find(st.session_state["dataset"], installation().store.data_dir)
    except datasets.DatasetError:
        return DATASETS[DEFAULTS["dataset"]]


@contextmanager
def button_in_field_row() -> Iterator[None]:
    """Room for a button in the row of the fields, in line with them and not with what stands under them."""
    with st.container(width="content", gap=None):
        yield
        st.space(SPAN_PX)


def allowed(limits: Limits) -> dict[str, str]:
    """What each number may be, in two or three words, for the data set and the alignment that are chosen."""
    spans = {name: field.allowed for name, field in NUMBERS.items()}
    twin = st.session_state["alignment"] == Alignment.EXACT_TWIN
    low, high = limits.batch_span(twin and Switch.FLOAT32 not in st.session_state["keep"])
    most = int(NUMBERS["batch_size"].high)
    most = min(chosen_dataset().training_split, most)
    spans["batch_size"] = f"{low:,} to {min(most, high or most):,}"
    if limits.epochs is not None:
        spans["epochs"] = f"1 to {min(limits.epochs, int(NUMBERS['epochs'].high)):,}"
    return spans


def _field(name: str, spans: Mapping[str, str], disabled: bool, width: int | str = "stretch") -> None:
    """A setting's field by its kind, with what is to be known of it under it."""
    setting = SETTINGS[name]
    shared: dict[str, Any] = {"key": name, "disabled": disabled, "persist_state": "session"}
    if isinstance(setting, Number):
        with st.container(width=width, gap=None):  # type: ignore[arg-type]
            _number(setting, shared)
            st.caption(f"{spans[name]} {setting.note}".rstrip())
    elif isinstance(setting, Engines):
        st.multiselect(setting.field_label, installed_engines(), format_func=engine_title, **shared)
    elif isinstance(setting, Switches):
        kept.field(setting, st.session_state["alignment"], chosen_dataset(), disabled)
    elif isinstance(setting, DatasetName):
        _dataset(setting, shared)
    elif isinstance(setting, Choice):
        _choice(setting, shared)
    else:
        raise TypeError(f"no field is known for the setting {name}, a {type(setting).__name__}")


def _number(setting: Number, shared: Mapping[str, Any]) -> None:
    """As text: a browser's own number field loses what is typed."""
    st.text_input(
        setting.field_label,
        # A phone then shows its digits; a decimal needs the comma or point that this keyboard may lack.
        type="phone" if setting.whole else "default",
        icon="",
        placeholder="",
        autocomplete="off",
        **shared,
    )


def _choice(setting: Choice, shared: Mapping[str, Any]) -> None:
    """All values in sight where each has its meaning under it, else one of a list."""
    label, values, title = setting.field_label, list(setting.titles), setting.titles.__getitem__
    if setting.meanings:
        st.radio(label, values, format_func=title, captions=[setting.meanings[value] for value in values], **shared)
    else:
        st.selectbox(label, values, format_func=title, **shared)


def _dataset(setting: DatasetName, shared: Mapping[str, Any]) -> None:
    """Those of the project and one's own; one that is gone stays named until another is chosen."""
    known = datasets.all_datasets(installation().store.data_dir)
    titles = {name: dataset.title for name, dataset in known.items()}
    chosen = st.session_state["dataset"]
    titles.setdefault(chosen, f"{chosen}, not here")
    st.selectbox(setting.field_label, list(titles), format_func=titles.__getitem__, **shared)
    if (dataset := known.get(chosen)) is not None:
        st.caption(literal(dataset_words(dataset)))


def dataset_words(dataset: Dataset) -> str:
    """What a data set is, how it is divided, and what it costs to get."""
    size = dataset.download_bytes
    download = f" Downloads {size / 2**20:.0f} MiB at the first start." if size else ""
    held_out = f"The last {dataset.validation_images:,} of its {dataset.train_images:,} training images only validate"
    return f"{dataset.description} {held_out}: {dataset.split_words}.{download}"


def read_link() -> None:
    """Fills the fields from the URL where it changed since we wrote it: a link, or the browser's back button."""
    link = {name: st.query_params[name] for name in DEFAULTS if name in st.query_params}
    fresh = WRITTEN not in st.session_state
    if not fresh and (not link or link == st.session_state[WRITTEN] or _outdated(link)):
        return
    problems: dict[str, str] = {}
    for name, default in DEFAULTS.items():
        text = SETTINGS[name].typed(default) if name in NUMBERS else default
        st.session_state[name], problem = _field_value(name, link[name]) if name in link else (text, "")
        if problem:
            problems[name] = f"{problem} {LEFT_OUT}"
    twice = [name for name in link if len(st.query_params.get_all(name)) > 1]
    problems |= {name: f"{name} stands twice in the link: the last one, {link[name][:40]}, is taken." for name in twice}
    # What begins with two underscores is a host's own.
    unknown = [name for name in st.query_params if name not in DEFAULTS and not name.startswith("__")]
    problems |= {name: f"{no_setting(name)} {LEFT_OUT}" for name in unknown[:MOST_UNKNOWN]}
    write_link()  # what the link had left out goes from it, and is said
    st.session_state[LINK_PROBLEMS] = problems


def _outdated(link: Mapping[str, str]) -> bool:
    """Whether the browser sent the address that it had before ours arrived: what was typed meanwhile is the newer."""
    typed = link_of({name: st.session_state[name] for name in DEFAULTS}) != st.session_state[WRITTEN]
    return typed or address.outdated("train", link)


def _field_value(name: str, text: str) -> tuple[Any, str]:
    """What a field shows for the text of a link: the value, or the default and what is wrong with the text."""
    if keeps_any_text(name):
        return text[: most_letters(name)].encode("utf-8", "replace").decode(), ""
    try:
        settings = TrainSettings.parse({name: text, **NEEDED.get(name, {})})
        settings.check_installed()
    except InvalidSettings as error:
        if set(error.problems) - {name}:  # what another field must be then
            return text, ""
        return DEFAULTS[name], error.problems[name]
    value = settings.as_json()[name]
    if name == "engines" and not set(value) <= set(installed_engines()):
        return DEFAULTS[name], f"Engines must name some of {', '.join(ENGINE_NAMES)}."
    return value, ""


def write_link() -> None:
    """Keeps the URL a link to what the fields hold; parameters that are no settings stay."""
    link = link_of({name: st.session_state[name] for name in DEFAULTS})
    if link == st.session_state.get(WRITTEN):
        return
    others = {name: value for name, value in st.query_params.items() if name not in DEFAULTS}
    st.query_params.from_dict(others | link)
    address.replaced("train", st.session_state.get(WRITTEN))
    st.session_state[WRITTEN] = link
    st.session_state[LINK_PROBLEMS] = {}


def settings_path() -> str:
    """Where the settings that are shown can be opened again, as it leads there from any of our pages."""
    return f"./?{urlencode(link)}" if (link := st.session_state[WRITTEN]) else "./"


def form_problems() -> Mapping[str, str]:
    """A sentence for each field that is wrong, the link's included; the network's stands in its editor."""
    fields = st.session_state.pop("problems", {})
    shown = {name: sentence for name, sentence in fields.items() if name != "network"}
    return {**st.session_state.get(LINK_PROBLEMS, {}), **shown}


def read_as(settings: TrainSettings) -> str:
    """How a number was understood that is not written in plain digits: sentences, each with a space after it."""
    words = ""
    for name, field in NUMBERS.items():
        text = str(st.session_state[name]).strip()
        if set(text.lower()) & set(",e"):
            words += f"{field.label} {text} is read as {getattr(settings, name):.12g}. "
    return words


def plan(settings: TrainSettings, expected: Estimate | None) -> str:
    """What Start will do, and how long it will take here."""
    data = chosen_dataset()
    steps = -(-data.training_split // settings.batch_size)
    epochs = f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}"
    turns = "the lanes take turns" if settings.schedule == Schedule.TURNS else "all lanes at once"
    words = (
        f"{literal(data.title)}: {data.split_words}. {steps:,} step{'s' * (steps > 1)} an epoch, {epochs}, {turns}. "
    )
    return words + (expected.words if expected else "No estimate of the time yet.")
