"""What is written about a measurement: where and when it was taken, every figure, and how to take it again."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.table import Table

from benchmarks.result import BenchmarkError, Result
from core.experiment.machine import this_machine

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("streamlit", "tensorflow", "keras", "torch", "numpy", "plotly")
COLUMNS = ("what", "measured", "goal", "verdict", "note")


@dataclass(frozen=True)
class Circumstances:
    """What a reader must know to judge the figures."""

    date: str
    commit: str
    browser: str
    busy_before: float
    """Share of all cores that something else took in the second before."""
    stolen: float = 0.0
    """Share of all cores that the host gave to other machines meanwhile."""


def circumstances(browser: str) -> Circumstances:
    """As they are now; takes three seconds."""
    busy = psutil.cpu_percent(interval=3) / 100
    return Circumstances(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", commit(), browser, busy)


def commit() -> str:
    """The commit that was measured, and whether files differed from it."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return name + (" with changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "not known"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def vector_flags() -> str:
    """The processor's flags that decide how fast matrices are multiplied."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "not known"
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return ", ".join(flag for flag in flags if flag.startswith(("avx", "amx", "fma"))) or "none"


def facts(where: Circumstances) -> dict[str, str]:
    """Machine, date, versions and commit, each with its name."""
    machine = this_machine()
    return {
        "Machine": f"{machine['name']}, {machine['system']}, {machine['memory_gib']} GiB",
        "Processor": f"{machine['processor']}, {machine['cores']} cores; {vector_flags()}",
        "Date": where.date,
        "Versions": ", ".join(
            [f"python {machine['python']}", *(f"{name} {version(name)}" for name in PACKAGES), where.browser]
        ),
        "Commit": where.commit,
        "Load": f"{100 * where.busy_before:.0f} % of all cores busy before the first measurement; "
        f"{100 * where.stolen:.1f} % taken by other machines on the host meanwhile",
    }


def cells(result: Result) -> tuple[str, ...]:
    """A result's line, in the order of `COLUMNS`."""
    return (result.what, result.measured, result.goal_written, result.verdict, result.note)


def table(results: Sequence[Result], failures: Mapping[str, str], title: str) -> Table:
    """All results for the terminal."""
    made = Table(*COLUMNS, title=title)
    for result in results:
        colour = {True: "green", False: "red", None: ""}[result.holds]
        made.add_row(*cells(result), style=colour)
    for name, sentence in failures.items():
        made.add_row(name, "not measured", "", "", sentence, style="red")
    return made


def document(
    where: Circumstances,
    results: Sequence[Result],
    failures: Mapping[str, str],
    how: Mapping[str, str],
    took_s: Mapping[str, float],
) -> str:
    """docs/benchmarks.md, whole. `how` maps a benchmark's name to its words, `took_s` to the seconds that it took."""
    rows = [cells(result) for result in results]
    rows += [(name, "not measured", "", "", sentence) for name, sentence in failures.items()]
    whole_min = sum(took_s.values()) / 60
    written = f"Written by `make bench`, which measures all of it anew: here in {whole_min:.0f} minutes."
    lines = ["# Benchmarks", "", written, ""]
    lines += [f"- **{name}:** {value}." for name, value in facts(where).items()]
    lines += ["", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [_line(row) for row in rows]
    lines += [
        "",
        "Measured: the median (or the quantile named), and in brackets its order-statistic interval, which assumes no "
        "distribution, with the confidence that so many samples reach. A goal is judged by the estimate; where the "
        "interval reaches across the goal, the verdict says so. All ratios are taken within one run.",
        "",
        "## How each is measured",
        "",
    ]
    for name, words in how.items():
        took = f"It took {took_s[name] / 60:.1f} minutes."
        lines += [f"### `.venv/bin/python -m benchmarks {name}`", "", words.strip(), "", took, ""]
    return "\n".join(lines)


def renewed(document: str, name: str, results: Sequence[Result], where: Circumstances, how: str) -> str:
    """docs/benchmarks.md with one benchmark's rows in the place of its old ones, or of why it had none, or, of a new
    benchmark, below all others, with `how` it is measured.

    Each says when it was measured. Raises `BenchmarkError` where the document has no table.
    """
    lines = document.split("\n")
    note = f"measured anew {where.date}, commit {where.commit}"
    rows = [(*cells(each)[:-1], "; ".join(filter(None, (each.note, note)))) for each in results]
    heads = [f"| {_cell(each.what)} |" for each in results] + [f"| {name} | not measured |"]
    old = [place for place, line in enumerate(lines) if line.startswith(tuple(heads))]
    table = [place for place, line in enumerate(lines) if line.startswith("| ")]
    if not table:
        raise BenchmarkError("docs/benchmarks.md has no table: it needs a run of all benchmarks.")
    first = old[0] if old else table[-1] + 1
    kept = [line for place, line in enumerate(lines) if place not in old]
    kept[first:first] = [_line(row) for row in rows]
    title = f"### `.venv/bin/python -m benchmarks {name}`"
    return "\n".join(kept if title in kept else [*kept, title, "", how.strip(), ""])


def _line(row: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
