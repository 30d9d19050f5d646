"""Runs benchmarks one after the other, prints their table, and writes docs/benchmarks.md when all of them ran."""

import argparse
import logging
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import psutil
from rich.console import Console

from benchmarks import (
    cluster,
    first_page,
    history,
    hosted,
    inside,
    kill,
    lane,
    memory,
    network_editor,
    page_weight,
    parity,
    pen,
    pixels,
    report,
    start,
    storm,
    studies,
    tuned,
    viewers,
)
from benchmarks.result import BenchmarkError, Result
from benchmarks.visitor import chromium

BENCHMARKS: dict[str, ModuleType] = {
    "lane": lane,
    "start": start,
    "pixels": pixels,
    "first-page": first_page,
    "page-weight": page_weight,
    "memory": memory,
    "pen": pen,
    "inside": inside,
    "network-editor": network_editor,
    "tuned": tuned,
    "parity": parity,
    "history": history,
    "studies": studies,
    "hosted": hosted,
    "kill": kill,
    "viewers": viewers,
    "storm": storm,
    "cluster": cluster,
}
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
QUICK = "quick: not a measurement"
BUSY = 0.1

log = logging.getLogger("benchmarks")


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """What to run, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all where none")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all works; never written down")
    parser.add_argument("--renew", action="store_true", help="write it into the document of the last run of all")
    chosen = parser.parse_args(words)
    if unknown := [name for name in chosen.names if name not in BENCHMARKS]:
        parser.error(f"There is no benchmark {', '.join(unknown)}. Benchmarks: {', '.join(BENCHMARKS)}.")
    chosen.names = [name for name in BENCHMARKS if name in chosen.names or not chosen.names]
    return chosen


def browser_version() -> str:
    """The browser's name and version. Raises `BenchmarkError` where there is none."""
    try:
        with chromium() as browser:
            return f"Chromium {browser.version}"
    except ImportError:
        raise BenchmarkError("The benchmarks drive a browser: `make install-dev` installs what they need.") from None
    except Exception as error:
        raise BenchmarkError(f"No browser could be started: {error}") from None


def run(names: Sequence[str], quick: bool) -> tuple[dict[str, list[Result]], dict[str, str], dict[str, float]]:
    """Results by benchmark, a sentence for each benchmark that could not measure, and the seconds that each took."""
    results: dict[str, list[Result]] = {}
    failures: dict[str, str] = {}
    took_s: dict[str, float] = {}
    for name in names:
        began = time.monotonic()
        log.info("%s%s", name, f" ({QUICK})" if quick else "")
        module = BENCHMARKS[name]
        try:
            results[name] = module.measure(module.QUICK if quick else module.FULL)
        except BenchmarkError as error:
            failures[name] = str(error)
        except Exception as error:
            traceback.print_exc()
            failures[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        took_s[name] = time.monotonic() - began
    return results, failures, took_s


def end_what_is_left() -> None:
    """Kills what this process started and an interrupt left: every benchmark has already closed its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    left = psutil.Process().children(recursive=True)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=10)


def stolen_s() -> float:
    """Processor time that the host gave to others, so far, over all cores."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def bench(names: Sequence[str], quick: bool, renew: bool = False) -> int:
    """Measures, prints, and writes; 1 where something could not be measured."""
    where = report.circumstances(browser_version())
    if where.busy_before > BUSY:
        log.warning("This machine is busy (%.0f %%): no figure below can be trusted.", 100 * where.busy_before)
    before, busy_before = stolen_s(), sum(psutil.cpu_times())
    found, failures, took_s = run(names, quick)
    results = [each for one in found.values() for each in one]
    where = replace(where, stolen=(stolen_s() - before) / (sum(psutil.cpu_times()) - busy_before))
    console = Console()
    console.print(report.table(results, failures, QUICK if quick else "Benchmarks"))
    for name, value in report.facts(where).items():
        console.print(f"{name}: {value}", markup=False, highlight=False, soft_wrap=True)
    if quick:
        console.print(f"{QUICK}. Nothing is written.")
    elif renew:
        text = DOCUMENT.read_text(encoding="utf-8")
        for name, measured in found.items():
            text = report.renewed(text, name, measured, where, BENCHMARKS[name].HOW)
        DOCUMENT.write_text(text, encoding="utf-8")
        console.print(f"Renewed in docs/{DOCUMENT.name}: {', '.join(found)}.")
    elif len(names) < len(BENCHMARKS):
        console.print("Nothing is written: docs/benchmarks.md holds one run of all benchmarks.")
    else:
        how = {name: BENCHMARKS[name].HOW for name in names}
        text = report.document(where, results, failures, how, took_s)
        DOCUMENT.write_text(text, encoding="utf-8")
        console.print(f"Written to docs/{DOCUMENT.name}.")
    return 1 if failures else 0


def main(words: Sequence[str]) -> int:
    """The exit status: 1 where something could not be measured, 130 after Ctrl-C. A missed goal is a result."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    chosen = arguments(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as tidily as Ctrl-C does
    try:
        return bench(chosen.names, chosen.quick, chosen.renew)
    except KeyboardInterrupt:
        print("Interrupted. Nothing is written.", file=sys.stderr)
        return 130
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        end_what_is_left()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
