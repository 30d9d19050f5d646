"""The history as the Runs page shows it: search, rows, pages, and ticked runs laid over each other."""

import contextlib
from dataclasses import replace

import pandas as pd
import streamlit as st

from core.data.datasets import all_datasets
from core.experiment import metrics
from core.experiment.dates import day_and_time
from core.experiment.engine_names import ENGINE_NAMES
from core.experiment.names import engine_title
from core.experiment.titles import cut, differences, distinct_titles, run_title, sentence_case
from core.launcher.launcher import Launcher
from core.results import study_words, wording
from core.results.outcome import Outcome, gather
from core.results.overlay import MOST, legend, overlay, results
from core.results.study_line import StudyLine, read_line
from core.storage.database import State, StoreError
from core.storage.records import DamagedRun, Run, RunFilter, StudyRuns
from core.storage.runs import Store
from core.web.elements.lanes import mark, plot
from core.web.elements.markdown import literal
from core.web.elements.pager import pager
from core.web.elements.table import table
from core.web.run import damaged
from core.web.run import view as run_view
from core.web.run.actions import import_file
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES
from core.web.server.visitor import visitor

PAGE = 20
TICKED, OFFSET, SOUGHT = "ticked_runs", "runs_offset", "runs_sought"
LEFT, UNFOLDED = "runs_left_unfolded", "open"
"""Where a session and the address hold the studies whose runs are shown."""


def title(run: Run) -> str:
    """What its owner calls a run, or what sets its settings apart."""
    return run_title(run)


def search(store: Store, launcher: Launcher | None) -> RunFilter:
    """The search field, the filter, and the way for a run from elsewhere into this history."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            placeholder="Name, title, engine, data set",
            key="runs_text",
            label_visibility="collapsed",
            width=220,
        )
        with st.popover("Filter", icon=":material/filter_list:"):
            dataset = _filter("Data set", _datasets(store), "dataset")
            engine = _filter("Engine", {name: engine_title(name) for name in ENGINE_NAMES}, "engine")
            state = _filter("State", {found.value: found.value for found in State}, "state")
        if launcher is not None:
            import_file(launcher)
    return RunFilter(text.strip(), dataset, engine, State(state) if state else None)


def _datasets(store: Store) -> dict[str, str]:
    """Titles by name: what there is to train on, then what runs were trained on that is not here."""
    here = {name: found.title for name, found in all_datasets(store.data_dir).items()}
    return here | {name: f"{title} (not here)" for name, title in store.own_datasets().items() if name not in here}


def _filter(label: str, titles: dict[str, str], name: str) -> str:
    choice = st.selectbox(label, ["", *titles], format_func=lambda value: titles.get(value, "All"), key=f"runs_{name}")
    return choice if choice in titles else ""  # a browser can say anything


def offset(wanted: RunFilter) -> int:
    """How many runs stand before the page that is shown; another search begins at the first."""
    if st.session_state.get(SOUGHT) != wanted:
        st.session_state[SOUGHT], st.session_state[OFFSET] = wanted, 0
    return int(st.session_state.get(OFFSET, 0))


def count(total: int, wanted: RunFilter) -> str:
    """How many runs there are, and what can be done with them. Returns the number as a sentence."""
    if not total:
        none = "No run is like that." if wanted != RunFilter() else "Nothing has run here yet: press Start on Train."
        st.markdown(none)
        return none
    runs = f"{total:,} run{'s' if total != 1 else ''}, newest first."
    st.caption(f"{runs} Tick two or more to lay them over each other.")
    return runs


def unfolded() -> list[str]:
    """The studies whose runs the address shows."""
    return list(dict.fromkeys(st.query_params.get_all(UNFOLDED)))


def to_all_runs() -> None:
    """Back to the history, as it was left."""
    left = [(UNFOLDED, study) for study in st.session_state.get(LEFT, [])]
    st.page_link(PAGE_FILES["Runs"], label="All runs", icon=":material/arrow_back:", query_params=left)


def study_row(its: StudyRuns, wanted: RunFilter, store: Store, launcher: Launcher | None) -> None:
    """A study on one line, and below it, where it is unfolded, those of its runs that are wanted."""
    try:
        line = read_line(installation().studies, store, its.study)
    except StoreError as error:
        st.error(literal(error))
        return
    is_open = its.study in unfolded()
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
                _fold(its, is_open)
                link = {"study": its.study}
                st.page_link(PAGE_FILES["Study"], label=literal(line.title), query_params=link, width="stretch")
            with st.container(horizontal=True, vertical_alignment="center", width="content", gap="xsmall"):
                st.markdown(f":small[{literal(day_and_time(line.record.created_at))}]", width="content")
                st.markdown(f":small[{line.pairs}]", width="content")
                st.badge("study", color="gray")
                record = line.record
                if record.source != "here":
                    st.badge(record.source, color="gray")
                else:
                    st.badge(record.state, color=study_words.STATE_COLOURS[record.state])  # type: ignore[arg-type]
        st.caption(literal(line.decided))
        if is_open:
            _runs_of(line, its.runs, wanted, store, launcher)


def _fold(its: StudyRuns, is_open: bool) -> None:
    label = f"{its.runs:,} run{'s' if its.runs != 1 else ''}"
    icon = ":material/expand_more:" if is_open else ":material/chevron_right:"
    st.button(label, key=f"fold_{its.study}", icon=icon, type="tertiary", on_click=_turn, args=(its.study,))


def _turn(study: str) -> None:
    """Unfolds a study that is folded, and folds one that is not."""
    others = [one for one in unfolded() if one != study]
    st.query_params[UNFOLDED] = others if study in unfolded() else [*others, study]


def _runs_of(line: StudyLine, count: int, wanted: RunFilter, store: Store, launcher: Launcher | None) -> None:
    """A page of a study's runs, called by what sets them apart."""
    key = f"{OFFSET}_{line.record.id}"
    offset = min(int(st.session_state.get(key, 0)), (count - 1) // PAGE * PAGE)
    left_out: list[DamagedRun] = []
    found, total = store.search(replace(wanted, study=line.record.id), PAGE, offset, left_out)
    for run in found:
        pair = sentence_case(study_words.run_name(line.record.study, run.settings))
        row(run, mine=run.visitor == visitor() != "", name=run.name or pair)
    for one in left_out:
        damaged.report(one, launcher)
    pager(offset, total, PAGE, key)


def row(run: Run, mine: bool = False, name: str = "") -> None:
    """One run: tick, link, date, both accuracies, state.

    `mine`: this visitor's, where visitors are told apart. `name`: what it is called among its like; else by its title.
    """
    # Two groups in one line; on a phone the second one stands whole below the first.
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
            tick(run)
            pin = ":material/push_pin: " if run.pinned else ""
            label = f"{pin}{literal(cut(name) or title(run))}"
            st.page_link(PAGE_FILES["Runs"], label=label, query_params={"run": run.id}, width="stretch")
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="xsmall"):
            date_and_accuracies(run)
            badges(run, mine)


def tick(run: Run) -> None:
    """The box that lays a run over others."""
    ticked = st.session_state.setdefault(TICKED, [])
    st.checkbox(
        f"Lay {literal(title(run))} of {day_and_time(run.created_at)} over others",
        value=run.id in ticked,
        key=f"tick_{run.id}",
        label_visibility="collapsed",
        on_change=_tick,
        args=(run.id,),
        disabled=len(ticked) >= MOST and run.id not in ticked,
        width="content",
    )


def date_and_accuracies(run: Run) -> None:
    """When it was, and the first two lanes' test accuracies."""
    st.markdown(f":small[{literal(day_and_time(run.created_at))}]", width="content")
    images = run.dataset.test_images
    for lane in run.lanes[:2]:
        accuracy = metrics.percent(lane.test_accuracy, images)
        st.markdown(f"{mark(lane.engine)} {accuracy}", width=72)
    if len(run.lanes) > 2:
        st.markdown(f":small[{len(run.lanes) - 2} more]", width="content")


def _tick(run_id: str) -> None:
    ticked = st.session_state.setdefault(TICKED, [])
    if run_id in ticked:
        ticked.remove(run_id)
    elif len(ticked) < MOST:  # a browser disables the box, a forged message does not
        ticked.append(run_id)


def badges(run: Run, mine: bool) -> None:
    """Whose it is where visitors are told apart, its state or where it is from, its fairness; they wrap together."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
        if mine:
            st.badge("yours", color="gray")
        if run.source != "here":
            st.badge(run.source, color="gray")
        else:
            st.badge(run.state, color=wording.STATE_COLOURS.get(run.state, "gray"))  # type: ignore[arg-type]
        run_view.fairness_badge(run)


def overlay_of_ticked(store: Store, launcher: Launcher | None) -> None:
    """The ticked runs in one chart."""
    outcomes = []
    for run_id in st.session_state.get(TICKED, []):
        with contextlib.suppress(StoreError):  # deleted meanwhile, or damaged
            run = store.run(run_id)
            with damaged.reporting_damage(store, launcher, run):
                outcomes.append(gather(run, store.rows(run.id, steps=False)))
    if len(outcomes) > 1:
        with damaged.reporting_damage(store, launcher, *(outcome.run for outcome in outcomes)):
            one_chart(outcomes)


def one_chart(outcomes: list[Outcome]) -> None:
    """Curves, what differs, results in one table."""
    st.space("small")
    st.header(f"{('Two', 'Three', 'Four')[len(outcomes) - 2]} runs, one chart", anchor=False)
    titles = distinct_titles([outcome.run for outcome in outcomes])
    # A backslash at a line's end is Markdown's new line.
    named = [f"{legend(outcome, i)} {literal(titles[outcome.run.id])}" for i, outcome in enumerate(outcomes)]
    st.markdown("\\\n".join(named))
    st.markdown(literal(differences([outcome.run for outcome in outcomes])))
    figure, finding = overlay(outcomes)
    plot(figure, finding, "laid_over")
    st.caption("Validation accuracy by epoch. Each run has its own mark; the first one is drawn thick.")
    columns, rows = results(outcomes)
    table(pd.DataFrame(rows, columns=list(columns)).set_index("Run"))
