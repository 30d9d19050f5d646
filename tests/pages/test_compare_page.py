"""The Compare page without a browser: every row, its link, filter, downloads, measuring here, failures in words."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.compare import claims
from core.compare.claims import CLAIMS, VERDICTS, all_judged, summary
from core.compare.evidence import community
from core.compare.export import COLUMNS, as_csv, as_markdown
from core.experiment.order import Order
from core.storage.measurements import EVIDENCE, Measurements, read_evidence
from core.storage.records import RECORDED
from tests.kept_study import keep_study
from tests.pages.conftest import StandInLauncher, TrainPage, html_of, read, wait_for

PAGE = "../../pages/compare.py"
PROBED = [claim for claim in CLAIMS if claim.probe]


class ComparePage(TrainPage):
    """The Compare page."""

    def __init__(self, **link: str) -> None:
        super().__init__()
        self.app.switch_page(PAGE)
        for name, value in link.items():
            self.app.query_params[name] = value
        self.run()

    @property
    def badges(self) -> list[str]:
        """Those of the claims, then those of the evidence."""
        of_claims = [
            "".join(badge.itertext() if badge.find("span") is None else [badge[0].tail or ""]).strip()
            for claim in self.claims
            for badge in claim.iter("span")
            if "badge " in badge.get("class", "")
        ]
        return of_claims + [
            read(element.proto.body)
            for element in self.app.main
            if element.type == "markdown" and "-badge" in element.value
        ]

    @property
    def claims(self) -> list[ET.Element]:
        return html_of(self.app, "claim")

    @property
    def topics(self) -> list[str]:
        return [topic.text or "" for claim in self.claims for topic in claim.iter("strong")]

    @property
    def texts(self) -> list[str]:
        written = [*html_of(self.app, "compare-summary"), *self.claims]
        return [*super().texts, *(read("".join(p.itertext())) for part in written for p in part.iter("p"))]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The evidence that came with the project, real measurements all."""
    monkeypatch.setattr(Measurements.__init__, "__defaults__", (RECORDED,))
    yield
    read_evidence.cache_clear()


def test_all_ten_rows_stand_with_quotes_verdicts_and_why(launcher: StandInLauncher, recorded: None) -> None:
    page = ComparePage()
    assert page.topics == [f"{claim.number}. {claim.topic}" for claim in CLAIMS]
    for claim in CLAIMS:
        assert page.says(claim.says["keras"])
        assert page.says(claim.says["pytorch"])
        assert page.says(read(claim.why))
    for row in all_judged({}, read_evidence(RECORDED / EVIDENCE)):
        for _, label in row.words:
            assert any(label in badge for badge in page.badges)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.topic)
def test_a_link_opens_one_row_with_its_evidence_and_sources(
    launcher: StandInLauncher, recorded: None, claim: claims.Claim
) -> None:
    page = ComparePage(claim=str(claim.number))
    assert page.topics == [f"{claim.number}. {claim.topic}"]
    (row,) = [r for r in all_judged({}, read_evidence(RECORDED / EVIDENCE)) if r.claim is claim]
    assert row.evidence is not None
    assert page.says(read(row.evidence.shown.finding))
    assert len(page.figures) == len(row.evidence.shown.pictures)
    assert len(page.tables) == len(row.evidence.shown.tables)
    assert page.figures or page.tables
    assert all(name for table in page.tables for name in (table.corner, *table.columns))
    assert all(figure["finding"] for figure in page.figures)
    for source in claim.sources:
        assert page.says(source.date)
    if claim.probe:
        assert any(text.startswith("recorded on") for text in page.badges)
        assert not page.button("Measure here").disabled


@pytest.mark.parametrize("link", ["0", "11", "seven", "-1", "1e3", "<b>", "9" * 5000])
def test_a_link_to_no_row_says_so_and_shows_all(launcher: StandInLauncher, recorded: None, link: str) -> None:
    page = ComparePage(claim=link)
    assert page.problems == ["There is no such claim: choose 1 to 10. All of them are shown."]
    assert len(page.topics) == len(CLAIMS)


def test_the_summary_is_computed_and_the_filter_keeps_its_rows(launcher: StandInLauncher, recorded: None) -> None:
    page = ComparePage()
    rows = all_judged({}, read_evidence(RECORDED / EVIDENCE))
    assert page.says(summary(rows))
    (pills,) = [group for group in page.app.button_group if group.key == "verdicts"]
    pills.set_value(["outdated"])
    page.run()
    wanted = [row.claim for row in rows if "outdated" in row.verdicts.values()]
    assert page.topics == [f"{claim.number}. {claim.topic}" for claim in wanted]
    assert page.says(f"{len(wanted)} of 10 claims are shown.")


def test_the_filter_says_that_it_is_one_and_what_it_counts(launcher: StandInLauncher, recorded: None) -> None:
    page = ComparePage()
    (pills,) = [group for group in page.app.button_group if group.key == "verdicts"]
    assert read(pills.proto.label) == "Show only claims with the verdict"
    counted = [int(option.content.rpartition("(")[2].rstrip(")")) for option in pills.proto.options]
    assert sum(counted) == 20
    assert page.says("The numbers count sides: each claim has two, 20 in all; a badge “Both” counts as two.")


def test_the_article_is_named_and_linked(launcher: StandInLauncher, recorded: None) -> None:
    page = ComparePage()
    assert page.says(f"[{claims.ARTICLE}]({claims.ARTICLE_URL})")


def test_without_any_evidence_row_seven_waits_to_be_measured(launcher: StandInLauncher) -> None:
    page = ComparePage()
    assert page.says("one is not measured yet")
    assert "Both: not measured yet" in page.badges
    page = ComparePage(claim="7")
    assert page.says("Nothing has been measured yet.")


def test_a_row_is_measured_here_and_stands_beside_the_recorded_one(launcher: StandInLauncher, recorded: None) -> None:
    page = ComparePage(claim="1").press("Measure here")
    wait_for("it is measured", lambda: not launcher.measuring())
    page = ComparePage(claim="1")
    origins = [badge.split(" on ")[0] for badge in page.badges if " on " in badge]
    assert origins == ["measured", "recorded"]
    assert len(page.figures) == 2


def test_a_measurement_shows_progress_and_stop_and_other_rows_wait(launcher: StandInLauncher) -> None:
    first = launcher.measure(Order("claim-1", "fake", {"seconds": 30}, 60.0))
    wait_for("it runs", lambda: launcher.measurements.get(first).sentence)
    launcher.measure(Order("claim-9", "fake", {}, 60.0))
    page = ComparePage()
    bars = [read(bar.proto.text) for bar in page.app.get("progress")]
    assert any(text.startswith("Fake: doubles a number.") for text in bars)
    assert any(text.startswith("Waits for its turn: a measurement is running. It begins in about") for text in bars)
    assert page.button("Measure all").disabled
    assert page.says("2 measurements to go.")
    page.app.button(key="stop_all").click()
    page.run()
    wait_for("all are stopped", lambda: not launcher.measuring())
    assert ComparePage().says("You stopped this measurement.")


@pytest.mark.parametrize("behaviour", ["raise", "part dies"])
def test_a_failed_probe_says_why_in_its_row_and_keeps_the_last_result(
    launcher: StandInLauncher, recorded: None, behaviour: str
) -> None:
    failed = launcher.measure(Order("claim-9", "fake", {"behaviour": behaviour}, 60.0))
    wait_for("it failed", lambda: not launcher.measuring())
    page = ComparePage(claim="9")
    assert page.problems == [launcher.measurements.get(failed).reason]
    assert any(badge.startswith("recorded on") for badge in page.badges)


def test_measure_all_queues_every_row_that_has_a_probe(
    launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = tuple(replace(claim, probe=claim.probe and "fake") for claim in CLAIMS)
    monkeypatch.setattr(claims, "CLAIMS", quick)
    monkeypatch.setattr(
        "core.compare.claims.shown",
        lambda *_: community.show({}),
    )
    ComparePage().press("Measure all")
    wait_for("all are measured", lambda: not launcher.measuring(), within_s=60)
    assert set(launcher.measurements.results()) == {claim.subject for claim in PROBED}


def test_without_a_launcher_the_evidence_is_read_but_not_measured(data_dir: Path, recorded: None) -> None:
    page = ComparePage(claim="7")
    assert page.errors
    assert page.button("Measure here").disabled
    assert page.figures


def test_the_downloads_hold_every_row(recorded: None) -> None:
    rows = all_judged({}, read_evidence(RECORDED / EVIDENCE))
    lines = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert tuple(lines[0]) == COLUMNS
    assert [int(line["claim"]) for line in lines] == [claim.number for claim in CLAIMS]
    assert {line["verdict_keras"] for line in lines} <= set(VERDICTS)
    text = as_markdown(rows)
    for row in rows:
        assert f"## {row.claim.number}. {row.claim.topic}" in text
        assert row.evidence
        assert row.evidence.shown.finding in text
        assert json.dumps(claims.as_json(row))


def test_claim_7_stands_on_a_study_that_is_stronger_and_leads_to_it(launcher: StandInLauncher, recorded: None) -> None:
    study = keep_study(launcher.store.data_dir, seeds=6)
    page = ComparePage(claim="7")
    assert page.says("In a study of 6 pairs: ")
    assert [badge.split(" on ")[0] for badge in page.badges if " on " in badge] == ["a study, made", "recorded"]
    links = {read(one.proto.label): one.proto.query_string for one in page.app.get("page_link")}
    assert links["The study with every pair"] == f"study={study}"
    assert ComparePage().says("In a study of 6 pairs: "), "the folded row says it, too"
