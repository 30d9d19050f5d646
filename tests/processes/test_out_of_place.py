"""A message that has no place where it is heard ends whatever it was said to or by, and is said in words."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.compare.probes.base import Part, PartFailed
from core.data.shape import MNIST_SHAPE
from core.experiment.order import Order
from core.experiment.settings import TrainSettings
from core.launcher import measuring, spares
from core.launcher.predictors import PredictorError, Predictors
from core.protocol import messages
from core.protocol.messages import Command, Event
from core.protocol.process import WORKER, ChildProcess
from core.results.models import Model
from tests.processes.conftest import OpenLauncher, settings, wait_for

MISPLACED = "tests.processes.misplaced"
WORDS = "its process sent 'done', which has no place here"


def test_a_lane_that_says_what_no_lane_says_fails(open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "WORKER", MISPLACED)
    launcher = open_launcher()
    run = launcher.submit(settings("fake"))
    wait_for("it has ended", lambda: not launcher.store.run(run).live)
    ended = launcher.store.run(run)
    assert ended.state == "failed"
    assert f"failed while importing: {WORDS}." in ended.reason


def test_a_probe_that_says_what_no_probe_says_fails(
    open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "PROGRAM", MISPLACED)
    launcher = open_launcher()
    measurement = launcher.measure(Order("claim-0", "fake", {}, 30.0))
    wait_for("it has ended", lambda: not launcher.measurements.get(measurement).live)
    ended = launcher.measurements.get(measurement)
    assert (ended.state, ended.reason) == ("failed", f"It failed: {WORDS}.")


def test_a_predictor_that_says_what_no_predictor_says_is_ended(tmp_path: Path) -> None:
    started: list[ChildProcess] = []

    def start(engine: str) -> ChildProcess:
        started.append(ChildProcess(MISPLACED, engine, log=tmp_path / "log"))
        return started[-1]

    model = Model("keras", "a run keras", TrainSettings(), Path("weights"), "sum", MNIST_SHAPE)
    with pytest.raises(PredictorError, match=rf"^Keras cannot answer: {WORDS}\.$"):
        Predictors(start).ask([model], np.zeros((1, 28, 28), np.uint8))
    assert len(started) == 2
    assert not any(child.alive for child in started)


def test_a_part_that_says_what_no_part_says_fails() -> None:
    with Part("core.compare.probes.fake", "Fake") as part:
        part._process._tell(messages.Done())
        with pytest.raises(PartFailed, match=rf"^Fake: {WORDS}$"):
            part.call("double", number=1, behaviour="well")
        wait_for("it is ended", lambda: not part._process.alive)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[ChildProcess]]:
    started: list[ChildProcess] = []
    yield started
    for child in started:
        child.close()


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ((WORKER, "fake"), messages.Measure({}, "")),
        (("core.compare.probes", "fake"), messages.Go(1)),
        (("core.compare.probes.part", "core.compare.probes.fake"), messages.Measure({}, "")),
        (("core.data.prepare", "mnist5k", "--data-dir"), messages.Stop()),
    ],
    ids=["worker", "probe", "part", "preparation"],
)
def test_a_child_that_is_told_what_is_not_for_it_ends_and_says_why(
    tmp_path: Path, started: list[ChildProcess], program: tuple[str, ...], command: Command
) -> None:
    folder = [str(tmp_path)] if program[-1] == "--data-dir" else []
    child = ChildProcess(*program, *folder, log=tmp_path / "log")
    started.append(child)
    heard: list[Event | None] = []
    child.assign(lambda _, event: heard.append(event))
    child.send(command)
    wait_for("its end is told", lambda: None in heard)
    why = f"ProtocolError: '{command.kind}' has no place here"
    assert why in (tmp_path / "log").read_text()
    if program[0] == WORKER:  # it is asked for its lane, and answers for it
        assert heard[-2] == messages.Failed(why)
