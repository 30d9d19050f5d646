"""The way from a network to what differs in it between the frameworks."""

import streamlit as st

from core.experiment.settings import TrainSettings
from core.web.elements.settings_link import porting_link
from core.web.server.shell import PAGE_FILES


def porting(settings: TrainSettings) -> None:
    """A link to the differences that touch a run with these settings, its layers named."""
    st.page_link(
        PAGE_FILES["Compare"],
        label="What a porter must know of this network",
        icon=":material/checklist:",
        query_params=porting_link(settings.as_json()),
    )
