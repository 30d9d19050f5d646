"""What the web process holds while nothing happens, and that no framework is in it."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import Dashboard, dashboard
from benchmarks.visitor import chromium, open_page

HOW = """
Resident size of the web process alone, its spares not counted, on an empty data folder: after the first page was
served to Chromium, the browser closed, the spares imported, and 30 s at rest. 1 MB is 1,000,000 bytes. A fresh server
each time. The process' memory map is read, too: a library of TensorFlow or PyTorch in it is an error.
"""

GOAL_MB = 200.0
FRAMEWORKS = ("libtensorflow", "libtorch", "_pywrap_tensorflow")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many servers, and how long each rests."""

    servers: int
    rest_s: float


FULL = Size(servers=3, rest_s=30)
QUICK = Size(servers=1, rest_s=1)


def frameworks_in(pid: int) -> list[str]:
    """The frameworks' libraries that a process has mapped."""
    mapped = Path(f"/proc/{pid}/maps").read_text()
    return [name for name in FRAMEWORKS if name in mapped]


def idle_mb(server: Dashboard, rest_s: float) -> float:
    """The web process' resident size. Raises `BenchmarkError` where a framework is loaded in it."""
    with chromium() as browser:
        open_page(browser.new_context(), server.url)
    server.wait_until_ready()
    time.sleep(rest_s)
    if loaded := frameworks_in(server.process.pid):
        raise BenchmarkError(f"The web process has loaded {', '.join(loaded)}.")
    return float(psutil.Process(server.process.pid).memory_info().rss) / 1e6


def measure(size: Size) -> list[Result]:
    """The median over fresh servers."""
    sizes = []
    for number in range(1, size.servers + 1):
        with dashboard(spares=True) as server:
            sizes.append(idle_mb(server, size.rest_s))
        log.info("  server %d of %d: %.0f MB", number, size.servers, sizes[-1])
    note = "no framework is loaded in it"
    return [Result("Web process, memory idle", quantile(sizes), "MB", GOAL_MB, note)]
