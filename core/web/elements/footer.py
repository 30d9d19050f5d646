"""The foot of each page: what goes on, what it takes, when something last went wrong, with which versions."""

from pathlib import Path

import streamlit as st

from core.experiment.dates import day_and_time
from core.experiment.metrics import NO_BREAK
from core.launcher.launcher import LauncherUnavailable
from core.storage.health import Health, queue_words, read_health
from core.web.elements.markdown import literal
from core.web.server.installation import installation


@st.cache_data(ttl=30, show_spinner=False)
def health(data_dir: Path) -> Health:
    """The installation's health, at most half a minute old."""
    return read_health(installation().deployment)


def footer() -> None:
    """One caption; nothing where there is no Launcher, for then the page has said why."""
    try:
        served = installation()
        queue = served.launcher.queue
    except LauncherUnavailable:
        return
    found = health(served.deployment.data_dir)
    memory = sum(process.rss_mib for process in found.processes)
    processes = f"{len(found.processes)} process{'es' if len(found.processes) != 1 else ''}"
    facts = [
        queue_words(int(queue.running is not None), queue.waiting()),
        f"{processes}, {memory:,}{NO_BREAK}MiB.",
        f"Data folder {found.data_mb:,.1f}{NO_BREAK}MB.",
        f"Last problem {day_and_time(found.troubles[0]['at'])}." if found.troubles else "No problems.",
        ", ".join(f"{title}{NO_BREAK}{number}" for title, number in found.versions.items()) + ".",
    ]
    st.caption(literal(" ".join(facts)))
