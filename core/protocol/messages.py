"""What crosses the process border: commands to a child process, events from it, each one JSON line.

A `Command` goes in on the child's stdin, an `Event` comes out on its stdout; `core.protocol.process` and
`core.protocol.stdio` are the two ends, `core.protocol.lines` what both write. Every message is a frozen dataclass with
a `kind`. A number that JSON cannot hold (NaN, infinity) never travels: a worker reports a loss that is not finite as a
`Failed` event.
"""

from dataclasses import dataclass
from typing import Any, Literal

from core.protocol.cluster_messages import ClusterCommand, Ended, Nodes, Reported
from core.protocol.message import Message
from core.protocol.predictor_messages import (
    Load,
    Loaded,
    Look,
    Looked,
    Predict,
    Predicted,
    Refused,
    Replay,
    Replayed,
    Save,
    Saved,
)

Phase = Literal["wait", "download", "verify", "convert"]


# --- commands, to a child -------------------------------------------------------------------------------


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
    epoch_weights: bool = False
    """Whether the weights after each epoch are kept, for a replay."""


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
class Measure(Message):
    """To a probe: measures once; answered by `Progress` and `Printed` as it goes on, then `Measured`."""

    kind = "measure"
    arguments: dict[str, Any]
    data_dir: str
    """Where `core.data.datasets` finds the prepared arrays."""


@dataclass(frozen=True)
class Call(Message):
    """To a part of a probe: calls a function of its module; answered by `Printed`s, then `Returned` or `Failed`."""

    kind = "call"
    function: str
    arguments: dict[str, Any]


# --- events, from a child -------------------------------------------------------------------------------


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
    """Start logits [images, classes]."""
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
    """Why none follows, where not all are done; the Launcher says it."""


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
    epochs_sha256: str = ""
    """Of the file with the weights after each epoch; empty where none is kept."""


@dataclass(frozen=True)
class Stopped(Message):
    """The lane ended at a step because it was told to."""

    kind = "stopped"
    epoch: int
    step: int


@dataclass(frozen=True)
class Progress(Message):
    """How far a probe is: a fraction from 0 to 1, and a sentence that says what it does."""

    kind = "progress"
    fraction: float
    sentence: str


@dataclass(frozen=True)
class Printed(Message):
    """One line that a part of a probe printed; `part` says which: `keras` for the reader, a part its module."""

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
class Returned(Message):
    """What the function of a `Call` returned, as JSON."""

    kind = "returned"
    value: Any


@dataclass(frozen=True)
class Preparing(Message):
    """How far a data set's preparation is; `total_bytes` counts the download, 0 where nothing is downloaded.

    The phase `wait` means that another process is preparing the same data set.
    """

    kind = "preparing"
    phase: Phase
    received_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Done(Message):
    """The data set is prepared."""

    kind = "done"


@dataclass(frozen=True)
class Failed(Message):
    """The lane, probe, call, preparation or cluster cannot go on.

    `reason` is the rest of a sentence, without its stop; of a preparation or a cluster a whole one, for the reader.
    """

    kind = "failed"
    reason: str
    epoch: int = 0
    step: int = 0
    cause: str = ""
    """A likely cause in words, if one is known."""
    diverged: bool = False
    """The lane's own loss ended it, not its process or its machine."""


# --- the unions -----------------------------------------------------------------------------------------

LaneCommand = Train | Certify | Build | Go | Finish | Stop
PredictorCommand = Load | Predict | Look | Replay | Save
Command = LaneCommand | PredictorCommand | ClusterCommand | Measure | Call
"""All that may be said to a child."""

LaneEvent = Ready | Certified | Built | Step | Epoch | Result | Stopped | Failed
PredictorEvent = Ready | Loaded | Predicted | Looked | Replayed | Saved | Refused | Failed
ProbeEvent = Ready | Progress | Printed | Measured | Failed
PartEvent = Printed | Returned | Failed
PreparationEvent = Preparing | Done | Failed
ClusterEvent = Nodes | Reported | Ended | Failed
Event = Beat | LaneEvent | PredictorEvent | ProbeEvent | PartEvent | PreparationEvent | ClusterEvent
"""All that a child may say. Whoever listens to one takes its part of these; the rest is `out_of_place`."""


def out_of_place(event: Event) -> str:
    """What is wrong with an event that this kind of child never sends, as the rest of a sentence."""
    return f"its process sent {event.kind!r}, which has no place here"
