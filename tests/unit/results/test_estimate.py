"""How long a run will take, scaled from runs of other lengths: start-up once, each lane by its own epochs."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from core.experiment.metrics import NO_BREAK
from core.experiment.settings import TrainSettings
from core.results.estimate import estimate
from core.storage.database import State
from core.storage.rows import Entry, RunChanged
from core.storage.runs import Store
from tests.events import epoch

START_S = 10.0
FIRST_S = 3.0
"""What a lane's first epoch takes longer than the others."""
Finished = Callable[..., str]


def epochs(engine: str, train_s: float, done: int) -> list[Entry]:
    first = {"train_s": train_s + FIRST_S, "first_step_s": FIRST_S}
    made = [{"train_s": train_s} | (first if number == 1 else {}) for number in range(1, done + 1)]
    return [Entry(engine, epoch(n, **{"val_s": 0.5, **figures})) for n, figures in enumerate(made, 1)]


def wanted(**settings: object) -> TrainSettings:
    return TrainSettings.parse(settings)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "data", recorded=tmp_path / "recorded")
    store.open_for_writing()
    return store


@pytest.fixture
def finished(store: Store) -> Finished:
    """A run that took ten seconds to start, then 2 s an epoch in Keras and 1 s in PyTorch, and 0.5 s to validate."""

    def make(done: int = 8, **settings: object) -> str:
        asked = wanted(**{"epochs": done, **settings})
        run_id = store.create(asked, {})
        lanes = [epochs("keras", 2.0, done), epochs("torch", 1.0, done)]
        store.append(run_id, [Entry("", RunChanged(State.RUNNING)), *lanes[0], *lanes[1]])
        store.append(run_id, [Entry("", RunChanged(State.FINISHED))])
        took = [FIRST_S + done * (train_s + 0.5) for train_s in (2.0, 1.0)]
        elapsed = START_S + (sum(took) if asked.schedule == "turns" else max(took))
        with sqlite3.connect(store.path) as connection:
            connection.execute(
                "UPDATE runs SET started_at = '2026-11-04T08:00:00.000+00:00', "
                "ended_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', '2026-11-04T08:00:00', ?) WHERE id = ?",
                (f"+{elapsed:.3f} seconds", run_id),
            )
        return run_id

    return make


@pytest.mark.parametrize("measured", [1, 2, 8, 40])
@pytest.mark.parametrize("asked", [1, 3, 8, 100])
def test_a_run_of_any_length_says_how_long_any_other_takes(
    store: Store, finished: Finished, measured: int, asked: int
) -> None:
    finished(measured)
    found = estimate(store, wanted(epochs=asked))
    assert found is not None
    assert found.seconds == pytest.approx(START_S + 2 * FIRST_S + asked * (2.5 + 1.5), abs=0.01)
    assert (found.epochs, found.measured) == (measured, measured == asked)


def test_lanes_that_train_together_take_as_long_as_the_slower(store: Store, finished: Finished) -> None:
    finished(4, schedule="together")
    found = estimate(store, wanted(epochs=10, schedule="together"))
    assert found is not None
    assert found.seconds == pytest.approx(START_S + FIRST_S + 10 * 2.5, abs=0.01)
    fewer = estimate(store, wanted(epochs=2, schedule="together"))
    assert fewer is not None
    assert fewer.seconds == pytest.approx(START_S + FIRST_S + 2 * 2.5, abs=0.01)


def test_a_run_that_stopped_early_counts_by_the_epochs_that_it_did(store: Store, finished: Finished) -> None:
    finished(3, epochs=50, patience=1)
    found = estimate(store, wanted(epochs=50))
    assert found is not None
    assert found.seconds == pytest.approx(START_S + 2 * FIRST_S + 50 * 4, abs=0.01)
    assert not found.measured


@pytest.mark.parametrize(
    "other",
    [{"batch_size": 64}, {"dataset": "mnist"}, {"engines": "keras"}, {"alignment": "same-start"}, {"device": "cpu"}],
    ids=str,
)
def test_a_run_whose_epochs_cost_something_else_says_nothing(
    store: Store, finished: Finished, other: dict[str, str]
) -> None:
    finished(8, dropout=0.1, seed=7, learning_rate=0.01)
    assert estimate(store, wanted(**other)) is None
    assert estimate(store, wanted()) is not None, "dropout, seed and learning rate cost nothing"


def test_the_sentence_says_what_it_goes_by(store: Store, finished: Finished) -> None:
    finished(1)
    said = [estimate(store, wanted(epochs=epochs)) for epochs in (1, 5, 100)]
    assert [found.words.replace(NO_BREAK, " ") for found in said if found] == [
        "The last such run took 20 s here.",
        "About 36 s here, going by the last such run of 1 epoch.",
        "About 7 min here, going by the last such run of 1 epoch.",
    ]


def test_a_run_without_an_epoch_says_nothing(store: Store, finished: Finished) -> None:
    finished(0, epochs=1)
    assert estimate(store, wanted(epochs=1)) is None
