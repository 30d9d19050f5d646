"""What lives as long as the server: the Launcher, opened before the first request and closed after the last."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from core.deployment.limits import environment
from core.deployment.logs import open_log
from core.experiment.settings import InvalidSettings
from core.launcher.inbox import Inbox
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.storage.database import StoreError
from core.storage.holder import Owner
from core.web.server.installation import Installation, serve_with

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

    closing = ExitStack()
    serve_with(_open_installation(closing))
    # What is imported by now need not be walked each time.
    gc.collect()
    gc.freeze()
    collecting = asyncio.create_task(collect_garbage())
    try:
        yield
    finally:
        collecting.cancel()
        serve_with(None)
        await asyncio.to_thread(closing.close)


def _open_installation(closing: ExitStack) -> Installation | LauncherUnavailable:
    """What is served, with log, Launcher and inbox as far as they can be had; `closing` ends them."""
    try:
        deployment, limits = environment()
    except InvalidSettings as error:
        return _logged_reason(error)
    with contextlib.suppress(OSError):  # the store says what is wrong with the folder
        closing.callback(open_log(deployment.data_dir))
    try:
        launcher = Launcher(deployment, Owner.DASHBOARD, limits)
    except (LauncherUnavailable, StoreError) as error:
        return Installation(deployment, limits, _logged_reason(error))
    closing.callback(launcher.close)
    closing.callback(Inbox(launcher).close)
    return Installation(deployment, limits, launcher)


def _logged_reason(error: Exception) -> LauncherUnavailable:
    """The reason for the pages, said in the terminal, too."""
    print(error, file=sys.stderr)
    return LauncherUnavailable(str(error))
