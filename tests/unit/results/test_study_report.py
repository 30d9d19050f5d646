"""A study's report: its page's words and figures in one file, every pair with its run, and its curves, placed."""

import re
from pathlib import Path
from typing import Any

import pytest

from core.experiment.machine import this_machine
from core.experiment.study import MEASURES, Study
from core.results import study_tables
from core.results.report import study_curves
from core.results.report.study import as_html
from core.results.study_outcome import StudyOutcome, outcome
from core.results.study_words import CANNOT_SAY, HOW_IT_DECIDES
from core.storage.database import State
from core.storage.studies import StudyRecord, StudyState
from tests.unit.results.test_report import squeezed, text_of
from tests.unit.results.test_study_outcome import IMAGES, PLAIN, VARIED, ran

MACHINE = dict(this_machine())


def found(study: Study, *runs: Any, reason: str = "") -> StudyOutcome:
    at = "2026-11-25T08:00:00+00:00"
    record = StudyRecord("a-study", at, study, "decided", 90.0, StudyState.PAUSED, reason, "", MACHINE)
    return outcome(record, runs, IMAGES)


def all_ran(study: Study, **changed: Any) -> StudyOutcome:
    return found(study, *(ran(pair, number=n, **changed) for n, pair in enumerate(study.pairs, start=1)))


def report(of: StudyOutcome, **machines: Any) -> str:
    return as_html(of, {name.replace("_", "-"): where for name, where in machines.items()}, Path("nowhere"))


@pytest.mark.parametrize("study", [PLAIN, VARIED])
def test_it_is_one_small_file_that_says_every_verdict_with_its_numbers(study: Study) -> None:
    of = all_ran(study)
    html = report(of)
    assert len(html.encode()) < 120_000
    assert not re.search(r"<script|<link|<img|@import|url\(|src=|https?://", html)
    said = squeezed(text_of(html))
    tables = [study_tables.numbers(cell) for cell in of.cells]
    expected = [word for table in tables for cells in table.rows.values() for word in cells]
    expected += [one.sentence for one in study_tables.said(of.cells[0])] if study is PLAIN else []
    expected += [
        CANNOT_SAY,
        HOW_IT_DECIDES,
        "Margin of accuracy 0.2 points",
        "Budget 1 min 30 s",
        "Asked on 25 Nov 2026.",
    ]
    expected += [pair.run for pair in of.ended]
    assert [words for words in expected if squeezed(words) not in said] == []


def test_what_varies_stands_as_a_table_with_both_lanes_over_a_number() -> None:
    html = report(all_ran(VARIED))
    said = squeezed(text_of(html))
    assert "Batch size 32 and 64; seeds 0 and 1" not in said
    assert "<tr><th>Batch size</th><td>32 and 64</td></tr>" in html, "among the settings"
    assert html.count('data-chart="over-batch_size-') == len(MEASURES)
    assert html.count('data-chart="closing-test_accuracy"') == 2, "one a combination"


def test_failed_cut_and_busy_pairs_are_said_and_names_are_text() -> None:
    first, second, third, *_ = PLAIN.pairs
    runs = (
        ran(first, State.FAILED, 1),
        ran(second, number=2, busy=True, parted=True),
        ran(third, State.INTERRUPTED, 3),
    )
    html = report(found(PLAIN, *runs, reason="<b>so</b>"))
    said = squeezed(text_of(html))
    assert "&lt;b&gt;so&lt;/b&gt;" in html
    assert "1 of 2 pairs failed, so it counts in no verdict" in said
    assert "Seed 2 run-0003 cut short, run anew" in said
    assert "Seed 1 run-0002 finished, parted, machine was busy" in said
    assert "2 of 20, 1 cut short and run anew" in said


def test_a_study_of_which_nothing_has_run_has_no_chart_and_no_pair() -> None:
    html = report(found(PLAIN))
    assert "<figure" not in html
    assert "<h2>Pairs</h2>" not in html
    assert "no pair counts so far" in html


def test_pairs_of_several_machines_say_how_many_ran_where() -> None:
    first, second, third, *_ = PLAIN.pairs
    of = found(PLAIN, *(ran(pair, number=n) for n, pair in enumerate((first, second, third), start=1)))
    other = {**MACHINE, "name": "another"}
    said = squeezed(text_of(report(of, run_0001=MACHINE, run_0002=other, run_0003=other)))
    assert re.search(r"another: .* Python \S+\. 2 pairs\.", said)
    assert "1 pair." in said


def test_of_many_combinations_none_has_charts_of_its_own() -> None:
    study = Study(PLAIN.base, 1, (("batch_size", tuple(range(10, 10 + study_curves.MOST_CELLS + 1))),))
    html = report(all_ran(study))
    assert 'data-chart="closing' not in html
    assert f"where there are at most {study_curves.MOST_CELLS}; this study has 7" in html


def test_every_mark_lies_within_its_axes_and_a_larger_difference_higher() -> None:
    of = all_ran(PLAIN)
    (cell,) = of.cells
    charts = {chart.key: chart for chart in study_curves.of_cell(of, cell)}
    assert len(charts) == 2 * len(MEASURES)
    for chart in charts.values():
        for part in (*chart.lines, *chart.areas):
            assert all(-0.01 <= x <= 100.01 and -0.01 <= y <= 100.01 for x, y in part.places)
    (marks,) = [line for line in charts["closing-test_accuracy"].lines if line.marked]
    differences = [pair.differences["test_accuracy"] for pair in cell.pairs]
    highest = max(range(20), key=differences.__getitem__)
    assert marks.places[highest][1] == pytest.approx(min(y for _, y in marks.places))
    assert charts["closing-test_accuracy"].tips[3].lines[0] == "Pair 4, seed 3"
