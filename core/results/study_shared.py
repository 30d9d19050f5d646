"""Studies as they stand, each added up and drawn once for all who look, however many they are."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

import plotly.graph_objects as go

from core.results.study_charts import closing
from core.results.study_outcome import StudyOutcome, outcome_of
from core.storage.runs import Store
from core.storage.studies import PairRun, Studies

MOST_STUDIES = 8
"""Studies that are kept in memory: those that were asked for last."""
MOST_FIGURES = 24
"""The same of one study's figures."""


@dataclass(frozen=True)
class Drawn:
    """A figure that is ready to be sent."""

    figure: go.Figure
    finding: str
    """What it shows, in words."""
    json: str
    """The figure as Plotly's JSON."""


@dataclass(frozen=True)
class Closing:
    """How an interval closes in, as a study stands."""

    version: str
    """Another one whenever the study has changed."""
    done: int
    """How many of all pairs have ended."""
    drawn: Drawn | None
    """None while no pair has what is drawn."""


@dataclass
class _Kept:
    stamp: object
    outcome: StudyOutcome
    pairs: Mapping[str, PairRun]
    """By the id of the run."""
    figures: dict[Hashable, Drawn] = field(default_factory=dict)

    def drawn(self, key: Hashable, draw: Callable[[], tuple[go.Figure, str]]) -> Drawn:
        if key not in self.figures:
            if len(self.figures) >= MOST_FIGURES:
                self.figures.clear()
            self.figures[key] = _drawn(draw)
        return self.figures[key]


class Outcomes:
    """The studies of a data folder; any thread may ask."""

    def __init__(self, studies: Studies, store: Store) -> None:
        self._studies, self._store = studies, store
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def of(self, study: str) -> StudyOutcome:
        """A study as it stands now. Raises `UnknownRun`, `StoreError`."""
        with self._guard:
            return self._current(study).outcome

    def drawn(self, found: StudyOutcome, key: Hashable, draw: Callable[[], tuple[go.Figure, str]]) -> Drawn:
        """A figure of a study and what it shows, by `key`: drawn once while `found` is how the study stands."""
        with self._guard:
            kept = self._kept.get(found.record.id)
            return kept.drawn(key, draw) if kept and kept.outcome is found else _drawn(draw)

    def closing(self, study: str, measure: str, cell: int) -> Closing:
        """How the interval of a measure closes in, of the cell with that place in the plan.

        Raises `LookupError` where there is no such measure or cell; `UnknownRun`, `StoreError`.
        """
        with self._guard:
            kept = self._current(study)
            version = hashlib.sha256(repr(kept.stamp).encode()).hexdigest()[:16]
            if cell < 0:
                raise IndexError(cell)
            found = kept.outcome.cells[cell].finding(measure).differences
            draw = closing_of(kept.outcome, measure, cell)
            return Closing(version, kept.outcome.done, kept.drawn(*draw) if found else None)

    def _current(self, study: str) -> _Kept:
        # The stamp first: what is written in between is then seen by the next look.
        stamp = self._studies.stamp(study)
        kept = self._kept.get(study)
        if kept is None or kept.stamp != stamp:
            record, known = self._studies.get(study), kept.pairs if kept else {}
            pairs = {pair.run: pair for pair in self._studies.pairs(study, known)}
            found = outcome_of(self._studies, self._store, record, list(pairs.values()))
            kept = _Kept(stamp, found, pairs)
        self._kept[study] = kept
        self._kept.move_to_end(study)
        while len(self._kept) > MOST_STUDIES:
            self._kept.popitem(last=False)
        return kept


def closing_of(found: StudyOutcome, measure: str, place: int) -> tuple[Hashable, Callable[[], tuple[go.Figure, str]]]:
    """Key and drawing of how an interval closes in, of the cell with that place, where a pair of it counts."""
    cell = found.cells[place]

    def draw() -> tuple[go.Figure, str]:
        seeds = [pair.seed for pair in cell.pairs if measure in pair.differences]
        return closing(found.record.study, cell.finding(measure), seeds)

    return ("closing", measure, place), draw


def _drawn(draw: Callable[[], tuple[go.Figure, str]]) -> Drawn:
    figure, finding = draw()
    return Drawn(figure, finding, str(figure.to_json()))
