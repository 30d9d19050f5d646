"""The drawing on the Draw page: what the pad, a test image or an upload holds now, kept over page switches."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st

from core import images
from core.gallery import Gallery, GalleryError
from core.web.components.digit_pad import NOTHING_DRAWN, PadAnswer, drawing_of
from core.web.markdown import literal

PAD, KEPT, UPLOAD, UPLOAD_FAULT = "pad", "kept_drawing", "upload", "upload_fault"
EMPTY = "Draw a digit, take a test image or upload a picture."


@dataclass(frozen=True)
class Drawing:
    """The newest drawing, and the network input that it gives: `seen` uint8 [28, 28], or None and a `hint`."""

    answer: PadAnswer
    strokes: list[list[int]]
    seen: npt.NDArray[np.uint8] | None
    hint: str = ""
    picture: npt.NDArray[np.uint8] | None = None
    """An upload as the models see it, which the pad shows in place of strokes."""


def newest_drawing(gallery: Gallery | None) -> Drawing:
    """What was drawn, chosen or uploaded last. A bad one gives a hint, never an error."""
    fresh = drawing_of(st.session_state.get(PAD))
    kept: PadAnswer = st.session_state.get(KEPT, NOTHING_DRAWN)
    # The component's own state is gone after a page switch; ours is not.
    newest = fresh if fresh.serial >= kept.serial else kept
    st.session_state[KEPT] = newest
    upload = st.session_state.get(UPLOAD)
    if upload is not None and upload[0] == newest.serial:
        return Drawing(newest, [], upload[1], picture=upload[1])
    try:
        strokes = images.checked_strokes(newest.strokes)
        if newest.sample is not None:
            if gallery is None:
                return Drawing(newest, strokes, None, EMPTY)
            return Drawing(newest, strokes, gallery.pixels([newest.sample])[0])
        if not strokes:
            return Drawing(newest, strokes, None, EMPTY)
        return Drawing(newest, strokes, images.from_strokes(strokes))
    except (images.ImageError, GalleryError) as error:
        return Drawing(newest, [], None, str(error))


def upload_button() -> None:
    """An upload of a PNG or JPEG; it takes the pad's place until something else is drawn."""
    with st.popover("Upload", icon=":material/upload:"):
        file = st.file_uploader("A PNG or JPEG of one digit", key="upload_file", max_upload_size=1)
    if file is None:
        st.session_state.pop(UPLOAD_FAULT, None)
    elif file.file_id != st.session_state.get("upload_taken"):
        st.session_state["upload_taken"] = file.file_id
        _take(file.getvalue(), file.name)
        st.rerun(scope="fragment")
    if fault := st.session_state.get(UPLOAD_FAULT):
        st.markdown(f":red[{literal(fault)}]")


def _take(content: bytes, name: str) -> None:
    st.session_state.pop(UPLOAD_FAULT, None)
    try:
        seen = images.prepare_digit(images.from_upload(content, name))
    except images.ImageError as error:
        st.session_state[UPLOAD_FAULT] = str(error)
        return
    kept: PadAnswer = st.session_state.get(KEPT, NOTHING_DRAWN)
    # A higher number than the browser's own: it takes this over.
    newest = PadAnswer(strokes=[], sample=None, serial=kept.serial + 1)
    st.session_state[KEPT], st.session_state[UPLOAD] = newest, (newest.serial, seen)
