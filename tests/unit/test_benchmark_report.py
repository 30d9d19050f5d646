"""One benchmark's rows are renewed in the document of a whole run, and nothing else of it changes."""

import pytest

from benchmarks.report import Circumstances, document, renewed
from benchmarks.result import BenchmarkError, Result, quantile

FIRST = Circumstances("2026-11-24 10:17 UTC", "70f59b0", "Chromium 156", 0.0)
LATER = Circumstances("2026-11-25 08:00 UTC", "abcdef0", "Chromium 156", 0.0)


def row(what: str, value: float, note: str = "") -> Result:
    return Result(what, quantile([value] * 9), "s", 1.0, note)


def whole(failures: dict[str, str]) -> str:
    results = [row("Start", 0.5), *([] if failures else [row("Pen up", 0.2, "warm")]), row("Web process", 0.7)]
    return document(FIRST, results, failures, {"pen": "How."}, {"pen": 60.0})


def rows_of(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith("| ")]


def test_a_row_stands_in_the_place_of_its_old_one_and_says_when_it_was_measured() -> None:
    before, after = whole({}), renewed(whole({}), "pen", [row("Pen up", 0.1, "warm")], LATER, "How.")
    changed = [pair for pair in zip(before.split("\n"), after.split("\n"), strict=True) if pair[0] != pair[1]]
    ((_, new),) = changed
    assert new.startswith("| Pen up | 0.10 s")
    assert new.endswith("| warm; measured anew 2026-11-25 08:00 UTC, commit abcdef0 |")


def test_rows_stand_in_the_place_of_why_there_were_none() -> None:
    before = whole({"pen": "The page did not load."})
    after = renewed(before, "pen", [row("Pen up", 0.1)], LATER, "How.")
    assert "not measured" in before
    assert "not measured" not in after
    assert len(rows_of(after)) == len(rows_of(before))


def test_a_benchmark_that_the_document_never_had_stands_below_the_others_with_how_it_is_measured() -> None:
    after = renewed(whole({}), "lane", [row("Lane", 1.0)], LATER, "By clock.")
    assert rows_of(after)[:-1] == rows_of(whole({}))
    assert rows_of(after)[-1].startswith("| Lane | 1.00 s")
    assert after.endswith("### `.venv/bin/python -m benchmarks lane`\n\nBy clock.\n")
    again = renewed(after, "lane", [row("Lane", 2.0)], LATER, "By clock.")
    assert again.count("By clock.") == 1
    assert len(rows_of(again)) == len(rows_of(after))


def test_a_document_without_a_table_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="no table"):
        renewed("# Benchmarks", "lane", [row("Lane", 1.0)], LATER, "")
