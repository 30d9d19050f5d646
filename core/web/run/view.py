"""A run as the pages show it: lane cards, live charts, and once it has ended the result, piece by piece."""

from functools import partial
from html import escape

import pandas as pd
import streamlit as st

from core.experiment.dates import day
from core.experiment.machine import machine_words
from core.experiment.names import engine_title, framework, is_variant
from core.experiment.parity import Certificate
from core.experiment.settings import InvalidSettings, Schedule, TrainSettings
from core.experiment.study import cannot_compare
from core.experiment.titles import brief, cut
from core.launcher.launcher import Launcher
from core.results import charts, wording
from core.results.chart_rows import chart_rows
from core.results.epoch_charts import epoch_charts
from core.results.fairness_words import badge_of, words_of
from core.results.listings import FILENAMES, PURPOSES, TITLES, Listing, listing
from core.results.outcome import LaneOutcome, Outcome, conclusion, progress
from core.results.result_table import result_table
from core.results.suggestion import suggestion
from core.results.twin import CurveDifference, is_twin
from core.storage.records import Run
from core.storage.runs import Store
from core.web.components.copy_link import copy_link
from core.web.components.live_chart import ChartLane, ChartView, FedRows, Route, live_chart
from core.web.elements.code import Code, code_blocks, code_rows
from core.web.elements.lanes import mark_html, marked, plot, side_by_side
from core.web.elements.markdown import literal
from core.web.elements.settings_link import link_to
from core.web.elements.table import table
from core.web.server.shell import PAGE_FILES


def badge(run: Run) -> None:
    """The run's state, and where one from elsewhere comes from."""
    if run.source != "here":
        icon = ":material/history:" if run.source == "recorded" else ":material/upload:"
        verb = "recorded" if run.source == "recorded" else "imported, trained"
        st.badge(f"{verb} on {literal(machine_words(run.machine))}, {day(run.created_at)}", icon=icon, color="gray")
    if run.source != "recorded" and run.state in wording.STATE_COLOURS:
        st.badge(run.state, color=wording.STATE_COLOURS[run.state])  # type: ignore[arg-type]


def fairness_badge(run: Run) -> None:
    """What an aligned run itself said of its fairness."""
    if found := badge_of(run):
        words, colour = found
        st.badge(words, color=colour)  # type: ignore[arg-type]


def fairness(run: Run) -> None:
    """What was compared between the lanes of an aligned run, and what was found."""
    if not (words := words_of(run)):
        return
    if run.parted:
        st.error(words, icon=":material/error:")
    else:
        st.markdown(words, width=720)


def heading(outcome: Outcome) -> None:
    """This run, its state or origin, and its settings."""
    st.space("small")
    with st.container(horizontal=True, vertical_alignment="center"):
        name = f": {literal(cut(outcome.run.name))}" if outcome.run.name else ""
        what = {"recorded": "A recorded duel", "imported": f"An imported run{name}"}.get(
            outcome.run.source, f"This run{name}"
        )
        st.header(what, anchor=False, width="content")
        badge(outcome.run)
        fairness_badge(outcome.run)
        if outcome.busy:
            st.badge("machine was busy", color="yellow")
        copy_link(f"./runs?run={outcome.run.id}", "to this run", key="copy_run")
    st.caption(literal(brief(outcome.run)))


def lane_cards(outcome: Outcome) -> None:
    """A card for each lane: two stay side by side on a phone, more wrap."""
    few = len(outcome.lanes) <= 2
    style = f' style="grid-template-columns: repeat({len(outcome.lanes)}, 1fr)"' if few else ""
    st.html(f'<div class="lane-cards"{style}>{"".join(_card_html(outcome, lane) for lane in outcome.lanes)}</div>')


def _card_html(outcome: Outcome, lane: LaneOutcome) -> str:
    # Which device a lane trains on is always in sight: lanes on different ones do not compare.
    device = f" <small>{escape(lane.device)}</small>" if lane.built else ""
    label, value, caption = map(escape, wording.card(outcome, lane))
    return (
        f"<div><p>{mark_html(lane.engine)} <strong>{escape(engine_title(lane.engine))}</strong>{device}</p>"
        f'<p class="lane-label">{label}</p><p class="lane-value">{value}</p><p class="lane-caption">{caption}</p></div>'
    )


def progress_bar(outcome: Outcome, estimate: str) -> None:
    """How far the run is."""
    now = progress(outcome, estimate)
    st.progress(now.fraction, text=now.sentence)


def live_charts(outcome: Outcome, store: Store, route: Route, replay: bool = False) -> Route:
    """The charts, which follow a live run by themselves; returns what the host passes of our routes.

    Where it passes no rows, the page feeds them; where not even the charts' code arrives, the figures are static. An
    ended run can be replayed, and with `replay` it is at once.
    """
    run = outcome.run
    twin, fed = is_twin(run.settings), None
    if route == "blocked":
        rows = chart_rows(store.rows_as_json(run.id, limit=100_000))
        difference = CurveDifference().take(store.rows(run.id, limit=100_000)).words if twin else None
        fed = FedRows(rows, rows[-1]["seq"] if rows else 0, run.state, difference)
    view = ChartView(
        run=run.id,
        epochs=run.settings.epochs,
        lanes=tuple(
            ChartLane(lane.engine, lane.title, framework(lane.engine), is_variant(lane.engine))
            for lane in outcome.lanes
        ),
        twin=twin,
        ended=not run.live,
        turns=run.settings.schedule == Schedule.TURNS,
        replay=replay,
        charts=epoch_charts(outcome.dataset.validation_images),
        fed=fed,
    )
    route = live_chart(view, key="live_chart").route
    if route == "no-assets":
        for column, (title, figure, finding) in zip(st.columns(2), charts.curves(outcome.lanes), strict=True):
            with column:
                st.subheader(title, anchor=False)
                plot(figure, finding, f"curves_{title}")
    return route


def result(outcome: Outcome) -> None:
    """The figures beside the time split, then what the lanes confuse."""
    done = [lane for lane in outcome.lanes if lane.epochs]
    if not done:
        return
    st.space("small")
    # The figures of three lanes and more need the whole width.
    left, right = st.columns(2, gap="medium") if len(outcome.lanes) <= 2 else (st.container(), st.container())
    with left:
        st.header("Result in figures", anchor=False)
        engines = {lane.title: lane.engine for lane in outcome.lanes}
        frame = pd.DataFrame.from_dict(result_table(outcome), orient="index", columns=list(engines))
        table(frame.rename_axis("Figure"), engines)
    with right:
        st.header("Where the time went", anchor=False)
        figure, finding = charts.time_split(done)
        plot(figure, finding, "time_split")
        st.caption(wording.time_caption(outcome))
    confusion([lane for lane in outcome.lanes if lane.result], outcome)


def confusion(lanes: list[LaneOutcome], outcome: Outcome) -> None:
    """A confusion matrix for each lane, in one scale."""
    if not lanes:
        return
    st.space("small")
    st.header("What they confuse", anchor=False)
    st.caption(wording.confusion_caption(outcome))
    most = charts.most_mistakes(lanes)
    for column, lane in side_by_side(lanes, gap="medium"):
        with column:
            st.markdown(f"**{marked(lane.engine)}**, {charts.mistakes(lane):,} mistakes")
            figure, finding = charts.confusion(lane, most, outcome.dataset.class_names)
            plot(figure, finding, f"confusion_{lane.engine}")


def code(outcome: Outcome) -> None:
    """Each lane's complete script beside the other, in rows of the same purpose."""
    run = outcome.run
    listings = [listing(lane.engine, run.settings, run.dataset) for lane in outcome.lanes if lane.engine in FILENAMES]
    if not listings:
        return
    st.space("small")
    st.header("Code", anchor=False)
    st.caption("Complete scripts with this run's settings; lines beside each other do the same thing.")
    with st.container(horizontal=True):
        for item in listings:
            # Made at the click: a file that Streamlit holds ready can be gone when the browser looks for it.
            st.download_button(
                f"Download {item.filename}",
                partial(str, item.script),
                item.filename,
                "text/x-python",
                on_click="ignore",
            )
    code_rows([(TITLES[purpose], [_part(item, purpose) for item in listings]) for purpose in PURPOSES])


def _part(item: Listing, purpose: str) -> Code:
    return Code(item.sections[purpose], f"{item.filename}: {TITLES[purpose]}", item.engine)


def folded(outcome: Outcome) -> None:
    """Model summaries, certificate, machine and versions."""
    if summaries := [(lane.engine, lane.built.summary) for lane in outcome.lanes if lane.built]:
        with st.expander("Model summaries"):
            for engine, summary in summaries:  # one below the other: Keras' table needs the width
                code_blocks(Code(summary, f"Summary of {engine_title(engine)}", engine, python=False))
    if (found := outcome.certificate) is not None:
        with st.expander(f"Certificate before epoch 1: {'passed' if found.passed else 'failed'}"):
            certificate(found, outcome.run.settings)
    with st.expander("Machine and versions"):
        machine(outcome)


def certificate(found: Certificate, settings: TrainSettings) -> None:
    """What was measured before epoch 1, with its bounds, pass or fail."""
    st.badge("passed" if found.passed else "failed", color="green" if found.passed else "red")
    st.markdown(wording.certificate_words(found))
    frame = pd.DataFrame.from_dict(wording.certificate_lines(found), orient="index", columns=["measured", "allowed"])
    table(frame.rename_axis("Compared"))
    st.markdown(wording.certificate_meaning(found, settings))


def machine(outcome: Outcome) -> None:
    """Where and when the figures were measured, and with which versions."""
    run = outcome.run
    paragraphs = [
        f"{literal(wording.machine_line(run.machine))} {day(run.created_at)}, run `{run.id}`.",
        *(f"{marked(lane.engine)}: {literal(wording.versions_line(lane))}" for lane in outcome.lanes),
        literal(wording.data_line(outcome)),
    ]
    st.markdown("\n\n".join(paragraphs))
    if sums := outcome.prepared.source_sha256:
        lines = "\n".join(f"{sha256}  {name}" for name, sha256 in sums.items())
        code_blocks(Code(lines, "SHA-256 of the data's files", python=False))


def next_run(outcome: Outcome, launcher: Launcher | None) -> None:
    """One run to try next, where one follows from this and may be started here: a link that fills in the fields."""
    found = suggestion(outcome)
    if found is None or launcher is None:
        return
    try:
        launcher.admission.check(found.settings)
    except InvalidSettings:
        return
    with st.container(gap=None):
        st.page_link(
            PAGE_FILES["Train"],
            label=f"Try next: {found.what}",
            icon=":material/arrow_forward:",
            query_params=link_to(found.settings.as_json()),
        )
        st.caption(literal(found.why), width=720)


def repeat(outcome: Outcome, launcher: Launcher | None) -> None:
    """The way from an anecdote to a verdict: a study of the same settings over other seeds, where one can be."""
    settings = outcome.run.settings
    if launcher is None or cannot_compare(settings) or not all(lane.result for lane in outcome.lanes):
        return
    st.page_link(
        PAGE_FILES["Study"],
        label="Repeat with other seeds",
        icon=":material/repeat:",
        query_params={**link_to(settings.as_json()), "seed": f"{settings.seed + 1}"},
    )


def paragraph(outcome: Outcome) -> None:
    """What can and cannot be concluded from one run."""
    if words := conclusion(outcome).markdown:
        st.markdown(words, width=720)
