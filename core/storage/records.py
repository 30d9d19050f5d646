"""What the store holds, as values: a run, its lanes, those that came with the project, and what is sought."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from core.data import datasets
from core.data.datasets import Dataset
from core.experiment.dates import as_time, day_and_time
from core.experiment.fairness import FairnessVerdict
from core.experiment.network import Network
from core.experiment.settings import Alignment, TrainSettings
from core.experiment.titles import ARTICLES, apart_by, searchable_settings
from core.storage.database import OPEN_STATES, LaneState, State, StoreError
from core.storage.rows import Damage, Row, RowEvent, RunChanged, read

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
"""Checks a run id wherever one enters: sortable by time, safe in a URL and as a file name."""
NAME_LETTERS, NOTE_LETTERS = 500, 2000
"""The most that a run's name and note hold."""
RECORDED = Path(__file__).parent / "recorded"
"""What came with the project."""
Source = Literal["here", "recorded", "imported"]
"""Where a run or a study is from: this data folder, the project, or a file."""


class UnknownRun(StoreError):
    """No run has this id."""


@dataclass(frozen=True)
class StudyPair:
    """Which pair of which study a run is; its seed is the run's."""

    study: str
    cell: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Lane:
    """One engine's training in a run: its state, and its test result once there is one."""

    engine: str
    state: LaneState
    reason: str = ""
    test_loss: float | None = None
    test_accuracy: float | None = None


def lane_of(values: Mapping[str, Any]) -> Lane:
    """A lane from what a table, a recording or a file calls its fields. Raises `ValueError` where its state is none."""
    return Lane(
        engine=values["engine"],
        state=LaneState(values["state"]),
        reason=values["reason"],
        test_loss=values["test_loss"],
        test_accuracy=values["test_accuracy"],
    )


@dataclass(frozen=True)
class Run:
    """One press of Start: what was asked, where, and how it ended. Times are ISO 8601 in UTC."""

    id: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    state: State
    reason: str
    settings: TrainSettings
    machine: dict[str, Any]
    source: Source = "here"
    lanes: tuple[Lane, ...] = ()
    name: str = ""
    """What its owner calls it; text, never Markdown or HTML."""
    note: str = ""
    pinned: bool = False
    visitor: str = ""
    """Who started it, where visitors are told apart: a hash that says nothing else."""
    fairness: FairnessVerdict | None = None
    """What an aligned run itself said at its end."""
    busy: bool = False
    """Whether others took so much of the processors that its times say little: its end says it, for good."""
    data: Dataset | None = None
    """What it trained on, where that is no data set of the catalogue: one's own can be deleted, and the run stays."""
    study: str = ""
    """The id of the study whose pair it is; empty where of none."""

    @property
    def live(self) -> bool:
        """Whether rows may still come."""
        return self.state in OPEN_STATES

    @property
    def parted(self) -> bool:
        """Whether it was aligned and turned out not to be, so that it compares nothing.

        A twin that keeps a default is there to part.
        """
        return self.fairness is not None and self.fairness.parted and not self.settings.keep

    @property
    def dataset(self) -> Dataset:
        """What it trains on."""
        return self.data or datasets.find(self.settings.dataset)

    @property
    def network(self) -> Network:
        """What it trains."""
        return Network.of(self.settings.network, self.dataset.shape)

    @property
    def undeletable_because(self) -> str:
        """Why it cannot be deleted, as the rest of a sentence; empty where it can."""
        if self.source == "recorded":
            return "came with the project: it cannot be deleted"
        return "has not ended: stop it first" if self.live else ""

    @property
    def elapsed_s(self) -> float | None:
        """Wall time from start to end."""
        if not (self.started_at and self.ended_at):
            return None
        return (as_time(self.ended_at) - as_time(self.started_at)).total_seconds()

    def lane(self, engine: str) -> Lane:
        """The lane of an engine; raises `KeyError`."""
        return {lane.engine: lane for lane in self.lanes}[engine]


@dataclass(frozen=True)
class DamagedRun:
    """A run of which the store holds something that cannot be; `why` is the rest of a sentence."""

    id: str
    why: str

    def __str__(self) -> str:
        return f"Run {self.id} is damaged and cannot be shown: {self.why}."


class DamagedRunError(StoreError):
    """What the store holds of a run, or of some, cannot be; the others can be read."""

    def __init__(self, *damaged: DamagedRun) -> None:
        super().__init__(" ".join(map(str, damaged)))
        self.damaged = damaged


@dataclass(frozen=True)
class DamagedStudy:
    """A study of which the store holds something that cannot be."""

    id: str

    def __str__(self) -> str:
        return f"Study {self.id} is damaged and cannot be shown: what was asked cannot be read."


class DamagedStudyError(StoreError):
    """What the store holds of a study cannot be; the others can be read."""


@dataclass(frozen=True)
class RunFilter:
    """Which runs a listing shows: `text` is looked for in all that a list shows of a run; an empty field takes all.

    What stands between commas in `text` is looked for part by part, so that a title finds its run.
    """

    text: str = ""
    dataset: str = ""
    engine: str = ""
    state: State | None = None
    study: str = ""
    """The id of the study whose runs alone are shown, less those that are pinned: they stand by themselves."""

    def matches(self, run: Run) -> bool:
        """Whether a run passes the filter."""
        words = (run.name, run.note, run.id, run.state, run.source, run.dataset.title, run.created_at)
        return (
            self.matches_text(json.dumps(run.settings.as_json()), *words)
            and self.dataset in ("", run.settings.dataset)
            and (not self.engine or any(lane.engine == self.engine for lane in run.lanes))
            and self.state in (None, run.state)
            and self.study in ("", run.study)
        )

    def matches_text(self, settings: str, *words: str) -> bool:
        """Whether the text is found: `settings` as JSON, `words` as they stand, the last of them when it was made."""
        if not self._parts:
            return True
        sought = "\n".join((*words[:-1], day_and_time(words[-1]))).casefold()
        return all(part in sought or part in searchable_settings(settings) for part in self._parts)

    @cached_property
    def _parts(self) -> list[str]:
        return [part.strip() for part in self.text.casefold().split(",") if part.strip()]


@dataclass(frozen=True)
class StudyRuns:
    """A line of a list for so many runs of a study."""

    study: str
    runs: int


@dataclass(frozen=True)
class ListPage:
    """A page of a list of runs, in which a study is one line."""

    lines: list[Run | StudyRuns]
    total: int
    """Lines on all pages."""
    runs: int
    """Runs in them."""


def checked_id(run_id: str) -> str:
    """The id if it could be one. Raises `UnknownRun`."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        raise UnknownRun("This is not a run's id: an id looks like 20261104-081500-1a2b3c4d.")
    return run_id


def check_words(name: str, note: str) -> None:
    """Raises `StoreError` with a sentence where a run's name or note is too long."""
    for what, text, most in (("name", name, NAME_LETTERS), ("note", note, NOTE_LETTERS)):
        if len(text) > most:
            raise StoreError(f"A {what} has at most {most:,} letters; this one has {len(text):,}.")


def data_to_keep(settings: TrainSettings, data_dir: Path) -> dict[str, Any] | None:
    """What a run keeps of its data set as JSON fields: None for one of the catalogue. Raises `StoreError`."""
    try:
        found = datasets.find(settings.dataset, data_dir)
    except datasets.DatasetError as error:
        raise StoreError(str(error)) from None
    return None if found.name in datasets.DATASETS else found.as_json()


def kept_data(settings: TrainSettings, fields: object) -> Dataset | None:
    """The same read again. Raises `Damage` where it cannot be, or contradicts the settings."""
    if settings.dataset in datasets.DATASETS:
        if fields is not None:
            raise Damage(f"{settings.dataset} is no data set of one's own, and data describes one")
        return None
    try:
        return Dataset.of_json(settings.dataset, fields)
    except ValueError as error:
        raise Damage(f"what it says of its data set {settings.dataset} cannot be: {error}") from None


def fairness_and_busy(events: Iterable[RowEvent]) -> tuple[FairnessVerdict | None, bool]:
    """What a run's rows say of its fairness, and whether its machine was busy."""
    verdict, busy = None, False
    for event in events:
        if isinstance(event, FairnessVerdict):
            verdict = event
        elif isinstance(event, RunChanged):
            busy = event.busy
    return verdict, busy


class Recording:
    """A run that came with the project, in the export's own format."""

    def __init__(self, content: Mapping[str, Any], study: str = "") -> None:
        """`study`: the id of the one that it came with, if any."""
        run = content["run"]
        self.lines = [(row.pop("seq"), row.pop("engine"), row.pop("kind"), json.dumps(row)) for row in content["rows"]]
        """Number, engine, kind and text of each row."""
        verdict, busy = fairness_and_busy(read(*line).event for line in self.lines if line[2] in ("run", "fairness"))
        self.run = Run(
            id=run["id"],
            created_at=run["created_at"],
            started_at=run["started_at"],
            ended_at=run["ended_at"],
            state=State(run["state"]),
            reason=run["reason"],
            settings=TrainSettings.of_store(run["settings"]),
            machine=run["machine"],
            source="recorded",
            lanes=tuple(map(lane_of, content["lanes"])),
            name=run.get("name", ""),
            note=run.get("note", ""),
            fairness=verdict,
            busy=busy,
            study=study,
        )

    @cached_property
    def rows(self) -> list[Row]:
        """All rows, typed when they are first read."""
        return [read(*line) for line in self.lines]


@cache
def read_recordings(folder: Path) -> dict[str, Recording]:
    """The recordings in a folder by run id, each `<run>/run.json` beside weights and predictions; no pair of a study.

    Read once a process: they never change. The article's network on its data comes first, as shipped to the twin, then
    other networks, then other data.
    """
    found = [Recording(json.loads(path.read_text())) for path in sorted(folder.glob("*/run.json"))]
    found.sort(key=lambda recording: _place(recording.run.settings))
    return {recording.run.id: recording for recording in found}


def _place(settings: TrainSettings) -> tuple[int, int]:
    return ["alignment", *ARTICLES].index(apart_by(settings)), [*Alignment].index(settings.alignment)
