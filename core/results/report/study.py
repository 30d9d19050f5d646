"""One self-contained HTML report of a study: its verdicts with their numbers, charts, and every pair with its run."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.experiment import metrics
from core.experiment.dates import day
from core.experiment.names import joined
from core.experiment.settings import SETTINGS
from core.experiment.study import MEASURES
from core.experiment.titles import sentence_case, table
from core.results import study_tables, study_words, wording
from core.results.gallery import gone_words
from core.results.outcome import Outcome, gather
from core.results.report import study_curves
from core.results.report.rendering import rendered
from core.results.study_outcome import EndedPair, StudyOutcome, read_outcome
from core.storage.database import State
from core.storage.runs import Store
from core.storage.studies import Studies


def read_report(studies: Studies, store: Store, study: str) -> str:
    """The report of a study of a data folder as it stands. Raises `UnknownRun`, `StoreError`."""
    found = read_outcome(studies, store, study)
    finished = [pair.run for pair in found.ended if pair.state == State.FINISHED]
    last = gather(store.run(finished[-1]), store.rows(finished[-1], steps=False)) if finished else None
    return as_html(found, studies.machines(study), store.data_dir, last)


def as_html(
    found: StudyOutcome, machines: Mapping[str, Mapping[str, Any]], data_dir: Path, last: Outcome | None = None
) -> str:
    """The report of a study; some ten kilobytes, and a megabyte or two where it has 2,000 pairs.

    `machines` is where each run ran, by its id. `last`, the newest pair that finished, says which versions and data.
    """
    record = found.record
    findings = [one for cell in found.cells for one in cell.findings]
    one_cell = found.cells[0] if len(found.cells) == 1 else None
    return rendered(
        "study.html.j2",
        record=record,
        title=study_words.title(record.study, data_dir),
        badges=_badges(found),
        asked=study_words.asked(record.study),
        common=study_words.common(record.study, data_dir),
        decided_words=study_words.decided_words(findings),
        said=study_tables.said(one_cell) if one_cell else [],
        verdicts=None if one_cell else study_tables.verdicts(record.study, found.cells),
        cannot_say=study_words.cannot_say(found),
        over=list(study_curves.over_fields(found)),
        cells=[_cell(found, number) for number in range(len(found.cells))],
        most_cells=study_curves.MOST_CELLS,
        how=(study_words.HOW_IT_DECIDES, study_words.sign_test(record.study)),
        measures=MEASURES,
        pairs=[_pair(found, pair) for pair in found.ended],
        rules=_rules(found),
        settings=_settings(found, data_dir),
        machines=_machines(found, machines),
        dates=_dates(found, last),
        lanes=[(lane, wording.versions_line(lane)) for lane in last.lanes] if last else [],
        data=wording.data_line(last) if last else "",
        data_gone=gone_words(last.run, data_dir) if last else "",
    )


def _badges(found: StudyOutcome) -> list[tuple[str, str]]:
    """What is seen first, each in words and a tone."""
    record, busy = found.record, sum(pair.busy for pair in found.ended)
    return [
        (record.state, study_words.STATE_COLOURS[record.state]),
        (f"{found.done:,} of {found.total:,} pairs", "gray"),
        *([(f"{found.failed:,} failed", "red")] if found.failed else []),
        *([(f"{found.parted:,} parted", "red")] if found.parted else []),
        *([(f"machine was busy in {busy:,}", "yellow")] if busy else []),
        (wording.origin(record), "gray"),
    ]


def _cell(found: StudyOutcome, number: int) -> dict[str, Any]:
    """A combination's name, numbers and charts; of many combinations none has charts of its own."""
    cell = found.cells[number]
    drawn = len(found.cells) <= study_curves.MOST_CELLS
    return {
        "name": sentence_case(study_words.cell_words(cell.cell)),
        "numbers": study_tables.numbers(cell),
        "charts": list(study_curves.of_cell(found, cell)) if drawn else [],
    }


def _pair(found: StudyOutcome, pair: EndedPair) -> tuple[str, str, str, list[str]]:
    """A pair's name, run, state, and its difference by measure."""
    name = sentence_case(study_words.pair_name(pair.seed, pair.cell))
    differences = [study_words.one_difference(one, pair.differences.get(one.name)) for one in MEASURES]
    return name, pair.run, study_tables.state_words(found, pair), differences


def _rules(found: StudyOutcome) -> dict[str, str]:
    """What was declared before, and what it took."""
    record, cell = found.record, found.cells[0]
    margins = [study_words.margin_words(cell.finding(name)) for name in ("test_accuracy", "test_loss", "log_train_s")]
    anew = " and run anew" if all(map(found.anew, found.cut_short)) else ""
    cut = f", {len(found.cut_short):,} cut short{anew}" if found.cut_short else ""
    return {
        "Pairs": f"{found.done:,} of {found.total:,}{cut}",
        "Margin of accuracy": margins[0],
        "Margin of loss": margins[1],
        "Margin of time, rate and memory": margins[2],
        "It ends": study_words.stop_words(record.stop),
        "Budget": "none" if record.budget_s is None else metrics.duration(record.budget_s),
        "Its runs took together": metrics.duration(found.spent_s),
    }


def _settings(found: StudyOutcome, data_dir: Path) -> dict[str, str]:
    """Every setting of its runs; of those that vary all values."""
    study = found.record.study
    first = study.base.seed
    seeds = f"{first:,} to {first + study.seeds - 1:,}" if study.seeds > 1 else f"{first:,}"
    varied = {SETTINGS[name].title: joined([SETTINGS[name].cell(one) for one in values]) for name, values in study.vary}
    return table(study_words.planned(study.base, data_dir)) | {SETTINGS["seed"].title: seeds} | varied


def _machines(found: StudyOutcome, machines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Each machine that pairs ran on, and how many of them where there are several."""
    known = Counter(wording.machine_line(machines[pair.run]) for pair in found.ended if pair.run in machines)
    if len(known) < 2:
        return list(known) or [wording.machine_line(found.record.machine)]
    return [f"{line} {pairs:,} pair{'s' if pairs > 1 else ''}." for line, pairs in known.items()]


def _dates(found: StudyOutcome, last: Outcome | None) -> str:
    """When it was asked, and when its last pair ended."""
    ended = f" Its last pair ended on {day(last.run.ended_at)}." if last and last.run.ended_at else ""
    return f"Asked on {day(found.record.created_at)}.{ended}"
