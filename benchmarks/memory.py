"""What the web process holds while nothing happens, without a framework in it, and all processes after a drawing."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.pen import LOADED, draw
from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import Dashboard, dashboard
from benchmarks.visitor import WAIT_S, chromium, open_page, wait_until
from core.experiment.engine_names import SPARE_ENGINES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOW = """
An empty data folder and a fresh server each time, with warm spares. First the resident size of the web process alone:
the first page was served to Chromium, the browser closed, the spares imported, and 30 s went by. 1 MB is 1,000,000
bytes. The process' memory map is read, too: a library of TensorFlow or PyTorch in it is an error. Then the sum over all
of the dashboard's processes of each one's proportional set size (PSS in `/proc/PID/smaps_rollup`: private memory, and
of what processes share each its part, so that nothing counts twice), two minutes after a digit was drawn with a
recorded duel's weights and answered by both predictors. 1 MiB is 1,048,576 bytes. With `--quick` the second figure is
a measurement, too, on one server.
"""

GOAL_MB = 200.0
AFTER_DRAWING_GOAL_MIB = 1.7 * 1024
MIB = 2**20
FRAMEWORKS = ("libtensorflow", "libtorch", "_pywrap_tensorflow")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many servers, and for how long nothing happens before each look."""

    servers: int
    rest_s: float
    after_drawing_s: float


FULL = Size(servers=3, rest_s=30, after_drawing_s=120)
QUICK = Size(servers=1, rest_s=1, after_drawing_s=120)


def frameworks_in(pid: int) -> list[str]:
    """The frameworks' libraries that a process has mapped."""
    mapped = Path(f"/proc/{pid}/maps").read_text()
    return [name for name in FRAMEWORKS if name in mapped]


def web_mb(server: Dashboard, rest_s: float) -> float:
    """The web process' resident size. Raises `BenchmarkError` where a framework is loaded in it."""
    with chromium() as browser:
        open_page(browser.new_context(), server.url)
    server.wait_until_ready()
    time.sleep(rest_s)
    if loaded := frameworks_in(server.process.pid):
        raise BenchmarkError(f"The web process has loaded {', '.join(loaded)}.")
    return float(psutil.Process(server.process.pid).memory_info().rss) / 1e6


def pss_mib(server: Dashboard) -> dict[str, float]:
    """MiB of each of the server's processes, by what it is, as `keras 512`."""
    found: dict[str, float] = {}
    for process in server.tree():
        try:
            words = process.cmdline()
            name = words[-1] if "core.worker" in words else words[2] if len(words) > 2 else "process"
            found[f"{name} {process.pid}"] = process.memory_full_info().pss / MIB
        except psutil.Error:  # it has just ended
            continue
    return found


def in_words(pss: dict[str, float]) -> str:
    """Each process' share."""
    return ", ".join(f"{name.split()[0]} {mib:.0f}" for name, mib in pss.items())


def draw_one(server: Dashboard, browser: "Browser") -> None:
    """Has a digit answered by both predictors, then closes the page."""
    page = browser.new_context().new_page()
    page.goto(f"{server.url}/draw")
    page.wait_for_selector(".digit-pad-words", timeout=1000 * WAIT_S)
    # The page is never settled for long while its models load.
    server.wait_until_quiet(children=len(SPARE_ENGINES) * (2 if server.spares else 1))
    wait_until(page, LOADED)
    draw(page, 3)
    page.context.close()


def measure(size: Size) -> list[Result]:
    """Medians over fresh servers; the note has the shares of the last one."""
    web, whole, shares = [], [], ""
    for number in range(1, size.servers + 1):
        with dashboard(spares=True) as server:
            web.append(web_mb(server, size.rest_s))
            with chromium() as browser:
                draw_one(server, browser)
            log.info("  just drawn: %s", in_words(pss_mib(server)))
            time.sleep(size.after_drawing_s)
            pss = pss_mib(server)
        whole.append(sum(pss.values()))
        shares = in_words(pss)
        log.info("  server %d of %d: %.0f MB; %.0f MiB (%s)", number, size.servers, web[-1], whole[-1], shares)
    note = "no framework is loaded in it"
    return [
        Result("Web process, memory idle", quantile(web), "MB", GOAL_MB, note),
        Result("All processes, two minutes after a drawing", quantile(whole), "MiB", AFTER_DRAWING_GOAL_MIB, shares),
    ]
