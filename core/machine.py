"""Where a figure was measured: the machine in words, its processor, cores and memory."""

import platform
import signal
from collections.abc import Mapping
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


def exit_words(code: int) -> str:
    """How a process ended, by its return code, as the rest of a sentence."""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"its process was ended by {name}" + (", perhaps because memory ran out" if code == -9 else "")
    return f"its process ended by itself with code {code}"


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
