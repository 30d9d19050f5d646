"""What an exact twin keeps of the defaults: one line each, folded under the alignment."""

import contextlib

import streamlit as st

from core.data.dataset import Dataset
from core.experiment.network import Network
from core.experiment.settings import Alignment, InvalidSettings, TrainSettings
from core.experiment.switches import WORDS, Switch, Switches
from core.experiment.touched import touched

FIELD = "keep"


def field(setting: Switches, alignment: str, dataset: Dataset, disabled: bool) -> None:
    """A box for each default that makes a difference with what the other fields hold, and for each that is kept.

    Nothing where the alignment aligns nothing that could be kept.
    """
    chosen = [name for name in st.session_state[FIELD] if name in [*Switch]]
    if alignment != Alignment.EXACT_TWIN and not chosen:
        return
    offered = _offered(dataset)
    with st.expander(setting.field_label, expanded=bool(chosen), type="compact"):
        st.caption("The twin turns these back on, and parts by them alone. All of them together are a run as shipped.")
        for switch in Switch:
            if switch not in offered and switch not in chosen:
                continue
            st.session_state[key := f"{FIELD}_{switch}"] = switch in chosen
            words = WORDS[switch]
            label = f"**{words.title}.** {words.meaning}"
            st.checkbox(label, key=key, disabled=disabled, on_change=_take, args=(switch,))


def _offered(dataset: Dataset) -> list[Switch]:
    """The defaults that make a difference here; all of them while another field is wrong."""
    raw = {name: value for name, value in st.session_state.items() if name in TrainSettings.model_fields}
    with contextlib.suppress(InvalidSettings):
        settings = TrainSettings.parse({str(name): value for name, value in raw.items()} | {FIELD: ()}, dataset)
        return [*touched(settings, Network.of(settings.network, dataset.shape))]
    return [*Switch]


def _take(switch: Switch) -> None:
    """A box was pressed."""
    kept = [name for name in st.session_state[FIELD] if name != switch]
    st.session_state[FIELD] = [*kept, str(switch)] if st.session_state[f"{FIELD}_{switch}"] else kept
