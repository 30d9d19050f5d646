"""A run's trained models: which of its lanes can predict, and with whose weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.shape import DataShape
from core.experiment.engine_names import missing_module
from core.experiment.epoch_weights import epochs_file
from core.experiment.names import framework, is_variant
from core.experiment.settings import TrainSettings
from core.results.outcome import LaneOutcome, Outcome
from core.storage.records import Run
from core.storage.runs import Store


@dataclass(frozen=True)
class Epochs:
    """Where the weights lie that a model had after its epochs before the last."""

    weights_file: Path
    sha256: str
    last: int
    """After which it has its own weights."""


@dataclass(frozen=True)
class Model:
    """What predicts: an engine, and the file of the weights that it is given."""

    engine: str
    slot: str
    settings: TrainSettings
    weights_file: Path
    sha256: str
    data: DataShape
    """Of what it was trained on."""
    epochs: Epochs | None = None
    """None where none are kept, and for a model with another's weights."""


def has_weights(run: Run, store: Store) -> bool:
    """Whether a run has weights: an imported one may have come without."""
    return bool(_tested(run)) and any(store.artifacts(run.id).glob("*.safetensors"))


def can_predict(run: Run, store: Store) -> bool:
    """Whether a run has weights, and an engine for them that is installed here."""
    return bool(predicting_engines(_tested(run))) and has_weights(run, store)


def _tested(run: Run) -> list[str]:
    return [lane.engine for lane in run.lanes if lane.test_accuracy is not None]


def predicting_engines(engines: Sequence[str]) -> list[str]:
    """Which of a run's finished engines predict: one of each framework, as shipped where there is one, else the first.

    One that is not installed here is left out.
    """
    chosen: dict[str, str] = {}
    for engine in sorted((engine for engine in engines if not missing_module(engine)), key=is_variant):
        chosen.setdefault(framework(engine), engine)
    return [engine for engine in engines if engine in chosen.values()]


def models_of(outcome: Outcome, store: Store) -> list[Model]:
    """The models of the finished lanes that predict; a lane that came without weights has none."""
    folder = store.artifacts(outcome.run.id)
    lanes = [lane for lane in outcome.lanes if lane.result and (folder / lane.result.weights_file).is_file()]
    done = {lane.engine: lane for lane in lanes}
    return [
        Model(
            engine=lane.engine,
            slot=f"{outcome.run.id} {lane.engine}",
            settings=outcome.run.settings,
            weights_file=folder / lane.tested.weights_file,
            sha256=lane.tested.weights_sha256,
            data=outcome.run.dataset.shape,
            epochs=_epochs_of(lane, folder),
        )
        for lane in map(done.__getitem__, predicting_engines(list(done)))
    ]


def _epochs_of(lane: LaneOutcome, folder: Path) -> Epochs | None:
    """Those of a lane whose file is there: an imported run came without."""
    file = epochs_file(folder / lane.tested.weights_file)
    if not (lane.tested.epochs_sha256 and lane.epochs and file.is_file()):
        return None
    return Epochs(file, lane.tested.epochs_sha256, lane.epochs[-1].epoch)


def swapped(models: Sequence[Model]) -> list[Model]:
    """The same engines, each with the other's weights."""
    return [
        Model(model.engine, other.slot, other.settings, other.weights_file, other.sha256, other.data)
        for model, other in zip(models, reversed(models), strict=True)
    ]
