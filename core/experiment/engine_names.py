"""The names of the engines, and the setting that is several of them."""

import importlib.util
import re
from dataclasses import dataclass
from typing import Any

from core.experiment.kinds import Setting, shown
from core.experiment.names import ENGINE_TITLES, engine_title, joined

ENGINE_NAMES = tuple(ENGINE_TITLES)
"""What a lane can be: the two frameworks as shipped, then their variants, whether they are installed here or not."""
SPARE_ENGINES = ("keras", "torch")
"""The engines that a run has unless its user chooses others: one imported worker of each is kept warm."""
ALIGNED_PAIR = ("keras", "torch")
MAX_LANES = 10
_TEST_ENGINE = re.compile(r"fake(-[a-z0-9]{1,20}){0,3}")
"""The engine without a framework, for tests: accepted in code, never offered to a user. Tests run several such
lanes in one run, told apart by what follows the hyphen: fake-a, fake-b."""
NEEDS = {"keras-on-jax": "jax"}
"""Engines that need a module which is no requirement of this project."""


def missing_module(engine: str) -> str:
    """The module that an engine needs and that is not installed here; empty where it can train here."""
    module = NEEDS.get(engine, "")
    return module if module and importlib.util.find_spec(module) is None else ""


def installed_engines() -> list[str]:
    """The engines that can train here."""
    return [engine for engine in ENGINE_NAMES if not missing_module(engine)]


@dataclass(frozen=True)
class Engines(Setting):
    """Several engines, each of which trains in a lane: as a list, or as text with commas between them."""

    @property
    def allowed(self) -> str:
        return ", ".join(ENGINE_NAMES)

    def why_not(self, value: object) -> str:
        names = self.read(value)
        if not isinstance(names, tuple) or not names:
            return f"{self.label} must name at least one of {self.allowed}, not {shown(value)}."
        if len(names) > MAX_LANES:
            return f"A run has at most {MAX_LANES} lanes, not {len(names):,}."
        for name in names:
            if not isinstance(name, str) or not (name in ENGINE_NAMES or _TEST_ENGINE.fullmatch(name)):
                return no_engine(name)
        return "" if len(set(names)) == len(names) else f"{self.label} must differ: each one trains in one lane."

    def read(self, value: Any) -> object:
        if isinstance(value, str) and value.strip():
            return tuple(part.strip() for part in value.split(","))
        return tuple(value) if isinstance(value, list) else value

    def typed(self, value: Any) -> str:
        return ",".join(value)

    def said(self, value: Any) -> str:
        return joined([engine_title(engine) for engine in value])

    def phrase(self, value: Any) -> str:
        return self.said(value) + (" alone" if len(value) == 1 else "")


def no_engine(name: object) -> str:
    """The sentence for a name that is no engine's."""
    return f"There is no engine {shown(name)}. Engines: {', '.join(ENGINE_NAMES)}."
