"""The dashboard as `python -m core.serve` serves it, with runs of engines that no page offers, for those who harm it.

`python -m tests.processes.serve '{"engines": ...}' ...` submits each of these settings once the Launcher is open, in
the web process itself; the first one trains, the others wait.
"""

import json
import os
import sys
import threading
import time

from core import serve
from core.experiment.settings import TrainSettings
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.web.server.installation import installation

OPEN_WITHIN_S = 60.0


def launcher() -> Launcher:
    """The server's Launcher, once its lifespan has opened it."""
    end = time.monotonic() + OPEN_WITHIN_S
    while True:
        try:
            return installation().launcher
        except LauncherUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def submit(orders: list[str]) -> None:
    for order in orders:
        launcher().submit(TrainSettings.parse(json.loads(order)))


if __name__ == "__main__":
    threading.Thread(target=submit, args=(sys.argv[1:],), daemon=True).start()
    sys.exit(serve.main(os.environ))
