"""What can be done with a run on its own page: run again, name, note, pin, take along, delete; and taking one in."""

import io
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from core.experiment.titles import TITLE_LETTERS
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.results import export
from core.results.carried import can_carry
from core.results.gallery import gone_words
from core.results.importing import ImportRefused
from core.results.report import as_html
from core.results.study_file import MAX_STUDY_BYTES, ImportedStudy, read_file
from core.storage.database import StoreError
from core.storage.records import Run
from core.storage.rows import Row
from core.storage.runs import ALL_ROWS, Store
from core.web.elements import queue as queue_view
from core.web.elements.markdown import literal
from core.web.elements.presses import attempt, refused
from core.web.elements.settings_link import link_to
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES
from core.web.server.visitor import visitor


def bar(run: Run, store: Store, launcher: Launcher | None) -> None:
    """The row of buttons under a run's title."""
    refused(place(run.id))
    with st.container(horizontal=True, vertical_alignment="center"):
        mine = launcher is not None and launcher.may_change(run.visitor, visitor())
        if run.live and launcher is not None:
            if mine:
                stop, its = queue_view.stop, (launcher, [run.id])
                st.button("Stop", icon=":material/stop:", width=120, key="stop_run", on_click=stop, args=its)
            return
        st.page_link(
            PAGE_FILES["Train"],
            label="Run again",
            icon=":material/replay:",
            query_params=link_to(run.settings.as_json()),
        )
        with st.popover("Take along", icon=":material/download:"):
            take_along(run, store)
        if run.source == "recorded" or launcher is None or not mine:
            return
        with st.popover("Name and note", icon=":material/edit:"):
            annotate(run, launcher)
        # A list that is everybody's has no pins.
        if not installation().limits.only_own:
            label = "Unpin" if run.pinned else "Pin"
            st.button(label, icon=":material/push_pin:", key="pin", on_click=_pin, args=(run, launcher))
        if st.button("Delete", icon=":material/delete:", key="delete"):
            confirm(run.id, launcher)


def place(run_id: str) -> str:
    """Where it is said why something could not be done with a run."""
    return f"run_{run_id}"


def _pin(run: Run, launcher: Launcher) -> None:
    attempt(place(run.id), lambda: launcher.annotate(run.id, run.name, run.note, not run.pinned, visitor()))


def annotate(run: Run, launcher: Launcher) -> None:
    """Name and note, kept with one press; a limit of the fields themselves would drop a long paste without a word."""
    name = st.text_input("Name", run.name, key=f"name_{run.id}")
    st.text_area("Note", run.note, key=f"note_{run.id}")
    if len(name) > TITLE_LETTERS:
        st.caption(f"Kept whole; lists show its first {TITLE_LETTERS} letters.")
    st.button("Keep", key="keep", on_click=_keep, args=(run, launcher))


def _keep(run: Run, launcher: Launcher) -> None:
    name, note = (st.session_state[f"{field}_{run.id}"].strip() for field in ("name", "note"))
    attempt(place(run.id), lambda: launcher.annotate(run.id, name, note, run.pinned, visitor()))


@st.dialog("Delete this run?")
def confirm(run_id: str, launcher: Launcher) -> None:
    """Asks once."""
    st.markdown("Its curves, weights and logs are removed for good.")
    if st.button("Delete", type="primary", key="delete_for_good", on_click=_delete, args=(run_id, launcher)):
        st.rerun()


def _delete(run_id: str, launcher: Launcher) -> None:
    if attempt(place(run_id), lambda: launcher.delete(run_id, visitor())):
        st.query_params.clear()


def take_along(run: Run, store: Store) -> None:
    """The run as files, each made at the click."""

    def rows() -> list[Row]:
        return store.rows(run.id, limit=ALL_ROWS)

    folder = store.artifacts(run.id)
    made: list[tuple[str, Callable[[], str | bytes], str, str]] = [
        ("Report (HTML)", lambda: as_html(run, rows(), gone_words(run, store.data_dir)), "html", "text/html"),
        ("All rows (CSV)", lambda: export.as_csv(run, rows()), "csv", "text/csv"),
        ("Everything (JSON)", lambda: export.as_json(run, rows()), "json", "application/json"),
        ("TensorBoard", partial(_tensorboard, run, rows), "tensorboard.zip", "application/zip"),
    ]
    if can_carry(run, store):
        label = "Everything, with weights (JSON)"
        made.insert(3, (label, lambda: export.as_json(run, rows(), folder), "with-weights.json", "application/json"))
    for label, make, ending, mime in made:
        st.download_button(label, make, f"{run.id}.{ending}", mime, on_click="ignore", key=f"take_{ending}")
    for lane in run.lanes:
        path = folder / f"{lane.engine}.safetensors"
        if path.is_file():
            st.download_button(
                f"Weights of {lane.engine}",
                path.read_bytes,
                f"{run.id}-{lane.engine}.safetensors",
                "application/octet-stream",
                on_click="ignore",
                key=f"take_{lane.engine}",
            )


def _tensorboard(run: Run, rows: Callable[[], list[Row]]) -> bytes:
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        export.write_tensorboard(run, rows(), Path(folder))
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def import_file(launcher: Launcher) -> None:
    """A run or a study that was exported elsewhere as JSON becomes one of this history, marked as imported."""
    if not installation().limits.imports:
        return
    with st.popover("Import", icon=":material/upload:"):
        given = st.file_uploader(
            "A run or a study exported as JSON", type="json", key="import_run", max_upload_size=MAX_STUDY_BYTES // 10**6
        )
        if given is None or st.session_state.get("imported") == given.file_id:
            return
        st.session_state["imported"] = given.file_id
        try:
            taken, study = read_file(given.getvalue()), ""
            if isinstance(taken, ImportedStudy):
                study = launcher.import_study(*taken, visitor())
            else:
                launcher.import_run(*taken, visitor())
        except (StoreError, LauncherUnavailable, ImportRefused) as error:
            st.markdown(f":red[{literal(error)}]")
        else:
            if study:
                st.switch_page(PAGE_FILES["Study"], query_params={"study": study})
            st.rerun()
