"""The drawing on the Draw page: what the pad, a test image or an upload holds now, kept over page switches."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data import images, inputs
from core.data.dataset import Dataset
from core.results.gallery import Gallery, GalleryError
from core.web.components.digit_pad import NOTHING_DRAWN, PadAnswer, drawing_of
from core.web.elements.markdown import literal

PAD, KEPT, FILE, UPLOAD = "pad", "kept_drawing", "upload_file", "upload"
EMPTY = "Draw a digit, take a test image or upload a picture."
EMPTY_PICTURE = "Take a test image or upload a picture."
EXAMPLE = "This test image is an example: draw, and it is gone."
EXAMPLE_PICTURE = "This test image is an example: take another one, or upload a picture."


@dataclass(frozen=True)
class Drawing:
    """The newest drawing, and the network input that it gives: `seen` uint8 [H, W, C], or None and a `hint`."""

    answer: PadAnswer
    strokes: list[list[int]]
    seen: npt.NDArray[np.uint8] | None
    hint: str = ""
    picture: npt.NDArray[np.uint8] | None = None
    """An upload as the models see it, which the pad shows in place of strokes."""
    fault: bool = False
    """Whether the hint says what was wrong with it."""
    example: str = ""
    """Where nothing has been drawn yet and a test image stands there instead: the sentence that says so."""


@dataclass(frozen=True)
class Upload:
    """The newest file: the drawing's number that it has, and its picture as the models see it, or what is wrong.

    It is read for one data set, and anew when a run of another one is chosen.
    """

    serial: int
    content: bytes
    name: str
    dataset: Dataset
    seen: npt.NDArray[np.uint8] | None
    fault: str = ""


def _read(serial: int, content: bytes, name: str, dataset: Dataset) -> Upload:
    try:
        return Upload(serial, content, name, dataset, inputs.from_upload(content, name, dataset))
    except images.ImageError as error:
        return Upload(serial, content, name, dataset, None, str(error))


def _upload_for(dataset: Dataset) -> Upload | None:
    """The newest file as the models of this data set see it."""
    upload: Upload | None = st.session_state.get(UPLOAD)
    if upload is not None and upload.dataset != dataset:
        upload = st.session_state[UPLOAD] = _read(upload.serial, upload.content, upload.name, dataset)
    return upload


def newest_drawing(gallery: Gallery | None, dataset: Dataset) -> Drawing:
    """What was drawn, chosen or uploaded last. A bad one gives a hint, never an error."""
    empty = EMPTY if dataset.drawable else EMPTY_PICTURE
    newest = st.session_state[KEPT] = _newest_answer()
    upload = _upload_for(dataset)
    if upload is not None and upload.serial == newest.serial:
        return Drawing(newest, [], upload.seen, upload.fault, upload.seen, fault=bool(upload.fault))
    try:
        strokes = images.checked_strokes(newest.strokes) if dataset.drawable else []
        if newest.sample is not None:
            if gallery is None:
                return Drawing(newest, strokes, None, empty)
            return Drawing(newest, strokes, gallery.pixels([newest.sample])[0])
        if not strokes:
            return _example(newest, gallery, dataset) or Drawing(newest, strokes, None, empty)
        return Drawing(newest, strokes, inputs.from_strokes(strokes, dataset))
    except (images.ImageError, GalleryError) as error:
        return Drawing(newest, [], None, str(error), fault=True)


def _example(newest: PadAnswer, gallery: Gallery | None, dataset: Dataset) -> Drawing | None:
    """The run's first test image, before anything was drawn, chosen or cleared in this session; else None."""
    if newest.serial or gallery is None or not len(gallery.samples()):
        return None
    pixels = gallery.pixels(gallery.samples()[:1])[0]
    return Drawing(newest, [], pixels, picture=pixels, example=EXAMPLE if dataset.drawable else EXAMPLE_PICTURE)


def _newest_answer() -> PadAnswer:
    """The component's own state is gone after a page switch; ours is not."""
    fresh = drawing_of(st.session_state.get(PAD))
    kept: PadAnswer = st.session_state.get(KEPT, NOTHING_DRAWN)
    return fresh if fresh.serial >= kept.serial else kept


def upload_button(dataset: Dataset) -> None:
    """An upload of a PNG or JPEG; it takes the pad's place until something else is drawn."""
    with st.popover("Upload", icon=":material/upload:"):
        label = "A PNG or JPEG of one digit" if dataset.drawable else "A PNG or JPEG picture"
        file = st.file_uploader(label, key=FILE, max_upload_size=1, on_change=_take, args=(dataset,))
        upload = _upload_for(dataset)
        if file is not None and upload is not None and upload.fault:
            st.markdown(f":red[{literal(upload.fault)}]")


def _take(dataset: Dataset) -> None:
    """Puts a new file in the drawing's place, a bad one too: no answer to an earlier drawing stays beside it."""
    file = st.session_state.get(FILE)
    upload: Upload | None = st.session_state.get(UPLOAD)
    if file is None:
        if upload is not None and upload.fault:
            del st.session_state[UPLOAD]
        return
    # A higher number than the browser's own: it takes this over.
    newest = PadAnswer(strokes=[], sample=None, serial=_newest_answer().serial + 1)
    taken = _read(newest.serial, file.getvalue(), file.name, dataset)
    st.session_state[KEPT], st.session_state[UPLOAD] = newest, taken
