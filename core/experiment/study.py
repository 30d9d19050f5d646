"""A study: runs that answer one question, as data. What is asked, which runs that takes, and what they say.

A **cell** is one combination of the values that vary; a **pair** is one run of a cell with one seed, in which both
lanes take turns, so that whatever drifts while it goes on meets both. Differences are Keras minus PyTorch.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from core.data.datasets import Dataset
from core.experiment.engine_names import ALIGNED_PAIR, ENGINE_NAMES
from core.experiment.kinds import Number, shown
from core.experiment.settings import SETTINGS, Device, InvalidSettings, Schedule, TrainSettings
from core.experiment.statistics import ALPHA, Interval, Verdict, interval, sign_evalue, verdict

MOST_RUNS = 2000
MOST_FIELDS, MOST_VALUES = 2, 50
CANNOT_VARY = ("seed", "engines", "schedule", "device", "dataset", "keep")
"""Seeds are what every study varies; the lanes are the two that are compared, in turns, on one device and data set.

What a twin keeps is a question of its own, one study each.
"""
SEEDS = Number("Seeds", low=1, high=MOST_RUNS)
BUDGET_S = Number("Budget in seconds", low=0, high=30 * 86400, whole=False, above=True)
MARGIN_ACCURACY = Number("Margin of accuracy", low=0, high=1, whole=False, above=True)
MARGIN_TIME = Number("Margin of time", low=0, high=10, whole=False, above=True)


@dataclass(frozen=True)
class Measure:
    """One figure of a lane, and how two lanes' differ."""

    name: str
    title: str
    figure: str
    """What of a lane's outcome is compared."""
    logarithm: bool
    """Whether ratios are compared, as the differences of logarithms."""
    more_is_better: bool

    def difference(self, keras: float, torch: float) -> float:
        """Keras minus PyTorch. Raises `ValueError` where a ratio of these does not exist."""
        return math.log(keras) - math.log(torch) if self.logarithm else keras - torch


MEASURES = (
    Measure("test_accuracy", "Test accuracy", "test_accuracy", logarithm=False, more_is_better=True),
    Measure("test_loss", "Test loss", "test_loss", logarithm=False, more_is_better=False),
    Measure("log_train_s", "Training time", "train_s", logarithm=True, more_is_better=False),
    Measure("log_images_per_s", "Throughput", "images_per_s", logarithm=True, more_is_better=True),
    Measure("log_rss_mib", "Memory", "rss_mib", logarithm=True, more_is_better=False),
)
"""What a study compares, in the order in which it is shown."""


@dataclass(frozen=True)
class Pair:
    """One run of a study: its cell, by the values that vary, and its seed."""

    cell: tuple[tuple[str, Any], ...]
    seed: int


@dataclass(frozen=True)
class Study:
    """What is asked. `vary` holds each varied setting's values, as JSON fields."""

    base: TrainSettings
    seeds: int
    vary: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    margin_accuracy: float = 0.002
    margin_time: float = 0.05

    @classmethod
    def of(
        cls,
        base: TrainSettings,
        dataset: Dataset,
        seeds: object,
        vary: Mapping[str, Sequence[object]],
        margin_accuracy: object = 0.002,
        margin_time: object = 0.05,
    ) -> Self:
        """A study whose every run can be. Raises `InvalidSettings` with a sentence for each field that is wrong."""
        made = cls.planned(base, seeds, vary, margin_accuracy, margin_time)
        made.check_cells(dataset)
        return made

    @classmethod
    def planned(
        cls,
        base: TrainSettings,
        seeds: object,
        vary: Mapping[str, Sequence[object]],
        margin_accuracy: object = 0.002,
        margin_time: object = 0.05,
    ) -> Self:
        """The same before `check_cells`, which takes a while where there are many. Raises `InvalidSettings`."""
        numbers = {"margin_accuracy": (MARGIN_ACCURACY, margin_accuracy), "margin_time": (MARGIN_TIME, margin_time)}
        numbers["seeds"] = (SEEDS, seeds)
        problems = {name: why for name, (kind, value) in numbers.items() if (why := kind.why_not(value))}
        if len(vary) > MOST_FIELDS:
            problems["vary"] = f"A study varies at most {MOST_FIELDS} settings, not {len(vary)}."
        problems |= cannot_compare(base)
        read = {}
        for name, values in vary.items():
            try:
                read[name] = _values(name, values)
            except InvalidSettings as error:
                problems = error.problems | problems
        if problems:
            raise InvalidSettings(problems)
        margins = float(MARGIN_ACCURACY.read(margin_accuracy)), float(MARGIN_TIME.read(margin_time))
        made = cls(base, int(SEEDS.read(seeds)), tuple(read.items()), *margins)
        made.check_length()
        return made

    def check_cells(self, dataset: Dataset) -> None:
        """Raises `InvalidSettings` where a run of it cannot be on this data set."""
        for cell in self.cells:
            self.settings(Pair(cell, self.base.seed)).fitted(dataset)

    def check_length(self) -> None:
        """Raises `InvalidSettings` where it has too many runs, or its seeds end beyond the last that there is."""
        if (runs := self.seeds * len(self.cells)) > MOST_RUNS:
            raise InvalidSettings({"seeds": f"A study has at most {MOST_RUNS:,} runs, not {runs:,}."})
        if sentence := SETTINGS["seed"].why_not(self.base.seed + self.seeds - 1):
            raise InvalidSettings({"seed": f"The last of the {self.seeds:,} seeds cannot be: {sentence}"})

    def with_more(self, seeds: int) -> Self:
        """The same with so many seeds more."""
        return replace(self, seeds=self.seeds + seeds)

    def as_json(self) -> dict[str, Any]:
        """As JSON fields, which `of_store` takes back."""
        own = {"margin_accuracy": self.margin_accuracy, "margin_time": self.margin_time}
        vary = {name: list(values) for name, values in self.vary}
        return {"base": self.base.as_json(), "seeds": self.seeds, "vary": vary, **own}

    @classmethod
    def of_store(cls, stored: Mapping[str, Any]) -> Self:
        """A study as it was written down. Raises `ValueError` where it cannot be."""
        try:
            vary = tuple((str(name), tuple(values)) for name, values in stored["vary"].items())
            base, margins = TrainSettings.of_store(stored["base"]), (stored["margin_accuracy"], stored["margin_time"])
            return cls(base, int(stored["seeds"]), vary, *map(float, margins))
        except (LookupError, TypeError, AttributeError, OverflowError):
            raise ValueError("a study cannot be read") from None

    @cached_property
    def cells(self) -> list[tuple[tuple[str, Any], ...]]:
        """Every combination of the values that vary; one, with nothing in it, where none does."""
        names = [name for name, _ in self.vary]
        return [
            tuple(zip(names, each, strict=True)) for each in itertools.product(*(values for _, values in self.vary))
        ]

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every run, seed by seed, so that all cells grow alike."""
        first = self.base.seed
        return [Pair(cell, seed) for seed in range(first, first + self.seeds) for cell in self.cells]

    def settings(self, pair: Pair) -> TrainSettings:
        """The settings of one run. Raises `InvalidSettings`."""
        return TrainSettings.parse({**self.base.as_json(), **dict(pair.cell), "seed": pair.seed})

    def margin(self, measure: Measure) -> float:
        """The smallest difference that matters: of logarithms for a ratio."""
        return math.log1p(self.margin_time) if measure.logarithm else self.margin_accuracy

    @property
    def alpha(self) -> float:
        """The error of one claim where all of them shall hold at once."""
        return ALPHA / (len(self.cells) * len(MEASURES))


_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)


def read_budget(text: str) -> float | None:
    """The seconds in 90s, 30m, 2h or 1h30m; None for nothing. Raises `InvalidSettings`."""
    written = "".join(text.split()).lower()
    if not written:
        return None
    found = _TIME.fullmatch(written)
    if found is None:
        raise InvalidSettings({"budget": f"Budget must be a time such as 90s, 30m, 2h or 1h30m, not {shown(text)}."})
    seconds = sum(float(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))
    if BUDGET_S.why_not(seconds):
        raise InvalidSettings({"budget": f"Budget must be a time above 0 and of at most 720h, not {shown(text)}."})
    return seconds


def cannot_compare(base: TrainSettings) -> dict[str, str]:
    """What of the settings keeps a run's two lanes from being compared, times included, as a sentence a field."""
    problems = {}
    for_tests = len(base.engines) == 2 and not set(base.engines) & set(ENGINE_NAMES)
    if base.engines != ALIGNED_PAIR and not for_tests:
        problems["engines"] = f"A study compares exactly {' and '.join(ALIGNED_PAIR)}."
    if base.schedule != Schedule.TURNS:
        problems["schedule"] = f"The lanes of a study train in {Schedule.TURNS}: else their times do not compare."
    if base.device == Device.BEST:
        problems["device"] = f"The lanes of a study train on one device, so choose {Device.AUTO} or {Device.CPU}."
    return problems


def read_values(text: str) -> tuple[str, ...]:
    """The values of a varied setting, with commas between them; with semicolons where one of them has commas itself."""
    return tuple(part.strip() for part in text.split(";" if ";" in text else ",")) if text.strip() else ()


def _values(name: str, values: Sequence[object]) -> tuple[Any, ...]:
    """The values of a varied setting, each of which it can have by itself. Raises `InvalidSettings`."""
    if name not in SETTINGS or name in CANNOT_VARY:
        can = ", ".join(each for each in SETTINGS if each not in CANNOT_VARY)
        raise InvalidSettings({"vary": f"{shown(name)} cannot vary in a study: choose of {can}."})
    setting = SETTINGS[name]
    if not 1 <= len(values) <= MOST_VALUES:
        raise InvalidSettings({name: f"{setting.label} varies over 1 to {MOST_VALUES} values here."})
    if wrong := [sentence for value in values if (sentence := setting.why_not(value))]:
        raise InvalidSettings({name: wrong[0]})
    read = tuple(map(setting.read, values))
    if len(set(read)) < len(read):
        raise InvalidSettings({name: f"{setting.label} has the same value twice."})
    return read


@dataclass(frozen=True)
class Finding:
    """What the pairs of one cell say of one measure so far."""

    measure: Measure
    differences: tuple[float, ...]
    interval: Interval | None
    """None before the first pair has ended."""
    verdict: Verdict
    margin: float
    resolution: float = 0.0
    """As `resolution` says: the spread is never taken for less."""

    @property
    def favours(self) -> str:
        """`keras` or `torch`, where they differ; else nothing."""
        if self.interval is None or self.verdict not in (Verdict.DIFFERS, Verdict.DIFFERS_WITHIN):
            return ""
        return "keras" if (self.interval.mean > 0) == self.measure.more_is_better else "torch"

    @property
    def sign_evalue(self) -> float:
        """The evidence that one of them has more in most pairs, which skewed differences do not break.

        It decides at one divided by the study's alpha.
        """
        return sign_evalue(sum(one > 0 for one in self.differences), sum(one < 0 for one in self.differences))


def resolution(measure: Measure, test_images: int, least_mib: float | None = None) -> float:
    """The smallest step of a measure: one test image of an accuracy; of a memory, which is in whole MiB, one of these.

    Of memory it is a difference of logarithms where `least_mib` is the smallest figure, and 0 where there is none.
    """
    if measure.name == "test_accuracy":
        return 1 / test_images
    return math.log1p(1 / least_mib) if measure.figure == "rss_mib" and least_mib else 0.0


def finding(
    study: Study, measure: Measure, differences: Sequence[float], test_images: int, least_mib: float | None = None
) -> Finding:
    """What differences of pairs that ended say; `test_images` and `least_mib` tell how fine their figures are."""
    margin = study.margin(measure)
    if not differences:
        return Finding(measure, (), None, Verdict.UNKNOWN, margin)
    step = resolution(measure, test_images, least_mib)
    found = interval(differences, study.alpha, step)
    return Finding(measure, tuple(differences), found, verdict(differences, found, margin), margin, step)
