"""Spares with a worker that is none: what other threads take meanwhile, and what cannot be started."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.experiment.engine_names import SPARE_ENGINES
from core.launcher import spares as spares_module
from core.launcher.spares import TRIES, Spares


class StandIn:
    """A worker without a process."""

    def __init__(self, program: str, engine: str, *, log: Path) -> None:
        self.engine, self.log, self.closed = engine, log, False
        self.ready: object = object()
        self.why_hung = ""

    @property
    def alive(self) -> bool:
        return not self.closed

    def hung(self, waits_for_it: bool) -> str:
        return self.why_hung if waits_for_it else ""

    def give_up(self, why: str) -> None:
        self.closed = True

    def move_log(self, path: Path) -> None:
        self.log = path

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def spares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spares:
    monkeypatch.setattr(spares_module, "ChildProcess", StandIn)
    monkeypatch.setattr(spares_module.datasets, "prepare", lambda *_, **__: None)
    monkeypatch.setattr(spares_module.psutil, "virtual_memory", lambda: SimpleNamespace(available=2**40))
    return Spares(tmp_path)


def test_a_spare_may_be_taken_while_others_are_looked_at(spares: Spares, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in SPARE_ENGINES:
        spares.keep(lambda: False)
    assert spares.warm()
    taken: list[Any] = []

    def alive(self: StandIn) -> bool:
        # As a predictor's thread would, in the middle of the look.
        if not taken:
            taken.append(None)
            taken[:] = [spares.worker(SPARE_ENGINES[-1], spares._data_dir)]
        return not self.closed

    monkeypatch.setattr(StandIn, "alive", property(alive))
    spares.keep(lambda: False)
    spares.keep(lambda: False)
    assert taken[0].engine == SPARE_ENGINES[-1]
    assert spares.warm(), "the taken one was replaced"
    assert not taken[0].closed


def test_a_spare_that_cannot_be_started_is_said_and_not_tried_for_ever(
    spares: Spares, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    def none(program: str, engine: str, *, log: Path) -> None:
        tries.append(engine)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(spares_module, "ChildProcess", none)
    with caplog.at_level(logging.WARNING):
        for _ in range(4 * TRIES):
            spares.keep(lambda: False)
    assert sorted(tries) == sorted(TRIES * list(SPARE_ENGINES))
    assert f"No spare of {SPARE_ENGINES[0]} could be started: Too many open files." in caplog.messages


def test_a_spare_that_hangs_while_importing_is_ended_and_said_and_blocks_no_other(
    spares: Spares, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = SPARE_ENGINES
    started: list[StandIn] = []

    def start(program: str, engine: str, *, log: Path) -> StandIn:
        started.append(StandIn(program, engine, log=log))
        if engine == first:
            started[-1].ready, started[-1].why_hung = None, "its process was suspended for 13 s"
        return started[-1]

    monkeypatch.setattr(spares_module, "ChildProcess", start)
    with caplog.at_level(logging.WARNING):
        for _ in range(4 * TRIES):
            spares.keep(lambda: False)
    assert spares.warm(second)
    assert [spare.closed for spare in started if spare.engine == first] == TRIES * [True]
    assert f"The spare of {first} was ended: its process was suspended for 13 s." in caplog.messages


def test_none_is_kept_once_they_are_closed(spares: Spares, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[StandIn] = []

    def close_meanwhile(program: str, engine: str, *, log: Path) -> StandIn:
        spares.close()
        started.append(StandIn(program, engine, log=log))
        return started[-1]

    monkeypatch.setattr(spares_module, "ChildProcess", close_meanwhile)
    spares.keep(lambda: False)
    assert started[0].closed
    assert not spares.warm()


def test_an_engine_is_warm_where_its_own_spare_waits_and_one_without_a_spare_where_all_do(spares: Spares) -> None:
    first, second = SPARE_ENGINES
    spares.keep(lambda: False)
    assert (spares.warm(first), spares.warm(second), spares.warm("keras-tuned")) == (True, False, False)
    spares.keep(lambda: False)
    assert (spares.warm(first), spares.warm(second), spares.warm("keras-tuned")) == (True, True, True)
