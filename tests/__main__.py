"""Runs the checks and every layer of tests side by side, then alone what measures time: `python -m tests`.

`--rest` runs what that leaves out, the tests marked `more`: each is one more variant of what another one checks.
`--all` runs both at once, which starts each framework and each server once.
A line says when a part has ended; what failed is printed last, and the closing line says how long each part took.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.shell import make_the_same

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("engines", "browser", "scripts", "processes", "pages", "unit")
"""Folders of this one; those that take longest first, so that no core is without work in the end."""
CHECKS = ("make", "--no-print-directory", "check")
AT_ONCE = 1 + (os.cpu_count() or 1)
"""One more than there are cores: half of what the browser's and the processes' tests do is waiting."""
LIMIT_S = 3600.0
GRACE_S = 20.0
"""How long a part may take to end its own processes once it is interrupted."""
NOTHING_SELECTED = 5
"""pytest's status; right for a layer of which nothing is left out."""


@dataclass
class Part:
    """A command with a log of its own, and how it went."""

    name: str
    command: Sequence[str]
    log: Path
    right: Sequence[int] = (0,)
    began: float = field(default_factory=time.monotonic)
    took_s: float = 0.0

    def start(self) -> None:
        """Starts it, away from this terminal, so that Ctrl-C reaches it once."""
        self.began = time.monotonic()
        streams = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command, cwd=ROOT, stdout=log, start_new_session=True, **streams)

    def has_ended(self, limit_s: float) -> bool:
        """Whether it has; beyond the limit it is ended."""
        self.took_s = time.monotonic() - self.began
        if self.process.poll() is None and self.took_s > limit_s:
            self.end()
            with self.log.open("a") as log:
                log.write(f"\nFAILED {self.name}: it was ended after {limit_s:.0f} s.\n")
        return self.process.poll() is not None

    @property
    def passed(self) -> bool:
        """Whether it did what it should."""
        return self.process.returncode in self.right

    def end(self) -> None:
        """Interrupts it as Ctrl-C would, for it to say where it was; what is left after a while is killed."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE_S)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def clock(seconds: float) -> str:
    """12:05, in minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def run(parts: Sequence[Part], at_once: int, limit_s: float, signals: Sequence[int] = ()) -> None:
    """Runs them in this order, so many at once, and says how each one ended; none is left however this ends.

    Raises KeyboardInterrupt once there is something in `signals`.
    """
    waiting, running = list(parts), list[Part]()
    try:
        while waiting or running:
            if signals:
                raise KeyboardInterrupt
            while waiting and len(running) < at_once:
                running.append(waiting.pop(0))
                running[-1].start()
            time.sleep(0.05)
            for part in [part for part in running if part.has_ended(limit_s)]:
                running.remove(part)
                last = part.log.read_text(errors="replace").strip().rpartition("\n")[2].strip("= ")
                print(f"{part.name} {'passed' if part.passed else 'FAILED'}: {last}", flush=True)
    finally:
        for part in running:
            part.end()


def account(parts: Sequence[Part], took_s: float) -> bool:
    """Prints what failed, in full and then in a line each, and what each part took. Returns whether all passed."""
    failed = [part for part in parts if not part.passed]
    logs = [part.log.read_text(errors="replace") for part in failed]
    for part, log in zip(failed, logs, strict=True):
        print(f"\n######## {part.name} ########")
        print(log[max(0, log.find("\n===")) :].strip())  # without the dots before pytest's first heading
    lines = [line for log in logs for line in log.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    print("\n".join(["", *lines]) if lines else "")
    times = ", ".join(f"{part.name} {clock(part.took_s)}" for part in parts)
    words = f"FAILED: {', '.join(part.name for part in failed)}" if failed else "All passed"
    print(f"{words}. {times}; together {clock(took_s)}.")
    return not failed


def layer(name: str, rest: bool | None, alone: bool, folder: Path) -> Part | None:
    """A layer's tests, or with the name `alone` those of all layers that measure time; None where it has none of them.

    `rest` None is all of them, marked `more` or not. Of tests with a mark only the files that name it are read: to
    collect thousands takes half a minute.
    """
    marks = ("" if rest is None else "more and " if rest else "not more and ") + ("alone" if alone else "not alone")
    wanted = [mark for mark, asked in (("more", rest), ("alone", alone)) if asked]
    place = ROOT / "tests" if alone else ROOT / "tests" / name
    places = naming(wanted, place) if wanted else [place]
    if not places:
        return None
    command = [sys.executable, "-m", "pytest", "-q", "-m", marks, *(str(path.relative_to(ROOT)) for path in places)]
    return Part(name, command, folder / f"{name}.txt", (0, NOTHING_SELECTED) if rest else (0,))


def naming(marks: Sequence[str], place: Path) -> list[Path]:
    """The files of tests below a folder that name all of these marks, as a test's own file must (`conftest.py`)."""
    return [
        path
        for path in sorted(place.rglob("test_*.py"))
        if all(f"mark.{mark}" in path.read_text(encoding="utf-8") for mark in marks)
    ]


def main() -> int:
    """The command line: 0 when all passed, 1 when something failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rest", action="store_true", help="what is left out otherwise")
    which.add_argument("--all", action="store_true", help="both")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds after which a part is ended")
    options = parser.parse_args()
    make_the_same()
    signals: list[int] = []  # an exception out of a handler would lose what is just being started
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, lambda number, _: signals.append(number))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tests-") as made:
        folder = Path(made)
        checks = None if options.rest else Part("checks", CHECKS, folder / "checks.txt")  # first, for they end soon
        rest = None if options.all else options.rest
        layers = [checks, *(layer(name, rest, False, folder) for name in LAYERS)]
        together = [part for part in layers if part is not None]
        alone = [part for part in [layer("alone", rest, True, folder)] if part is not None]
        try:
            run(together, AT_ONCE, options.limit, signals)
            run(alone, 1, options.limit, signals)
        except KeyboardInterrupt:
            print("Stopped.")
            return 130
        return 0 if account([*together, *alone], time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
