"""Runs and studies that the command line asks for while a dashboard holds the data folder, where it alone may write.

The folder `inbox` is there while somebody answers. `N.ask` holds a run's settings, or what is asked of a study;
`N.answer` the id of the run or study, or why there is none. `ID.stop` asks to stop it; so does `N.stop`, of whoever
waits no longer for that answer.
"""

import contextlib
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.data import datasets
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.study import BUDGET_S, Study
from core.launcher.launcher import Launcher, LauncherUnavailable, Refused
from core.launcher.outside import follow
from core.storage.database import StoreError, new_id
from core.storage.holder import Owner, left_by, who_holds
from core.storage.measurements import Measurements
from core.storage.records import UnknownRun
from core.storage.rows import Row
from core.storage.runs import Store

log = logging.getLogger(__name__)
FOLDER = "inbox"
POLL_S = 0.2
ANSWER_S = 15.0
"""A dashboard that takes nothing for so long does not answer any more."""
TAKEN_S = 60.0
"""So long it may take, after that, over settings that it has taken."""
MOST_BYTES = 2**16
"""Of one run's settings, which take less than 1,000."""


class SubmissionRefused(LauncherUnavailable):
    """The dashboard did not take the run, in one plain sentence."""


def put(path: Path, values: Any) -> None:
    """Writes JSON so that whoever sees the file sees all of it. Raises `OSError`."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(values))
    temporary.replace(path)


class Inbox:
    """The dashboard's side: a thread that answers, from its making until `close`."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher, self._folder = launcher, launcher.store.data_dir / FOLDER
        # Where visitors are told apart, the terminal is one of them.
        self._visitor = "the terminal" if launcher.limits.hosted else ""
        self._runs: dict[str, str] = {}  # what became of each N
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
                self._answer_files()
            except Exception:  # whatever lies there, the next one is answered
                log.exception("inbox")

    def _answer_files(self) -> None:
        for path in self._files("*.ask"):
            try:
                with path.open("rb") as file:
                    text = file.read(MOST_BYTES + 1)
            finally:
                path.unlink()  # who takes it back finds it gone, and waits for the answer
            answer = self._answer(text)
            if "run" in answer:
                self._runs[path.stem] = answer["run"]
            put(path.with_suffix(".answer"), answer)
        for path in self._files("*.stop"):
            self._stop(path)

    def _files(self, pattern: str) -> list[Path]:
        """What somebody put there whole: no folder, no link, no pipe that would be waited for."""
        return [path for path in sorted(self._folder.glob(pattern)) if path.is_file() and not path.is_symlink()]

    def _stop(self, path: Path) -> None:
        """Obeys, and only then forgets: what cannot be written now is tried again, until the run has ended."""
        try:
            self._stop_job(self._runs.get(path.stem, path.stem))
        except (UnknownRun, Refused) as error:
            log.warning("%s: %s", path.name, error)
        except StoreError as error:
            log.warning("%s, to be tried again: %s", path.name, error)
            return
        path.with_suffix(".answer").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _stop_job(self, job: str) -> None:
        try:
            self._launcher.stop_study(job, self._visitor)
        except UnknownRun:
            self._launcher.stop(job, self._visitor)

    def _answer(self, text: bytes) -> dict[str, Any]:
        if len(text) > MOST_BYTES:
            return {"refused": f"A run's settings take at most {MOST_BYTES:,} bytes."}
        try:
            if not isinstance(values := json.loads(text), dict):
                return {"refused": "A run's settings are a JSON object."}
            if "study" in values:
                return {"run": self._of_study(values)}
            settings, reads = TrainSettings.parse(values), self._launcher.reads_pictures()
            return {"run": self._launcher.submit(settings, self._visitor), "reads_pictures": reads}
        except InvalidSettings as error:
            return {"problems": error.problems}
        except (LauncherUnavailable, StoreError, datasets.DatasetError, ValueError, RecursionError) as error:
            return {"refused": str(error)}

    def _of_study(self, values: Mapping[str, Any]) -> str:
        """Begins a study, or goes on with one; returns its id."""
        asked = values["study"]
        if isinstance(asked, str):
            if "more" in values:
                self._launcher.more_pairs(asked, values["more"], self._visitor)
            else:
                self._launcher.go_on_study(asked, self._visitor)
            return asked
        found = Study.of_store(asked)
        dataset = datasets.find(found.base.dataset, self._launcher.store.data_dir)
        margins = found.margin_accuracy, found.margin_time
        study = Study.of(found.base, dataset, found.seeds, dict(found.vary), *margins)
        budget = values.get("budget_s")
        if budget is not None and (why := BUDGET_S.why_not(budget)):
            raise InvalidSettings({"budget": why})
        budget_s = None if budget is None else float(BUDGET_S.read(budget))
        return self._launcher.study(study, str(values.get("stop")), budget_s, self._visitor)


def is_answered(data_dir: Path) -> bool:
    """Whether who holds a folder takes runs of others: a dashboard does."""
    who = who_holds(data_dir)
    return (who is None or who.owner == Owner.DASHBOARD) and (data_dir / FOLDER).is_dir()


class Guest:
    """The command line's side: like a `Launcher`, for one run or study that another process executes."""

    def __init__(self, data_dir: Path, say: Callable[[str], None]) -> None:
        """`say` gets a sentence before the first row."""
        self.store, self._say = Store(data_dir), say
        self.store_failure = ""
        self._folder = self.store.data_dir / FOLDER
        self._run = ""
        self._reads = False

    def submit(self, settings: TrainSettings) -> str:
        """Has a run queued; returns its id. Raises `InvalidSettings`, `SubmissionRefused`."""
        self._run = self._ask(settings.as_json())
        return self._run

    def study(self, study: Study, stop: str, budget_s: float | None) -> str:
        """Has a study begun; returns its id. Raises as `submit`; so do the two below."""
        return self._ask({"study": study.as_json(), "stop": stop, "budget_s": budget_s})

    def go_on_study(self, study: str) -> None:
        """Has a study gone on with."""
        self._ask({"study": study})

    def more_pairs(self, study: str, seeds: object) -> None:
        """Has so many seeds more run in every cell of a study."""
        self._ask({"study": study, "more": seeds})

    def _ask(self, values: Mapping[str, Any]) -> str:
        ask = self._folder / f"{new_id()}.ask"
        try:
            put(ask, values)
            answer = self._await(ask)
        except KeyboardInterrupt:
            if not _take_back(ask):
                self.stop(ask.stem)
            raise
        except OSError as error:
            raise SubmissionRefused(f"The dashboard cannot be asked ({error.strerror or error}).") from None
        if problems := answer.get("problems"):
            raise InvalidSettings(problems)
        if refused := answer.get("refused"):
            raise SubmissionRefused(refused)
        self._reads = answer.get("reads_pictures") is True
        return str(answer["run"])

    def _words(self) -> str:
        who = who_holds(self.store.data_dir)
        owner = f"The dashboard (process {who.pid}, since {who.since})" if who else "The dashboard"
        runs, measurements = self.store.open_runs(), Measurements(self.store.data_dir).open_ones()
        before = sum(run.id < self._run for run in runs) + sum(one.id < self._run for one in measurements)
        wait = f", behind {before} other{'s' * (before != 1)}" if before else ""
        reads = " Pictures are read now: it begins after that." if self._reads else ""
        return f"{owner} holds the data folder: this run is queued there{wait}.{reads} Ctrl-C stops it."

    def _await(self, ask: Path) -> dict[str, Any]:
        """The answer, however late, to what was taken; what was not is taken back. Raises `SubmissionRefused`."""
        answer, until = ask.with_suffix(".answer"), time.monotonic() + ANSWER_S
        taken = False
        while not answer.exists():
            if not self._folder.is_dir():
                raise SubmissionRefused("The dashboard was closed.")
            if time.monotonic() > until:
                if taken:
                    self.stop(ask.stem)  # should it answer yet, nobody follows the run
                if taken or _take_back(ask):
                    raise SubmissionRefused("The dashboard does not answer: restart it.")
                taken, until = True, time.monotonic() + TAKEN_S
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

    def stop_study(self, study: str) -> None:
        """Asks for the study's stop."""
        self.stop(study)

    def stop(self, run_id: str) -> None:
        """Asks for the stop of a run or of a study."""
        with contextlib.suppress(OSError):
            (self._folder / f"{run_id}.stop").touch()

    def close(self) -> None:
        """The holder stays."""


def _take_back(ask: Path) -> bool:
    try:
        ask.unlink()
    except FileNotFoundError:
        return False
    return True
