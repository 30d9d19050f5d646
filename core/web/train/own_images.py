"""One's own images on the Train page: a zip becomes a data set that is looked at, then kept or discarded."""

import logging
import shutil
import threading
from html import escape

import numpy as np
import streamlit as st

from core.data import images
from core.data.dataset import Dataset, DatasetError
from core.data.datasets import all_datasets
from core.data.own import OWN_NAME
from core.data.own_images import LEAST_OF_A_CLASS, MOST_ZIP_MB, Draft, Look, Wanted
from core.experiment.settings import DEFAULTS, NUMBERS
from core.launcher.launcher import Launcher
from core.protocol.messages import Preparing
from core.protocol.stdio import one_line
from core.web.elements.markdown import literal
from core.web.elements.presses import attempt, refused
from core.web.server.installation import installation

log = logging.getLogger(__name__)
BOX, MAKING, KEPT, PLACE = "own_images", "own_images_making", "own_images_kept", "own_images"
NAME, SIDE, COLOUR, UPLOADS = "own_name", "own_side", "own_colour", "own_uploads"
SIDES = (28, 32, 48, 64)
COLOURS = {"Colour": True, "Grey": False}
LOOK_EACH_S = 0.5


class Making:
    """A draft that is made beside the page: how far it is, and how it ended."""

    def __init__(self, draft: Draft) -> None:
        """Begins to read the draft's upload."""
        self.draft = draft
        self.share = 0.0
        self.look: Look | None = None
        self.fault = ""
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._make, name="own images", daemon=True)
        self._thread.start()

    def _make(self) -> None:
        try:
            self.draft.make(self.draft.upload, self._show, self._cancelled.is_set)
            self.look = self.draft.look()
        except Exception as error:  # whatever it is, the section must offer its form again
            known = isinstance(error, DatasetError)
            if not known:
                log.exception("own images")
            self.fault = str(error) if known else f"The pictures could not be read ({one_line(error)}): try again."
            self.draft.discard()

    def _show(self, event: Preparing) -> None:
        self.share = event.received_bytes / event.total_bytes if event.total_bytes else 0.0

    @property
    def goes_on(self) -> bool:
        """Whether the pictures are still read."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Ends it within a second or two; nothing is left."""
        self._cancelled.set()
        self._thread.join()
        self.draft.discard()


def section(launcher: Launcher) -> None:
    """The data sets of one's own images, and a form for another one; folded until it is wanted."""
    if not installation().limits.own_images:
        return
    with st.expander("Your own images", key=BOX, on_change="rerun") as box:
        if not box.open:
            return
        making: Making | None = st.session_state.get(MAKING)
        if making is None or making.fault:
            for dataset in all_datasets(installation().store.data_dir).values():
                if OWN_NAME.fullmatch(dataset.name):
                    _row(dataset, launcher)
            _form(launcher, making.fault if making else "")
        elif making.goes_on:
            st.fragment(_progress, run_every=LOOK_EACH_S)(making)
        elif making.look is not None:
            _preview(making.look)


def said() -> str:
    """How the images stand, as a sentence for who cannot see it; empty where there is nothing new."""
    making: Making | None = st.session_state.get(MAKING)
    if making is None or making.goes_on:
        return str(st.session_state.get(KEPT, ""))
    return making.fault or f"{making.draft.wanted.title} is read: look at it, then keep or discard it."


def _form(launcher: Launcher, fault: str) -> None:
    """What a set of images is made of, and why the last one was not."""
    st.markdown(
        f"Pack a folder of PNGs or JPEGs for each class as one zip: at least {LEAST_OF_A_CLASS} pictures a class, at "
        f"most {MOST_ZIP_MB}\u00a0MB. The square in the middle of each picture is resized. They stay on this machine.",
        width=720,
    )
    key = f"own_zip_{st.session_state.get(UPLOADS, 0)}"
    given = st.file_uploader("A zip with a folder for each class", type="zip", key=key, max_upload_size=MOST_ZIP_MB)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name", key=NAME, width=240, placeholder="", autocomplete="off")
        st.selectbox("Pixels a side", SIDES, index=SIDES.index(32), key=SIDE, width=120)
        st.selectbox("Colours", list(COLOURS), key=COLOUR, width=120)
        st.button("Read the pictures", key="own_read", disabled=given is None, on_click=_begin, args=(launcher, key))
    refused(PLACE)
    if fault:
        st.markdown(f":red[{literal(fault)}]", width=720)
    if kept := st.session_state.get(KEPT):
        st.markdown(literal(kept))


def _begin(launcher: Launcher, key: str) -> None:
    """Writes the upload where a process of its own reads it."""
    given = st.session_state.get(key)
    title, side, colour = (st.session_state[field] for field in (NAME, SIDE, COLOUR))
    for old in (MAKING, KEPT):
        st.session_state.pop(old, None)
    if given is None:
        return

    def begin() -> None:
        draft = launcher.own_images.draft(Wanted(title.strip(), side, COLOURS[colour]))
        draft.take(lambda file: shutil.copyfileobj(given, file))
        st.session_state[MAKING] = Making(draft)

    given.seek(0)
    attempt(PLACE, begin)


def _progress(making: Making) -> None:
    """How far it is; the whole page again when it has ended."""
    if not making.goes_on:
        st.rerun()
    st.progress(making.share, text=f"Reads the pictures: {100 * making.share:.0f}\u00a0%.")
    st.button("Cancel", icon=":material/close:", key="own_cancel", on_click=_discard)


def _preview(look: Look) -> None:
    """Every class with its count and a few samples; then to keep or to discard."""
    st.markdown(f"**{literal(look.dataset.title)}**: {_facts(look.dataset)}", width=720)
    if look.unequal:
        st.markdown(literal(look.unequal), width=720)
    st.html(f'<div class="class-samples">{"".join(_samples(look))}</div>')
    refused(PLACE)
    with st.container(horizontal=True):
        st.button("Keep", icon=":material/check:", type="primary", width=120, key="own_keep", on_click=_keep)
        st.button("Discard", icon=":material/close:", width=120, key="own_discard", on_click=_discard)


def _samples(look: Look) -> list[str]:
    """A figure a class: a strip of its first images, its name and its count."""
    figures = []
    for name, count, samples in zip(look.dataset.class_names, look.counts, look.samples, strict=True):
        strip = np.concatenate(list(samples), axis=1)
        sheet = images.data_url(strip[..., 0] if strip.shape[2] == 1 else strip)
        caption = f"<strong>{escape(name)}</strong>, {count:,} images"
        style = f"--sheet: url({sheet}); --count: {len(samples)}"
        figures.append(
            f'<figure><span role="img" aria-label="{len(samples)} images of {escape(name)}" style="{style}"></span>'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return figures


def _facts(dataset: Dataset) -> str:
    """How large it is, in a sentence."""
    return f"{len(dataset.class_names)} classes, {dataset.shape.words}, {dataset.split_words}."


def _keep() -> None:
    """Puts the set where it can be chosen, and chooses it."""
    making: Making | None = st.session_state.get(MAKING)
    if making is None:
        return  # a second press, on its way while the first one was answered

    def keep() -> None:
        dataset = making.draft.keep()
        st.session_state["dataset"] = dataset.name
        st.session_state[KEPT] = f"{dataset.title} is kept, and chosen as the data set above.{_most_a_batch(dataset)}"
        _forget()

    attempt(PLACE, keep)


def _most_a_batch(dataset: Dataset) -> str:
    """How large a batch can be, as a sentence, where that is less than a setting can be."""
    most = dataset.training_split
    return f" A batch of it has at most {most:,} images." if most < NUMBERS["batch_size"].high else ""


def _discard() -> None:
    """Nothing is kept, whether it was made or still is."""
    if making := st.session_state.get(MAKING):
        making.cancel()
    _forget()


def _forget() -> None:
    """The form is empty again, and the upload's memory free."""
    st.session_state.pop(MAKING, None)
    st.session_state[UPLOADS] = st.session_state.get(UPLOADS, 0) + 1
    st.session_state[NAME] = ""


def _row(dataset: Dataset, launcher: Launcher) -> None:
    """A kept set, and what can be done with it."""
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(f"**{literal(dataset.title)}**  \n:small[{_facts(dataset)}]", width="stretch")
        with st.popover("Rename", icon=":material/edit:"):
            key = f"own_title_{dataset.name}"
            st.text_input("Name", dataset.title, key=key)
            st.button("Rename", key=f"own_rename_{dataset.name}", on_click=_rename, args=(dataset.name, key, launcher))
        if st.button("Delete", icon=":material/delete:", key=f"own_delete_{dataset.name}"):
            _confirm(dataset, launcher)
    refused(dataset.name)


def _rename(name: str, key: str, launcher: Launcher) -> None:
    attempt(name, lambda: launcher.own_images.rename(name, st.session_state[key]))


@st.dialog("Delete these images?")
def _confirm(dataset: Dataset, launcher: Launcher) -> None:
    """Asks once."""
    st.markdown(f"{literal(dataset.title)} is removed for good. Runs on it keep their results.")
    if st.button("Delete", type="primary", key="own_delete_for_good", on_click=_delete, args=(dataset.name, launcher)):
        st.rerun()


def _delete(name: str, launcher: Launcher) -> None:
    if attempt(name, lambda: launcher.own_images.delete(name)) and st.session_state["dataset"] == name:
        st.session_state["dataset"] = DEFAULTS["dataset"]
