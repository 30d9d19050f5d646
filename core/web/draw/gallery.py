"""The test images behind a run's result: disagreements, confident mistakes, and the images of a confusion cell."""

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st

from core.data import images
from core.experiment.names import engine_title, framework
from core.results import charts
from core.results.gallery import Gallery, GalleryError, Indices
from core.results.outcome import LaneOutcome, Outcome
from core.web.draw.view import left_out, per_cent
from core.web.elements.lanes import marked, plot, side_by_side, sign
from core.web.elements.markdown import literal

SHOWN = 24
STYLE = """<style>
.test-images { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1.25rem 1rem; }
.test-images figure { margin: 0; font-size: 0.875rem; line-height: 1.4; }
.test-images img { display: block; width: 84px; border-radius: 0.375rem; image-rendering: pixelated; }
.test-images figcaption { margin-top: 0.375rem; }
.test-images span { display: block; }
</style>"""


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
    figures = [
        f'<figure><img src="{images.data_url(picture)}" alt="Test image {index}">'
        f"<figcaption>{_caption(outcome, gallery, int(index), engines)}</figcaption></figure>"
        for index, picture in zip(which[:SHOWN], pixels, strict=True)
    ]
    st.html(f'{STYLE}<div class="test-images">{"".join(figures)}</div>')
    if len(which) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(which):,}.")


def _caption(outcome: Outcome, gallery: Gallery, index: int, engines: Sequence[str]) -> str:
    """A line for what the image is and one for each reading of it, as HTML."""
    classes = outcome.dataset.class_names
    lines = [f"<strong>True: {escape(classes[gallery.labels[index]])}</strong>"]
    for engine in engines:
        lane = gallery.lane(engine)
        who = f"{_mark(engine)} {escape(engine_title(engine))}: " if len(engines) > 1 else "Read as "
        read, share = classes[lane.classes[index]], per_cent(float(lane.probabilities[index]))
        lines.append(f"{who}{escape(read)}, {share}")
    return "".join(f"<span>{line}</span>" for line in lines)


def _mark(engine: str) -> str:
    """The framework's mark in its colour, as in Markdown's `marked`."""
    return f'<b style="color: {charts.COLOURS[framework(engine)]}" aria-hidden="true">{sign(engine)}</b>'


def matrix(outcome: Outcome, gallery: Gallery, lane: LaneOutcome, most: int) -> None:
    """One lane's confusion matrix; a pressed number or a line of the list opens its images."""
    classes = outcome.dataset.class_names
    counts = np.array(lane.tested.confusion)
    np.fill_diagonal(counts, 0)
    cells = sorted(((int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True)), reverse=True)
    st.markdown(f"**{marked(lane.engine)}**, {charts.mistakes(lane):,} mistakes")
    figure, finding = charts.confusion(lane, most, classes)
    event = plot(figure, finding, f"cells_{lane.engine}", on_select="rerun", selection_mode="points")
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
