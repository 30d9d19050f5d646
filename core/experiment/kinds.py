"""The kinds of settings: how a raw value is checked, and how a value stands in a field, a link and a sentence."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

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


@dataclass(frozen=True)
class Setting(ABC):
    """All that is known of a setting but its name and its default; as an annotation it checks the model's field."""

    label: str
    """Of its field, and in the sentence for a value that it cannot have."""
    _: KW_ONLY
    field: str = ""
    """The label of its field, where that is another one."""
    row: str = ""
    """What it is called in a table and, in lower case, in a sentence, where not by its label."""
    note: str = ""
    """What stands under its field, after what is allowed."""
    help: str = ""
    """Of its option on the command line, where that is not what is allowed."""
    costs: bool = False
    """Whether it decides how long an epoch takes: only runs that agree in these tell each other's length."""
    as_said: Callable[[Any], str] | None = None
    """Its value in a sentence, where its kind does not know."""
    as_phrase: Callable[[Any], str] | None = None
    """Itself with its value, where that is not one after the other."""
    as_cell: Callable[[Any], str] | None = None
    """Its value in a table, where that is not as in a sentence."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What it may be, in a few words."""

    @abstractmethod
    def why_not(self, value: object) -> str:
        """What is wrong with a raw value, as a sentence; empty where nothing is."""

    def read(self, value: Any) -> object:
        """The value in a raw one with which nothing is wrong."""
        return value

    def check(self, value: object) -> object:
        """The value in a raw one, for pydantic, which passes the sentence on."""
        if message := self.why_not(value):
            raise PydanticCustomError("setting", "{message}", {"message": message})
        return self.read(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    @property
    def field_label(self) -> str:
        """What stands over its field."""
        return self.field or self.label

    @property
    def title(self) -> str:
        """What it is called in a table."""
        return self.row or self.label

    @property
    def word(self) -> str:
        """What it is called in a sentence."""
        return self.title.lower()

    @property
    def option_help(self) -> str:
        """What its option on the command line says of itself."""
        return self.help or f"{self.allowed}."

    def typed(self, value: Any) -> str:
        """A value as it is typed, linked and given on the command line."""
        return str(value)

    def said(self, value: Any) -> str:
        """A value in a sentence."""
        return self.as_said(value) if self.as_said else str(value)

    def phrase(self, value: Any) -> str:
        """The setting with its value as one says them: 2 epochs, batch size 512, as shipped."""
        return self.as_phrase(value) if self.as_phrase else f"{self.word} {self.said(value)}"

    def cell(self, value: Any) -> str:
        """A value in a table."""
        return self.as_cell(value) if self.as_cell else self.said(value)


@dataclass(frozen=True)
class Number(Setting):
    """A number from `low` to `high`."""

    _: KW_ONLY
    low: float
    high: float
    whole: bool = True
    above: bool = False
    """Whether `low` itself is out."""

    @property
    def allowed(self) -> str:
        return f"above {_written(self.low)}, up to {_written(self.high)}" if self.above else self._from_to

    @property
    def _from_to(self) -> str:
        return f"{_written(self.low)} to {_written(self.high)}"

    def at_most(self, high: float) -> "Number":
        """The same where a run cannot have more than `high`."""
        return replace(self, high=min(self.high, high))

    def read(self, value: Any) -> int | float:
        number = read_number(value, self.whole)
        return int(number) if self.whole else number

    def why_not(self, value: object) -> str:
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

    def typed(self, value: Any) -> str:
        return f"{value:.12g}"

    def said(self, value: Any) -> str:
        return self.as_said(value) if self.as_said else str(value) if self.whole else f"{value:g}"


def _written(limit: float) -> str:
    return f"{limit:,.0f}" if limit == int(limit) else f"{limit:g}"


@dataclass(frozen=True)
class Choice(Setting):
    """One of several values, each with the title that it has in its field and in a table."""

    _: KW_ONLY
    titles: Mapping[str, str]
    meanings: Mapping[str, str] | None = None
    """What each value means, in a line under it."""
    phrases: Mapping[str, str] | None = None
    """What is said of a value where its title alone does not say it."""
    proper: bool = False
    """Whether the titles are names, whose capitals stay in a sentence."""

    @property
    def allowed(self) -> str:
        *others, last = self.titles
        return f"{', '.join(others)} or {last}"

    def why_not(self, value: object) -> str:
        if isinstance(value, str) and value in self.titles:
            return ""
        return f"{self.label} must be one of {', '.join(self.titles)}, not {shown(value)}."

    def said(self, value: Any) -> str:
        title = self.titles[value]
        return title if self.proper or title[:2].isupper() else title[0].lower() + title[1:]

    def phrase(self, value: Any) -> str:
        return (self.phrases or {}).get(value) or self.said(value)

    def cell(self, value: Any) -> str:
        return self.titles[value]
