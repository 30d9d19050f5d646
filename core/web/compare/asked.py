"""What Compare is asked to show, by its link and by the fields of its second view; the address follows both.

`/compare?claim=4`, `/compare?view=differences&q=epsilon&part=optimiser`, `&difference=adam-epsilon` for one row alone,
and with the settings of a run (`&network=lenet5&optimizer=sgd`) only the rows that touch it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from core.compare.differences import catalogue
from core.compare.differences.difference import Difference, Part
from core.data import datasets
from core.data.datasets import Dataset
from core.experiment.network import Network, NetworkError
from core.experiment.settings import DEFAULTS, SETTINGS, InvalidSettings, TrainSettings
from core.web.elements import address
from core.web.elements.markdown import literal
from core.web.elements.settings_link import TOUCHING, porting_link
from core.web.server.installation import installation

THE_ARTICLE, DIFFERENCES = "claims", "differences"
VIEWS = {THE_ARTICLE: "The article's claims", DIFFERENCES: "What really differs"}
VIEW, TEXT, PARTS = "compare_view", "differences_text", "differences_parts"
READ, PROBLEMS = "compare_link_held", "compare_link_problems"
"""What the address held when it was last read or written, and what was wrong with it."""
MOST_LETTERS = 200
"""Of what is searched for."""


@dataclass(frozen=True)
class NetworkAtHand:
    """A run's settings, the network that they mean, and the data for which it is."""

    settings: TrainSettings
    network: Network
    dataset: Dataset

    @property
    def words(self) -> str:
        """What it is: lenet5 with Adam on MNIST."""
        optimizer = SETTINGS["optimizer"].said(self.settings.optimizer)
        return f"{self.settings.network} with {optimizer} on {self.dataset.title}"


def is_of_all() -> bool:
    """Reads a new link; whether all rows of a view are asked for, and not one of them or those of a network."""
    _read_link()
    narrowing = {"difference", "network"} if st.session_state[VIEW] == DIFFERENCES else {"claim"}
    return not narrowing & set(st.query_params)


def view() -> str:
    """Draws the choice between both views, and says what is wrong with the link; returns the one that is shown."""
    chosen = st.segmented_control(
        "What to show",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key=VIEW,
        required=True,
        label_visibility="collapsed",
    )
    for sentence in st.session_state[PROBLEMS]:
        st.markdown(f":red[{literal(sentence)}]")
    return chosen if chosen in VIEWS else THE_ARTICLE  # a browser can say anything


def keep(**parameters: str | list[str]) -> None:
    """Makes the address hold these parameters and no others."""
    before = st.session_state[READ]
    address.keep("compare", **parameters)
    if (now := _given()) != before:
        address.replaced("compare", before)
        st.session_state[READ], st.session_state[PROBLEMS] = now, []


def one_difference() -> Difference | None:
    """The row that the link names; None, after a sentence, where there is no such row."""
    name = st.query_params.get("difference")
    if name is None:
        return None
    try:
        return catalogue.find(name)
    except KeyError:
        st.markdown(f":red[There is no difference {literal(name[:40])}. All of them are shown.]")
        return None


def network_at_hand() -> NetworkAtHand | None:
    """What the link says of a network; None where it says nothing, and after a sentence where that cannot be."""
    raw = {name: st.query_params[name] for name in TOUCHING if name in st.query_params}
    if "network" not in raw:
        return None
    try:
        settings = TrainSettings.parse(raw)
        dataset = datasets.find(raw.get("dataset", DEFAULTS["dataset"]), installation().store.data_dir)
        return NetworkAtHand(settings, Network.of(settings.network, dataset.shape), dataset)
    except (InvalidSettings, datasets.DatasetError, NetworkError) as error:
        st.markdown(f":red[{literal(error)} All differences are shown.]")
        return None


def parameters_of(at_hand: NetworkAtHand | None) -> Mapping[str, str]:
    """What a link to this view says of the network, and that it is this view."""
    return porting_link(at_hand.settings.as_json()) if at_hand else {"view": DIFFERENCES}


def _given() -> dict[str, list[str]]:
    """What the address says, but for what begins with two underscores: that is a host's own."""
    return {name: st.query_params.get_all(name) for name in st.query_params if not name.startswith("__")}


def _read_link() -> None:
    """Fills the fields from the address where it changed since we wrote it: a link, or the browser's back button."""
    given = _given()
    fresh = VIEW not in st.session_state or READ not in st.session_state
    if not fresh and (given == st.session_state[READ] or address.outdated("compare", given)):
        return
    problems = []
    usual = DIFFERENCES if {"difference", "network"} & set(given) else THE_ARTICLE
    if (wanted := given.get("view", [usual])[-1]) not in VIEWS:
        problems.append(f"There is no view {wanted[:40]}: choose {' or '.join(VIEWS)}.")
        wanted = usual
    parts = list(dict.fromkeys(given.get("part", ())))
    if unknown := [part for part in parts if part not in [*Part]]:
        problems.append(f"There is no part {unknown[0][:40]}: choose some of {', '.join(Part)}.")
    text = given.get("q", [""])[-1]
    st.session_state[VIEW] = wanted
    st.session_state[TEXT] = text[:MOST_LETTERS].encode("utf-8", "replace").decode()
    st.session_state[PARTS] = [Part(part) for part in parts if part not in unknown]
    st.session_state[READ], st.session_state[PROBLEMS] = given, problems
