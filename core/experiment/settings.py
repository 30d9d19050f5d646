"""What a run and a measurement are made of.

`TrainSettings` is the one place that knows each setting's name, default (the article's), limits and words.
Widgets, the URL and the command line all hand their raw values to `TrainSettings.parse`, so a bad value gets
the same sentence everywhere.
"""

import importlib.util
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


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


DATASET_NAMES = ("mnist5k", "mnist", "fashion-mnist", "kmnist")
ENGINE_NAMES = (
    "keras",
    "torch",
    "keras-eager",
    "keras-on-torch",
    "keras-on-jax",
    "keras-tuned",
    "torch-compile",
    "torch-tuned",
)
"""What a lane can be: the two frameworks as shipped, then their variants, whether they are installed here or not."""
NEEDS = {"keras-on-jax": "jax"}
"""Engines that need a module which is no requirement of this project."""
SPARE_ENGINES = ("keras", "torch")
"""The engines that a run has unless its user chooses others: one imported worker of each is kept warm."""
MAX_LANES = 10
_TEST_ENGINE = re.compile(r"fake(-[a-z0-9]{1,20}){0,3}")
"""The engine without a framework, for tests: accepted in code, never offered to a user. Tests run several such
lanes in one run, told apart by what follows the hyphen: fake-a, fake-b."""

ALIGNED_PAIR = ("keras", "torch")


_WRITTEN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}", re.ASCII)
"""One group of three digits: 1,000 and 1.000 are a thousand in one country and one in another."""
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3}){2,}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)


class Ambiguous(ValueError):
    """A number that two countries read differently."""


def read_number(value: object, whole: bool = False) -> float:
    """The finite number in a raw value; `whole` where the field takes whole numbers alone.

    In text a comma is a decimal comma, except before groups of three digits: where there are several, and where there
    is one in a `whole` field. Raises `Ambiguous` for 1,000 in any other field and for 1.000 in a whole one;
    `ValueError` for what is no number, NaN and infinity included.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    if isinstance(value, str):
        value = value.strip()
        if group := _GROUPED.fullmatch(value):
            if whole != (group[1] == ","):
                raise Ambiguous
            value = value.replace(",", "")
        elif _GROUPS.fullmatch(value):
            value = value.replace(",", "")
        elif _DECIMAL_COMMA.fullmatch(value):
            value = value.replace(",", ".")
        if not _WRITTEN.fullmatch(value):
            raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


@dataclass(frozen=True)
class NumberField:
    """A setting that is a number: its label and limits, and the one sentence for a value that it cannot have."""

    label: str
    low: float
    high: float
    whole: bool = True
    above: bool = False
    """Whether `low` itself is out."""

    @property
    def span(self) -> str:
        """What is allowed, in two or three words: 1 to 4,096."""
        return f"above {_written(self.low)}, up to {_written(self.high)}" if self.above else self._from_to

    @property
    def _from_to(self) -> str:
        return f"{_written(self.low)} to {_written(self.high)}"

    def at_most(self, high: float) -> "NumberField":
        """The same where a run cannot have more than `high`."""
        return replace(self, high=min(self.high, high))

    def check(self, value: object) -> int | float:
        """The number in a raw value, for pydantic, which passes the sentence on."""
        if message := self.why_not(value):
            raise PydanticCustomError("number", "{message}", {"message": message})
        number = read_number(value, self.whole)
        return int(number) if self.whole else number

    def why_not(self, value: object) -> str:
        """What is wrong with a raw value, as a sentence; empty where nothing is."""
        try:
            number = read_number(value, self.whole)
        except Ambiguous:
            return self._which_of_two(str(value).strip())
        except (ValueError, OverflowError):
            number = math.nan
        inside = self.low <= number <= self.high and not (self.above and number == self.low)
        return "" if inside and not (self.whole and number != int(number)) else self._must_be(value)

    def _must_be(self, value: object) -> str:
        kind = "a whole number" if self.whole else "a number"
        span = (
            f"above {_written(self.low)} and at most {_written(self.high)}" if self.above else f"from {self._from_to}"
        )
        foreign = isinstance(value, str) and any(letter.isnumeric() and not letter.isascii() for letter in value)
        digits = ", in the digits 0 to 9" if foreign else ""
        return f"{self.label} must be {kind} {span}{digits}, not {shown(value)}."

    def _which_of_two(self, text: str) -> str:
        one, thousand = float(text.replace(",", ".")), re.sub("[.,]", "", text)
        return f"{self.label} {text} can mean {one:g} or {thousand}: write the one that you mean."


def _written(limit: float) -> str:
    return f"{limit:,.0f}" if limit == int(limit) else f"{limit:g}"


NUMBERS: Mapping[str, NumberField] = {
    "batch_size": NumberField("Batch size", 1, 4096),
    "epochs": NumberField("Epochs", 1, 100),
    "dropout": NumberField("Dropout", 0, 0.9, whole=False),
    "learning_rate": NumberField("Learning rate", 0, 1e6, whole=False, above=True),
    "seed": NumberField("Seed", 0, 2**31 - 1),
    "patience": NumberField("Patience", 0, 100),
}
"""The settings that are numbers, by name."""


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


def missing_module(engine: str) -> str:
    """The module that an engine needs and that is not installed here; empty where it can train here."""
    module = NEEDS.get(engine, "")
    return module if module and importlib.util.find_spec(module) is None else ""


def installed_engines() -> list[str]:
    """The engines that can train here."""
    return [engine for engine in ENGINE_NAMES if not missing_module(engine)]


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

    batch_size: Annotated[int, BeforeValidator(NUMBERS["batch_size"].check)] = 126
    epochs: Annotated[int, BeforeValidator(NUMBERS["epochs"].check)] = 8
    dropout: Annotated[float, BeforeValidator(NUMBERS["dropout"].check)] = 0.3
    learning_rate: Annotated[float, BeforeValidator(NUMBERS["learning_rate"].check)] = 1e-3
    seed: Annotated[int, BeforeValidator(NUMBERS["seed"].check)] = 0
    dataset: Annotated[str, _choice("Data set", DATASET_NAMES)] = "mnist5k"
    engines: Annotated[tuple[str, ...], BeforeValidator(_engines)] = ALIGNED_PAIR
    alignment: Annotated[Alignment, _choice("Alignment", tuple(Alignment))] = Alignment.AS_SHIPPED
    schedule: Annotated[Schedule, _choice("Schedule", tuple(Schedule))] = Schedule.TURNS
    patience: Annotated[int, BeforeValidator(NUMBERS["patience"].check)] = 0
    device: Annotated[Device, _choice("Device", tuple(Device))] = Device.AUTO

    @field_validator("alignment")
    @classmethod
    def _aligns_the_pair(cls, alignment: Alignment, info: ValidationInfo) -> Alignment:
        """`engines` stands before `alignment` among the fields; where it is wrong itself, it alone is named."""
        engines = info.data.get("engines", ALIGNED_PAIR)
        if alignment != Alignment.AS_SHIPPED and sorted(engines) != sorted(ALIGNED_PAIR):
            message = f"{alignment} compares exactly keras and torch, not {', '.join(engines)}."
            raise PydanticCustomError("alignment", "{message}", {"message": message})
        return alignment

    @classmethod
    def parse(cls, raw: Mapping[str, Any], training_split: int | None = None) -> Self:
        """Checks raw values from widgets, a URL or a command line; absent fields take their defaults.

        `training_split`, where known, is the number of images that the run trains on: a larger batch is
        refused. Raises `InvalidSettings` with a sentence for each field that is wrong.
        """
        unknown = [name for name in raw if name not in cls.model_fields]
        problems = {str(name): no_setting(name) for name in unknown[:MOST_UNKNOWN]}
        try:
            settings = cls(**{name: value for name, value in raw.items() if name in cls.model_fields})
        except ValidationError as error:
            problems |= {str(e["loc"][0]): e["msg"] for e in error.errors()}
            if "batch_size" in problems and training_split is not None:
                problems["batch_size"] = NUMBERS["batch_size"].at_most(training_split).why_not(raw["batch_size"])
            raise InvalidSettings(problems) from None
        if problems:
            raise InvalidSettings(problems)
        if training_split is not None:
            settings.check_batch(training_split)
        return settings

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


def no_setting(name: object) -> str:
    """The sentence for a name that is no setting's."""
    return f"There is no setting {shown(name)}. Settings: {', '.join(TrainSettings.model_fields)}."


@dataclass(frozen=True)
class Order:
    """What shall be measured: `program` is a module of `core.compare.probes`, `arguments` are its own."""

    subject: str
    program: str
    arguments: Mapping[str, Any]
    limit_s: float
    """After this long it counts as failed."""
    lesson: bool = False
    """Whether it is a lesson that somebody reads, else a measurement for the comparison."""
