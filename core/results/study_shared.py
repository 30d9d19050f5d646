"""Studies as they stand, each added up and drawn once for all who look, however many they are."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from core.results.study_charts import closing
from core.results.study_outcome import StudyOutcome, read_outcome
from core.results.study_words import pair_name
from core.storage.runs import Store
from core.storage.studies import Studies

MOST_STUDIES = 8
"""Studies that are kept in memory: those that were asked for last."""


@dataclass(frozen=True)
class Closing:
    """The figure of an interval that closes in, ready to be sent."""

    version: str
    """Another one whenever the study has changed."""
    done: int
    """How many of all pairs have ended."""
    figure: str
    """As Plotly's JSON; empty while no pair has what it shows."""
    finding: str


@dataclass
class _Kept:
    stamp: object
    outcome: StudyOutcome
    figures: dict[tuple[str, int], Closing] = field(default_factory=dict)
    """By measure and cell."""


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

    def closing(self, study: str, measure: str, cell: int) -> Closing:
        """How the interval of a measure closes in, of the cell with that place in the plan.

        Raises `LookupError` where there is no such measure or cell; `UnknownRun`, `StoreError`.
        """
        with self._guard:
            kept = self._current(study)
            if (measure, cell) not in kept.figures:
                kept.figures[measure, cell] = _closing(kept, measure, cell)
            return kept.figures[measure, cell]

    def _current(self, study: str) -> _Kept:
        # The stamp first: what is written in between is then seen by the next look.
        stamp = self._studies.stamp(study)
        kept = self._kept.get(study)
        if kept is None or kept.stamp != stamp:
            kept = _Kept(stamp, read_outcome(self._studies, self._store, study))
        self._kept[study] = kept
        self._kept.move_to_end(study)
        while len(self._kept) > MOST_STUDIES:
            self._kept.popitem(last=False)
        return kept


def _closing(kept: _Kept, measure: str, place: int) -> Closing:
    found = kept.outcome
    if place < 0:
        raise IndexError(place)
    cell = found.cells[place]
    finding = cell.finding(measure)
    version = hashlib.sha256(repr(kept.stamp).encode()).hexdigest()[:16]
    if not finding.differences:
        return Closing(version, found.done, "", "")
    names = [pair_name(pair.seed, ()) for pair in cell.pairs if measure in pair.differences]
    figure, words = closing(found.record.study, finding, cell.test_images, names)
    return Closing(version, found.done, str(figure.to_json()), words)
