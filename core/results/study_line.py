"""A study on one line of a list: what it is called, how far it is, and what is decided, in few words. Plain text."""

from dataclasses import dataclass
from functools import lru_cache

from core.results import study_words
from core.results.study_outcome import StudyOutcome, read_outcome
from core.storage.runs import Store
from core.storage.studies import Studies, StudyRecord


@dataclass(frozen=True)
class StudyLine:
    """What a list shows of a study."""

    record: StudyRecord
    title: str
    done: int
    total: int
    decided: str
    """Sentences."""

    @property
    def pairs(self) -> str:
        """How many of its pairs have ended: 7 of 10 pairs."""
        return f"{self.done:,} of {self.total:,} pair{'s' if self.total > 1 else ''}"


def read_line(studies: Studies, store: Store, study: str) -> StudyLine:
    """The line of a study, read anew when it or one of its runs has changed. Raises `UnknownRun`, `StoreError`."""
    return _line(studies, store, study, studies.stamp(study))


@lru_cache(maxsize=256)  # of 2,000 pairs it takes a quarter of a second
def _line(studies: Studies, store: Store, study: str, stamp: tuple[object, ...]) -> StudyLine:
    found = read_outcome(studies, store, study)
    title = study_words.title(found.record.study, store.data_dir)
    return StudyLine(found.record, title, found.done, found.total, _decided(found))


def _decided(found: StudyOutcome) -> str:
    """Each verdict of one combination that is decided; of several how many are."""
    findings = [one for cell in found.cells for one in cell.findings]
    if len(found.cells) > 1:
        return f"{study_words.decided_words(findings)}."
    said = [f"{one.measure.title}: {study_words.brief(one)}." for one in findings if one.verdict.decided]
    return " ".join(said) or "Nothing is decided yet."
