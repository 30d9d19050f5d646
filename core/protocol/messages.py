"""What crosses the process border: commands to a worker, events from it, each one JSON line.

Commands go in on the worker's stdin, events come out on its stdout. Every message is a frozen dataclass
with a `kind`; `encode` and `decode` are the only JSON code. A number that JSON cannot hold (NaN, infinity)
never travels: the worker reports a loss that is not finite as a `Failed` event.
"""

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, TypeAdapter


class ProtocolError(ValueError):
    """A line that is not one of the messages below."""


@dataclass(frozen=True)
class Message:
    """What all messages share: a kind that names the class on the wire."""

    kind: ClassVar[str]
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


# --- commands, to the worker ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Train(Message):
    """Takes the lane's order: settings (as JSON fields), data folder, device and threads. Nothing is built yet."""

    kind = "train"
    run: str
    settings: dict[str, Any]
    data_dir: str
    """Where `core.data.datasets` finds the prepared arrays."""
    artifacts: str
    """Folder that receives weights and predictions."""
    device: str = "cpu"
    threads: int = 0
    """0 leaves the framework's own choice."""


@dataclass(frozen=True)
class Certify(Message):
    """Takes the lane's part of the fairness certificate; answered by `Certified`."""

    kind = "certify"


@dataclass(frozen=True)
class Build(Message):
    """Loads the data and builds the network; answered by `Built`."""

    kind = "build"


@dataclass(frozen=True)
class Go(Message):
    """Trains one epoch and evaluates on the validation images; answered by `Step`s and one `Epoch`."""

    kind = "go"
    epoch: int


@dataclass(frozen=True)
class Finish(Message):
    """Evaluates on the test images and keeps weights and predictions; answered by `Result`."""

    kind = "finish"


@dataclass(frozen=True)
class Stop(Message):
    """Ends the lane at the next step; answered by `Stopped`."""

    kind = "stop"


@dataclass(frozen=True)
class Load(Message):
    """To a predictor: builds a model and gives it the weights of a file; answered by `Loaded`."""

    kind = "load"
    serial: int
    slot: str
    """Names the model: whose weights it holds."""
    settings: dict[str, Any]
    weights_file: str
    sha256: str


@dataclass(frozen=True)
class Predict(Message):
    """To a predictor: reads images with a loaded model; answered by `Predicted`."""

    kind = "predict"
    serial: int
    slot: str
    images: str
    """Uint8 images [N, 28, 28], see `packed`."""


@dataclass(frozen=True)
class Save(Message):
    """To a predictor: writes a loaded model in its framework's own file format; answered by `Saved`."""

    kind = "save"
    serial: int
    slot: str
    path: str


@dataclass(frozen=True)
class Measure(Message):
    """To a probe: measures once; answered by `Progress` and `Printed` as it goes on, then `Measured`."""

    kind = "measure"
    arguments: dict[str, Any]
    data_dir: str
    """Where `core.data.datasets` finds the prepared arrays."""


# --- events, from the worker ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready(Message):
    """The framework is imported."""

    kind = "ready"
    engine: str
    import_s: float
    versions: dict[str, str]
    devices: list[str]
    """Devices the framework sees, best last: `cpu`, then for example `cuda:0 NVIDIA H100`."""


@dataclass(frozen=True)
class Beat(Message):
    """Sent every second by a thread of its own, so that a hung process is noticed."""

    kind = "beat"


@dataclass(frozen=True)
class Certified(Message):
    """The lane's part of the certificate: see `core.experiment.parity`."""

    kind = "certified"
    logits: list[list[float]]
    """Start logits [images, 10]."""
    losses: list[float]
    """Loss of each certificate step, before its update."""


@dataclass(frozen=True)
class Built(Message):
    """Data loaded and network built."""

    kind = "built"
    data_s: float
    build_s: float
    parameters: int
    summary: str
    device: str
    """Where the lane trains, in words: `cpu (2 threads)` or the name of the GPU."""


@dataclass(frozen=True)
class Step(Message):
    """Training losses of single steps: `points` holds [step of the epoch from 1, loss]. An aligned lane sends all."""

    kind = "step"
    epoch: int
    steps_per_epoch: int
    points: list[list[float]]


@dataclass(frozen=True)
class Epoch(Message):
    """One epoch: see `core.experiment.metrics` for what each figure means."""

    kind = "epoch"
    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    train_s: float
    val_s: float
    images_per_s: float
    first_step_s: float | None = None
    """Only in epoch 1: the first step, with tracing and compiling."""
    cpu_s: float | None = None
    """Processor time that the lane's process took while it trained; this and what follows as in `machine`."""
    processors: int | None = None
    others_share: float | None = None
    stolen_share: float | None = None
    idle_share: float | None = None
    last: bool = False
    """No epoch follows: all are done, or early stopping ended the lane."""
    reason: str = ""


@dataclass(frozen=True)
class Result(Message):
    """The lane is finished."""

    kind = "result"
    test_loss: float
    test_accuracy: float
    test_s: float
    confusion: list[list[int]]
    """[is, read as], both 0 to 9."""
    rss_mib: int
    weights_file: str
    weights_sha256: str
    predictions_file: str


@dataclass(frozen=True)
class Stopped(Message):
    """The lane ended at a step because it was told to."""

    kind = "stopped"
    epoch: int
    step: int


@dataclass(frozen=True)
class Loaded(Message):
    """The model of a `Load` answers from now on."""

    kind = "loaded"
    serial: int
    slots: list[str]
    """All models that the worker holds now: an older one may have made room."""


@dataclass(frozen=True)
class Predicted(Message):
    """A model's answer."""

    kind = "predicted"
    serial: int
    logits: list[list[float]]
    """[N, 10]."""
    compute_ms: float
    """The model's call alone."""


@dataclass(frozen=True)
class Saved(Message):
    """The file of a `Save` is written."""

    kind = "saved"
    serial: int


@dataclass(frozen=True)
class Refused(Message):
    """A predictor's command could not be carried out; `reason` is the rest of a sentence. The worker goes on."""

    kind = "refused"
    serial: int
    reason: str


@dataclass(frozen=True)
class Progress(Message):
    """How far a probe is: a fraction from 0 to 1, and a sentence that says what it does."""

    kind = "progress"
    fraction: float
    sentence: str


@dataclass(frozen=True)
class Printed(Message):
    """One line that a part of a probe printed; `part` says which, for example `keras`."""

    kind = "printed"
    part: str
    text: str


@dataclass(frozen=True)
class Measured(Message):
    """A probe's result, as JSON, and the versions of what was measured."""

    kind = "measured"
    result: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True)
class Failed(Message):
    """The lane cannot go on; `reason` is one plain sentence without the lane's name."""

    kind = "failed"
    reason: str
    epoch: int = 0
    step: int = 0
    cause: str = ""
    """A likely cause in words, if one is known."""
    diverged: bool = False
    """The lane's own loss ended it, not its process or its machine."""


MESSAGES: dict[str, TypeAdapter[Any]] = {
    cls.kind: TypeAdapter(cls)
    for cls in (
        *(Train, Certify, Build, Go, Finish, Stop, Load, Predict, Save, Measure),
        *(Loaded, Predicted, Saved, Refused, Progress, Printed, Measured),
        *(Ready, Beat, Certified, Built, Step, Epoch, Result, Stopped, Failed),
    )
}


def encode(message: Message) -> str:
    """One JSON line without the newline. Raises `ValueError` for NaN and infinity."""
    return json.dumps({"kind": message.kind, **asdict(message)}, allow_nan=False, separators=(",", ":"))


def decode(line: str) -> Message:
    """The message of a line, its types checked. Raises `ProtocolError` for anything else, with the line's beginning."""
    try:
        values = json.loads(line, parse_constant=_refused)
        message: Message = MESSAGES[values.pop("kind")].validate_python(values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise ProtocolError(f"not a message ({why[:200]}): {line[:200]!r}") from None
    return message


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def packed(images: npt.NDArray[np.uint8]) -> str:
    """Uint8 images [N, 28, 28] as text for one line."""
    return base64.b64encode(np.ascontiguousarray(images, np.uint8).tobytes()).decode("ascii")


def unpacked(text: str) -> npt.NDArray[np.uint8]:
    """The images of `packed`, uint8 [N, 28, 28]. Raises `ValueError` for anything else."""
    return np.frombuffer(base64.b64decode(text, validate=True), np.uint8).reshape(-1, 28, 28)
