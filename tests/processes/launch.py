"""A process that holds a Launcher and shows every row of one run as a JSON line, for tests that harm it.

`python -m tests.processes.launch '{"engines": ...}' [--file-limit BYTES] [--at TIME]`. It says
`{"held": ...}` once it holds the data folder. With `--measure SECONDS` it takes one such measurement of the probe
for tests instead, and says its id. A sentence of the Launcher or the store goes to stderr, exit 1.
"""

import argparse
import json
import os
import resource
import sys
import time
from typing import Any

from core.deployment.settings import DeploymentSettings
from core.experiment.order import Order
from core.experiment.settings import TrainSettings
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.storage.database import StoreError


def say(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("settings", type=json.loads)
    parser.add_argument("--file-limit", type=int)
    parser.add_argument("--measure", type=float)
    parser.add_argument("--at", type=float, default=0.0)
    options = parser.parse_args()
    time.sleep(max(0.0, options.at - time.time()))
    try:
        launcher = Launcher(DeploymentSettings(spares=False), "the dashboard")
        say({"held": os.getpid()})
        if options.file_limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_limit, options.file_limit))
        if options.measure:
            say({"measurement": launcher.measure(Order("claim-0", "fake", {"seconds": options.measure}, 90.0))})
            time.sleep(options.measure)
        for row in launcher.follow(launcher.submit(TrainSettings.parse(options.settings))):
            say(row.as_json())
        store_failure = launcher.store_failure
        launcher.close()
        if store_failure:
            raise StoreError(store_failure)
    except (LauncherUnavailable, StoreError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
