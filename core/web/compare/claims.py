"""The article's rows as the Compare page shows them: verdicts, quotes, why, evidence with its sources, Measure."""

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
import streamlit as st

from core.compare.claims import SIDES, Evidence, Judged
from core.compare.evidence import Shown, Table
from core.compare.evidence.speed import RULE
from core.experiment import metrics
from core.experiment.dates import day
from core.experiment.machine import machine_words
from core.launcher.launcher import Launcher
from core.storage.measurements import Measurement
from core.storage.studies import StudyRecord
from core.web.elements import measuring
from core.web.elements.badge import badge_html
from core.web.elements.lanes import mark_html, plot
from core.web.elements.markdown import literal
from core.web.elements.table import table
from core.web.server.shell import PAGE_FILES

BADGES = {
    "true": ("green", "check"),
    "partly true": ("yellow", "contrast"),
    "misleading": ("yellow", "alt_route"),
    "outdated": ("gray", "event_busy"),
    "false": ("red", "close"),
    "no difference seen": ("gray", "equal"),
    "measured": ("violet", "speed"),
}
"""The colour and the icon of each verdict."""
QUOTE_MARKS = {"keras": mark_html("keras"), "pytorch": mark_html("torch")}
ENGINES_OF_SIDES = {SIDES["keras"]: "keras", SIDES["pytorch"]: "torch"}
"""By the names that columns of tables have."""


def on_top(lines: Sequence[tuple[str, str]]) -> None:
    """What all evidence comes to: each heading with its sentences."""
    st.html(f'<div class="compare-summary">{"".join(map(_paragraph, lines))}</div>')


def _paragraph(line: tuple[str, str]) -> str:
    head, words = map(escape, line)
    return f"<p><strong>{head}</strong> {words}</p>"


def row(judged: Judged, newest: Measurement | None, launcher: Launcher | None, going: list[str], only: bool) -> None:
    """One bordered row; its evidence is made only when it is opened. `only`: it is the only one on the page."""
    claim = judged.claim
    with st.container(border=True):
        st.html(words_html(judged, only))
        measuring.standing(launcher, newest, took_s(judged), going, alone=only)
        folded = st.expander(
            "Evidence and sources", expanded=only, type="compact", key=f"open_{claim.number}", on_change="rerun"
        )
        if folded.open:
            with folded:
                evidence(judged, newest, launcher)


def words_html(judged: Judged, only: bool) -> str:
    """Topic, verdicts, quotes and why. As elements of Streamlit's, ten rows of it take a phone's processor seconds."""
    claim = judged.claim
    badges = "".join(badge_html(label, *BADGES[verdict]) for verdict, label in judged.words)
    quotes = "".join(f"<p>{QUOTE_MARKS[side]} “{escape(claim.says[side])}”</p>" for side in SIDES)
    why = [claim.why]
    if judged.evidence and claim.number == 7 and not only:  # its verdict is what was measured
        why.append(judged.evidence.shown.finding)
    topic = f'<p class="claim-topic"><strong>{claim.number}. {escape(claim.topic)}</strong>{badges}</p>'
    reasons = "".join(f'<p class="claim-why">{escape(part)}</p>' for part in why)
    return f'<div class="claim">{topic}{quotes}{reasons}</div>'


def said(rows: Sequence[Judged], newest: Mapping[str, Measurement], going: Sequence[str]) -> str:
    """How the measurement stands that goes on, or that ended last, as a sentence for who cannot see it."""
    found = [(newest[row.claim.subject], row.claim.number) for row in rows if row.claim.subject in newest]
    now = [one for one in found if one[0].id in going[:1]] or sorted(found, key=lambda one: one[0].measured_at)[-1:]
    return "".join(measuring.said(f"The measurement of claim {number}", measured) for measured, number in now)


def took_s(judged: Judged) -> float:
    """How long the row's measurement took, here or where it was recorded; else its limit."""
    for found in (judged.here, judged.recorded):
        if found and found.measurement and found.measurement.elapsed_s:
            return found.measurement.elapsed_s
    return judged.claim.limit_s


def evidence(judged: Judged, newest: Measurement | None, launcher: Launcher | None) -> None:
    """What was measured here beside what came with the project, the button, and the sources."""
    claim = judged.claim
    if claim.number == 7:
        st.markdown(f"The rule: {RULE}", width=720)
    for found in judged.every:
        one(found, claim.number)
    if judged.evidence is None:
        st.markdown("Nothing has been measured yet.")
    if claim.probe:
        words = f"{claim.measures} About {metrics.duration(took_s(judged))}."
        measuring.button(launcher, claim.order, bool(newest and newest.live), words)
    st.markdown("Sources")
    st.markdown("\n".join(f"- [{s.title}]({s.url}), {s.date}" for s in claim.sources))
    st.page_link(
        PAGE_FILES["Compare"],
        label=f"Link to claim {claim.number}",
        icon=":material/link:",
        query_params={"claim": str(claim.number)},
    )


def one(found: Evidence, number: int) -> None:
    """One measurement or study: where and when, the finding, charts, tables, versions."""
    if found.study is not None:
        _of_study(found.study)
    if found.measurement is not None:
        recorded = found.measurement.source == "recorded"
        icon = ":material/history:" if recorded else ":material/speed:"
        st.badge(literal(measuring.where_and_when(found.measurement)), icon=icon, color="gray")
    st.markdown(literal(found.shown.finding), width=720)
    if not found.shown.supports:
        st.warning("This measurement does not support our verdict: trust what was measured.")
    pictures(found.shown, key=f"{number}_{found.source}{'_study' if found.study else ''}")
    if found.measurement is not None:
        st.caption(literal(measuring.versions_words(found.measurement)))


def _of_study(record: StudyRecord) -> None:
    """Where and when a study was made, why it counts more than the measurement, and the way to it."""
    verb = "recorded" if record.source == "recorded" else "made"
    icon = ":material/history:" if record.source == "recorded" else ":material/speed:"
    where = f"a study, {verb} on {machine_words(record.machine)}, {day(record.created_at)}"
    st.badge(literal(where), icon=icon, color="gray")
    st.page_link(
        PAGE_FILES["Study"],
        label="The study with every pair",
        icon=":material/arrow_forward:",
        query_params={"study": record.id},
    )
    st.caption("It has more pairs than the measurement has repeats, so it counts more.")


def pictures(shown: Shown, key: str) -> None:
    """The charts and tables of a result."""
    for number, picture in enumerate(shown.pictures):
        plot(picture.figure, picture.alt, f"evidence_{key}_{number}")
        if picture.caption:
            st.caption(picture.caption)
    for found in shown.tables:
        _table(found)


def _table(shown: Table) -> None:
    frame = pd.DataFrame(shown.rows, columns=list(shown.columns))
    table(frame.set_index(frame.columns[0]), ENGINES_OF_SIDES)
    if shown.caption:
        st.caption(shown.caption)


def going_before(rows: list[Judged]) -> Mapping[str, float]:
    """How long each row's measurement takes, by subject."""
    return {judged.claim.subject: took_s(judged) for judged in rows}
