"""A probe without a framework, for tests: prints, goes on for a while, and faults on order. No row has it."""

import os
import signal
import time
from typing import Any

from core.compare.probes.base import Part, Report


def measure(report: Report, behaviour: str = "well", seconds: float = 0.0) -> dict[str, Any]:
    """`well` doubles a number in a part; the others end in the way that they name."""
    with Part("core.compare.probes.fake", "Fake", lambda line: report.printed("fake", line)) as part:
        report.progress(0.25, "Fake: doubles a number")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.02)
        match behaviour:
            case "raise":
                raise RuntimeError("a fault on order")
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "hang":
                os.kill(os.getpid(), signal.SIGSTOP)
        doubled = part.call("double", number=21, behaviour=behaviour, limit_s=5)
        report.progress(0.75, "Fake: has doubled it")
    return {"doubled": doubled}


def double(number: int, behaviour: str) -> int:
    """Runs in the part."""
    print("double", number)
    if behaviour == "part dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "part raises":
        raise ValueError("no number\nin two lines")
    return 2 * number
