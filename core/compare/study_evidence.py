"""Studies as evidence: of claim 7's speed, and of what a kept default costs.

A study tells of the speed that has finished and repeats the article's settings on MNIST over seeds alone, and in which
the throughput has an interval. It tells of a default's cost where its runs are exact twins that keep this default
alone: without it both lanes would be the same, so that the difference of their accuracies is what it costs.
"""

from typing import Literal

from core.compare.evidence import Shown, Table
from core.compare.evidence.speed import VERDICTS
from core.experiment.statistics import Verdict
from core.experiment.study import Finding
from core.results import study_words
from core.results.study_outcome import StudyOutcome, read_outcome
from core.storage.runs import Store
from core.storage.studies import Studies, StudyRecord, StudyState

Place = Literal["here", "recorded"]
DATASETS = ("mnist", "mnist5k")
RATE, TIME = "log_images_per_s", "log_train_s"


def strongest(studies: Studies, store: Store) -> dict[Place, StudyOutcome]:
    """The study of most pairs whose speed counts: of this folder's own, and of those that came with the project.

    Raises `StoreError`.
    """
    found: dict[Place, StudyOutcome] = {}
    for record in (*studies.all(), *studies.recorded()):
        if record.source != "imported" and _tells(record):
            one = read_outcome(studies, store, record.id)
            if pairs(one) > (pairs(found[record.source]) if record.source in found else 0):
                found[record.source] = one
    return found


def costs(studies: Studies, store: Store) -> dict[str, dict[Place, StudyOutcome]]:
    """By the name of a default, the finished study of most seeds that keeps it alone, by place. Raises `StoreError`."""
    found: dict[str, dict[Place, StudyOutcome]] = {}
    most: dict[tuple[str, Place], int] = {}
    for record in (*studies.all(), *studies.recorded()):
        base = record.study.base
        if record.source == "imported" or record.study.vary or len(base.keep) != 1:
            continue
        (name,), place, seeds = base.keep, record.source, record.study.seeds
        if record.state == StudyState.FINISHED and seeds > most.get((name, place), 1):
            most[name, place] = seeds
            found.setdefault(name, {})[place] = read_outcome(studies, store, record.id)
    return found


def _tells(record: StudyRecord) -> bool:
    base = record.study.base
    articles = not record.study.vary and set(base.changed()) <= {"dataset", "seed"}
    return record.state == StudyState.FINISHED and articles and base.dataset in DATASETS


def pairs(found: StudyOutcome) -> int:
    """How many pairs tell of the throughput; 0 while they make no interval."""
    rate = _finding(found, RATE)
    return len(rate.differences) if rate.interval and rate.interval.bounded else 0


def show(found: StudyOutcome) -> Shown:
    """What a study says of claim 7, by the rule of `core.compare.evidence.speed`."""
    rate, time = _finding(found, RATE), _finding(found, TIME)
    finding = f"In a study of {pairs(found):,} pairs: {_words(rate, 'images a second')} {_words(time, 'training time')}"
    verdict = VERDICTS[_ahead(rate)]
    return Shown(finding, supports=True, tables=[_table(found)], verdicts={"keras": verdict, "pytorch": verdict})


def _finding(found: StudyOutcome, measure: str) -> Finding:
    (cell,) = found.cells
    return cell.finding(measure)


def _ahead(finding: Finding) -> str | None:
    """The lane on whose side the whole interval lies, if it does."""
    interval = finding.interval
    if interval is None or interval.low <= 0 <= interval.high:
        return None
    return "keras" if (interval.mean > 0) == finding.measure.more_is_better else "torch"


def _words(finding: Finding, what: str) -> str:
    if finding.verdict == Verdict.UNKNOWN:
        return f"no difference was seen in {what} (Keras minus PyTorch: {study_words.difference_words(finding)})."
    return study_words.sentence(finding)


def _table(found: StudyOutcome) -> Table:
    (cell,) = found.cells
    rows = [
        [
            one.measure.title,
            study_words.brief(one, cell.pairs_needed(one.measure.name)),
            study_words.difference_words(one),
            f"{len(one.differences):,}",
        ]
        for one in cell.findings
    ]
    caption = (
        "Each interval may be looked at after every pair, and all five hold at once in 95\u00a0% of studies: they are "
        "wider than the 95\u00a0% intervals of a measurement of as many repeats."
    )
    return Table(["measure", "verdict", "Keras minus PyTorch", "pairs"], rows, caption)
