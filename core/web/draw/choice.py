"""Which run's models read a drawing: the link's, the one that was chosen, else the best."""

import streamlit as st

from core.results.models import can_predict
from core.storage.records import DamagedRun, Run
from core.storage.runs import Store
from core.web.draw.view import best_run, chosen_words, run_labels
from core.web.elements.markdown import literal

MISSING = "link_to_no_run"
PRESELECTED = "preselected_run"


def chosen_run(store: Store) -> Run | None:
    """The run whose models read: the link's, the one chosen before, else the best."""
    left_out: list[DamagedRun] = []
    runs = {run.id: run for run in store.runs(100, damaged=left_out) if can_predict(run, store)}
    for one in left_out:
        st.caption(literal(one))
    if not runs:
        st.markdown("No run has finished here yet. Train one first.")
        return None
    # Each preselection is the default of a select of its own: a value written into one that is there can be lost on its
    # way to the browser, where a rerun follows at once, and the select then names another run than the page shows.
    number, preselected = st.session_state.get(PRESELECTED, (0, None))
    chosen = st.session_state.get(f"draw_run_{number}", preselected)
    if link := st.query_params.get("run"):
        del st.query_params["run"]
        st.session_state[MISSING] = link not in runs
    elif chosen is not None and chosen not in runs:
        st.session_state[MISSING] = True
    wanted = next((one for one in (link, chosen) if one in runs), None) or best_run(list(runs.values())).id
    if wanted != chosen or preselected not in runs:
        number, preselected = number + 1, wanted
        st.session_state[PRESELECTED] = number, preselected
    run_id = st.selectbox(
        "Models of",
        list(runs),
        list(runs).index(preselected),
        format_func=run_labels(list(runs.values())).__getitem__,
        key=f"draw_run_{number}",
        on_change=forget_link,
    )
    st.caption(chosen_words(runs[run_id], len(runs)))
    if st.session_state.get(MISSING):
        st.markdown(":red[That run has no weights here: it is gone, did not finish, or came without them.]")
    return runs[run_id]


def forget_link() -> None:
    """Somebody chose a run: what was wrong with the link no longer matters."""
    st.session_state[MISSING] = False
