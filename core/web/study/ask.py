"""The form of a study: what its runs have in common, what varies, the margins, and when it ends.

A link fills it (`/study?network=mlp&seeds=20&vary=batch_size:32,64`) and never starts anything, and the address follows
what is typed. Whatever is typed or linked stays in the fields as it is and goes to `Study.of`, which reads it or says
what is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from core.data import datasets
from core.experiment.kinds import Number
from core.experiment.settings import DEFAULTS, MOST_UNKNOWN, SETTINGS, InvalidSettings, TrainSettings, no_setting
from core.experiment.study import (
    CANNOT_VARY,
    MARGIN_ACCURACY,
    MARGIN_TIME,
    MOST_FIELDS,
    SEEDS,
    Pair,
    Study,
    read_values,
)
from core.experiment.titles import brief, sentence_case
from core.launcher.launcher import Launcher
from core.results import study_words
from core.results.estimate import study_seconds
from core.results.study_outcome import STOPS, UNTIL_DECIDED
from core.storage.runs import Store
from core.web.components.copy_link import copy_link
from core.web.elements import address
from core.web.elements import queue as queue_view
from core.web.elements.markdown import literal
from core.web.elements.presses import attempt, refused
from core.web.elements.settings_link import link_of, link_to, most_letters
from core.web.elements.spoken import spoken
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES
from core.web.server.visitor import visitor

FIELD_PX, CHOICE_PX, VALUES_PX = 108, 180, 220
BASE, PROBLEMS, PRESSED = "study_base", "study_link_problems", "study_pressed"
LINK, READ = "study_link", "study_link_held"
"""What the address says, as last read or written; and the link to what the fields held then."""
BUDGET_MIN = Number("Budget", low=0, high=43_200, whole=False, above=True)
"""Minutes that all runs may take together."""
USUAL_SEEDS = 20
FIELDS: Mapping[str, str] = {
    "seeds": f"{USUAL_SEEDS}",
    "margin_accuracy": "0.002",
    "margin_time": "0.05",
    "stop": UNTIL_DECIDED,
    "budget_min": "",
}
"""What a link may say beside settings and `vary`, and what each field holds without it, as text."""
CAN_VARY = [name for name in SETTINGS if name not in CANNOT_VARY]
MOST_LETTERS = 1000
"""Of one field's text in a link."""
MOST_CHECKED = 50
"""Combinations that are looked at while somebody types; Start looks at all of them."""


@dataclass(frozen=True)
class Asked:
    """What the fields ask for."""

    study: Study
    stop: str
    budget_s: float | None


def form(store: Store, launcher: Launcher | None) -> None:
    """The fields, what is wrong with them or what Start would do, and Start."""
    read_link()
    most = installation().limits.study_pairs
    with st.container(horizontal=True, vertical_alignment="top"):
        _number("seeds", SEEDS, note="" if most is None else f"1 to {min(most, int(SEEDS.high)):,}")
        _varied(1)
        with st.container(width="content", gap=None):
            st.space(28)  # as high as a label: in line with the fields beside it
            with st.popover("More", icon=":material/tune:"):
                _more()
        asked, problems = read()
        with st.container(width="content", gap=None):
            st.space(28)
            icon, idle = ":material/play_arrow:", asked is None or launcher is None
            st.button("Start", icon=icon, type="primary", width=120, key="start", disabled=idle, on_click=_press)
        with st.container(width="content", gap=None):
            st.space(28)
            copy_link(f"./study?{urlencode(link(), doseq=True)}", "to this form", key="copy_study_form")
    write_link()
    if st.session_state.pop(PRESSED, False) and asked and launcher:
        _start(asked, launcher)
    with st.container():
        refused("study")
        _say(problems)
        if most is not None:
            st.caption(f"A study here has at most {most:,} pairs, those of all combinations together.")
        _plan(asked, store, launcher)


def _plan(asked: Asked | None, store: Store, launcher: Launcher | None) -> None:
    """What Start would do and could decide, what all runs have in common, and the way to one of them."""
    if asked:
        waiting = queue_view.queue_words(launcher) if launcher else ""
        plan = f"{study_words.plan(asked.study, study_seconds(store, asked.study))} "
        st.caption(literal(f"{study_words.asked(asked.study)} {plan}{study_words.can_decide(asked.study)}{waiting}"))
    base: TrainSettings = st.session_state[BASE]
    every = brief(study_words.planned(base, store.data_dir))
    st.caption(literal(study_words.common(asked.study, store.data_dir) if asked else f"Every run: {every}"))
    st.page_link(
        PAGE_FILES["Train"],
        label="Try these settings on Train",
        icon=":material/arrow_forward:",
        query_params=link_to(base.as_json()),
    )


def _number(name: str, kind: Number, label: str = "", note: str = "") -> None:
    """A number's field, as text, with what is allowed under it."""
    with st.container(width=FIELD_PX, gap=None):
        st.text_input(label or kind.label, key=f"study_{name}", autocomplete="off", persist_state="session")
        st.caption(note or kind.allowed)


def _varied(place: int) -> None:
    """A setting that varies, and its values."""
    titles = {"": "Nothing", **{name: SETTINGS[name].title for name in CAN_VARY}}
    label = "Vary" if place == 1 else "Vary, too"
    with st.container(width=CHOICE_PX, gap=None):
        name = st.selectbox(
            label, list(titles), format_func=titles.__getitem__, key=f"study_vary_{place}", persist_state="session"
        )
    if name not in CAN_VARY:  # nothing, or what a forged message says
        return
    with st.container(width=VALUES_PX, gap=None):
        title = f"Values of {SETTINGS[name].word}"
        st.text_input(title, key=f"study_values_{place}", autocomplete="off", persist_state="session")
        st.caption(literal(f"Each {SETTINGS[name].allowed}; commas between them."))


def _more() -> None:
    """The second setting that varies, margins, and when it ends."""
    with st.container(horizontal=True, vertical_alignment="top"):
        _varied(2)
    with st.container(horizontal=True, vertical_alignment="top"):
        _number("margin_accuracy", MARGIN_ACCURACY, "Accuracy margin", "0.002: 0.2 points. Of the loss, too.")
        _number("margin_time", MARGIN_TIME, "Time margin", "0.05: 5 %. Of rates and memory, too.")
        _number("budget_min", BUDGET_MIN, "Budget in min", "Empty: no limit.")
    titles = {stop: sentence_case(study_words.stop_words(stop)) for stop in STOPS}
    st.selectbox("It ends", list(titles), format_func=titles.__getitem__, key="study_stop", persist_state="session")


def read() -> tuple[Asked | None, dict[str, str]]:
    """What the fields ask for, or None and a sentence for each that is wrong."""
    typed = {name: st.session_state[f"study_{name}"] for name in FIELDS}
    problems: dict[str, str] = {}
    budget_s = None
    if typed["budget_min"].strip():
        if why := BUDGET_MIN.why_not(typed["budget_min"]):
            problems["budget_min"] = why.replace("Budget must be a number", "Budget must be a number of minutes")
        else:
            budget_s = 60 * BUDGET_MIN.read(typed["budget_min"])
    vary, twice = _vary()
    if twice:
        problems["vary"] = f"{SETTINGS[twice].label} is chosen twice: choose another setting to vary, or nothing."
    base: TrainSettings = st.session_state[BASE]
    margins = {name: typed[name] for name in ("margin_accuracy", "margin_time")}
    try:
        dataset = datasets.find(base.dataset, installation().store.data_dir)
        study = Study.planned(base, typed["seeds"], vary, **margins)
        installation().limits.check_study(len(study.pairs))
        study.check_cells(dataset)
        if (launcher := _launcher()) is not None:
            for cell in study.cells[:MOST_CHECKED]:
                launcher.admission.check(study.settings(Pair(cell, base.seed)))
    except InvalidSettings as error:
        return None, {**problems, **error.problems}
    except datasets.DatasetError as error:
        return None, {**problems, "dataset": str(error)}
    return (None if problems else Asked(study, typed["stop"], budget_s)), problems


def _launcher() -> Launcher | None:
    opened = installation().opened
    return opened if isinstance(opened, Launcher) else None


def _vary() -> tuple[dict[str, tuple[str, ...]], str]:
    """What varies with its values as typed, and a setting that is chosen twice."""
    vary: dict[str, tuple[str, ...]] = {}
    for place in range(1, MOST_FIELDS + 1):
        if (name := st.session_state[f"study_vary_{place}"]) in CAN_VARY:
            if name in vary:
                return vary, name
            vary[name] = read_values(st.session_state.get(f"study_values_{place}", ""))
    return vary, ""


def _press() -> None:
    """Start was pressed: it is remembered until it is done."""
    st.session_state[PRESSED] = True


def _start(asked: Asked, launcher: Launcher) -> None:
    """Begins the study and shows it; else keeps the reason."""
    made: list[str] = []
    if attempt("study", lambda: made.append(launcher.study(asked.study, asked.stop, asked.budget_s, visitor()))):
        st.query_params.from_dict({"study": made[0]})
        st.rerun()


def _say(problems: Mapping[str, str]) -> None:
    """What is wrong with the link and the fields, seen and said."""
    sentences = [*st.session_state[PROBLEMS], *problems.values()]
    for sentence in sentences:
        st.markdown(f":red[{literal(sentence)}]")
    spoken(" ".join(sentences), "study")


def link() -> dict[str, Any]:
    """The parameters of a link to what the fields hold."""
    base: TrainSettings = st.session_state[BASE]
    held = {name: str(st.session_state[f"study_{name}"])[:MOST_LETTERS] for name in FIELDS}
    own: dict[str, Any] = {"seeds": held["seeds"]}
    own |= {name: text for name, text in held.items() if text != FIELDS[name]}
    vary = [
        f"{name}:{st.session_state.get(f'study_values_{place}', '')[: most_letters(name)]}"
        for place in range(1, MOST_FIELDS + 1)
        if (name := st.session_state[f"study_vary_{place}"]) in CAN_VARY
    ]
    return {**link_of(base.as_json()), **own, **({"vary": vary} if vary else {})}


def read_link() -> None:
    """Fills the fields from the address where it is another link than the last one."""
    given = _given()
    fresh = BASE not in st.session_state
    if not fresh and (not given or given == st.session_state[LINK] or _outdated(given)):
        return
    problems = _fill(given)
    settings = {name: values[-1] for name, values in given.items() if name in DEFAULTS}
    st.session_state[BASE], wrong = _base(settings)
    unknown = [name for name in given if name not in (*DEFAULTS, *FIELDS, "vary", "study")]
    st.session_state[PROBLEMS] = [*problems, *wrong, *map(no_setting, unknown[:MOST_UNKNOWN])]
    st.session_state[LINK] = given
    st.session_state[READ] = _link_lists()


def write_link() -> None:
    """Keeps the address a link to what the fields hold, from the first change on; what a link said wrongly goes."""
    if (held := _link_lists()) == st.session_state[READ]:
        return
    address.replaced("study", st.session_state[LINK])
    st.session_state[LINK] = st.session_state[READ] = held
    st.session_state[PROBLEMS] = []
    st.query_params.from_dict(held)


def _given() -> dict[str, list[str]]:
    """What the address says, but for what begins with two underscores: that is a host's own."""
    return {name: st.query_params.get_all(name) for name in st.query_params if not name.startswith("__")}


def _link_lists() -> dict[str, list[str]]:
    """The link to what the fields hold, as an address is read."""
    return {name: value if isinstance(value, list) else [value] for name, value in link().items()}


def _outdated(given: Mapping[str, list[str]]) -> bool:
    """Whether the browser sent the address that it had before ours arrived: what was typed meanwhile is the newer."""
    return _link_lists() != st.session_state[READ] or address.outdated("study", given)


def _fill(given: Mapping[str, Sequence[str]]) -> list[str]:
    """Puts a link's values, or what is usual, into the fields; a sentence for each that no field can hold."""
    problems = []
    most = installation().limits.study_pairs
    for name, usual in FIELDS.items():
        if name == "seeds" and most is not None:
            usual = f"{min(most, USUAL_SEEDS)}"
        text = given.get(name, [usual])[-1][:MOST_LETTERS].encode("utf-8", "replace").decode()
        if name == "stop" and text not in STOPS:
            problems.append(f"stop must be one of {', '.join(STOPS)}, not {text[:40]}. The link's value was left out.")
            text = usual
        st.session_state[f"study_{name}"] = text
    varied = [text.partition(":") for text in given.get("vary", ())]
    can = [(name.strip(), values) for name, _, values in varied if name.strip() in CAN_VARY]
    if wrong := [name.strip()[:40] for name, _, _ in varied if name.strip() not in CAN_VARY]:
        why = f"{wrong[0]} cannot vary in a study" if wrong[0] else "vary names no setting"
        problems.append(f"{why}: choose of {', '.join(CAN_VARY)}. The link's value was left out.")
    if len(can) > MOST_FIELDS:
        problems.append(f"A study varies at most {MOST_FIELDS} settings, not {len(can)}: the first are taken.")
    for place in range(1, MOST_FIELDS + 1):
        name, values = can[place - 1] if place <= len(can) else ("", "")
        st.session_state[f"study_vary_{place}"] = name
        st.session_state[f"study_values_{place}"] = values.encode("utf-8", "replace").decode()
    return problems


def _base(settings: Mapping[str, str]) -> tuple[TrainSettings, list[str]]:
    """What all runs have in common, by a link; what it says wrongly is left out, and a sentence for each of these."""
    try:
        return TrainSettings.parse(settings), []
    except InvalidSettings as error:
        left = {name: text for name, text in settings.items() if name not in error.problems}
        sentences = [f"{sentence} The link's value was left out." for sentence in error.problems.values()]
        # A setting that is wrong only beside another may not stand among those that are left.
        return _base(left)[0] if len(left) < len(settings) else TrainSettings(), sentences
