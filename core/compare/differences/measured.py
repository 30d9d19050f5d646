"""Rows of the catalogue with what was measured of them: on this machine, and where the project was recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.compare.differences.catalogue import DIFFERENCES
from core.compare.differences.difference import EVERYTHING, Difference, Part
from core.compare.evidence import Shown
from core.compare.evidence.differences import Parting, one_of, parting, show
from core.compare.study_evidence import Place
from core.experiment import metrics
from core.experiment.statistics import Verdict
from core.experiment.study import Finding
from core.results import study_words
from core.results.study_outcome import StudyOutcome
from core.storage.measurements import Measurement

COST = "test_accuracy"
NOT_YET = "not measured yet"


@dataclass(frozen=True)
class Evidence:
    """One measurement of one row, and where the two sides parted in it."""

    measurement: Measurement
    difference: Difference
    parting: Parting

    @property
    def shown(self) -> Shown:
        """Its finding and its figure, made when they are asked for."""
        return show(self.difference, self.parting)

    @property
    def elapsed_s(self) -> float | None:
        """What this row alone took, without the start of its processes."""
        found = values_of(self.measurement, self.difference).get("elapsed_s")
        return None if found is None else float(found)

    @property
    def supports(self) -> bool:
        """Whether it parts where the text says so."""
        return self.parting.supports(self.difference)


@dataclass(frozen=True)
class Measured:
    """A row, what was measured of it, and what its default costs in test accuracy."""

    difference: Difference
    here: Evidence | None = None
    recorded: Evidence | None = None
    failure: str = ""
    """Why the newest measurement of this machine has no numbers of the row, as a sentence."""
    costs: Mapping[Place, StudyOutcome] = field(default_factory=dict)
    """Studies of the twin that keeps this default alone."""

    @property
    def every(self) -> list[Evidence]:
        """All evidence, this machine's own before what came with the project."""
        return [one for one in (self.here, self.recorded) if one is not None]

    @property
    def evidence(self) -> Evidence | None:
        """What the row stands on."""
        return next(iter(self.every), None)

    @property
    def parts_at(self) -> int:
        """The place at which the sides part, from 1; 0 where they do not, or nothing was measured."""
        return self.evidence.parting.parts_at if self.evidence else 0

    @property
    def study(self) -> StudyOutcome | None:
        """The study that tells of the cost: this folder's own before what came with the project."""
        return self.costs.get("here") or self.costs.get("recorded")

    @property
    def cost(self) -> Finding | None:
        """Keras minus PyTorch in test accuracy, where a study has made an interval of it."""
        if self.study is None:
            return None
        (cell,) = self.study.cells
        found = cell.finding(COST)
        return found if found.interval is not None and found.interval.bounded else None

    @property
    def words(self) -> str:
        """How it stands, in a few words."""
        if not self.difference.measured:
            return "needs a GPU" if self.difference.part is Part.GPU else "not measured here"
        if self.evidence is None:
            return NOT_YET
        if not self.parts_at:
            return "does not part"
        return f"parts at {one_of(self.difference.along)} {self.parts_at:,}"

    @property
    def contradicts(self) -> bool:
        """Whether the measurement says something else than the text."""
        return self.evidence is not None and not self.evidence.supports


def all_measured(
    here: Mapping[str, Measurement],
    recorded: Mapping[str, Measurement],
    costs: Mapping[str, Mapping[Place, StudyOutcome]] = {},
) -> list[Measured]:
    """Every row, from the newest results by subject, and from studies by the name of the default that they keep."""
    return [_measured(row, here, recorded, costs.get(row.name, {})) for row in DIFFERENCES]


def _measured(
    row: Difference,
    here: Mapping[str, Measurement],
    recorded: Mapping[str, Measurement],
    costs: Mapping[Place, StudyOutcome],
) -> Measured:
    newest = _newest_first(row, here)
    failure = values_of(newest[0], row).get("failed", "") if newest else ""
    return Measured(row, _evidence(row, newest), _evidence(row, _newest_first(row, recorded)), failure, costs)


def _newest_first(row: Difference, results: Mapping[str, Measurement]) -> list[Measurement]:
    """The measurements that were asked for numbers of the row: its own, and of all rows at once."""
    found = [results[subject] for subject in (row.subject, EVERYTHING) if subject in results]
    return sorted((one for one in found if values_of(one, row)), key=lambda one: one.measured_at, reverse=True)


def _evidence(row: Difference, newest_first: Sequence[Measurement]) -> Evidence | None:
    for one in newest_first:
        values = values_of(one, row)
        if "failed" not in values:
            return Evidence(one, row, parting(values))
    return None


def values_of(measurement: Measurement, row: Difference) -> Mapping[str, Any]:
    """What a measurement says of the row; nothing where it was not asked for it."""
    names: Mapping[str, Mapping[str, Any]] = (measurement.result or {}).get("names", {})
    return names.get(row.name, {})


def failures(measurement: Measurement) -> dict[str, str]:
    """Why rows have no numbers in a measurement that has ended, by their names."""
    names = (measurement.result or {}).get("names", {})
    return {name: values["failed"] for name, values in names.items() if "failed" in values}


def failed_words(failure: str) -> str:
    """Why a row has no numbers, as a sentence."""
    return f"The last measurement here failed. {failure.rstrip('.')}."


def in_points(cost: Finding) -> tuple[float, float]:
    """The ends of its interval in points of test accuracy, Keras minus PyTorch."""
    assert cost.interval is not None
    return 100 * cost.interval.low, 100 * cost.interval.high


def leaves_zero_out(cost: Finding) -> bool:
    """Whether something was seen that the default costs."""
    low, high = in_points(cost)
    return not low <= 0 <= high


def cost_words(cost: Finding) -> str:
    """What a default costs, with its interval, as a sentence."""
    assert cost.interval is not None
    seeds, span = f"{len(cost.differences):,} seeds", study_words.difference_words(cost)
    if cost.verdict is Verdict.IDENTICAL:
        return f"Nothing in test accuracy: both score the same with each of {seeds}."
    if not leaves_zero_out(cost):
        return f"No difference in test accuracy was seen (Keras minus PyTorch: {span}, {seeds})."
    worse = "PyTorch" if cost.interval.mean > 0 else "Keras"
    mean = metrics.digits(abs(100 * cost.interval.mean))
    return f"{worse} scores {mean} points lower in test accuracy (Keras minus PyTorch: {span}, {seeds})."


def as_json(row: Measured) -> dict[str, Any]:
    """A row as one JSON object; `gap` is the largest relative one, `cost` Keras minus PyTorch in test accuracy.

    `parts_at_step`: the place at which they part, along what `evidence` names; null where they do not.
    """
    difference, evidence, cost = row.difference, row.evidence, row.cost
    return {
        "difference": difference.name,
        "part": difference.part,
        "keras": difference.keras,
        "pytorch": difference.pytorch,
        "parts_at_step": row.parts_at or None,
        "gap": evidence.parting.largest_gap if evidence else None,
        "cost": _cost_json(row, cost) if cost else None,
        "evidence": _evidence_json(evidence) if evidence else None,
        "sources": [vars(source) for source in (*difference.sources, *difference.bitten)],
        "machine": evidence.measurement.machine if evidence else None,
        "measured_at": evidence.measurement.measured_at if evidence else None,
    }


def _evidence_json(evidence: Evidence) -> dict[str, Any]:
    measurement, difference = evidence.measurement, evidence.difference
    return {
        "finding": evidence.shown.finding,
        "supports": evidence.supports,
        "quantity": difference.quantity,
        "along": difference.along,
        "aligned_gap": evidence.parting.aligned_gap,
        "result": dict(values_of(measurement, difference)),
        "source": measurement.source,
    }


def _cost_json(row: Measured, cost: Finding) -> dict[str, Any]:
    assert cost.interval is not None
    assert row.study is not None
    low, high = in_points(cost)
    ends = {"mean_points": 100 * cost.interval.mean, "low_points": low, "high_points": high}
    return {**ends, "seeds": len(cost.differences), "study": row.study.record.id}
