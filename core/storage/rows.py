"""What the rows of a run say: every kind has a type, and becomes text and a value again here and nowhere else."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from core.experiment.fairness import FairnessVerdict
from core.experiment.kinds import shown
from core.experiment.parity import Certificate
from core.protocol.messages import Built, Epoch, Preparing, Ready, Result, Step
from core.storage.database import LaneState, State


class Damage(ValueError):
    """A run or a row that cannot be: the rest of a sentence, without its stop."""


@dataclass(frozen=True)
class _Own:
    """Of the run itself, and not reported by a worker."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class RunChanged(_Own):
    """The run began or ended."""

    state: State
    reason: str = ""
    busy: bool = False
    """Said at its end: others took so much of the processors that its times say little."""


@dataclass(frozen=True)
class LaneChanged(_Own):
    """A lane began something else, or ended."""

    state: LaneState
    epoch: int = 0
    """The last that it has trained."""
    reason: str = ""
    diverged: bool = False
    """Its own loss ended it; False, too, in a run from before this was written."""


@dataclass(frozen=True)
class Provenance:
    """Where the prepared data came from: its source in words, SHA-256 by file, and what is special about it."""

    dataset: str = ""
    source: str = ""
    source_sha256: Mapping[str, str] = field(default_factory=dict)
    array_sha256: Mapping[str, str] = field(default_factory=dict)
    train_images: int = 0
    test_images: int = 0
    prepared_at: str = ""
    note: str = ""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From what the data set's own file says."""
        return cls(**{one.name: values[one.name] for one in fields(cls) if one.name in values})


@dataclass(frozen=True)
class DrawnMeanwhile(_Own):
    """Predictors answered while the run trained: its times are then a little too long."""


RowEvent = (
    Ready | Built | Step | Epoch | Result | LaneChanged
    | RunChanged | Provenance | Certificate | FairnessVerdict | DrawnMeanwhile | Preparing
)  # fmt: skip
"""What a row says: what a lane reports or becomes, then what the run itself says."""
LANES_KINDS: Mapping[str, type[RowEvent]] = {
    **{"ready": Ready, "built": Built, "step": Step, "epoch": Epoch, "result": Result},
    "lane": LaneChanged,
}
RUNS_KINDS: Mapping[str, type[RowEvent]] = {
    **{"run": RunChanged, "prepared": Provenance, "certificate": Certificate, "fairness": FairnessVerdict},
    **{"beside": DrawnMeanwhile, "data": Preparing},
}
"""The names by which kinds are stored, of a lane's rows and of the run's own."""
KINDS = {**LANES_KINDS, **RUNS_KINDS}
OMITTED_IF_EMPTY = ("busy", "diverged", "note", "epochs_sha256")
"""Fields that are written only where they say something."""
_KIND_OF = {event: kind for kind, event in KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[RowEvent]] = {kind: TypeAdapter(event) for kind, event in KINDS.items()}


@dataclass(frozen=True)
class Entry:
    """A row before it has a number; `engine` is empty for the run itself."""

    engine: str
    event: RowEvent

    @property
    def kind(self) -> str:
        """The name under which such events are stored."""
        return _KIND_OF[type(self.event)]


@dataclass(frozen=True)
class Row:
    """One thing that happened in a run: `seq` counts from 1 in the run; `engine` is empty for the run itself."""

    seq: int
    engine: str
    event: RowEvent
    text: str = field(default="", compare=False, repr=False)
    """The event as it was written, where it was: what events gain later changes no export of an older run."""

    @property
    def kind(self) -> str:
        """As of an `Entry`."""
        return _KIND_OF[type(self.event)]

    def as_json(self) -> dict[str, Any]:
        """The row as one flat JSON object."""
        return flat(self.seq, self.engine, self.kind, json.loads(self.text or to_text(self.event)))


def flat(seq: int, engine: str, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A row as one JSON object, for exports and browsers."""
    own = {"seq": seq, "engine": engine, "kind": kind}
    return own | dict(values) | own  # in this order, and a field of the same name does not hide it


def to_fields(event: RowEvent) -> dict[str, Any]:
    """An event as JSON values."""
    values = asdict(event) | ({"passed": event.passed} if isinstance(event, Certificate) else {})
    return {name: value for name, value in values.items() if value or name not in OMITTED_IF_EMPTY}


def to_text(event: RowEvent) -> str:
    """An event as it is stored. Raises `ValueError` for a number that JSON cannot hold."""
    return json.dumps(to_fields(event), allow_nan=False)


def read(seq: int, engine: str, kind: str, text: str, extra: Literal["ignore"] | None = "ignore") -> Row:
    """A row of one of the `KINDS` from its text; what it lacks has its default. Raises `Damage`.

    `extra`: what becomes of fields that are not known; None leaves it to the kind.
    """
    try:
        given = _completed(engine, kind, text) if kind in ("ready", "certificate") else text
        return Row(seq, engine, _ADAPTERS[kind].validate_json(given, strict=True, extra=extra), text)
    except ValidationError as error:
        if error.errors()[0]["type"] not in ("json_invalid", "dataclass_type"):
            raise Damage(f"row {seq} ({shown(kind)}): {in_words(error)}") from None
    except (ValueError, TypeError, AttributeError, RecursionError):  # no text, or of another form
        pass
    raise Damage(f"row {seq} holds no JSON object")


def _completed(engine: str, kind: str, text: str) -> str:
    """A message that names its lane again, and a certificate without what follows from it."""
    values = json.loads(text)
    if kind == "ready":
        values.setdefault("engine", engine)
    else:
        values.pop("passed", None)
    return json.dumps(values)


def in_words(error: ValidationError) -> str:
    """The first thing that is wrong in a file's or a row's values, as the rest of a sentence."""
    wrong = error.errors(include_url=False)[0]
    where, what = shown(".".join(map(str, wrong["loc"][:4]))), wrong["msg"]
    if wrong["type"] == "missing":
        return f"{where} is missing"
    if wrong["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where} is no field that can be"
    return f"{where} is {shown(wrong['input'])}: {what[:1].lower()}{what[1:]}"
