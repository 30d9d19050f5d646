"""What a study's pairs add up to: findings by cell and measure, how far it is, and why it ends.

All but `read_outcome` are pure functions.

A pair that has finished or failed is done; one that was cut short is run anew: stopped, interrupted, or failed before a
lane trained.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core.data import datasets
from core.experiment.metrics import duration
from core.experiment.statistics import Verdict, pairs_to_decide
from core.experiment.study import MEASURES, Finding, Measure, Pair, finding, resolution
from core.storage.database import State, StoreError
from core.storage.runs import Store
from core.storage.studies import SIDES, PairRun, Studies, StudyRecord, StudyState

TIMES = ("log_train_s", "log_images_per_s")
"""The measures that a busy machine spoils."""
UNTIL_DECIDED, UNTIL_SEEDS = "decided", "seeds"
STOPS = (UNTIL_DECIDED, UNTIL_SEEDS, *(measure.name for measure in MEASURES))
"""What may end a study before its last pair: all verdicts, nothing, or the verdicts of one measure."""


@dataclass(frozen=True)
class EndedPair:
    """A run of a study that has ended, and how its lanes differ: Keras minus PyTorch, by measure."""

    cell: tuple[tuple[str, Any], ...]
    seed: int
    run: str
    state: State
    differences: Mapping[str, float]
    """None of a measure that a lane does not have, nor of times where the machine was busy; none at all where the
    lanes parted: then more than the framework differs."""
    figures: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    """As `PairRun.figures`."""
    busy: bool = False
    parted: bool = False
    """As `PairRun.parted`."""
    machine: str = ""
    """The name of the machine on which it ran."""
    done: bool = True
    """Whether it is not run anew."""


@dataclass(frozen=True)
class CellOutcome:
    """What the pairs of one combination of values say."""

    cell: tuple[tuple[str, Any], ...]
    findings: list[Finding]
    """One a measure, in the order of `MEASURES`."""
    pairs: list[EndedPair]
    """Finished and failed ones, by seed."""
    failed: int
    parted: int
    """How many finished and count in no verdict, since their lanes parted."""
    test_images: int
    alpha: float

    def finding(self, measure: str) -> Finding:
        """What is found of a measure, by its name. Raises `KeyError`."""
        return {found.measure.name: found for found in self.findings}[measure]

    def has(self, measure: str) -> bool:
        """Whether a pair has this of both lanes, whether or not it counts. Raises `KeyError`."""
        found = self.finding(measure)
        return bool(found.differences) or any(
            all(pair.figures.get(side, {}).get(found.measure.figure) is not None for side in SIDES)
            for pair in self.pairs
        )

    def pairs_needed(self, measure: str) -> int | None:
        """About how many pairs a verdict needs in all, 0 where there is one; None where nobody can tell."""
        found = self.finding(measure)
        if found.verdict.decided:
            return 0
        if len(found.differences) < 2:
            return None
        return pairs_to_decide(found.differences, found.margin, self.alpha, found.resolution)


@dataclass(frozen=True)
class StudyOutcome:
    """A study and what it says so far."""

    record: StudyRecord
    cells: list[CellOutcome]
    """In the order of the plan."""
    cut_short: list[EndedPair]
    """Runs that were stopped or interrupted, or failed before a lane trained: their pairs are run anew."""
    remaining: list[Pair]
    """What is to be run yet, in its order; what runs or waits now is none of it."""
    running: list[str]
    """The ids of its runs that run or wait."""
    spent_s: float
    """What its runs have taken together."""

    @property
    def total(self) -> int:
        """How many pairs there are in all."""
        return len(self.record.study.pairs)

    @property
    def left_s(self) -> float | None:
        """About how long all pairs that may still come take, as many at once as now; None where nobody can tell."""
        pairs = len(self.remaining) + len(self.running)
        return self.pair_s * pairs / max(1, len(self.running)) if self.pair_s and pairs else None

    @cached_property
    def done(self) -> int:
        """How many have finished or failed."""
        return sum(len(cell.pairs) for cell in self.cells)

    @property
    def failed(self) -> int:
        """How many of these failed."""
        return sum(cell.failed for cell in self.cells)

    @property
    def parted(self) -> int:
        """How many finished and count in no verdict, since their lanes parted."""
        return sum(cell.parted for cell in self.cells)

    def anew(self, pair: EndedPair) -> bool:
        """Whether a pair that was cut short was run anew, or will be: not where the study ended before."""
        goes_on = self.record.state != StudyState.FINISHED and not self.record.unchangeable_because
        return goes_on or Pair(pair.cell, pair.seed) not in self.remaining

    @property
    def busy(self) -> int:
        """How many of those that count have no times, since the machine was busy."""
        return sum(pair.busy and bool(pair.differences) for cell in self.cells for pair in cell.pairs)

    @property
    def ended(self) -> list[EndedPair]:
        """Every run that has ended, oldest first, those that were cut short among them."""
        return sorted([*(pair for cell in self.cells for pair in cell.pairs), *self.cut_short], key=lambda one: one.run)

    @property
    def pair_s(self) -> float | None:
        """About how long a pair takes; None before the first has ended."""
        return self.spent_s / self.done if self.done else None

    @property
    def decided(self) -> bool:
        """Whether everything that shall be decided by its rule is; what no pair has of both lanes never will be.

        Times of a busy machine are there and count in no verdict: they wait for a pair of a quiet one.
        """
        rule = self.record.stop
        if rule == UNTIL_SEEDS or not self.done:
            return False
        wanted = [measure.name for measure in MEASURES if rule in (UNTIL_DECIDED, measure.name)]
        asked = [name for name in wanted if any(cell.has(name) for cell in self.cells)]
        return bool(asked) and all(cell.finding(name).verdict.decided for cell in self.cells for name in asked)

    def pairs_needed(self, measure: str) -> int | None:
        """The same of the cell that needs most pairs; None where nobody can tell of one of them."""
        needed = [cell.pairs_needed(measure) for cell in self.cells]
        return None if None in needed else max(each for each in needed if each is not None)

    @property
    def over(self) -> str:
        """Why no further pair is run, as a sentence; empty where one is, or runs now."""
        return "" if self.running else self.enough

    @property
    def enough(self) -> str:
        """The same, whether or not some run still, on other machines."""
        of = f"{self.done:,} of {self.total:,} pairs"
        if not self.remaining:
            return "Its pair has ended." if self.total == 1 else f"All {self.total:,} pairs have ended."
        if self.decided:
            rule = self.record.stop
            what = next((m.title for m in MEASURES if m.name == rule), "Everything")
            return f"{what} was decided after {of}."
        budget_s = self.record.budget_s
        if budget_s is not None and self.spent_s + (self.pair_s or 0.0) * (1 + len(self.running)) > budget_s:
            return f"Another pair would exceed its budget of {duration(budget_s)}: it ended after {of}."
        return ""


def outcome(record: StudyRecord, pairs: Sequence[PairRun], test_images: int) -> StudyOutcome:
    """What a study says; `pairs` are its runs, oldest first, `test_images` those of its data set."""
    study = record.study
    planned = dict.fromkeys(study.pairs)
    ended: dict[Pair, EndedPair] = {}
    cut_short, running = [], {}
    for run in pairs:
        differences = _differences(run, test_images)
        own = run.cell, run.seed, run.run, run.state, differences, run.figures, run.busy, run.parted, run.machine
        one = EndedPair(*own, run.done)
        if run.done and run.pair in planned:
            ended.setdefault(run.pair, one)
        elif run.state in (State.QUEUED, State.RUNNING):
            running[run.pair] = run.run
        elif not run.done:
            cut_short.append(one)
    by_cell: dict[tuple[tuple[str, Any], ...], list[EndedPair]] = {cell: [] for cell in study.cells}
    for pair in planned:
        if pair in ended:
            by_cell[pair.cell].append(ended[pair])
    return StudyOutcome(
        record=record,
        cells=[_cell_outcome(record, cell, found, test_images) for cell, found in by_cell.items()],
        cut_short=cut_short,
        remaining=[pair for pair in planned if pair not in ended and pair not in running],
        running=list(running.values()),
        spent_s=sum(run.elapsed_s for run in pairs),
    )


def read_outcome(studies: Studies, store: Store, study: str) -> StudyOutcome:
    """A study as its data folder knows it. Raises `UnknownRun`, `StoreError`."""
    return outcome_of(studies, store, studies.get(study), studies.pairs(study))


def outcome_of(studies: Studies, store: Store, record: StudyRecord, pairs: Sequence[PairRun]) -> StudyOutcome:
    """The same of what was read. Raises `StoreError`."""
    if record.source == "imported" and pairs:  # one's own images may be others here, under the same name
        return outcome(record, pairs, store.run(pairs[0].run).dataset.test_images)
    try:
        dataset = datasets.find(record.study.base.dataset, store.data_dir)
    except datasets.DatasetError as error:  # one's own that is gone: each run on it has kept what it was
        if not pairs:
            raise StoreError(str(error)) from None
        dataset = store.run(pairs[0].run).dataset
    return outcome(record, pairs, dataset.test_images)


def _cell_outcome(
    record: StudyRecord, cell: tuple[tuple[str, Any], ...], pairs: list[EndedPair], test_images: int
) -> CellOutcome:
    memory = [one.get("rss_mib") for pair in pairs if pair.differences for one in pair.figures.values()]
    least_mib = min((mib for mib in memory if mib), default=None)
    findings = [
        finding(record.study, measure, _of_measure(measure, pairs), test_images, least_mib) for measure in MEASURES
    ]
    failed = sum(pair.state == State.FAILED for pair in pairs)
    parted = sum(pair.parted and pair.state == State.FINISHED for pair in pairs)
    return CellOutcome(cell, findings, pairs, failed, parted, test_images, record.study.alpha)


def _of_measure(measure: Measure, pairs: Sequence[EndedPair]) -> list[float]:
    return [pair.differences[measure.name] for pair in pairs if measure.name in pair.differences]


def of_one_machine(pairs: Sequence[EndedPair], measure: Measure) -> tuple[list[EndedPair], str]:
    """The pairs whose lanes' own figures may stand together, and which ones these are where others are left out.

    Times of several machines are never pooled: of a time it is the pairs of the machine that ran most of them.
    """
    machines = Counter(pair.machine for pair in pairs)
    if measure.name not in TIMES or len(machines) < 2:
        return list(pairs), ""
    (most, count), *_ = machines.most_common(1)
    words = f"Times of {most} alone, which ran {count:,} of these {len(pairs):,} pairs: they differ by machine."
    return [pair for pair in pairs if pair.machine == most], words


def _differences(run: PairRun, test_images: int) -> dict[str, float]:
    """How the lanes of a run differ, by measure; nothing where it did not finish, or they parted.

    Accuracies by whole images: the frameworks round theirs differently, so that equal ones would differ by 1e-8.
    """
    if run.state != State.FINISHED or run.parted or set(run.figures) != {"keras", "torch"}:
        return {}
    found = {}
    for measure in MEASURES:
        keras, torch = (run.figures[side].get(measure.figure) for side in ("keras", "torch"))
        if keras is None or torch is None or (run.busy and measure.name in TIMES):
            continue
        if not measure.logarithm or (keras > 0 and torch > 0):
            difference, step = measure.difference(keras, torch), resolution(measure, test_images)
            found[measure.name] = round(difference / step) * step if step else difference
    return found


def events(before: StudyOutcome | None, after: StudyOutcome, at_end: bool = False) -> list[dict[str, Any]]:
    """What has happened to a study in between, as JSON objects: pairs that ended, then verdicts that changed.

    `before` is None at its begin, where nothing is known. `at_end`: every verdict, whether it changed or not. An
    interval that says nothing yet has no ends (None).
    """
    known = {pair.run for pair in before.ended} if before else set()
    found = [_pair_event(after, pair) for pair in after.ended if pair.run not in known]
    said = _verdicts(before) if before else {}
    changed = [one for key, one in _verdicts(after).items() if at_end or _word(one) != _word(said.get(key))]
    return [*found, *changed]


def _pair_event(found: StudyOutcome, pair: EndedPair) -> dict[str, Any]:
    own = {"cell": dict(pair.cell), "seed": pair.seed, "run": pair.run, "state": str(pair.state)}
    differences = {measure.name: pair.differences.get(measure.name) for measure in MEASURES}
    return {
        "event": "pair",
        "study": found.record.id,
        **own,
        "parted": pair.parted,
        "busy": pair.busy,
        "differences": differences,
    }


def _verdicts(outcome: StudyOutcome) -> dict[tuple[object, str], dict[str, Any]]:
    """The event of every cell's verdict on every measure."""
    return {
        (cell.cell, found.measure.name): {
            **{"event": "verdict", "study": outcome.record.id, "cell": dict(cell.cell), "measure": found.measure.name},
            **{"verdict": str(found.verdict), "favours": found.favours},
            "low": found.interval.low if found.interval and found.interval.bounded else None,
            "high": found.interval.high if found.interval and found.interval.bounded else None,
            **{"pairs": len(found.differences), "margin": found.margin},
        }
        for cell in outcome.cells
        for found in cell.findings
    }


def _word(event: Mapping[str, Any] | None) -> tuple[str, str]:
    return (event["verdict"], event["favours"]) if event else (Verdict.UNKNOWN, "")
