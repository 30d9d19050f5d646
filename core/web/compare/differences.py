"""What really differs, as the Compare page shows it: rows that open, how each is aligned, its evidence, Measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import streamlit as st

from core.compare.claims import Source
from core.compare.differences.difference import LIMIT_S, Difference
from core.compare.differences.measured import Evidence, Measured, cost_words, failed_words
from core.compare.differences.twins import RUNS
from core.experiment import metrics
from core.experiment.dates import day
from core.experiment.machine import machine_words
from core.experiment.settings import DEFAULTS, Alignment
from core.experiment.switches import Switch
from core.launcher.launcher import Launcher
from core.storage.measurements import Measurement
from core.web.compare.asked import NetworkAtHand, parameters_of
from core.web.elements import measuring
from core.web.elements.code import Code, row_html
from core.web.elements.lanes import plot
from core.web.elements.markdown import literal
from core.web.elements.settings_link import link_to
from core.web.server.shell import PAGE_FILES

START_S = 8.0
"""What two processes take that import the frameworks, on top of a row's own time."""
COPIES = (("keras", "by default", "keras"), ("torch", "by default", "pytorch"))
ALIGNED = (("keras", "as PyTorch does", "align_keras"), ("torch", "as Keras does", "align_pytorch"))
"""Of a row's code: whose it is, what it does, and the field that has it."""


@dataclass(frozen=True)
class Around:
    """What a row is shown with: measurements that go on or ended, and what of the network at hand is touched."""

    launcher: Launcher | None
    going: list[str]
    """All measurements that run or wait."""
    newest: Mapping[str, Measurement]
    """By subject."""
    at_hand: NetworkAtHand | None = None
    layers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By the row's name."""


def label(number: int, row: Measured, layers: Sequence[str]) -> str:
    """A folded row as Markdown: one element, whatever is in it."""
    colour, icon = ("violet", ":material/alt_route: ") if row.parts_at else ("gray", "")
    badges = [f":{colour}-badge[{icon}{literal(row.words)}]", f":gray-badge[{row.difference.part}]"]
    if row.contradicts:
        badges.insert(1, ":red-badge[:material/warning: contradicts the text]")
    touched = f" :small[{literal(', '.join(layers))}]" if layers else ""
    return f"**{number}. {literal(row.difference.title)}** {' '.join(badges)}{touched}"


def key_of(row: Measured, alone: bool = False) -> str:
    """Where the session holds whether the row is open."""
    return f"open_{row.difference.name}{'_alone' if alone else ''}"


def one(number: int, row: Measured, around: Around, alone: bool = False) -> None:
    """One row, folded until it is wanted; `alone`: it is the only one on the page."""
    difference, newest = row.difference, around.newest.get(row.difference.subject)
    layers, live = around.layers.get(difference.name, ()), bool(newest and newest.live)
    key = key_of(row, alone)
    folded = st.expander(label(number, row, layers), expanded=alone, key=key, on_change="rerun")
    if not folded.open:
        return
    with folded:
        st.html(words_html(difference, layers))
        lone = len(around.going) == 1
        measuring.standing(around.launcher, newest, took_s(row), around.going, alone=lone)
        evidence(row)
        st.html(f'<p class="code-heading">To align it</p>{row_html(_codes(difference, ALIGNED))}')
        cost(row)
        if difference.measured:
            twin = "An exact twin with this one default turned on. " if difference.kind == "switch" else ""
            about = f"{twin}About {metrics.roughly(took_s(row))}."
            measuring.button(around.launcher, difference.order, live, about)
        st.markdown(sources_words(difference))
        _links(difference, around.at_hand)


def words_html(difference: Difference, layers: Sequence[str]) -> str:
    """Both defaults beside each other, what happens, and what of the network at hand is touched."""
    here = f'<p class="claim-why">In this network: {escape(", ".join(layers))}.</p>' if layers else ""
    return f'{row_html(_codes(difference, COPIES))}<p class="difference-happens">{escape(difference.happens)}</p>{here}'


def _codes(difference: Difference, which: Sequence[tuple[str, str, str]]) -> list[Code]:
    return [
        Code(getattr(difference, field), f"{difference.title}, {verb}", engine, verb)
        for engine, verb, field in which
        if getattr(difference, field)
    ]


def evidence(row: Measured) -> None:
    """What was measured, here beside what came with the project; or why nothing was."""
    if not row.difference.measured:
        st.markdown(literal(row.difference.not_measured))
        return
    if row.failure:
        st.markdown(f":red[{literal(failed_words(row.failure))}]")
    for found in row.every:
        _one_measurement(found)
    if row.evidence is None:
        st.markdown("Nothing has been measured yet.")


def _one_measurement(found: Evidence) -> None:
    """The finding and its figure, where and when, and a word where the text is wrong."""
    shown, measurement = found.shown, found.measurement
    st.markdown(literal(shown.finding), width=720)
    if not found.supports:
        st.warning("This measurement contradicts the text above: trust what was measured.")
    for number, picture in enumerate(shown.pictures):
        plot(picture.figure, picture.alt, f"gap_{found.difference.name}_{found.measurement.source}_{number}")
        if picture.caption:
            st.caption(literal(picture.caption))
    words = f"{measuring.where_and_when(measurement)}. {measuring.versions_words(measurement)}"
    st.caption(literal(words[0].upper() + words[1:]))


def cost(row: Measured) -> None:
    """What the default costs in test accuracy, and the study that says so."""
    if row.cost is None or row.study is None:
        if row.difference.cost:
            st.markdown("What it costs in test accuracy has not been studied yet.")
        return
    record = row.study.record
    verb = "recorded" if record.source == "recorded" else "made"
    where = f"A study, {verb} on {machine_words(record.machine)}, {day(record.created_at)}."
    st.markdown(f"**What it costs.** {literal(cost_words(row.cost))} {literal(where)}", width=720)
    called, icon = "The study with every pair", ":material/arrow_forward:"
    st.page_link(PAGE_FILES["Study"], label=called, icon=icon, query_params={"study": record.id})


def sources_words(difference: Difference) -> str:
    """Reports of people who met it, and where it can be read, as lists."""
    lists = {"Reports of people who met it": difference.bitten, "Sources": difference.sources}
    return "\n\n".join(f"**{head}**\n\n{_list(found)}" for head, found in lists.items() if found)


def _list(sources: Sequence[Source]) -> str:
    return "\n".join(f"- [{literal(one.title)}]({one.url}), {one.date}" for one in sources)


def _links(difference: Difference, at_hand: NetworkAtHand | None) -> None:
    """The way to this row alone, and to a run that keeps this default, of the network at hand where there is one."""
    with st.container(horizontal=True):
        query = {**parameters_of(at_hand), "difference": difference.name}
        st.page_link(PAGE_FILES["Compare"], label="Link to this row", icon=":material/link:", query_params=query)
        if difference.kind == "switch":
            run = at_hand.settings.as_json() if at_hand else {**DEFAULTS, **RUNS[Switch(difference.name)]}
            values = run | {"alignment": Alignment.EXACT_TWIN, "keep": [difference.name]}
            icon = ":material/arrow_forward:"
            st.page_link(PAGE_FILES["Train"], label="Try it on Train", icon=icon, query_params=link_to(values))


def took_s(row: Measured) -> float:
    """How long a measurement of the row takes: as the last one did, here or where it was recorded; else its limit."""
    for found in row.every:
        if found.measurement.subject == row.difference.subject and found.measurement.elapsed_s:
            return found.measurement.elapsed_s
        if found.elapsed_s is not None:
            return found.elapsed_s + START_S
    return LIMIT_S
