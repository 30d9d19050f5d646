"""What lives as long as the server: the Launcher, opened before the first request and closed after the last."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.launcher import Launcher, LauncherUnavailable, set_current
from core.limits import read_environment
from core.logs import open_log
from core.settings import InvalidSettings
from core.store import StoreError

_settled: set[str] = set()


def settle(what: str) -> None:
    """Once for each `what`, a page after its first run: what it has imported and cached stays.

    Streamlit collects all garbage after every rerun of every session, and walks all that is not frozen: 7 ms with what
    the first run of a page brings, 0.1 ms without.
    """
    if what not in _settled:
        _settled.add(what)
        gc.collect()
        gc.freeze()


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Opens the Launcher, or keeps the sentence that says why there is none: the pages show it."""
    # Two first visitors at once would meet these half imported.
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401

    launcher: Launcher | LauncherUnavailable
    close_log = log_nothing
    try:
        deployment, limits = read_environment()
        close_log = begin_to_log(deployment.data_dir)
        launcher = Launcher(deployment, "the dashboard", limits)
    except (LauncherUnavailable, StoreError, InvalidSettings) as error:
        launcher = LauncherUnavailable(str(error))
        print(error, file=sys.stderr)
    set_current(launcher)
    settle("the server")
    try:
        yield
    finally:
        set_current(None)
        if isinstance(launcher, Launcher):
            await asyncio.to_thread(launcher.close)
        close_log()


def log_nothing() -> None:
    """Ends a log that never began."""


def begin_to_log(data_dir: Path) -> Callable[[], None]:
    """The log, or none where its file cannot be written: the store then says what is wrong with the folder."""
    try:
        return open_log(data_dir)
    except OSError:
        return log_nothing
