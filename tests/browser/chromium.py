"""Finds the browser that the tests drive, and gets one where none is.

`python -m tests.browser.chromium` prints its path; `make test` does so before pytest. Where there is no
browser to be had, this fails with a sentence: a browser test is never skipped in silence.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

INSTALL_LIMIT_S = 900


class NoBrowserError(Exception):
    """Says in words why there is no browser for the tests."""


def run_to_stderr(command: Sequence[str]) -> bool:
    """Runs a command, its output on stderr since stdout is for the path. Returns whether it succeeded."""
    try:
        done = subprocess.run(list(command), stdout=sys.stderr, timeout=INSTALL_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def playwright_browser() -> Path | None:
    """The Chromium that Playwright has downloaded, if it has."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.is_file() else None


@dataclass(frozen=True)
class Machine:
    """How this machine is asked for a browser; the tests put fakes here."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    which: Callable[[str], str | None] = shutil.which
    run: Callable[[Sequence[str]], bool] = run_to_stderr
    is_root: bool = field(default_factory=lambda: hasattr(os, "geteuid") and os.geteuid() == 0)
    playwright_browser: Callable[[], Path | None] = playwright_browser


@dataclass(frozen=True)
class Wanted:
    """A browser that is looked for: the variable that names it, its names on a PATH, Debian's package."""

    variable: str
    names: tuple[str, ...]
    package: str

    def find(self, machine: Machine) -> Path | None:
        """Its path: from the variable, the PATH, apt-get. Raises `NoBrowserError` where the variable is wrong."""
        return self._named(machine) or self._on_path(machine) or self._from_apt(machine)

    def _named(self, machine: Machine) -> Path | None:
        named = machine.environment.get(self.variable)
        if not named:
            return None
        found = machine.which(named)  # a path counts only where it can be executed
        if found is None:
            raise NoBrowserError(f"{self.variable} names {named!r}, which is no program.")
        return Path(found)

    def _on_path(self, machine: Machine) -> Path | None:
        return next((Path(found) for name in self.names if (found := machine.which(name))), None)

    def _from_apt(self, machine: Machine) -> Path | None:
        if machine.which("apt-get") is None or (root := as_root(machine)) is None:
            return None
        machine.run([*root, "apt-get", "update"])  # one faulty source must not hide the others
        install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends"]
        machine.run([*root, *install, self.package])
        return self._on_path(machine)


CHROMIUM = Wanted("CHROMIUM", ("chromium", "chromium-browser", "google-chrome"), "chromium")


def find_chromium(machine: Machine | None = None) -> Path:
    """The browser's path: `CHROMIUM`, the PATH, apt-get, Playwright's own. Raises `NoBrowserError`."""
    machine = machine or Machine()
    return CHROMIUM.find(machine) or _from_playwright(machine) or _give_up(machine)


def as_root(machine: Machine) -> list[str] | None:
    """What stands before a command that only root may run: nothing, or sudo where that asks nothing; else None."""
    if machine.is_root:
        return []
    if machine.which("sudo") and machine.run(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def _from_playwright(machine: Machine) -> Path | None:
    found = machine.playwright_browser()
    if found is None and machine.run([sys.executable, "-m", "playwright", "install", "chromium"]):
        found = machine.playwright_browser()
    return found


def _give_up(machine: Machine) -> Path:
    tried = "apt-get and Playwright" if machine.which("apt-get") else "Playwright"
    raise NoBrowserError(
        f"The browser tests need Chromium: none of {', '.join(CHROMIUM.names)} is on the PATH, "
        f"and {tried} could not bring one. Install Chromium, or name it: CHROMIUM=/path/to/it make test"
    )


if __name__ == "__main__":
    try:
        print(find_chromium())
    except NoBrowserError as error:
        sys.exit(str(error))
