"""What lives as long as the server: the Launcher, opened before the first request and closed after the last."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.deployment.limits import read_environment
from core.deployment.logs import open_log
from core.experiment.settings import InvalidSettings
from core.launcher.inbox import Inbox
from core.launcher.launcher import Launcher, LauncherUnavailable, set_current
from core.storage.database import StoreError
from core.storage.holder import Owner

COLLECT_EACH_S = 30.0


async def collect_garbage() -> None:
    """Collects all garbage now and then, in place of Streamlit's own way, which is after every rerun of every session.

    That took 45 % of a rerun's time with one session, and a second with five hundred: it walks what all of them hold.
    """
    while True:
        await asyncio.sleep(COLLECT_EACH_S)
        gc.collect()


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
        launcher = Launcher(deployment, Owner.DASHBOARD, limits)
        inbox = Inbox(launcher)
    except (LauncherUnavailable, StoreError, InvalidSettings) as error:
        launcher = LauncherUnavailable(str(error))
        print(error, file=sys.stderr)
    set_current(launcher)
    # What is imported by now need not be walked each time.
    gc.collect()
    gc.freeze()
    collecting = asyncio.create_task(collect_garbage())
    try:
        yield
    finally:
        collecting.cancel()
        set_current(None)
        if isinstance(launcher, Launcher):
            await asyncio.to_thread(inbox.close)
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
