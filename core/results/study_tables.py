"""A study's verdicts and their numbers as tables of text: the same on its page and in its report. Plain text."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.experiment.settings import SETTINGS
from core.experiment.statistics import Verdict
from core.experiment.study import Study
from core.results import study_words
from core.results.study_outcome import CellOutcome, EndedPair, StudyOutcome
from core.results.study_words import cell_words
from core.storage.database import State


@dataclass(frozen=True)
class Table:
    """What heads the first column, the other columns, and each line's cells by its name."""

    corner: str
    columns: list[str]
    rows: dict[str, list[str]]


@dataclass(frozen=True)
class Said:
    """A verdict as a sentence, and behind it its interval in words, where there is one."""

    decided: bool
    sentence: str
    interval: str


def said(cell: CellOutcome) -> list[Said]:
    """Every verdict on one combination; that all are identical is said without an interval."""
    lines = []
    for one in cell.findings:
        bounded = one.interval is not None and one.interval.bounded
        tells = bounded and one.verdict != Verdict.IDENTICAL  # around zero, as wide as one step of the score
        ends = f"Keras minus PyTorch: {study_words.difference_words(one)}." if tells else ""
        sentence = study_words.sentence(one, cell.pairs_needed(one.measure.name))
        lines.append(Said(one.verdict.decided, sentence, ends))
    return lines


def verdicts(study: Study, cells: Sequence[CellOutcome]) -> Table:
    """Every verdict on these combinations in a few words, a line each."""
    return Table(
        ", ".join(SETTINGS[name].title for name, _ in study.vary),
        [f"{one.measure.title}, margin {study_words.margin_words(one)}" for one in cells[0].findings],
        {
            cell_words(cell.cell): [
                study_words.brief(one, cell.pairs_needed(one.measure.name)) for one in cell.findings
            ]
            for cell in cells
        },
    )


def numbers(cell: CellOutcome) -> Table:
    """What each verdict on one combination rests on."""
    rows = {
        one.measure.title: [
            study_words.mean_words(one),
            study_words.difference_words(one),
            study_words.margin_words(one),
            f"{len(one.differences):,}",
            study_words.wins(one),
        ]
        for one in cell.findings
    }
    return Table("Keras minus PyTorch", ["Mean", "Interval", "Margin", "Pairs", "Sign test"], rows)


def state_words(found: StudyOutcome, pair: EndedPair) -> str:
    """How a pair of a study ended, and what of it does not count."""
    state = "cut short" if pair.state in (State.STOPPED, State.INTERRUPTED) else str(pair.state)
    words = [f"{state}, run anew" if not pair.done and found.anew(pair) else state]
    return ", ".join([*words, *["parted"] * pair.parted, *["machine was busy"] * pair.busy])
