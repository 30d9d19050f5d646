"""Runs that the command line asks for while a dashboard holds the data folder, where it alone may write.

The folder `inbox` is there while somebody answers. `N.ask` holds a run's settings, `N.answer` the run's id or why there
is none, and `RUN.stop` asks to stop a run.
"""

import contextlib
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.database import new_id
from core.holder import left_by, who_holds
from core.launcher import Launcher, LauncherUnavailable
from core.measurements import Measurements
from core.outside import follow
from core.settings import InvalidSettings, TrainSettings
from core.store import Row, Store, StoreError

log = logging.getLogger(__name__)
FOLDER = "inbox"
POLL_S = 0.2
ANSWER_S = 15.0
"""A dashboard that says nothing for so long does not answer any more."""


class NotTaken(LauncherUnavailable):
    """The dashboard took no run, in one plain sentence."""


def put(path: Path, values: Any) -> None:
    """Writes JSON so that whoever sees the file sees all of it. Raises `OSError`."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(values))
    beside.replace(path)


class Inbox:
    """The dashboard's side: a thread that answers, from its making until `close`."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher, self._folder = launcher, launcher.store.data_dir / FOLDER
        # Where visitors are told apart, the terminal is one of them.
        self._visitor = "the terminal" if launcher.limits.hosted else ""
        self._closing = threading.Event()
        shutil.rmtree(self._folder, ignore_errors=True)  # what a killed one left
        with contextlib.suppress(OSError):  # the disk is full: the runs say so
            self._folder.mkdir()
        self._thread = threading.Thread(target=self._work, name="inbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answers nobody from now on."""
        self._closing.set()
        self._thread.join(timeout=5)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _work(self) -> None:
        while not self._closing.wait(POLL_S):
            try:
                self._look()
            except Exception:  # whatever lies there, the next one is answered
                log.exception("inbox")

    def _look(self) -> None:
        for path in sorted(self._folder.glob("*.ask")):
            try:
                text = path.read_text()
            finally:
                path.unlink()  # who takes it back finds it gone, and waits for the answer
            put(path.with_suffix(".answer"), self._answer(text))
        for path in self._folder.glob("*.stop"):
            path.unlink()
            self._launcher.stop(path.stem, self._visitor)

    def _answer(self, text: str) -> dict[str, Any]:
        try:
            return {"run": self._launcher.submit(TrainSettings.parse(json.loads(text)), self._visitor)}
        except InvalidSettings as error:
            return {"problems": error.problems}
        except (LauncherUnavailable, StoreError, ValueError) as error:
            return {"refused": str(error)}


def is_answered(data_dir: Path) -> bool:
    """Whether who holds a folder takes runs of others: a dashboard does."""
    who = who_holds(data_dir)
    return (who is None or who.owner == "the dashboard") and (data_dir / FOLDER).is_dir()


class Guest:
    """The command line's side: like a `Launcher`, for one run that another process executes."""

    def __init__(self, data_dir: Path, say: Callable[[str], None]) -> None:
        """`say` gets a sentence before the first row."""
        self.store, self._say = Store(data_dir), say
        self.trouble = ""
        self._folder = self.store.data_dir / FOLDER
        self._run = ""

    def submit(self, settings: TrainSettings) -> str:
        """Has a run queued; returns its id. Raises `InvalidSettings`, `NotTaken`."""
        ask = self._folder / f"{new_id()}.ask"
        try:
            put(ask, settings.as_json())
            answer = self._await(ask)
        except KeyboardInterrupt:
            if not _take_back(ask):
                with contextlib.suppress(NotTaken):
                    self.stop(str(self._await(ask).get("run")))
            raise
        except OSError as error:
            raise NotTaken(f"The dashboard cannot be asked ({error.strerror or error}).") from None
        if problems := answer.get("problems"):
            raise InvalidSettings(problems)
        if refused := answer.get("refused"):
            raise NotTaken(refused)
        self._run = str(answer["run"])
        return self._run

    def _words(self) -> str:
        who = who_holds(self.store.data_dir)
        owner = f"The dashboard (process {who.pid}, since {who.since})" if who else "The dashboard"
        runs, measurements = self.store.open_runs(), Measurements(self.store.data_dir).open_ones()
        before = sum(run.id < self._run for run in runs) + sum(one.id < self._run for one in measurements)
        wait = f", behind {before} other{'s' * (before != 1)}" if before else ""
        return f"{owner} holds the data folder: this run is queued there{wait}. Ctrl-C stops it."

    def _await(self, ask: Path) -> dict[str, Any]:
        answer, until = ask.with_suffix(".answer"), time.monotonic() + ANSWER_S
        while not answer.exists():
            gone = not self._folder.is_dir()
            if gone or time.monotonic() > until:
                _take_back(ask)
                raise NotTaken("The dashboard was closed." if gone else "The dashboard does not answer: restart it.")
            time.sleep(POLL_S / 4)
        values: dict[str, Any] = json.loads(answer.read_text())
        answer.unlink(missing_ok=True)
        return values

    def follow(self, run_id: str) -> Iterator[Row]:
        """Every row of a run as it is committed, until it has ended or its owner is gone."""
        self._say(self._words())
        yield from follow(self.store, run_id, lambda: bool(self.active()))

    def active(self) -> list[str]:
        """The run, while it waits or goes on."""
        with contextlib.suppress(StoreError):
            if self._run and self.store.run(self._run).live and not left_by(self.store.data_dir):
                return [self._run]
        return []

    def stop(self, wanted: str) -> None:
        """Asks for the run's stop."""
        with contextlib.suppress(OSError):
            (self._folder / f"{wanted}.stop").touch()

    def close(self) -> None:
        """The holder stays."""


def _take_back(ask: Path) -> bool:
    try:
        ask.unlink()
    except FileNotFoundError:
        return False
    return True
