"""The test images behind a run's result: disagreements, confident mistakes, and the images of a confusion cell."""

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st

from core.data import images
from core.experiment.names import engine_title
from core.results import charts
from core.results.gallery import Gallery, GalleryError, Images, Indices
from core.results.outcome import LaneOutcome, Outcome
from core.web.draw.view import left_out, per_cent
from core.web.elements.lanes import mark_html, marked, plot, side_by_side
from core.web.elements.markdown import literal

SHOWN = 24


def where_they_disagree(outcome: Outcome, gallery: Gallery, engines: Sequence[str]) -> None:
    """Images that the lanes read differently, each lane's surest mistakes, and what stands behind the matrices."""
    total = len(gallery.labels)
    if words := left_out(outcome, engines):
        st.caption(words)
    st.header("Where they disagree", anchor=False)
    if len(engines) == 2:
        found = gallery.disagreements(*engines)
        st.markdown(f"{len(found):,} of {total:,} test images.")
        show(outcome, gallery, found, engines)
    st.header("Surest mistakes", anchor=False)
    for column, engine in side_by_side(engines, gap="medium"):
        with column:
            st.markdown(f"**{marked(engine)}**")
            show(outcome, gallery, gallery.confident_mistakes(engine, 8), [engine])
    st.header("Behind the matrix", anchor=False)
    st.caption("Press a number, or choose from the list, to see the images behind it.")
    lanes = [lane for lane in outcome.lanes if lane.engine in engines]
    for column, lane in side_by_side(lanes, gap="medium"):
        with column:
            matrix(outcome, gallery, lane, charts.most_mistakes(lanes))


def show(outcome: Outcome, gallery: Gallery, which: Indices, engines: Sequence[str]) -> None:
    """Test images with what they are and what was read."""
    if not len(which):
        st.markdown("None.")
        return
    try:
        pixels = gallery.pixels(which[:SHOWN])
    except GalleryError as error:
        st.markdown(literal(error))
        return
    shown = which[: len(pixels)]
    figures = [
        f'<figure><span role="img" aria-label="Test image {index}" style="--place: {place}"></span>'
        f"<figcaption>{_caption(outcome, gallery, int(index), engines)}</figcaption></figure>"
        for place, index in enumerate(shown)
    ]
    st.html(f'<div class="test-images" style="{sheet_style(pixels)}">{"".join(figures)}</div>')
    if len(which) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(which):,}.")


def sheet_style(pixels: Images) -> str:
    """Images uint8 [n, H, W, C] as CSS variables: all in one picture, their number, and how wide and tall each is.

    One picture holds all, since a browser asks for each by itself. The longer side of an image counts as 1.
    """
    sheet = images.data_url(np.concatenate(list(pixels), axis=1))
    height, width = pixels.shape[1:3]
    across, down = (f"{side / max(height, width):.4g}" for side in (width, height))
    return f"--sheet: url({sheet}); --count: {len(pixels)}; --across: {across}; --down: {down}"


def _caption(outcome: Outcome, gallery: Gallery, index: int, engines: Sequence[str]) -> str:
    """A line for what the image is and one for each reading of it, as HTML."""
    classes = outcome.dataset.class_names
    lines = [f"<strong>True: {escape(classes[gallery.labels[index]])}</strong>"]
    for engine in engines:
        lane = gallery.lane(engine)
        who = f"{mark_html(engine)} {escape(engine_title(engine))}: " if len(engines) > 1 else "Read as "
        read, share = classes[lane.classes[index]], per_cent(float(lane.probabilities[index]))
        lines.append(f"{who}{escape(read)}, {share}")
    return "".join(f"<span>{line}</span>" for line in lines)


def matrix(outcome: Outcome, gallery: Gallery, lane: LaneOutcome, most: int) -> None:
    """One lane's confusion matrix; a pressed number or a line of the list opens its images."""
    classes = outcome.dataset.class_names
    counts = np.array(lane.tested.confusion)
    np.fill_diagonal(counts, 0)
    cells = sorted(((int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True)), reverse=True)
    st.markdown(f"**{marked(lane.engine)}**, {charts.mistakes(lane):,} mistakes")
    figure, finding = charts.confusion(lane, most, classes)
    pressed = plot(figure, finding, f"cells_{lane.engine}", pressable=True)
    if not cells:
        return
    labels = {(i, j): f"{classes[i]} read as {classes[j]} ({n})" for n, i, j in cells}
    options = list(labels)
    start = next((place for place, (i, j) in enumerate(options) if pressed == str(i * len(classes) + j)), 0)
    cell = st.selectbox(
        f"Mistakes of {lane.title}",
        options,
        index=start,
        format_func=lambda c: labels[c],
        key=f"cell_{lane.engine}_{start}",
    )
    show(outcome, gallery, gallery.cell(lane.engine, *cell), [lane.engine])
