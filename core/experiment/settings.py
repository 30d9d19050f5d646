"""What a run and a measurement are made of.

Each field of `TrainSettings` is the one declaration of a setting: its default (the article's), its kind and limits, and
its words. Fields on the page, links, options of the command line, tables and sentences are made of `SETTINGS`.
Widgets, the URL and the command line all hand their raw values to `TrainSettings.parse`, so a bad value gets
the same sentence everywhere.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from core.data.dataset import Dataset
from core.experiment.dataset_name import DATASET
from core.experiment.engine_names import ALIGNED_PAIR, Engines, missing_module
from core.experiment.kinds import Choice, Number, Setting, shown
from core.experiment.layers import Dropout
from core.experiment.names import joined
from core.experiment.network import PRESETS, Network, NetworkError, layers_of, shortest
from core.experiment.network_text import NetworkText, fitting_presets, leaves_one_value
from core.experiment.parity import cannot_align
from core.experiment.switches import Switch, Switches


class Alignment(StrEnum):
    """How much of the two lanes is made equal; see docs/fairness.md."""

    AS_SHIPPED = "as-shipped"
    SAME_START = "same-start"
    EXACT_TWIN = "exact-twin"


class Schedule(StrEnum):
    """Whether the lanes take turns (times compare) or train together (for the eye)."""

    TURNS = "turns"
    TOGETHER = "together"


class Optimizer(StrEnum):
    """Whose update each step makes."""

    ADAM = "adam"
    ADAMW = "adamw"
    SGD = "sgd"
    NESTEROV = "nesterov"
    RMSPROP = "rmsprop"


FUSED_IN_TORCH = (Optimizer.ADAM, Optimizer.ADAMW, Optimizer.SGD, Optimizer.NESTEROV)
"""The optimisers that PyTorch can step with one kernel for all weights."""


class Device(StrEnum):
    """`auto`: the GPU where every lane sees one, else the CPU. `best`: each lane the best that it sees."""

    AUTO = "auto"
    CPU = "cpu"
    BEST = "best"


EVALUATION_BATCH = 200
"""Images a batch when nothing is learnt, in engines, listings and lessons; it changes memory and time, not results.

The largest activation of such a batch stays below 32 MiB in float64, too: what is larger glibc maps anew at every
use, and PyTorch then waits for the kernel (docs/fairness.md).
"""
MOST_UNKNOWN = 3
"""Names that are no settings are named up to here: a file can hold a million of them."""


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"


class InvalidSettings(ValueError):
    """Settings that cannot run: `problems` maps each field's name to one plain sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


BATCH_SIZE = Number("Batch size", costs=True, low=1, high=4096, as_cell=lambda size: f"{size:,}")


class TrainSettings(BaseModel):
    """One run's settings. Defaults are the article's; limits are checked, never clamped.

    `dropout` is a fraction, `learning_rate` the optimiser's, `patience` the epochs without a better validation loss
    after which a lane stops early (0: never).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    batch_size: Annotated[int, BATCH_SIZE] = 126
    epochs: Annotated[int, Number("Epochs", low=1, high=100, as_phrase=_epochs)] = 8
    dropout: Annotated[
        float,
        Number("Dropout", low=0, high=0.9, whole=False, as_phrase=lambda x: f"dropout {x:g}" if x else "no dropout"),
    ] = 0.3
    learning_rate: Annotated[
        float, Number("Learning rate", low=0, high=1e6, whole=False, above=True, help="The optimiser's.")
    ] = 1e-3
    network: Annotated[str, NetworkText("Network", costs=True)] = "article"
    optimizer: Annotated[
        Optimizer,
        Choice(
            "Optimiser",
            costs=True,
            titles={
                Optimizer.ADAM: "Adam",
                Optimizer.ADAMW: "AdamW",
                Optimizer.SGD: "SGD",
                Optimizer.NESTEROV: "SGD with Nesterov momentum",
                Optimizer.RMSPROP: "RMSprop",
            },
            proper=True,
        ),
    ] = Optimizer.ADAM
    momentum: Annotated[
        float,
        Number("Momentum", low=0, high=0.999, whole=False, note="for SGD and RMSprop.", help="Of SGD and RMSprop."),
        Field(validate_default=True),  # whether the optimiser can do without
    ] = 0.0
    weight_decay: Annotated[float, Number("Weight decay", low=0, high=1, whole=False), Field(validate_default=True)] = (
        0.0
    )
    seed: Annotated[int, Number("Seed", low=0, high=2**31 - 1, help="For weights and shuffling.")] = 0
    dataset: Annotated[str, DATASET] = "mnist5k"
    engines: Annotated[tuple[str, ...], Engines("Engines", costs=True, help="Engines, one lane each.")] = ALIGNED_PAIR
    alignment: Annotated[
        Alignment,
        Choice(
            "Alignment",
            costs=True,
            titles={
                Alignment.AS_SHIPPED: "As shipped",
                Alignment.SAME_START: "Same start",
                Alignment.EXACT_TWIN: "Exact twin",
            },
            meanings={
                Alignment.AS_SHIPPED: "Each framework's own initial weights, shuffling and optimiser.",
                Alignment.SAME_START: "The same initial weights, batches and optimiser in both.",
                Alignment.EXACT_TWIN: (
                    "Same start, in float64 and with the same dropout: both compute the same numbers."
                ),
            },
        ),
    ] = Alignment.AS_SHIPPED
    keep: Annotated[
        tuple[str, ...], Switches("Kept defaults", help="Of an exact twin: defaults that are not aligned.")
    ] = ()
    schedule: Annotated[
        Schedule,
        Choice(
            "Schedule",
            costs=True,
            field="Lanes train",
            row="Lanes",
            titles={Schedule.TURNS: "In turns", Schedule.TOGETHER: "Together"},
            phrases={Schedule.TOGETHER: "lanes together"},
        ),
    ] = Schedule.TURNS
    patience: Annotated[
        int,
        Number(
            "Patience",
            row="Early stopping",
            low=0,
            high=100,
            note="epochs without a better validation loss, then a lane stops early. 0: never.",
            help="Early stopping in epochs; 0: never.",
            as_said=lambda count: f"after {count}" if count else "off",
            as_cell=lambda count: f"after {_epochs(count)} without a lower validation loss" if count else "off",
        ),
    ] = 0
    device: Annotated[
        Device,
        Choice(
            "Device",
            costs=True,
            titles={Device.AUTO: "GPU where both see one, else CPU", Device.CPU: "CPU", Device.BEST: "Each its best"},
            phrases={Device.CPU: "on the CPU", Device.BEST: "each on its best device"},
        ),
    ] = Device.AUTO

    @field_validator("alignment")
    @classmethod
    def _aligns_the_pair(cls, alignment: Alignment, info: ValidationInfo) -> Alignment:
        """`engines` stands before `alignment` among the fields; where it is wrong itself, it alone is named."""
        engines = info.data.get("engines", ALIGNED_PAIR)
        if alignment != Alignment.AS_SHIPPED and sorted(engines) != sorted(ALIGNED_PAIR):
            message = f"{alignment} compares exactly keras and torch, not {', '.join(engines)}."
            raise PydanticCustomError("alignment", "{message}", {"message": message})
        return alignment

    @field_validator("keep")
    @classmethod
    def _keeps_in_a_twin(cls, keep: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        alignment = info.data.get("alignment", Alignment.EXACT_TWIN)
        if keep and alignment != Alignment.EXACT_TWIN:
            message = f"Only an exact-twin keeps defaults, not {alignment}: keep none, or choose exact-twin."
            raise PydanticCustomError("keep", "{message}", {"message": message})
        return keep

    @field_validator("momentum")
    @classmethod
    def _has_momentum(cls, momentum: float, info: ValidationInfo) -> float:
        optimizer = info.data.get("optimizer", Optimizer.SGD)
        message = ""
        if momentum and optimizer in (Optimizer.ADAM, Optimizer.ADAMW):
            message = f"Momentum is for sgd, nesterov and rmsprop, not for {optimizer}: set it to 0."
        elif not momentum and optimizer == Optimizer.NESTEROV:
            message = "Momentum must be above 0 for nesterov: 0.9 is usual."
        if message:
            raise PydanticCustomError("momentum", "{message}", {"message": message})
        return momentum

    @field_validator("weight_decay")
    @classmethod
    def _decays(cls, weight_decay: float, info: ValidationInfo) -> float:
        if not weight_decay and info.data.get("optimizer") == Optimizer.ADAMW:
            message = "Weight decay must be above 0 for adamw: without it AdamW is Adam."
            raise PydanticCustomError("weight_decay", "{message}", {"message": message})
        return weight_decay

    @classmethod
    def parse(cls, raw: Mapping[str, Any], dataset: Dataset | None = None) -> Self:
        """Checks raw values from widgets, a URL or a command line; absent fields take their defaults.

        `dataset`, where known, is what the run trains on: a batch larger than its training split is refused, and a
        network that does not fit its images. Raises `InvalidSettings` with a sentence for each field that is wrong.
        """
        unknown = [name for name in raw if name not in cls.model_fields]
        problems = {str(name): no_setting(name) for name in unknown[:MOST_UNKNOWN]}
        try:
            settings = cls(**{name: value for name, value in raw.items() if name in cls.model_fields})
        except ValidationError as error:
            problems |= {str(e["loc"][0]): e["msg"] for e in error.errors()}
            if "batch_size" in problems and dataset is not None:
                problems["batch_size"] = BATCH_SIZE.at_most(dataset.training_split).why_not(raw["batch_size"])
            raise InvalidSettings(problems) from None
        if problems:
            raise InvalidSettings(problems)
        return settings if dataset is None else settings.fitted(dataset)

    @classmethod
    def of_store(cls, stored: Mapping[str, Any]) -> Self:
        """The settings of a run as they were written down: a setting that came later has its default.

        Names that are no settings of this version are left out. Raises `InvalidSettings`.
        """
        return cls.parse({name: value for name, value in stored.items() if name in cls.model_fields})

    def check_installed(self) -> None:
        """Raises `InvalidSettings` where an engine cannot train here."""
        for engine in self.engines:
            if module := missing_module(engine):
                raise InvalidSettings({"engines": f"{engine} cannot train here: {module} is not installed."})

    def fitted(self, dataset: Dataset) -> Self:
        """The same, a preset called by its name. Raises `InvalidSettings` where a run cannot train on these images."""
        problems: dict[str, str] = {}
        split = dataset.training_split
        if self.batch_size > split:
            problems["batch_size"] = (
                f"Batch size {self.batch_size:,} is larger than the {split:,} images that "
                f"“{dataset.title}” trains on: choose 1 to {split:,}."
            )
        try:
            network = Network.of(self.network, dataset.shape)
        except NetworkError as error:
            problems["network"] = f"{error}{_fitting(self.network, dataset)}"
        else:
            alone = leaves_one_value(network)
            if self.alignment != Alignment.AS_SHIPPED and (what := cannot_align(network)):
                choose = f"Change these layers, or choose {Alignment.AS_SHIPPED}."
                problems["alignment"] = f"{self.alignment} cannot align {what}. {choose}"
            if alone and not problems and split % self.batch_size == 1 % self.batch_size:
                problems["batch_size"] = (
                    f"With batch size {self.batch_size:,} the last batch of an epoch is a single image, "
                    f"and {alone} needs two to take a mean: choose another batch size."
                )
        if problems:
            raise InvalidSettings(problems)
        return self.model_copy(update={"network": shortest(self.network, dataset.shape.classes)})

    @property
    def drops(self) -> bool:
        """Whether training drops any activation."""
        dropouts = [layer for layer in layers_of(self.network) if isinstance(layer, Dropout)]
        return any(self.dropout if layer.rate is None else layer.rate for layer in dropouts)

    def aligns(self, switch: Switch) -> bool:
        """Whether both lanes do the same there; what a framework does by itself is in `switches.WORDS`."""
        match self.alignment:
            case Alignment.AS_SHIPPED:
                return False
            case Alignment.SAME_START:
                return switch not in (Switch.DROPOUT_MASKS, Switch.FLOAT32)
            case Alignment.EXACT_TWIN:
                return switch not in self.keep

    @property
    def float64(self) -> bool:
        """Whether the lanes compute in float64."""
        return self.aligns(Switch.FLOAT32)

    @property
    def steps_per_execution(self) -> int:
        """Steps that a lane takes at once where its engine can: ten of the article's batch, well below a second."""
        return max(1, min(10, 1260 // self.batch_size))

    def changed(self) -> list[str]:
        """The names of the settings that are not their defaults."""
        return [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON fields, which `parse` takes back."""
        return self.model_dump(mode="json")


SETTINGS: Mapping[str, Setting] = {
    name: kind
    for name, field in TrainSettings.model_fields.items()
    for kind in field.metadata
    if isinstance(kind, Setting)
}
"""What is declared of each setting, by its name."""
NUMBERS: Mapping[str, Number] = {name: kind for name, kind in SETTINGS.items() if isinstance(kind, Number)}
DEFAULTS: Mapping[str, Any] = TrainSettings().as_json()
"""The defaults as JSON fields."""


def in_order(*first: str, last: Sequence[str] = ()) -> list[str]:
    """The names of all settings: these first, these last, every other one in between."""
    return [*first, *(name for name in SETTINGS if name not in (*first, *last)), *last]


def _fitting(network: str, dataset: Dataset) -> str:
    """Which presets do fit where a preset does not, as a sentence."""
    fitting = fitting_presets(dataset.shape) if network in PRESETS else []
    return f" {dataset.title} is too small for it: choose {joined(fitting, 'or')}." if fitting else ""


def no_setting(name: object) -> str:
    """The sentence for a name that is no setting's."""
    return f"There is no setting {shown(name)}. Settings: {', '.join(TrainSettings.model_fields)}."
