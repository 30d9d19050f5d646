"""The test images behind a run's result: disagreements, confident mistakes, and the images of a confusion cell."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core import charts, images
from core.gallery import Gallery, GalleryError, Indices
from core.names import engine_title
from core.outcome import LaneOutcome, Outcome
from core.web.draw_view import left_out, per_cent
from core.web.markdown import literal
from core.web.run_view import PLOT, marked, side_by_side

SHOWN = 24
IMAGE_PX = 84


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
    captions = [_caption(outcome, gallery, int(index), engines) for index in which[:SHOWN]]
    st.image([images.png(picture, 3) for picture in pixels], caption=captions, width=IMAGE_PX)
    if len(which) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(which):,}.")


def _caption(outcome: Outcome, gallery: Gallery, index: int, engines: Sequence[str]) -> str:
    classes = outcome.dataset.class_names
    read = []
    for engine in engines:
        lane = gallery.lane(engine)
        title = f"{engine_title(engine)} " if len(engines) > 1 else "read as "
        read.append(f"{title}{classes[lane.classes[index]]} ({per_cent(float(lane.probabilities[index]))})")
    return f"{classes[gallery.labels[index]]}: {', '.join(read)}"


def matrix(outcome: Outcome, gallery: Gallery, lane: LaneOutcome, most: int) -> None:
    """One lane's confusion matrix; a pressed number or a line of the list opens its images."""
    classes = outcome.dataset.class_names
    counts = np.array(lane.result["confusion"])
    np.fill_diagonal(counts, 0)
    cells = sorted(((int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True)), reverse=True)
    st.markdown(f"**{marked(lane.engine)}**, {charts.mistakes(lane):,} mistakes")
    figure, finding = charts.confusion(lane, most, classes)
    event = st.plotly_chart(
        figure,
        config=PLOT,
        theme=None,
        alt=finding,
        key=f"cells_{lane.engine}",
        on_select="rerun",
        selection_mode="points",
    )
    if not cells:
        return
    labels = {(i, j): f"{classes[i]} read as {classes[j]} ({n})" for n, i, j in cells}
    pressed = [(point["y"], point["x"]) for point in event["selection"]["points"]]
    first = next(((classes.index(y), classes.index(x)) for y, x in pressed if y in classes and x in classes), None)
    options = list(labels)
    start = options.index(first) if first in labels else 0
    cell = st.selectbox(
        f"Mistakes of {lane.title}",
        options,
        index=start,
        format_func=lambda c: labels[c],
        key=f"cell_{lane.engine}_{start}",
    )
    show(outcome, gallery, gallery.cell(lane.engine, *cell), [lane.engine])
