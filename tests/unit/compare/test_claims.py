"""The article's rows as data: what is counted, how verdicts are worded, and what the snapshot of one row may say."""

from datetime import datetime
from pathlib import Path

import pytest

from core.compare.claims import ARTICLE, ARTICLE_URL, AS_OF, CLAIMS, Judged, all_judged, claim, counts, judged
from core.compare.evidence import community
from core.compare.export import as_markdown
from core.storage.measurements import EVIDENCE, read_evidence
from core.storage.records import RECORDED


@pytest.fixture(scope="module")
def rows() -> list[Judged]:
    return all_judged({}, read_evidence(RECORDED / EVIDENCE))


def test_every_side_is_counted_so_that_one_badge_for_both_counts_twice(rows: list[Judged]) -> None:
    assert sum(counts(rows).values()) == 2 * len(rows)
    (both,) = [row for row in rows if row.claim.number == 3]
    assert counts([both]) == {"false": 2}
    assert both.words == (("false", "Both: false"),)
    (split,) = [row for row in rows if row.claim.number == 9]
    assert counts([split]) == {"true": 1, "false": 1}
    assert [label for _, label in split.words] == ["Keras: true", "PyTorch: false"]


def test_what_waits_to_be_measured_is_not_called_measured() -> None:
    assert judged(claim(7), None, None).words == (("measured", "Both: not measured yet"),)


def test_one_statement_told_from_two_sides_has_one_verdict(rows: list[Judged]) -> None:
    (row,) = [row for row in rows if row.claim.number == 6]
    assert len(set(row.verdicts.values())) == 1


def test_the_age_of_the_snapshot_is_said_beside_it() -> None:
    snapshot, ours = datetime.strptime(community.DATE, "%d %B %Y"), datetime.strptime(AS_OF, "%B %Y")
    months = 12 * (ours.year - snapshot.year) + ours.month - snapshot.month
    assert f"{snapshot:%B %Y}, {months} months older" in claim(6).why


def test_the_snapshots_counts_are_told_as_ratios() -> None:
    finding = community.show({}).finding.replace("\u00a0", " ")
    assert "in all 4 counts: 49 % more stars, 4.3 times as many contributors" in finding


def test_the_article_is_named_and_linked_in_what_is_taken_along(rows: list[Judged]) -> None:
    assert f"[{ARTICLE}]({ARTICLE_URL})" in as_markdown(rows)
    assert ARTICLE_URL in Path("README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [4, 10])
def test_times_that_stand_in_two_rows_name_each_other(rows: list[Judged], number: int) -> None:
    (row,) = [row for row in rows if row.claim.number == number]
    assert row.evidence
    assert f"Claim {14 - number} gives other milliseconds" in row.evidence.shown.finding


def test_no_row_of_ours_has_a_sign_or_a_per_cent_of_more_than_a_hundred() -> None:
    for row in CLAIMS:
        assert "400" not in row.why
        assert "\u2212" not in row.why
