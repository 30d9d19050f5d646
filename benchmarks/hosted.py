"""What a hosted server holds, all of its processes together: at rest, and at most while a run trains."""

import logging
import threading
import time
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from benchmarks.memory import draw_one, in_words, pss_mib
from benchmarks.result import BenchmarkError, Result, quantile
from benchmarks.server import Dashboard, dashboard
from benchmarks.visitor import chromium, link, open_page, press_start
from core.experiment.settings import TrainSettings

HOW = """
`DUEL_PROFILE=hosted` on an empty data folder, a fresh server each time. The sum over the web process and everything
that it has started of each one's proportional set size (PSS in `/proc/PID/smaps_rollup`: private memory, and of what
processes share each its part, so that nothing counts twice); the browser is none of them. At rest: the Train page was
served to Chromium, a digit drawn there and answered by both predictors, the browser closed, and 10 s went by. While a
run trains: Keras and PyTorch as shipped, started by a click in Chromium, the highest of all samples taken every 0.2 s
from before the click to the run's end. 1 MiB is 1,048,576 bytes. The goals are meant for the CPU build of PyTorch.
"""

REST_GOAL_MIB, TRAINING_GOAL_MIB = 1.7 * 1024, 2.5 * 1024
SAMPLE_S = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How many servers, how long each rests, and for how long its run trains."""

    servers: int
    rest_s: float
    epochs: int


FULL = Size(servers=3, rest_s=10, epochs=8)
QUICK = Size(servers=1, rest_s=3, epochs=2)


class Sampler(threading.Thread):
    """Looks every 0.2 s until it is told to end; `peak` is the largest sum, and which process held what then."""

    def __init__(self, server: Dashboard) -> None:
        super().__init__(daemon=True)
        self.server, self.peak, self.samples = server, dict[str, float](), 0
        self._done = threading.Event()

    def run(self) -> None:
        """Samples."""
        while not self._done.wait(SAMPLE_S):
            now = pss_mib(self.server)
            self.samples += 1
            if sum(now.values()) > sum(self.peak.values()):
                self.peak = now

    def __enter__(self) -> "Sampler":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()


def at_rest(server: Dashboard, rest_s: float) -> dict[str, float]:
    """After a page and a drawing. Raises `BenchmarkError` where the two predictors are not there."""
    with chromium() as browser:
        open_page(browser.new_context(), server.url)
        draw_one(server, browser)
    server.wait_until_quiet(children=2)
    time.sleep(rest_s)
    pss = pss_mib(server)
    if {name.split()[0] for name in pss} < {"keras", "torch"}:
        raise BenchmarkError(f"The predictors are not there: {in_words(pss)}.")
    return pss


def training(server: Dashboard, epochs: int) -> dict[str, float]:
    """The peak of a run that a person starts while both predictors are loaded."""
    with Sampler(server) as sampler:
        with chromium() as browser:
            page, _ = open_page(browser.new_context(), link(server, TrainSettings(epochs=epochs)))
            run_id = press_start(page, server)
        server.wait_for_end(run_id, look_each_s=0.2)
    log.info("  %d samples", sampler.samples)
    return sampler.peak


def torch_build() -> str:
    """Which build of PyTorch is installed, from its own file; nothing is imported."""
    found = util.find_spec("torch")
    if found is None or found.origin is None:
        raise BenchmarkError("PyTorch is not installed.")
    words = (Path(found.origin).parent / "version.py").read_text()
    return "CPU build of PyTorch" if "cuda: Optional[str] = None" in words else "CUDA build of PyTorch"


def measure(size: Size) -> list[Result]:
    """Medians over fresh servers; the note has the shares of the last one."""
    rest, peaks, shares = [], [], ("", "")
    for number in range(1, size.servers + 1):
        with dashboard(spares=False, environment={"DUEL_PROFILE": "hosted"}) as server:
            quiet = at_rest(server, size.rest_s)
            peak = training(server, size.epochs)
        rest.append(sum(quiet.values()))
        peaks.append(sum(peak.values()))
        shares = in_words(quiet), in_words(peak)
        log.info("  server %d of %d: %.0f MiB (%s)", number, size.servers, rest[-1], shares[0])
        log.info("  at most %.0f MiB (%s)", peaks[-1], shares[1])
    build = torch_build()
    return [
        Result("Hosted, all processes, at rest", quantile(rest), "MiB", REST_GOAL_MIB, f"{build}; {shares[0]}"),
        Result(
            "Hosted, all processes, a run trains", quantile(peaks), "MiB", TRAINING_GOAL_MIB, f"{build}; {shares[1]}"
        ),
    ]
