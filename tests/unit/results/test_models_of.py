"""Which lanes of a run read drawings: one of each framework, as shipped where there is one."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from core.experiment.epoch_weights import epochs_file
from core.experiment.settings import TrainSettings
from core.results.models import Epochs, can_predict, has_weights, models_of
from core.results.outcome import LaneOutcome, Outcome
from core.storage.database import LaneState
from core.storage.records import Lane, Run
from core.storage.runs import Store
from core.web.draw.view import left_out
from tests.events import epoch, result


def finished(*engines: str) -> Outcome:
    settings = TrainSettings.parse({"engines": ",".join(engines)})
    run = Run(
        id="20261104-081500-1a2b3c4d",
        created_at="2026-11-04T08:15:00.000+00:00",
        started_at=None,
        ended_at=None,
        state="finished",
        reason="",
        settings=settings,
        machine={},
        lanes=tuple(Lane(engine, LaneState.FINISHED) for engine in engines),
    )
    return Outcome(
        run, [LaneOutcome(engine, LaneState.FINISHED, result=result(weights_file="w")) for engine in engines]
    )


@pytest.mark.parametrize(
    ("engines", "reading", "sentence"),
    [
        (("keras", "torch"), ["keras", "torch"], ""),
        (("keras-tuned", "torch-tuned"), ["keras-tuned", "torch-tuned"], ""),
        (
            ("keras-tuned", "keras", "torch"),
            ["keras", "torch"],
            "One model of each framework reads here: Keras tuned is left out.",
        ),
        (
            ("torch-compile", "torch-tuned", "keras-eager", "keras-on-torch"),
            ["torch-compile", "keras-eager"],
            "One model of each framework reads here: PyTorch tuned and Keras on PyTorch are left out.",
        ),
    ],
)
def test_one_lane_of_each_framework_reads(
    engines: tuple[str, ...], reading: list[str], sentence: str, tmp_path: Path
) -> None:
    outcome, store = finished(*engines), Store(tmp_path)
    assert models_of(outcome, store) == [], "weights that did not come along are offered to nobody"
    store.artifacts(outcome.run.id).mkdir(parents=True)
    (store.artifacts(outcome.run.id) / "w").touch()
    assert [model.engine for model in models_of(outcome, store)] == reading
    assert left_out(outcome, reading) == sentence


def test_a_model_has_epochs_where_its_result_names_them_and_their_file_is_there(tmp_path: Path) -> None:
    outcome, store = finished("keras", "torch"), Store(tmp_path)
    folder = store.artifacts(outcome.run.id)
    for lane in outcome.lanes:
        lane.epochs = [epoch(1), epoch(2)]
        lane.result = result(weights_file=lane.engine, epochs_sha256="5")
        epochs_file(folder / lane.engine).parent.mkdir(parents=True, exist_ok=True)
        (folder / lane.engine).touch()
    epochs_file(folder / "keras").touch()
    keras, torch = models_of(outcome, store)
    assert keras.epochs == Epochs(epochs_file(folder / "keras"), "5", last=2)
    assert torch.epochs is None, "an imported run comes without them"
    outcome.lanes[0].result = result(weights_file="keras")
    assert models_of(outcome, store)[0].epochs is None, "a file that no result names may be anything"


def test_an_engine_that_is_not_installed_reads_nothing_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome, store = finished("keras-on-jax", "torch"), Store(tmp_path)
    folder = store.artifacts(outcome.run.id)
    folder.mkdir(parents=True)
    (folder / "w").touch()
    assert [model.engine for model in models_of(outcome, store)] == ["torch"]
    assert left_out(outcome, ["torch"]) == "Keras on JAX is not installed here and reads nothing."
    (folder / "w").rename(folder / "keras-on-jax.safetensors")
    alone = replace(outcome.run, lanes=(Lane("keras-on-jax", LaneState.FINISHED, test_accuracy=0.9),))
    assert has_weights(alone, store)
    assert not can_predict(alone, store)
