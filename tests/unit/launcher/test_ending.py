"""How a run ended, in words: which epochs are there, of which lane."""

from dataclasses import replace

import pytest

from core.experiment.settings import TrainSettings
from core.launcher.ending import cut_off, how_ended, kept_epochs, reason_of, with_reason
from core.launcher.lanes import Failed, Finished, Interrupted, LaneEnd, RunFailed, RunLane, Stopped
from core.protocol.messages import Epoch
from core.storage.database import LaneState, State
from core.storage.records import Lane, Run
from core.storage.rows import LaneChanged, Row, RowEvent, RunChanged
from tests.events import epoch

SETTINGS = TrainSettings()


def ended(engine: str, end: LaneEnd, epochs: int = 0) -> RunLane:
    """A lane whose network was built, and that has trained so many epochs."""
    told = [Epoch(number, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0, 100.0) for number in range(1, epochs + 1)]
    return RunLane(engine, state=end.state, built=True, epochs=told, end=end)


@pytest.mark.parametrize(
    ("epochs", "sentence"),
    [
        ({"Keras": 0, "PyTorch": 0}, "No epoch was complete."),
        ({"Keras": 1, "PyTorch": 0}, "Epoch 1 of Keras is kept."),
        ({"Keras": 1, "PyTorch": 1}, "Epoch 1 is kept."),
        ({"Keras": 1, "PyTorch": 2}, "Epochs 1 of Keras and 1 and 2 of PyTorch are kept."),
        ({"Keras": 8, "PyTorch": 7}, "Epochs 1 to 8 of Keras and 1 to 7 of PyTorch are kept."),
        ({"Keras": 2, "PyTorch": 2}, "Epochs 1 and 2 are kept."),
        ({"PyTorch": 3}, "Epochs 1 to 3 are kept."),
        ({"a": 1, "b": 1, "c": 0}, "Epoch 1 of a and 1 of b are kept."),
    ],
)
def test_every_epoch_that_is_there_is_said(epochs: dict[str, int], sentence: str) -> None:
    assert kept_epochs(epochs) == sentence


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (Interrupted(), "The dashboard was closed while this ran. Epoch 1 of Keras is kept."),
        (Stopped(), "You stopped this run in epoch 1. Epoch 1 of Keras is kept."),
        (Stopped(180.0), "A run has 3 min 0 s here, so this one was stopped in epoch 1. Epoch 1 of Keras is kept."),
    ],
)
def test_an_epoch_of_one_lane_is_not_denied_because_the_other_had_none(end: LaneEnd, reason: str) -> None:
    lanes = [ended("keras", end, epochs=1), ended("torch", end)]
    state, words = how_ended(lanes, SETTINGS, "the dashboard")
    assert (state, words.replace("\u00a0", " ")) == (end.state, reason)


def test_a_failed_lane_says_its_own_epochs_alone() -> None:
    lanes = [
        ended("keras", Stopped(), epochs=3),
        ended("torch", Failed("it broke", LaneState.TRAINING, epoch=2), epochs=1),
    ]
    assert how_ended(lanes, SETTINGS, "the dashboard")[1] == (
        "You stopped this run in epoch 4. Epochs 1 to 3 of Keras are kept. "
        "PyTorch failed in epoch 2: it broke. Epoch 1 is kept."
    )


def test_epochs_of_the_others_are_not_said_of_a_lane_that_failed_before_its_first() -> None:
    lanes = [
        ended("keras", Failed("it was suspended", LaneState.TRAINING, epoch=1)),
        ended("torch", Stopped(), epochs=1),
    ]
    assert how_ended(lanes, SETTINGS, "the dashboard")[1] == (
        "You stopped this run in epoch 2. Epoch 1 of PyTorch is kept. "
        "Keras failed in epoch 1: it was suspended. No epoch was complete."
    )


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Finished(), ""),
        (Stopped(180.0), ""),
        (
            Failed("its process ended by itself with code 1", LaneState.STARTING, epoch=1),
            "while importing: its process ended by itself with code 1.",
        ),
        (Failed("it made no step for 120 s", LaneState.TESTING, epoch=9), "in the test: it made no step for 120 s."),
        (
            Failed("the loss is not finite", LaneState.TRAINING, 3, 5, "the learning rate", True),
            "in epoch 3, step 5: the loss is not finite. Likely cause: the learning rate.",
        ),
        (Failed("its process sent a riddle"), "its process sent a riddle."),
        (RunFailed("The disk is full."), "The disk is full."),
    ],
)
def test_a_lane_says_where_and_why_it_failed_and_its_run_says_the_rest(end: LaneEnd, words: str) -> None:
    assert reason_of(end) == words


def test_an_epoch_says_why_none_follows_where_that_was_not_the_plan() -> None:
    settings = TrainSettings(epochs=8, patience=2)
    told = [with_reason(replace(epoch(n), last=last), settings) for n, last in ((3, False), (4, True), (8, True))]
    assert [one.reason for one in told] == ["", "no better validation loss in 2 epochs", ""]


def test_whoever_else_could_finish_is_said_to_have_gone_on() -> None:
    lanes = [
        ended("keras", Finished(), epochs=8),
        ended("torch", Failed("it broke", LaneState.TESTING, epoch=9), epochs=8),
    ]
    assert how_ended(lanes, SETTINGS, "the dashboard") == (
        "failed",
        "PyTorch failed in the test: it broke. Epochs 1 to 8 are kept. Keras went on and finished.",
    )


def cut(*lanes: Lane, epochs: tuple[str, ...]) -> list[tuple[str, RowEvent]]:
    """What is added to a run with these lanes whose rows hold an epoch of each of `epochs`."""
    run = Run("20260101-000000-00000000", "", "", None, State.RUNNING, "", SETTINGS, {}, lanes=lanes)
    rows = [Row(seq, engine, epoch()) for seq, engine in enumerate(epochs, start=1)]
    return [(entry.engine, entry.event) for entry in cut_off(run, rows, "the command line")]


def test_a_run_left_open_counts_every_lane() -> None:
    reason = "The command line was closed while this ran. Epoch 1 of Keras is kept."
    assert cut(Lane("keras", LaneState.WAITING), Lane("torch", LaneState.TRAINING), epochs=("keras",)) == [
        ("keras", LaneChanged(LaneState.INTERRUPTED)),
        ("torch", LaneChanged(LaneState.INTERRUPTED)),
        ("", RunChanged(State.INTERRUPTED, reason)),
    ]


def test_a_run_left_open_between_its_lanes_end_and_its_own_keeps_all() -> None:
    reason = "The command line was closed while this ran. Epochs 1 and 2 are kept."
    lane = Lane("keras", LaneState.FINISHED)
    assert cut(lane, epochs=("keras", "keras")) == [("", RunChanged(State.INTERRUPTED, reason))]


def test_a_run_left_open_says_whether_its_machine_was_busy() -> None:
    lanes = (Lane("keras", LaneState.TRAINING), Lane("torch", LaneState.WAITING))
    run = Run("20260101-000000-00000000", "", "", None, State.RUNNING, "", SETTINGS, {}, lanes=lanes)
    for others, busy in ((0.9, True), (0.0, False)):
        trained = replace(epoch(), others_share=others, stolen_share=0.0, idle_share=0.0)
        assert cut_off(run, [Row(1, "keras", trained)], "the dashboard")[-1].event.busy == busy
