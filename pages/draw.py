"""Draw: sketch a digit, both trained models answer while the pen lifts."""

import contextlib

import streamlit as st

from core.launcher.launcher import LauncherUnavailable
from core.launcher.predictors import PredictorError
from core.results.gallery import Gallery, GalleryError, open_gallery
from core.results.models import Model, models_of, swapped
from core.results.outcome import Outcome, gather
from core.storage.database import StoreError
from core.web.components.digit_pad import digit_pad
from core.web.draw import gallery as gallery_view
from core.web.draw import inside, replay, take_along
from core.web.draw import view as draw_view
from core.web.draw.choice import chosen_run
from core.web.draw.drawing import PAD, Drawing, newest_drawing, upload_button
from core.web.elements import queue as queue_view
from core.web.elements.markdown import literal
from core.web.run import damaged
from core.web.server.installation import installation

store = installation().store
LOADING = "Loading both models: this takes a few seconds the first time."


def gallery_of(outcome: Outcome) -> Gallery | None:
    """The run's test images, or None after the sentence that says why there are none."""
    try:
        return open_gallery(store, outcome)
    except GalleryError as error:
        st.markdown(f":red[{literal(error)}]")
        return None


def not_ready(models: list[Model]) -> str:
    """Why the models do not answer at once, as a sentence; they begin to load where they may. Empty where they do."""
    try:
        return "" if installation().launcher.predictors.prepare(models) else LOADING
    except (LauncherUnavailable, PredictorError) as error:
        return str(error)


@st.fragment
def pad(outcome: Outcome, gallery: Gallery | None, waits: bool) -> None:
    """Pad, answers and what the models see: one fragment, so that a stroke reruns nothing else."""
    models = models_of(outcome, store)
    swap = bool(st.session_state.get("swap")) and len(models) == 2
    shown = swapped(models) if swap else models
    drawing = newest_drawing(gallery, outcome.dataset)
    why, answers = not_ready(models), []
    if bool(why) != waits:
        st.rerun()
    hint = why or drawing.hint
    if not why and drawing.seen is not None:
        try:
            answers = installation().launcher.predictors.ask(shown, drawing.seen[None])
        except (LauncherUnavailable, PredictorError) as error:
            hint = str(error)
    names, classes = draw_view.model_names(models, swap), outcome.dataset.class_names
    words = draw_view.in_words(answers, classes, names) if answers else None
    lanes = draw_view.pad_lanes(models, names, answers, words)
    digit_pad(draw_view.pad_view(gallery, drawing, outcome.dataset, lanes, words, hint), key=PAD)
    if waits:
        until_ready(models, why)
    with st.container(horizontal=True):
        upload_button(outcome.dataset)
        if answers and drawing.seen is not None:
            take_along.picture(drawing, answers, classes, names)
    if len(models) == 2:
        swap_weights(models, drawing, words, hint)
    inside.folded(models, drawing.seen, classes, swap, "" if answers else hint)
    replay.section(models, drawing, outcome.dataset, why)


@st.fragment(run_every=2)
def until_ready(models: list[Model], why: str) -> None:
    """What goes on while the models are not ready, if anything does; the whole page again when that has changed.

    Apart from the pad, whose pictures and code need not travel each time while a run trains.
    """
    if not_ready(models) != why:
        st.rerun()
    with contextlib.suppress(LauncherUnavailable):
        queue_view.running_job(installation().launcher, "pad")


def swap_weights(models: list[Model], drawing: Drawing, words: draw_view.Words | None, hint: str) -> None:
    """A switch that gives each model the other's weights, and under it what they then read: nothing but rounding."""
    st.space("small")
    st.header("Swap the weights", anchor=False)
    st.toggle("Each model uses the other's weights", key="swap", persist_state="session")
    if not st.session_state.get("swap"):
        return
    if words is None or drawing.seen is None:
        st.markdown(literal(hint))
        return
    st.markdown(f"**{literal(words.headline)}** {literal(words.detail)}", width=720)
    try:
        take_along.logits(installation().launcher.predictors, models, drawing.seen)
    except (LauncherUnavailable, PredictorError) as error:
        st.markdown(f":red[{literal(error)}]")


def show(outcome: Outcome) -> None:
    """Pad, disagreements and weights of one run."""
    gallery = gallery_of(outcome)
    models = models_of(outcome, store)
    pad(outcome, gallery, bool(not_ready(models)))
    if gallery is not None:
        gallery_view.where_they_disagree(outcome, gallery, [model.engine for model in models])
    take_along.weights(outcome, models)


st.title("Draw", anchor=False)
intro = st.empty()
intro.markdown(draw_view.DRAW)
try:
    run = chosen_run(store)
    if run is not None:
        intro.markdown(draw_view.DRAW if run.dataset.drawable else draw_view.SHOW)
        with damaged.reporting_damage(store, None, run):
            show(gather(run, store.rows(run.id, steps=False)))
except StoreError as error:
    st.error(literal(error))
