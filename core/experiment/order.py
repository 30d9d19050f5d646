"""What shall be measured, and where it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where something is to be looked at: a page by its title, and which part of it by the link's query."""

    page: str
    query: Mapping[str, str]
    title: str
    """What stands there, by its name."""


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
    place: Place | None = None
    """Where it is shown, if anywhere."""
