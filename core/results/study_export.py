"""A study's pairs as a table to take along. Its report is made by `core.results.report.study`."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from core.experiment.machine import machine_words
from core.experiment.study import MEASURES
from core.results.export import harmless
from core.results.study_outcome import EndedPair, StudyOutcome
from core.storage.lane_figures import FIGURES
from core.storage.studies import SIDES


def as_csv(found: StudyOutcome, machines: Mapping[str, Mapping[str, Any]]) -> str:
    """Every run that has ended on a line, oldest first: what varies, both lanes' figures, Keras minus PyTorch.

    Those that were cut short are among them: `state` says so. Differences of times are of natural logarithms. What
    is not known or does not count is empty. `machines` is where each run ran, by its id.
    """
    varied = [name for name, _ in found.record.study.vary]
    figures = [f"{side}_{figure}" for side in SIDES for figure in FIGURES]
    differences = [f"difference_{measure.name}" for measure in MEASURES]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["study", *varied, "seed", "run", "state", "parted", "busy", "machine", *figures, *differences])
    for pair in found.ended:
        cell = dict(pair.cell)
        machine = machines.get(pair.run)
        where = f"{machine['name']}: {machine_words(machine)}" if machine else ""
        own = [
            found.record.id,
            *(cell[name] for name in varied),
            pair.seed,
            pair.run,
            pair.state,
            pair.parted,
            pair.busy,
        ]
        writer.writerow([harmless(value) for value in (*own, where, *_figures(pair), *_differences(pair))])
    return out.getvalue()


def _figures(pair: EndedPair) -> list[float | None]:
    return [pair.figures.get(side, {}).get(figure) for side in SIDES for figure in FIGURES]


def _differences(pair: EndedPair) -> list[float | None]:
    return [pair.differences.get(measure.name) for measure in MEASURES]
