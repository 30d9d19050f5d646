"""The replay's words and lines: since when a model reads what it reads, and what is said of epochs left out."""

from collections.abc import Mapping

import numpy as np

from core.launcher.answers import Replay
from core.web.draw.replay import epochs_of, gaps, replay_view, shares_of

DIGITS = tuple("0123456789")


def replay(engine: str, reads: Mapping[int, int], classes: int = 10, share: float = 0.64) -> Replay:
    """A model that reads these classes after these epochs, each with this probability."""
    probabilities = np.full((len(reads), 1, classes), (1 - share) / (classes - 1))
    for place, read in enumerate(reads.values()):
        probabilities[place, 0, read] = share
    return Replay(engine, tuple(reads), probabilities)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_each_epoch_has_a_sentence_and_the_growth_has_one_a_model() -> None:
    view = replay_view([replay("keras", {0: 1, 1: 3, 2: 3}), replay("torch", {0: 5, 1: 5, 2: 3})], DIGITS)
    assert [plain(words) for words in view.words] == [
        "Before the first epoch Keras reads a 1 (64.0 %) and PyTorch a 5 (64.0 %).",
        "After epoch 1 Keras reads a 3 (64.0 %) and PyTorch a 5 (64.0 %).",
        "After epoch 2 Keras reads a 3 (64.0 %) and PyTorch a 3 (64.0 %).",
    ]
    keras = "Keras reads a 3 from epoch 1 on, before that a 1."
    assert view.finding == f"{keras} PyTorch reads a 3 after the last epoch alone, before that a 5."
    assert [lane.name for lane in view.lanes] == ["Keras", "PyTorch"]
    assert [(line.lane, line.row, line.final) for line in view.lines] == [
        (0, 3, True),
        (0, 1, False),
        (1, 3, True),
        (1, 5, False),
    ]
    assert (np.argmax(view.lanes[1].probabilities, axis=1) == [5, 5, 3]).all()


def test_a_model_that_never_read_anything_else_says_so() -> None:
    view = replay_view([replay("torch", {0: 8, 1: 8})], DIGITS)
    assert view.finding == "PyTorch reads an 8 from the start."
    assert len(view.lines) == 1


def test_many_earlier_readings_are_not_listed_and_have_two_lines_at_most() -> None:
    view = replay_view([replay("keras", {0: 1, 1: 2, 2: 4, 3: 7, 4: 7})], DIGITS)
    assert view.finding == "Keras reads a 7 from epoch 3 on, before that other classes."
    assert [(line.row, line.final) for line in view.lines] == [(7, True), (1, False), (2, False)]


def test_a_lane_that_had_ended_or_was_not_kept_answers_as_it_last_did() -> None:
    found = [replay("keras", {0: 1, 2: 2}), replay("torch", {0: 3, 1: 4, 2: 5, 3: 6})]
    assert epochs_of(found) == [0, 1, 2, 3]
    assert shares_of(found).argmax(2).tolist() == [[1, 1, 2, 2], [3, 4, 5, 6]]


def test_epochs_that_are_left_out_are_named() -> None:
    assert gaps([0, 1, 2]) == ""
    assert gaps([0, 2, 4]) == "Of this run the start and epochs 2 and 4 are kept."


def test_of_many_classes_only_the_likeliest_have_a_bar_and_the_final_one_always() -> None:
    reads = dict(enumerate(range(30, 45)))
    view = replay_view(
        [replay("keras", reads, classes=100), replay("torch", {0: 3, 14: 3}, 100, 0.02)], [*map(str, range(100))]
    )
    assert len(view.labels) <= 12
    assert {"44", "3"} <= set(view.labels)
    assert all(len(after) == len(view.labels) for after in view.lanes[0].probabilities)


def test_a_probability_that_is_no_number_has_no_bar() -> None:
    found = replay("keras", {0: 1, 1: 2})
    found.probabilities[0, 0, 4] = np.nan
    (lane,) = replay_view([found], DIGITS).to_data()["lanes"]
    assert lane["probabilities"][0][4] == 0
