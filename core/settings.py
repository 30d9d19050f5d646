"""What a run and a measurement are made of, and where the program keeps its things.

`TrainSettings` is the one place that knows each setting's name, default (the article's), limits and words.
Widgets, the URL and the command line all hand their raw values to `TrainSettings.parse`, so a bad value gets
the same sentence everywhere. `DeploymentSettings` reads the `DUEL_*` environment.
"""

import importlib.util
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Alignment(StrEnum):
    """How much of the two lanes is made equal; see docs/fairness.md."""

    AS_SHIPPED = "as-shipped"
    SAME_START = "same-start"
    EXACT_TWIN = "exact-twin"


class Schedule(StrEnum):
    """Whether the lanes take turns (times compare) or train together (for the eye)."""

    TURNS = "turns"
    TOGETHER = "together"


class Device(StrEnum):
    """`auto`: the GPU where every lane sees one, else the CPU. `best`: each lane the best that it sees."""

    AUTO = "auto"
    CPU = "cpu"
    BEST = "best"


class Profile(StrEnum):
    """`local`: one's own machine. `hosted`: strangers visit, and `core.limits` says what each may take."""

    LOCAL = "local"
    HOSTED = "hosted"


DATASET_NAMES = ("mnist5k", "mnist", "fashion-mnist", "kmnist")
ENGINE_NAMES = (
    "keras",
    "torch",
    "keras-eager",
    "keras-on-torch",
    # JAX is no requirement: where it is not installed its engine is not offered.
    *(("keras-on-jax",) if importlib.util.find_spec("jax") else ()),
    "keras-tuned",
    "torch-compile",
    "torch-tuned",
)
"""What a user may choose as a lane: the two frameworks as shipped, then their variants."""
SPARE_ENGINES = ("keras", "torch")
"""The engines that a run has unless its user chooses others: one imported worker of each is kept warm."""
MAX_LANES = 10
_TEST_ENGINE = re.compile(r"fake(-[a-z0-9]{1,20}){0,3}")
"""The engine without a framework, for tests: accepted in code, never offered to a user. Tests run several such
lanes in one run, told apart by what follows the hyphen: fake-a, fake-b."""

ALIGNED_PAIR = ("keras", "torch")


def _number(value: object) -> float:
    """The finite number in a raw value. Raises `ValueError` for anything else, NaN and infinity included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    if isinstance(value, str) and "_" in value:  # Python's 1_000 is nobody's spelling in a form or a URL
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _whole(label: str, low: int, high: int) -> BeforeValidator:
    def check(value: object) -> int:
        try:
            number = _number(value)
        except (ValueError, OverflowError):
            number = math.nan
        if not low <= number <= high or number != int(number):
            message = f"{label} must be a whole number from {low:,} to {high:,}, not {shown(value)}."
            raise PydanticCustomError("whole_number", "{message}", {"message": message})
        return int(number)

    return BeforeValidator(check)


def _decimal(label: str, low: float, high: float, above: bool = False) -> BeforeValidator:
    def check(value: object) -> float:
        try:
            number = _number(value)
        except (ValueError, OverflowError):
            number = math.nan
        if not low <= number <= high or (above and number == low):
            span = f"above {low:g} and at most {high:,.0f}" if above else f"from {low:g} to {high:g}"
            message = f"{label} must be a number {span}, not {shown(value)}."
            raise PydanticCustomError("decimal_number", "{message}", {"message": message})
        return number

    return BeforeValidator(check)


def _choice(label: str, allowed: tuple[str, ...]) -> BeforeValidator:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            message = f"{label} must be one of {', '.join(allowed)}, not {shown(value)}."
            raise PydanticCustomError("choice", "{message}", {"message": message})
        return value

    return BeforeValidator(check)


def _engines(value: object) -> tuple[str, ...]:
    names = [part.strip() for part in value.split(",")] if isinstance(value, str) and value.strip() else value
    if not isinstance(names, list | tuple) or not names:
        message = f"Engines must name at least one of {', '.join(ENGINE_NAMES)}, not {shown(value)}."
        raise PydanticCustomError("engines", "{message}", {"message": message})
    if len(names) > MAX_LANES:
        message = f"A run has at most {MAX_LANES} lanes, not {len(names):,}."
        raise PydanticCustomError("engines", "{message}", {"message": message})
    for name in names:
        if not isinstance(name, str) or not (name in ENGINE_NAMES or _TEST_ENGINE.fullmatch(name)):
            message = f"There is no engine {shown(name)}. Engines: {', '.join(ENGINE_NAMES)}."
            raise PydanticCustomError("engines", "{message}", {"message": message})
    if len(set(names)) != len(names):
        raise PydanticCustomError("engines", "Engines must differ: each one trains in one lane.")
    return tuple(names)


LETTERS_LOOKED_AT = 1000


def shown(value: object) -> str:
    """A raw value as it may stand in a sentence: short, on one line, printable."""
    try:
        text = "" if value is None else str(value)
    except ValueError:  # Python refuses to write out an integer of thousands of digits
        text = "a number of thousands of digits"
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:LETTERS_LOOKED_AT])
    text = " ".join(printable.split()) or "nothing"
    return text if len(text) <= 40 else text[:39] + "…"


class InvalidSettings(ValueError):
    """Settings that cannot run: `problems` maps each field's name to one plain sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


class TrainSettings(BaseModel):
    """One run's settings. Defaults are the article's; limits are checked, never clamped.

    `dropout` is a fraction, `learning_rate` Adam's, `patience` the epochs without a better validation loss
    after which a lane stops early (0: never).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    batch_size: Annotated[int, _whole("Batch size", 1, 4096)] = 126
    epochs: Annotated[int, _whole("Epochs", 1, 100)] = 8
    dropout: Annotated[float, _decimal("Dropout", 0, 0.9)] = 0.3
    learning_rate: Annotated[float, _decimal("Learning rate", 0, 1e6, above=True)] = 1e-3
    seed: Annotated[int, _whole("Seed", 0, 2**31 - 1)] = 0
    dataset: Annotated[str, _choice("Data set", DATASET_NAMES)] = "mnist5k"
    engines: Annotated[tuple[str, ...], BeforeValidator(_engines)] = ALIGNED_PAIR
    alignment: Annotated[Alignment, _choice("Alignment", tuple(Alignment))] = Alignment.AS_SHIPPED
    schedule: Annotated[Schedule, _choice("Schedule", tuple(Schedule))] = Schedule.TURNS
    patience: Annotated[int, _whole("Patience", 0, 100)] = 0
    device: Annotated[Device, _choice("Device", tuple(Device))] = Device.AUTO

    @classmethod
    def parse(cls, raw: Mapping[str, Any], training_split: int | None = None) -> Self:
        """Checks raw values from widgets, a URL or a command line; absent fields take their defaults.

        `training_split`, where known, is the number of images that the run trains on: a larger batch is
        refused. Raises `InvalidSettings` with a sentence for each field that is wrong.
        """
        unknown = [name for name in raw if name not in cls.model_fields]
        problems = {str(name): _no_setting(name) for name in unknown[:MOST_UNKNOWN]}
        try:
            settings = cls(**{name: value for name, value in raw.items() if name in cls.model_fields})
        except ValidationError as error:
            raise InvalidSettings(problems | {str(e["loc"][0]): e["msg"] for e in error.errors()}) from None
        if problems:
            raise InvalidSettings(problems)
        if settings.alignment != Alignment.AS_SHIPPED and sorted(settings.engines) != sorted(ALIGNED_PAIR):
            engines = ", ".join(settings.engines)
            raise InvalidSettings(
                {"alignment": f"{settings.alignment} compares exactly keras and torch, not {engines}."}
            )
        if training_split is not None:
            settings.check_batch(training_split)
        return settings

    def check_batch(self, training_split: int) -> None:
        """Raises `InvalidSettings` where one batch would be larger than the run's training split."""
        if self.batch_size > training_split:
            raise InvalidSettings(
                {
                    "batch_size": f"Batch size {self.batch_size:,} is larger than the {training_split:,} images that "
                    f"{self.dataset} trains on: choose 1 to {training_split:,}."
                }
            )

    @property
    def float64(self) -> bool:
        """Whether the lanes compute in float64."""
        return self.alignment == Alignment.EXACT_TWIN

    @property
    def steps_per_execution(self) -> int:
        """Steps that a lane takes at once where its engine can: ten of the article's batch, well below a second."""
        return max(1, min(10, 1260 // self.batch_size))

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON fields, which `parse` takes back."""
        return self.model_dump(mode="json")


MOST_UNKNOWN = 3
"""Names that are no settings are named up to here: a file can hold a million of them."""


def _no_setting(name: object) -> str:
    return f"There is no setting {shown(name)}. Settings: {', '.join(TrainSettings.model_fields)}."


@dataclass(frozen=True)
class Order:
    """What shall be measured: `program` is a module of `core.probes`, `arguments` are its own."""

    subject: str
    program: str
    arguments: Mapping[str, Any]
    limit_s: float
    """After this long it counts as failed."""


Folder = Annotated[Path, AfterValidator(Path.expanduser)]
"""No shell has looked at what stands in a container's environment."""


class DeploymentSettings(BaseSettings):
    """Where this installation keeps and finds things: environment variables `DUEL_DATA_DIR`, `DUEL_DATASETS_DIR`."""

    model_config = SettingsConfigDict(env_prefix="DUEL_", env_ignore_empty=True, extra="ignore")

    profile: Profile = Profile.LOCAL
    data_dir: Folder = Field(default_factory=lambda: platformdirs.user_data_path("keras-vs-pytorch", appauthor=False))
    """Everything the program writes: store, weights, logs, prepared data sets. `RuntimeError`: nobody has a home."""
    datasets_dir: Folder | None = None
    """A folder in torchvision's layout that is read instead of downloading."""
    spares: bool = True
    """Whether one imported worker per framework is kept warm, so that Start does not wait for imports; where it is
    hosted memory is scarcer than seconds, so not unless it is asked for."""
    fake_engines: bool = False
    """Whether runs may use the engines without a framework; for tests."""

    @model_validator(mode="after")
    def _no_spares_where_hosted(self) -> Self:
        if self.profile == Profile.HOSTED and "spares" not in self.model_fields_set:
            self.spares = False
        return self
