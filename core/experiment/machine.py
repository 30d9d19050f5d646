"""Where a figure was measured: the machine in words, and what a process got of its processors and memory."""

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import psutil


class Machine(TypedDict):
    """What stands beside every measured figure."""

    name: str
    system: str
    processor: str
    cores: int
    memory_gib: float
    python: str


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def this_machine() -> Machine:
    """The machine that this process runs on."""
    return Machine(
        name=platform.node() or "this machine",
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        cores=psutil.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        python=platform.python_version(),
    )


def machine_words(machine: Mapping[str, Any]) -> str:
    """A machine in few words: its processor and cores say more to a reader than a host's name."""
    return f"{machine['processor']}, {machine['cores']} cores"


def peak_rss_mib() -> int:
    """The largest resident size of this process so far, in MiB."""
    try:
        # Not getrusage: its maximum outlives exec, so it would count the parent's memory.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    except OSError:
        pass
    return round(psutil.Process().memory_info().rss / 2**20)


SHORTEST_S = 0.2
"""Below this the system's clock of processor time, which ticks a hundred times a second, says nothing."""


@dataclass(frozen=True)
class ProcessorTime:
    """What a process got of the machine over a while; None where the system does not tell, or it was too short."""

    cpu_s: float
    """Processor time of this process, over all its threads."""
    processors: int
    """How many it could run on at once."""
    others_share: float | None
    """Fraction of these processors' time that other processes took."""
    stolen_share: float | None
    """Fraction that the hypervisor gave to other machines."""
    idle_share: float | None
    """Fraction that nobody used."""


def _usable_times() -> dict[str, float]:
    """Seconds by kind (user, idle, steal and others) of the processors that this process may run on."""
    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:  # macOS and Windows bind no process
        usable = set(range(psutil.cpu_count() or 1))
    times: dict[str, float] = {}
    for processor, took in enumerate(psutil.cpu_times(percpu=True)):
        if processor in usable:
            for name, seconds in took._asdict().items():
                times[name] = times.get(name, 0.0) + seconds
    return times


class ProcessorClock:
    """Starts when it is made: what this process, others and nobody take until `read` of those that it may run on."""

    def __init__(self) -> None:
        self._wall, self._own, self._all = time.perf_counter(), time.process_time(), _usable_times()

    def read(self) -> ProcessorTime:
        """What was taken since the clock was made."""
        wall, own = time.perf_counter() - self._wall, time.process_time() - self._own
        # What a guest took is counted under `user` already.
        took = {
            name: after - self._all.get(name, after)
            for name, after in _usable_times().items()
            if not name.startswith("guest")
        }
        whole = sum(took.values())
        if wall < SHORTEST_S or whole <= 0:
            return ProcessorTime(own, usable_processors(), None, None, None)
        idle = took.get("idle", 0.0) + took.get("iowait", 0.0)
        stolen = took.get("steal", 0.0)
        others = max(0.0, whole - idle - stolen - own)
        return ProcessorTime(own, usable_processors(), *(min(1.0, part / whole) for part in (others, stolen, idle)))


def usable_processors() -> int:
    """On how many processors this process may run."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows bind no process
        return psutil.cpu_count() or 1
