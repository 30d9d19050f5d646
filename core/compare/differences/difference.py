"""One row of the catalogue: a default in which the frameworks differ, in words and code, with where it is known from.

A row that a run can keep (`core.experiment.switches`) has the switch's name; every other measured one has a probe of
its own, `core.compare.probes.differences` under the same name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from core.compare.claims import Source
from core.experiment.layers import Layer
from core.experiment.network import Network
from core.experiment.order import Order, Place
from core.experiment.settings import Optimizer, TrainSettings
from core.experiment.switches import Switch
from core.experiment.touched import EVERYTHING as WHOLE_NETWORK
from core.experiment.touched import touched

PROBE = "differences"
"""The probe that measures every row."""
EVERYTHING = "differences"
"""The subject of a measurement of all rows at once."""
LIMIT_S, ALL_LIMIT_S = 120.0, 720.0
KERAS_VERSION, TORCH_VERSION, VISION_VERSION = "3.15.1", "2.14.1", "0.29.1"
READ = "December 2026"
"""When the sources of these versions were read."""

Side = Literal["keras", "pytorch", "both"]
Touches = Callable[[TrainSettings, Network], list[str]]


class Part(StrEnum):
    """What of a training the default belongs to."""

    START = "start"
    OPTIMISER = "optimiser"
    LAYER = "layer"
    LOSS = "loss"
    LOOP = "loop"
    DATA = "data"
    RUN_TIME = "run time"
    GPU = "GPU"


@dataclass(frozen=True)
class Difference:
    """One row. Code runs as it stands after the usual imports; sentences are plain text."""

    name: str
    title: str
    part: Part
    keras: str
    """The default in Keras, in two or three lines of code."""
    pytorch: str
    happens: str
    align_keras: str
    """Code that makes Keras do as PyTorch does; a comment where nothing does."""
    align_pytorch: str
    bites: int
    """1: almost everyone, 2: who ports a model, 3: rarely."""
    sources: tuple[Source, ...]
    bitten: tuple[Source, ...]
    """Threads of people who were bitten."""
    touches: Touches
    """What of a network it touches, by the names of its layers; empty where it touches nothing of it."""
    kind: Literal["switch", "probe", ""] = "probe"
    """How it is measured; "" where it is not."""
    not_measured: str = ""
    """Why not, as a sentence."""
    turned_on: Side = "pytorch"
    """Whose default is turned on again in the measurement, where all else is aligned."""
    quantity: str = "loss"
    """What the measured numbers are."""
    along: str = "step"
    """What they are counted along, from 1."""
    parts_within: int = 1
    """The place at which the two sides have parted at the latest; 0: they do not part."""
    cost: bool = False
    """Whether what it costs in test accuracy is claimed, and measured in a study."""

    @property
    def measured(self) -> bool:
        """Whether there is something to measure."""
        return bool(self.kind)

    @property
    def subject(self) -> str:
        """The name under which its own measurements are kept."""
        return f"difference-{self.name}"

    @property
    def order(self) -> Order:
        """What the Launcher takes to measure it."""
        place = Place("Compare", {"view": "differences", "difference": self.name}, self.title)
        return Order(self.subject, PROBE, {"names": [self.name]}, LIMIT_S, place=place)


# --- sources -------------------------------------------------------------------------------------------


def keras_source(path: str) -> Source:
    """A file of Keras, `path` below `keras/src`."""
    url = f"https://github.com/keras-team/keras/blob/v{KERAS_VERSION}/keras/src/{path}"
    return Source(f"Keras {KERAS_VERSION}, {path}", url, f"read {READ}")


def torch_source(path: str) -> Source:
    """A file of PyTorch, `path` below `torch`."""
    url = f"https://github.com/pytorch/pytorch/blob/v{TORCH_VERSION}/torch/{path}"
    return Source(f"PyTorch {TORCH_VERSION}, {path}", url, f"read {READ}")


def vision_source(path: str) -> Source:
    """A file of torchvision, `path` below `torchvision`."""
    url = f"https://github.com/pytorch/vision/blob/v{VISION_VERSION}/torchvision/{path}"
    return Source(f"torchvision {VISION_VERSION}, {path}", url, f"read {READ}")


def thread(repository: str, number: int, title: str, date: str, pull: bool = False) -> Source:
    """An issue on GitHub, or a pull request, by its own title and the day on which it was opened or answered."""
    kind = "pull" if pull else "issues"
    return Source(f"{repository} {number}: {title}", f"https://github.com/{repository}/{kind}/{number}", date)


# --- what a row touches --------------------------------------------------------------------------------

LOOP = "the training loop"
DATA = "the data"
NETWORK = WHOLE_NETWORK[0]


def always(what: str) -> Touches:
    """Of every network, `what`."""
    return lambda settings, network: [what]


def never(settings: TrainSettings, network: Network) -> list[str]:
    """Of nothing that can be written as a network here."""
    return []


def of_kinds(*kinds: type[Layer]) -> Touches:
    """The layers of these kinds."""
    return lambda settings, network: [node.name for node in network.nodes if isinstance(node.layer, kinds)]


def where(wanted: Callable[[Layer], bool]) -> Touches:
    """The layers of which it holds."""
    return lambda settings, network: [node.name for node in network.nodes if wanted(node.layer)]


def switched(switch: Switch) -> Touches:
    """What this switch of a run touches."""
    return lambda settings, network: list(touched(settings, network).get(switch, ()))


def of_optimisers(*optimisers: Optimizer, momentum: bool = False) -> Touches:
    """The whole network, where one of these optimisers steps; with `momentum`, where it has any."""

    def steps(settings: TrainSettings, network: Network) -> list[str]:
        asked = settings.optimizer in optimisers and (not momentum or bool(settings.momentum))
        return [NETWORK] if asked else []

    return steps


def last_layer(settings: TrainSettings, network: Network) -> list[str]:
    """The layer that gives the logits."""
    return [network.nodes[-1].name]
