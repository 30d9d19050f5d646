"""Runs asked for beside a dashboard: whoever waits for one gets it or nothing runs, and no file stops the others."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.experiment.settings import TrainSettings
from core.experiment.study import Study
from core.launcher import inbox
from core.launcher.inbox import FOLDER, Guest, Inbox, SubmissionRefused
from core.launcher.launcher import Refused
from core.storage.database import StoreError
from core.storage.records import UnknownRun

RUN = "20251104-081500-00000001"


class Desk:
    """Takes runs and stops as a Launcher does, as late as it is told to."""

    def __init__(self, folder: Path) -> None:
        self.store, self.limits = SimpleNamespace(data_dir=folder), SimpleNamespace(hosted=False)
        self.entered, self.may_answer = threading.Event(), threading.Event()
        self.asked: list[TrainSettings] = []
        self.stopped: list[str] = []
        self.failures: list[Exception] = []

        self.reads = False

    def reads_pictures(self) -> bool:
        return self.reads

    def submit(self, settings: TrainSettings, visitor: str) -> str:
        self.entered.set()
        self.may_answer.wait(10)
        self.asked.append(settings)
        return RUN

    def stop_study(self, wanted: str, visitor: str) -> None:
        raise UnknownRun("There is no such study.")

    def stop(self, wanted: str, visitor: str) -> None:
        if self.failures:
            raise self.failures.pop()
        self.stopped.append(wanted)


def soon(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / FOLDER


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(inbox, "POLL_S", 0.02)
    monkeypatch.setattr(inbox, "ANSWER_S", 1.0)
    stands = Desk(tmp_path)
    answering = Inbox(stands)  # type: ignore[arg-type]
    yield stands
    stands.may_answer.set()
    answering.close()


def is_empty(folder: Path) -> bool:
    return list(folder.iterdir()) == []


def test_an_answer_to_what_was_taken_may_be_late(desk: Desk, tmp_path: Path, folder: Path) -> None:
    threading.Timer(2.0, desk.may_answer.set).start()
    assert Guest(tmp_path, print).submit(TrainSettings()) == RUN
    assert is_empty(folder)


@pytest.mark.parametrize("reads", [True, False])
def test_who_waits_for_pictures_that_are_read_there_is_told(desk: Desk, tmp_path: Path, reads: bool) -> None:
    desk.reads, said = reads, []
    desk.may_answer.set()
    guest = Guest(tmp_path, said.append)
    guest.submit(TrainSettings())
    with pytest.raises(StoreError):
        next(guest.follow(RUN))  # this desk keeps no runs
    (sentence,) = said
    assert ("queued there. Pictures are read now: it begins after that. Ctrl-C" in sentence) is reads
    assert sentence.endswith(" Ctrl-C stops it.")


def test_a_run_that_nobody_waits_for_any_more_is_stopped(
    desk: Desk, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "TAKEN_S", 0.1)
    with pytest.raises(SubmissionRefused, match="does not answer: restart it"):
        Guest(tmp_path, print).submit(TrainSettings())
    assert desk.entered.is_set()
    desk.may_answer.set()
    soon(lambda: desk.stopped == [RUN])
    soon(lambda: is_empty(folder))


def test_ctrl_c_before_the_answer_stops_the_run(
    desk: Desk, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        desk.entered.wait(10)
        raise KeyboardInterrupt

    guest = Guest(tmp_path, print)
    monkeypatch.setattr(guest, "_await", pressed)
    with pytest.raises(KeyboardInterrupt):
        guest.submit(TrainSettings())
    desk.may_answer.set()
    soon(lambda: desk.stopped == [RUN])
    soon(lambda: is_empty(folder))


def test_a_stop_is_not_lost_to_a_full_disk(desk: Desk, tmp_path: Path, folder: Path) -> None:
    desk.failures = [StoreError("The disk is full.")] * 3
    Guest(tmp_path, print).stop(RUN)
    soon(lambda: is_empty(folder))
    assert desk.stopped == [RUN]


@pytest.mark.parametrize("error", [UnknownRun("No run has this id."), Refused("Only who started a run can stop it.")])
def test_a_stop_that_never_can_be_obeyed_is_not_tried_again(desk: Desk, folder: Path, error: Exception) -> None:
    desk.failures = [error]
    (folder / "0.stop").touch()
    (folder / "1.stop").touch()
    soon(lambda: is_empty(folder))
    assert desk.stopped == ["1"]


@pytest.mark.parametrize(
    ("seeds", "budget", "said"),
    [
        ("1e999", "null", "a study cannot be read"),
        ("2", "1e999", "Budget in seconds must be a number above 0"),
        ("2", f"1{'0' * 400}", "Budget in seconds must be a number above 0"),
    ],
)
def test_numbers_without_end_are_answered_in_words(
    desk: Desk, folder: Path, seeds: str, budget: str, said: str
) -> None:
    study = json.dumps(Study(TrainSettings(), 2).as_json()).replace('"seeds": 2', f'"seeds": {seeds}')
    (folder / "1.part").write_text(f'{{"study": {study}, "stop": "seeds", "budget_s": {budget}}}')
    (folder / "1.part").replace(folder / "1.ask")
    soon((folder / "1.answer").exists)
    assert said in (folder / "1.answer").read_text()


def test_whatever_lies_there_the_next_one_is_answered(
    desk: Desk, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "ANSWER_S", 15.0)
    desk.may_answer.set()
    settings = json.dumps(TrainSettings().as_json())
    (tmp_path / "elsewhere").write_text(settings)
    for name in ("00.ask", "00.stop"):
        (folder / name).mkdir()
    for name in ("01.ask", "01.stop"):
        (folder / name).symlink_to(tmp_path / "elsewhere")
    for name in ("02.ask", "02.stop"):
        os.mkfifo(folder / name)
    inbox.put(folder / "03.ask", TrainSettings().as_json() | {"note": "x" * 100_000})
    for name, content in (("04", b"\xff\xfe\x00"), ("05", b"[" * 60_000), ("06", b"7")):
        (folder / "part").write_bytes(content)
        (folder / "part").replace(folder / f"{name}.ask")
    assert Guest(tmp_path, print).submit(TrainSettings()) == RUN
    assert len(desk.asked) == 1
    answers = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.answer")}
    assert answers.pop("03") == {"refused": "A run's settings take at most 65,536 bytes."}
    assert [list(answers[name]) for name in ("04", "05", "06")] == [["refused"]] * 3
    assert set(answers) == {"04", "05", "06"}
