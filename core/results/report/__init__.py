"""One self-contained HTML report of a run: what its page shows, in a file that opens offline, on a phone and on paper.

Nothing in it runs: charts are SVG whose epochs answer the pointer by CSS alone. So it is small, prints as it stands,
and is shown where scripts are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.experiment import metrics
from core.experiment.dates import day
from core.experiment.titles import brief, run_title, table
from core.results import axes, wording
from core.results import charts as figures_of
from core.results.fairness_words import badge_of, words_of
from core.results.listings import FILENAMES, PURPOSES, TITLES, listing
from core.results.outcome import LaneOutcome, Outcome, conclusion, gather
from core.results.report import curves
from core.results.report.rendering import rendered
from core.results.result_table import result_table
from core.results.twin import CurveDifference, is_twin
from core.storage.records import Run
from core.storage.rows import Row


def as_html(run: Run, rows: Sequence[Row], data_gone: str = "") -> str:
    """The report of a run with all its rows, the steps' too; a hundred kilobytes or two.

    `data_gone` says that its data set is not there any more (`core.results.gallery.gone_words`).
    """
    outcome = gather(run, rows)
    return rendered(
        "run.html.j2",
        run=run,
        title=run_title(run),
        badges=_badges(outcome),
        fairness=words_of(run),
        compares_nothing=run.parted,
        settings_words=brief(run),
        lanes=outcome.lanes,
        cards=[(lane, wording.card(outcome, lane)) for lane in outcome.lanes],
        conclusion=conclusion(outcome),
        **_curves(outcome, rows),
        **_result(outcome),
        certificate=_certificate(outcome),
        settings=table(run),
        machine=wording.machine_line(run.machine),
        day=day(run.created_at),
        versions=[(lane, wording.versions_line(lane)) for lane in outcome.lanes],
        data=wording.data_line(outcome),
        data_gone=data_gone,
        sums=outcome.prepared.source_sha256,
        code=_code(outcome),
        summaries=[lane for lane in outcome.lanes if lane.built],
    )


def _badges(outcome: Outcome) -> list[tuple[str, str]]:
    """What is seen first, each in words and a tone: the run's state, its fairness, a busy machine, where it is from."""
    run = outcome.run
    badges = [(run.state, wording.STATE_COLOURS.get(run.state, "gray")), badge_of(run)]
    badges += [("machine was busy", "yellow")] if outcome.busy else []
    return [*filter(None, badges), (wording.origin(run), "gray")]


def _curves(outcome: Outcome, rows: Sequence[Row]) -> dict[str, Any]:
    twin = is_twin(outcome.run.settings)
    return {
        "charts": curves.charts(outcome, rows),
        "twin": twin,
        "difference": CurveDifference().take(rows).words if twin else None,
    }


@dataclass(frozen=True)
class _Part:
    """A part of a lane's time: its share of the axis in per cent."""

    name: str
    words: str
    share: float
    opacity: float


def _result(outcome: Outcome) -> dict[str, Any]:
    done = [lane for lane in outcome.lanes if lane.epochs]
    tested = [lane for lane in done if lane.result]
    most, classes = figures_of.most_mistakes(tested), outcome.dataset.class_names
    return {
        "figures": result_table(outcome),
        "split": _split(done) if done else None,
        "time_caption": wording.time_caption(outcome),
        "confusion": [(lane, f", {figures_of.mistakes(lane):,} mistakes", _matrix(lane, most)) for lane in tested],
        "most_frequent": None
        if len(classes) <= figures_of.MOST_NUMBERS
        else [figures_of.most_frequent(lane, classes) for lane in tested],
        "confusion_caption": wording.confusion_caption(outcome),
        "classes": classes,
        "named": max(map(len, classes)) > 2,
    }


def _split(lanes: Sequence[LaneOutcome]) -> dict[str, Any]:
    """Every lane's parts, and the ticks in seconds."""
    times = {lane.engine: figures_of.time_parts(lane) for lane in lanes}
    axis = axes.linear([sum(seconds for _, seconds, _ in parts) for parts in times.values()], from_zero=True)
    drawn = [
        (
            lane,
            [
                _Part(name, metrics.duration(seconds), 100 * axis.share(seconds), opacity)
                for name, seconds, opacity in times[lane.engine]
            ],
        )
        for lane in lanes
    ]
    return {"lanes": drawn, "ticks": [(100 * axis.share(tick), label) for tick, label in axis.ticks]}


def _matrix(lane: LaneOutcome, most: int) -> list[list[tuple[str, str]]]:
    """Every cell's count, and its colour where it is a mistake; no zeros."""
    counts = lane.tested.confusion
    return [
        [
            (f"{count:,}" if count else "", figures_of.mistake_colour(lane, count / (2 * max(most, 1))))
            if count and row != column
            else (f"{count:,}" if count else "", "")
            for column, count in enumerate(line)
        ]
        for row, line in enumerate(counts)
    ]


def _certificate(outcome: Outcome) -> dict[str, Any] | None:
    certificate = outcome.certificate
    if certificate is None:
        return None
    return {
        "passed": certificate.passed,
        "words": wording.certificate_words(certificate),
        "lines": wording.certificate_lines(certificate),
        "meaning": wording.certificate_meaning(certificate, outcome.run.settings),
    }


def _code(outcome: Outcome) -> list[tuple[str, list[tuple[LaneOutcome, str]]]]:
    """Every purpose with each lane's part of its script."""
    run = outcome.run
    scripts = [
        (lane, listing(lane.engine, run.settings, run.dataset)) for lane in outcome.lanes if lane.engine in FILENAMES
    ]
    if not scripts:
        return []
    return [(TITLES[purpose], [(lane, script.sections[purpose]) for lane, script in scripts]) for purpose in PURPOSES]
