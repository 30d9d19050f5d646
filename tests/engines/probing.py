"""Runs a probe as the Launcher does, `python -m core.compare.probes PROBE`, and hands over what it said."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.protocol import lines, messages

ROOT = Path(__file__).resolve().parents[2]


def events_of(
    probe: str, data_dir: Path, environment: Mapping[str, str] | None = None, **arguments: Any
) -> list[messages.Event]:
    """Everything but beats that a probe sends, measuring once on a prepared data folder; `arguments` are its own.

    `environment` is set on top of ours. Holds what every probe owes: it is ready first, and its progress never goes
    back. Fails the test with the probe's own words where it ends without an answer.
    """
    command = [sys.executable, "-m", "core.compare.probes", probe]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        with subprocess.Popen(
            command, cwd=ROOT, stderr=log, env={**os.environ, **(environment or {})}, **pipes
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(lines.encode(messages.Measure(arguments, str(data_dir))) + "\n")
            process.stdin.flush()  # and left open: its end would end the probe
            try:
                said = [lines.decode_event(line) for line in process.stdout]
            finally:
                process.stdin.close()
        log.seek(0)
        words = log.read()[-3000:]
    told = [event for event in said if not isinstance(event, messages.Beat)]
    assert told, words
    assert isinstance(told[0], messages.Ready), f"{told[0]}\n{words}"
    assert isinstance(told[-1], messages.Measured | messages.Failed), f"{told[-1]}\n{words}"
    fractions = [event.fraction for event in told if isinstance(event, messages.Progress)]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    return told


def measured(
    probe: str, data_dir: Path, environment: Mapping[str, str] | None = None, **arguments: Any
) -> dict[str, Any]:
    """The result of a probe; see `events_of`. Fails the test with the probe's reason where it failed."""
    last = events_of(probe, data_dir, environment, **arguments)[-1]
    assert isinstance(last, messages.Measured), last
    return last.result
