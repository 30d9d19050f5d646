"""What a worker that is kept open as a predictor is asked, and what it answers; part of `core.protocol.messages`."""

from dataclasses import dataclass
from typing import Any

from core.protocol.message import Message


@dataclass(frozen=True)
class Load(Message):
    """To a predictor: builds a model and gives it the weights of a file; answered by `Loaded`."""

    kind = "load"
    slot: str
    """Names the model: whose weights it holds."""
    settings: dict[str, Any]
    weights_file: str
    sha256: str
    data: list[int]
    """Height, width, channels and classes of what it was trained on."""


@dataclass(frozen=True)
class Predict(Message):
    """To a predictor: classifies images with a loaded model; answered by `Predicted`."""

    kind = "predict"
    slot: str
    images: str
    """Uint8 images [N, H, W, C], see `core.protocol.lines.packed`."""


@dataclass(frozen=True)
class Look(Message):
    """To a predictor: what a loaded model makes of one image, layer by layer; answered by `Looked`."""

    kind = "look"
    slot: str
    image: str
    """One uint8 image [1, H, W, C], see `core.protocol.lines.packed`."""


@dataclass(frozen=True)
class Replay(Message):
    """To a predictor: classifies images with a loaded model as it was after each epoch; answered by `Replayed`."""

    kind = "replay"
    slot: str
    weights_file: str
    """Of the epochs before the last, see `core.experiment.epoch_weights`."""
    sha256: str
    last_epoch: int
    """After which the model has its own weights."""
    images: str
    """As of `Predict`."""


@dataclass(frozen=True)
class Save(Message):
    """To a predictor: writes a loaded model in its framework's own file format; answered by `Saved`."""

    kind = "save"
    slot: str
    path: str


@dataclass(frozen=True)
class Loaded(Message):
    """The model of a `Load` answers from now on."""

    kind = "loaded"
    slots: list[str]
    """All models that the worker holds now: an older one may have made room."""


@dataclass(frozen=True)
class Predicted(Message):
    """A model's answer."""

    kind = "predicted"
    logits: list[list[float]]
    """[N, classes]."""
    compute_ms: float
    """The model's call alone."""


@dataclass(frozen=True)
class Looked(Message):
    """Inside a model: every layer's output for one image, and the gradient of its largest logit by the input."""

    kind = "looked"
    shapes: dict[str, list[int]]
    """Of the outputs, by the layers' names in the network's order: [H, W, C] or [features]; of a large network's
    layers only the first channels."""
    outputs: str
    """All of them, one after the other, see `core.protocol.lines.packed_floats`."""
    gradient: str
    """[H, W, C] of the image, likewise."""


@dataclass(frozen=True)
class Replayed(Message):
    """A model's answers after each epoch that is kept."""

    kind = "replayed"
    epochs: list[int]
    """0 for the start."""
    logits: list[list[list[float]]]
    """[epochs, N, classes]."""


@dataclass(frozen=True)
class Saved(Message):
    """The file of a `Save` is written."""

    kind = "saved"


@dataclass(frozen=True)
class Refused(Message):
    """A predictor's command could not be carried out; `reason` is the rest of a sentence. The worker goes on."""

    kind = "refused"
    reason: str
