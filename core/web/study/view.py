"""A study as its page shows it: what is decided, the interval closing in, the field that varies, its pairs."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from core.experiment.dates import day, day_and_time
from core.experiment.kinds import Number
from core.experiment.machine import machine_words
from core.experiment.settings import SETTINGS
from core.experiment.study import MEASURES, Measure
from core.experiment.titles import sentence_case
from core.launcher.launcher import Launcher
from core.results import study_bands, study_charts, study_tables, study_words
from core.results.outcome import gather, progress
from core.results.study_bands import RunCurves
from core.results.study_outcome import CellOutcome, EndedPair, StudyOutcome, of_one_machine
from core.results.study_shared import Drawn, closing_of
from core.results.study_tables import Said, Table
from core.results.study_words import cell_words, pair_name
from core.results.wording import STATE_COLOURS
from core.storage.database import State
from core.storage.records import DamagedStudy
from core.storage.studies import StudyRecord, StudyState
from core.web.components.copy_link import copy_link
from core.web.elements import queue as queue_view
from core.web.elements.lanes import plot
from core.web.elements.markdown import literal
from core.web.elements.pager import pager
from core.web.elements.table import table
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES

PAGE = 20
RESTING_S = 10
"""Between two looks at a study that does not go on."""
MOST_WATCHED = 4
"""Pairs that run at once, each on a machine of its own: of so many it is said what they do."""
MOST_OPTIONS = 6
"""Combinations that are chosen by a press; of more by a list."""
OFFSET, CELLS, CELL = "study_pairs_offset", "study_cells_offset", "study_cell"


def read(study: str) -> StudyOutcome:
    """What a study says now. Raises `UnknownRun`, `StoreError`."""
    return installation().outcomes.of(study)


def heading(record: StudyRecord) -> None:
    """What is asked, and how it stands."""
    data_dir = installation().store.data_dir
    st.title(literal(study_words.title(record.study, data_dir)), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(record)
        where = f"{literal(machine_words(record.machine))}, {day(record.created_at)}"
        st.markdown(f":small[{where}]", width="content")
        copy_link(f"./study?study={record.id}", "to this study", key="copy_study")
    st.caption(literal(f"{study_words.asked(record.study)} {study_words.common(record.study, data_dir)}"))


def state_badge(record: StudyRecord) -> None:
    """Its state; instead where it is from, where that is elsewhere."""
    if record.source != "here":
        st.badge(record.source, color="gray")
    else:
        st.badge(record.state, color=study_words.STATE_COLOURS[record.state])  # type: ignore[arg-type]


def progress_of(drawn: StudyOutcome, launcher: Launcher | None, pace: int) -> None:
    """How far it is and what it does, once in `pace` seconds; the whole page anew when a pair has ended.

    So what a pair changes is drawn once a pair, and nothing else travels in between.
    """
    found = read(drawn.record.id)
    if _drawn(found) != _drawn(drawn) or installation().audience.pace_s(found.record.id, pace) != pace:
        st.rerun()
    done = f"{found.done:,} of {found.total:,} pairs."
    st.progress(
        min(1.0, found.done / found.total), text=" ".join(filter(None, (done, _now(found, launcher), _left(found))))
    )
    for sentence in launcher.cluster.complaints if launcher and launcher.cluster else ():
        st.caption(literal(sentence))
    if not found.running:
        return
    (run, *others) = found.running
    if launcher and launcher.queue.waits_for(run):
        queue_view.running_job(launcher, "before_study")
        return
    with st.container(horizontal=True):
        for one in found.running[:MOST_WATCHED]:
            label = f"Watch {literal(_name(found, one))}" if others else "Watch this pair"
            icon = ":material/arrow_forward:"
            st.page_link(PAGE_FILES["Runs"], label=label, icon=icon, query_params={"run": one})


def resting(drawn: StudyOutcome) -> None:
    """Of one that does not go on now: the whole page anew where somebody goes on with it elsewhere."""
    if _drawn(read(drawn.record.id)) != _drawn(drawn):
        st.rerun()


def _drawn(found: StudyOutcome) -> tuple[object, ...]:
    """What of a study the page shows outside of its bar."""
    return found.record, found.done, len(found.cut_short)


def _now(found: StudyOutcome, launcher: Launcher | None) -> str:
    """Which pairs run and what each does, or what the next one waits for."""
    if not found.running:
        return literal(launcher.studies.waits_because(found.record.id)) if launcher else ""
    (first, *_) = found.running
    if launcher and launcher.queue.waits_for(first):
        return queue_view.waiting(launcher, first)
    store, doing = installation().store, []
    for run in found.running[:MOST_WATCHED]:
        now = progress(gather(store.run(run), store.rows(run, steps=False))).sentence
        doing.append(f"{literal(_name(found, run))}: {now}")
    words = [doing[0], *map(sentence_case, doing[1:])]
    if more := len(found.running) - len(doing):
        words.append(f"And {more:,} more.")
    return f"Now {' '.join(words)}"


def _name(found: StudyOutcome, run: str) -> str:
    """A pair in words, by its run."""
    return study_words.run_name(found.record.study, installation().store.run(run).settings)


def _left(found: StudyOutcome) -> str:
    """How long all pairs that may still come take."""
    return "" if found.left_s is None else f"At most about {study_words.long(found.left_s)} left."


def said(found: StudyOutcome) -> str:
    """How it stands, for who cannot see it: said when a pair has ended or a verdict has changed."""
    findings = [one for cell in found.cells for one in cell.findings]
    return f"{found.done:,} of {found.total:,} pairs have ended. {study_words.decided_words(findings)}."


def decided(found: StudyOutcome) -> None:
    """The verdicts in words: as sentences of one combination, as a table of several."""
    findings = [one for cell in found.cells for one in cell.findings]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("What is decided", anchor=False, width="content")
        st.markdown(f":small[{study_words.decided_words(findings)}]", width="content")
    if len(found.cells) == 1:
        (cell,) = found.cells
        st.markdown("\n".join(map(_line, study_tables.said(cell))), width=720)
    else:
        _table(study_tables.verdicts(found.record.study, shown_cells(found)))
        pager(
            _offset(CELLS, len(found.cells)), len(found.cells), PAGE, CELLS, "Combinations before", "More combinations"
        )
    st.caption(study_words.cannot_say(found), width=720)


def shown_cells(found: StudyOutcome) -> list[CellOutcome]:
    """The combinations whose numbers are shown: a page of them."""
    first = _offset(CELLS, len(found.cells))
    return found.cells[first : first + PAGE]


def _offset(key: str, total: int) -> int:
    """Of the first one that a list shows, kept on a page that there is."""
    return min(int(st.session_state.get(key, 0)), max(0, total - 1) // PAGE * PAGE)


def _line(one: Said) -> str:
    """A verdict as a line of a list, what is decided in bold, with its interval."""
    words = literal(one.sentence)
    return f"- {f'**{words}**' if one.decided else words} {literal(one.interval)}".rstrip()


def _table(shown: Table) -> None:
    frame = pd.DataFrame.from_dict(shown.rows, orient="index", columns=shown.columns)
    table(frame.rename_axis(shown.corner), stacks=True)


def charts(found: StudyOutcome) -> Measure:
    """Of one measure and one combination: the interval closing in, the numbers that vary, each lane alone."""
    measure, cell = chosen(found)
    finding = cell.finding(measure.name)
    if not finding.differences:
        st.markdown(
            f"No pair {'of these ' if len(found.cells) > 1 else ''}has both lanes' {measure.title.lower()} yet."
        )
        return measure
    its = [pair for pair in cell.pairs if measure.name in pair.differences]
    columns = st.columns(2, gap="medium")
    with columns[0]:
        st.subheader("The interval closes in", anchor=False)
        place = found.cells.index(cell)
        outcomes = installation().outcomes
        drawn = outcomes.drawn(found, *closing_of(found, measure.name, place))
        live = found.record.state == StudyState.RUNNING or bool(found.running)
        follows = f"api/studies/{found.record.id}/closing?measure={measure.name}&cell={place}"
        _plot_pairs(drawn, "study_closing", cell.pairs, follows if live else "")
        st.caption(study_charts.closing_caption(finding))
    with columns[1]:
        st.subheader("Each lane alone", anchor=False)
        own, which = of_one_machine(its, measure)
        values = study_charts.lane_values(own, measure)
        key = "lanes", measure.name, place
        drawn = outcomes.drawn(found, key, lambda: study_charts.each_lane(measure, values, [one.seed for one in own]))
        _plot_pairs(drawn, "study_lanes", cell.pairs)
        st.caption(literal(f"{study_charts.lanes_caption(values)} {which}".strip()))
    curves(found, cell, place)
    for name, _ in found.record.study.vary:
        if isinstance(SETTINGS[name], Number):
            over(found, measure, cell, name)
    return measure


def curves(found: StudyOutcome, cell: CellOutcome, place: int) -> None:
    """Both lanes' median by epoch in the band of a combination's runs, with the runs behind; `place` in the plan."""
    its = [cell.pairs[one] for one in study_bands.evenly(len(cell.pairs), study_bands.MOST_RUNS)]

    def read_runs() -> list[RunCurves]:
        epochs = installation().studies.epochs([pair.run for pair in its])
        return [RunCurves(pair.seed, pair.state == State.FINISHED, epochs.get(pair.run, {})) for pair in its]

    for column, chart in zip(st.columns(2, gap="medium"), study_bands.CHARTS, strict=True):
        draw = partial(study_bands.band, chart, read_runs)
        with column:
            st.subheader(study_bands.heading(chart), anchor=False)
            drawn = installation().outcomes.drawn(found, ("curves", chart.key, place), draw)
            _plot_pairs(drawn, f"study_curves_{chart.key}", its)
    of, lines = len(cell.pairs), min(len(its), study_bands.MOST_LINES)
    band = f"{len(its):,} of {of:,} runs" if len(its) < of else "the runs"
    thin = f"{lines:,} of {of:,} runs: press one for its page" if lines < of else "the runs: press one for its page"
    st.caption(f"Thick: the median. Band: 10 to 90 % of {band}. Thin: {thin}.")


def _plot_pairs(drawn: Drawn, key: str, pairs: Sequence[EndedPair], follows: str = "") -> None:
    """A figure whose marks are pairs, by their seeds; one that is pressed opens its run."""
    pressed = plot(drawn.figure, drawn.finding, key, pressable=True, follows=follows, as_json=drawn.json)
    known = f"{key}_opened"
    before, st.session_state[known] = st.session_state.get(known), pressed  # the component goes on telling of it
    if pressed != before and (run := next((pair.run for pair in pairs if str(pair.seed) == pressed), None)):
        st.switch_page(PAGE_FILES["Runs"], query_params={"run": run})


def chosen(found: StudyOutcome) -> tuple[Measure, CellOutcome]:
    """The measure and the combination that the charts show."""
    titles = {measure.name: measure.title for measure in MEASURES}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.pills(
            "Measure",
            list(titles),
            default=MEASURES[0].name,
            format_func=titles.__getitem__,
            key="study_measure",
            label_visibility="collapsed",
        )
        cells = {cell_words(cell.cell): cell for cell in found.cells}
        words = next(iter(cells))
        if len(cells) > 1:
            if len(cells) <= MOST_OPTIONS:
                picked = st.pills("Combination", list(cells), default=words, key=CELL, label_visibility="collapsed")
            else:
                picked = st.selectbox("Combination", list(cells), key=CELL, label_visibility="collapsed")
            words = picked or words
    measure = next((one for one in MEASURES if one.name == name), MEASURES[0])
    return measure, cells.get(words, found.cells[0])


def over(found: StudyOutcome, measure: Measure, chosen: CellOutcome, name: str) -> None:
    """Both lanes over one varied number; what else varies is as in the chosen combination."""
    others = tuple(one for one in chosen.cell if one[0] != name)
    points, which = study_charts.points_over(found.cells, measure, name, others)
    if len(points) < 2:
        return
    beside = f", {cell_words(others)}" if others else ""
    st.subheader(literal(f"{measure.title} over {SETTINGS[name].word}{beside}"), anchor=False)
    figure, words = study_charts.over_field(
        found.record.study, measure, SETTINGS[name].word, points, chosen.test_images
    )
    plot(figure, words, f"study_over_{name}")
    words = "Means of the runs; bars are each lane's own interval, once there are enough pairs for one."
    st.caption(literal(f"{words} {which}".strip()))


def numbers(found: StudyOutcome) -> None:
    """Every verdict's numbers, folded."""
    with st.expander("Every number, and how this decides"):
        for cell in shown_cells(found):
            if cell.cell:
                st.markdown(f"**{literal(cell_words(cell.cell))}**")
            _table(study_tables.numbers(cell))
        st.markdown(study_words.HOW_IT_DECIDES, width=720)
        st.markdown(study_words.sign_test(found.record.study), width=720)


def pairs(found: StudyOutcome, measure: Measure) -> None:
    """Every pair that has ended with a link to its run, newest first, failed ones and those cut short among them."""
    newest = found.ended[::-1]
    if not newest:
        return
    st.space("small")
    st.header("Pairs", anchor=False)
    st.caption(f"Each is a run of its own. Beside it: {measure.title.lower()}, Keras minus PyTorch.")
    offset = _offset(OFFSET, len(newest))
    for pair in newest[offset : offset + PAGE]:
        _pair(found, pair, measure)
    pager(offset, len(newest), PAGE, OFFSET)


def _pair(found: StudyOutcome, pair: EndedPair, measure: Measure) -> None:
    """One pair: link, difference, state."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = literal(sentence_case(pair_name(pair.seed, pair.cell)))
        st.page_link(PAGE_FILES["Runs"], label=label, query_params={"run": pair.run}, width="stretch")
        difference = study_words.one_difference(measure, pair.differences.get(measure.name))
        st.markdown(difference, width="content")
        colour = "red" if pair.parted else STATE_COLOURS.get(pair.state, "gray")
        st.badge(study_tables.state_words(found, pair), color=colour)  # type: ignore[arg-type]


def listing() -> None:
    """All studies, newest first, with how far each is; those that came with the project last."""
    studies = installation().studies
    damaged: list[DamagedStudy] = []
    every = studies.every(damaged)
    for one in damaged:
        st.error(literal(str(one)))
    if not every:
        return
    st.space("small")
    st.header("Studies", anchor=False)
    shown, data_dir = int(st.session_state.get("studies_shown", PAGE)), studies.data_dir
    done = studies.done([record.id for record in every[:shown]])
    for record in every[:shown]:
        with st.container(border=True), st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            label = literal(study_words.title(record.study, data_dir))
            st.page_link(PAGE_FILES["Study"], label=label, query_params={"study": record.id}, width="stretch")
            st.markdown(f":small[{literal(day_and_time(record.created_at))}]", width="content")
            st.markdown(f":small[{done.get(record.id, 0):,} of {len(record.study.pairs):,} pairs]", width="content")
            state_badge(record)
    if len(every) > shown:
        st.button("Older studies", type="tertiary", on_click=_show_more, args=(shown + PAGE,))


def _show_more(count: int) -> None:
    st.session_state["studies_shown"] = count
