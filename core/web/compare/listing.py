"""The view of what really differs: search, parts with counts, Measure all, the checklist, and the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from core.compare.differences import catalogue
from core.compare.differences.checklist import checklist_csv, checklist_markdown
from core.compare.differences.difference import ALL_LIMIT_S, EVERYTHING, Difference, Part
from core.compare.differences.measured import Measured
from core.experiment import metrics
from core.storage.measurements import Measurement
from core.web.compare import asked
from core.web.compare.asked import NetworkAtHand, parameters_of
from core.web.compare.differences import Around, key_of, one, took_s
from core.web.elements import measuring
from core.web.elements import queue as queue_view
from core.web.elements.markdown import literal
from core.web.elements.presses import refused
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES

MET_BY = {1: "Most people meet these", 2: "Whoever ports a model meets these", 3: "Few people meet these"}
"""What stands above the rows, by how often they bite."""
MEASURE_ALL = "measure_all_differences"
CHECKLIST = "keras-pytorch-checklist"

Numbered = list[tuple[int, Measured]]
"""Rows with their places in the whole list."""


def show(rows: Sequence[Measured], around: Around, wanted: Difference | None, at_hand: NetworkAtHand | None) -> None:
    """The row that the link names, else all that are asked for."""
    numbered = list(enumerate(rows, start=1))
    if at_hand is not None:
        touching = {row.name: layers for row, layers in catalogue.touching(at_hand.settings, at_hand.network)}
        around = replace(around, at_hand=at_hand, layers=touching)
    if wanted is None:
        _list(numbered, around)
        return
    asked.keep(**parameters_of(at_hand), difference=wanted.name)
    back = "Show all differences" if at_hand is None else "Show all that touch this network"
    st.page_link(PAGE_FILES["Compare"], label=back, icon=":material/arrow_back:", query_params=parameters_of(at_hand))
    ((number, row),) = [(number, row) for number, row in numbered if row.difference is wanted]
    one(number, row, around, alone=True)


def _list(numbered: Numbered, around: Around) -> None:
    """What the fields ask for, with the fields."""
    at_hand, before = around.at_hand, going_before([row for _, row in numbered])
    if at_hand is None:
        words = f"{len(numbered)} defaults differ between today's Keras and PyTorch, those first that most people meet."
        st.markdown(f"{words} **Turn one on in an exact twin, and see where the curves part.**")
    else:
        numbered = [(number, row) for number, row in numbered if row.difference.name in around.layers]
        words = f"{len(numbered)} of {len(catalogue.DIFFERENCES)} differences touch {at_hand.words}."
        st.markdown(f"**What a porter must know of this network.** {literal(words)}", width=720)
        back, query = "Show all differences", {"view": asked.DIFFERENCES}
        st.page_link(PAGE_FILES["Compare"], label=back, icon=":material/arrow_back:", query_params=query)
    shown = _chosen(numbered, at_hand)
    _controls(shown, around, before)
    for bites, words in MET_BY.items():
        if some := [(number, row) for number, row in shown if row.difference.bites == bites]:
            st.header(words, anchor=False)
            with st.container(gap="xsmall"):
                for number, row in some:
                    one(number, row, around)


def _chosen(numbered: Numbered, at_hand: NetworkAtHand | None) -> Numbered:
    """The rows that hold what is searched for, of the parts that were picked; the address says both."""
    text = st.text_input(
        "Search",
        placeholder="Search titles, sentences and code",
        key=asked.TEXT,
        label_visibility="collapsed",
        width=320,
    )[: asked.MOST_LETTERS]
    found = {row.name for row in catalogue.search(text)}
    numbered = [(number, row) for number, row in numbered if row.difference.name in found]
    counts = {part: sum(row.difference.part is part for _, row in numbered) for part in Part}
    picked = st.pills(
        "Show only differences of",
        list(Part),
        selection_mode="multi",
        format_func=lambda part: f"{part} ({counts[part]})",
        key=asked.PARTS,
        label_visibility="collapsed",
        wrap=True,
    )
    filtered = {"q": text} if text.strip() else {}
    parts = {"part": [str(part) for part in picked]} if picked else {}
    asked.keep(**parameters_of(at_hand), **filtered, **parts)
    return [(number, row) for number, row in numbered if not picked or row.difference.part in picked]


def _controls(shown: Numbered, around: Around, before: Mapping[str, float]) -> None:
    """Measure all, or how far that is and Stop; the checklist; how many rows are shown."""
    launcher, every = around.launcher, around.newest.get(EVERYTHING)
    hosted = launcher is not None and installation().limits.hosted
    with st.container(horizontal=True, vertical_alignment="center"):
        if not hosted:
            its, idle = (launcher, [catalogue.measure_all()], MEASURE_ALL), launcher is None or bool(around.going)
            icon = ":material/speed:"
            st.button("Measure all", icon=icon, key=MEASURE_ALL, disabled=idle, on_click=measuring.measure, args=its)
        with st.popover("Checklist for porting", icon=":material/download:"):
            _checklist(shown, around)
        rows = f"{len(shown)} row{'' if len(shown) == 1 else 's'}."
        time = "Open a row to measure it." if hosted else f"All take about {metrics.roughly(before[EVERYTHING])}."
        st.caption(f"{rows} {time}", width="content")
    refused(MEASURE_ALL)
    if not shown:
        st.markdown("No difference is like that.")
    measuring.standing(launcher, every, before[EVERYTHING], around.going, alone=len(around.going) == 1)
    if launcher is None:
        return
    if len(around.going) > 1:
        measuring.all_of_them(launcher, around.going, before)
    elif around.going and not _in_sight(around.going[0], shown, around):
        queue_view.meanwhile(launcher, around.going[0])


def _in_sight(measurement: str, shown: Numbered, around: Around) -> bool:
    """Whether it stands somewhere on the page how far this one is."""
    every = around.newest.get(EVERYTHING)
    rows = [(row, around.newest.get(row.difference.subject)) for _, row in shown]
    open_rows = [newest for row, newest in rows if st.session_state.get(key_of(row))]
    return measurement in [newest.id for newest in (every, *open_rows) if newest is not None]


def _checklist(shown: Numbered, around: Around) -> None:
    """The rows that are shown, as files that are made at the click."""
    rows = [(row.difference, around.layers.get(row.difference.name, ())) for _, row in shown]
    about = f"For {around.at_hand.words}." if around.at_hand else ""
    markdown, csv = (lambda: checklist_markdown(rows, about)), (lambda: checklist_csv(rows))
    st.download_button("Markdown", markdown, f"{CHECKLIST}.md", "text/markdown", on_click="ignore")
    st.download_button("CSV", csv, f"{CHECKLIST}.csv", "text/csv", on_click="ignore")


def going_before(rows: Sequence[Measured]) -> dict[str, float]:
    """How long each measurement takes, by subject: each row's, and that of all rows at once."""
    store = installation().measurements
    took = [found[EVERYTHING].elapsed_s for found in (store.results(), store.recorded()) if EVERYTHING in found]
    return {EVERYTHING: next(filter(None, took), ALL_LIMIT_S), **{row.difference.subject: took_s(row) for row in rows}}


def said(rows: Sequence[Measured], newest: Mapping[str, Measurement], going: Sequence[str]) -> str:
    """How the measurement stands that goes on, or that ended last, as a sentence for who cannot see it."""
    names = {row.difference.subject: row.difference.title for row in rows} | {EVERYTHING: "all differences"}
    found = [(newest[subject], name) for subject, name in names.items() if subject in newest]
    now = [one for one in found if one[0].id in going[:1]] or sorted(found, key=lambda one: one[0].measured_at)[-1:]
    return "".join(measuring.said(f"The measurement of {name}", measured) for measured, name in now)
