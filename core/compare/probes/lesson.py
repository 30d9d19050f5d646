"""Runs a lesson's scripts, one framework after the other, and passes on what they print as they print it.

Result: `sides`, by side, each with `lines` (what was printed), `elapsed_s` of the script alone, and `fault`, the
error's type and first line where the script failed (else empty).
"""

import os
import tempfile
import time
from typing import Any

from core.compare.probes.base import Part, PartFailed, Report
from core.data import datasets
from core.learn.lessons import SIDES, lesson, script

SIDE_LIMIT_S = 120.0


def measure(report: Report, slug: str, value: Any = None) -> dict[str, Any]:
    """Runs every side of the lesson `slug` with its control at `value`."""
    found = lesson(slug)
    sides: dict[str, Any] = {}
    for number, side in enumerate(found.sides):
        report.progress(number / len(found.sides), f"{SIDES[side]} runs")
        sides[side] = _run(report, side, script(found, side, value), f"{slug}_{side}.py")
    return {"slug": slug, "value": value, "sides": sides}


def _run(report: Report, side: str, text: str, filename: str) -> dict[str, Any]:
    """One script in a process of its own."""
    lines: list[str] = []

    def on_print(line: str) -> None:
        lines.append(line)
        report.printed(side, line)

    environment = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONWARNINGS": "ignore"}
    # A lesson may start from another data set where the user has it; it says so where it does not find it.
    if other := datasets.prepared("fashion-mnist", report.data_dir):
        environment["LESSON_DATA"] = str(other.folder)
    began = time.perf_counter()
    fault = ""
    with Part("core.compare.probes.lesson", SIDES[side], on_print, environment) as part:
        try:
            part.call("run", text=text, filename=filename, limit_s=SIDE_LIMIT_S)
        except PartFailed as error:
            fault = error.reason
            on_print(fault)
    return {"lines": lines, "fault": fault, "elapsed_s": time.perf_counter() - began}


def run(text: str, filename: str) -> None:
    """Runs in the part: the script as a program of its own, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        exec(compile(text, filename, "exec"), {"__name__": "__main__", "__file__": filename})
