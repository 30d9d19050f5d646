"""How a run ended, in words: which epochs are there, of which lane."""

import pytest

from core.experiment.settings import TrainSettings
from core.launcher.ending import RunLane, cut_off, how_ended, kept
from core.storage.records import Lane, Run
from core.storage.rows import LaneChanged, Row, RowEvent, RunChanged
from tests.events import epoch

SETTINGS = TrainSettings()


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
    assert kept(epochs) == sentence


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("interrupted", "The dashboard was closed while this ran. Epoch 1 of Keras is kept."),
        ("stopped", "You stopped this run in epoch 1. Epoch 1 of Keras is kept."),
    ],
)
def test_an_epoch_of_one_lane_is_not_denied_because_the_other_had_none(state: str, reason: str) -> None:
    lanes = [RunLane("keras", state=state, built=True, epoch=1), RunLane("torch", state=state, built=True)]
    assert how_ended(lanes, SETTINGS, "the dashboard") == (state, reason)


def test_a_failed_lane_says_its_own_epochs_alone() -> None:
    lanes = [
        RunLane("keras", state="stopped", built=True, epoch=3),
        RunLane("torch", state="failed", epoch=1, where="in epoch 2", reason="in epoch 2: it broke."),
    ]
    assert how_ended(lanes, SETTINGS, "the dashboard")[1] == (
        "You stopped this run in epoch 4. Epochs 1 to 3 are kept. PyTorch failed in epoch 2: it broke. Epoch 1 is kept."
    )


def cut(*lanes: Lane, epochs: tuple[str, ...]) -> list[tuple[str, RowEvent]]:
    """What is added to a run with these lanes whose rows hold an epoch of each of `epochs`."""
    run = Run("20260101-000000-00000000", "", "", None, "running", "", {}, {}, lanes=lanes)
    rows = [Row(seq, engine, epoch()) for seq, engine in enumerate(epochs, start=1)]
    return [(entry.engine, entry.event) for entry in cut_off(run, rows, "the command line")]


def test_a_run_left_open_counts_every_lane() -> None:
    reason = "The command line was closed while this ran. Epoch 1 of Keras is kept."
    assert cut(Lane("keras", "waiting"), Lane("torch", "training"), epochs=("keras",)) == [
        ("keras", LaneChanged("interrupted")),
        ("torch", LaneChanged("interrupted")),
        ("", RunChanged("interrupted", reason)),
    ]


def test_a_run_left_open_between_its_lanes_end_and_its_own_keeps_all() -> None:
    reason = "The command line was closed while this ran. Epochs 1 and 2 are kept."
    lane = Lane("keras", "finished")
    assert cut(lane, epochs=("keras", "keras")) == [("", RunChanged("interrupted", reason))]
