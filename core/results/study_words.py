"""What a study asks and says, in plain English: the same on its page and in the terminal. Plain text throughout."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data import datasets
from core.data.datasets import Dataset
from core.experiment import metrics
from core.experiment.metrics import NO_BREAK
from core.experiment.names import engine_title, joined
from core.experiment.settings import SETTINGS, TrainSettings
from core.experiment.statistics import ALPHA, Verdict, half_width
from core.experiment.study import MEASURES, MOST_RUNS, Finding, Measure, Study
from core.experiment.titles import ALWAYS_SAID, TITLE_ORDER, phrases, sentence_case
from core.results.study_outcome import StudyOutcome
from core.storage.studies import StudyRecord, StudyState

Cell = tuple[tuple[str, Any], ...]

CANNOT_SAY = (
    "Seeds on one split of the data measure the variance of seeds: other data, another split or another machine can "
    "differ by more."
)
HOW_IT_DECIDES = (
    "Each pair is one run: both frameworks with the same seed and settings, in turns. What counts is the difference "
    "within a pair, so whatever slows the machine meets both. The interval of the mean difference is an anytime-valid "
    "t interval: it may be looked at after every pair, and still at most 5 % of studies miss the truth in any of their "
    "verdicts. The margin, declared before, is the smallest difference that matters to you: an interval around zero "
    "and inside the margin says the same, one beside zero says that they differ. Times, rates and memory are compared "
    "as ratios."
)
STATE_COLOURS = {
    StudyState.RUNNING: "gray",
    StudyState.PAUSED: "yellow",
    StudyState.STOPPED: "gray",
    StudyState.FINISHED: "green",
}
"""A badge's colour."""
_BETTER = {
    "test_accuracy": ("{better} scores {amount} higher than {other}", "higher"),
    "test_loss": ("{better} has a test loss {amount} lower than {other}", "lower"),
    "log_train_s": ("{better} trains in {amount} less time than {other}", "faster"),
    "log_images_per_s": ("{better} trains {amount} more images a second than {other}", "higher"),
    "log_rss_mib": ("{better} needs {amount} less memory than {other}", "less"),
}
"""What is said of the better one by measure: a sentence, and a word beside its name."""
LARGEST_LOGARITHM = math.log(sys.float_info.max)
"""Whose ratio is still a number: an interval of few pairs may end beyond it."""
_UNITS = {"test_accuracy": "points", "test_loss": ""}
"""Of a difference; of a ratio it is per cent."""


@dataclass(frozen=True)
class Planned:
    """Settings of runs that are still to come, worded as a run's are."""

    settings: TrainSettings
    dataset: Dataset
    id: str = ""
    name: str = ""
    created_at: str = ""


def planned(settings: TrainSettings, data_dir: Path) -> Planned:
    """The settings with their data set, which may be images of somebody's own, deleted since or never here."""
    try:
        return Planned(settings, datasets.find(settings.dataset, data_dir))
    except datasets.DatasetError:
        gone = Dataset(settings.dataset, "images that are not here", "", train_images=0, test_images=0, class_names=())
        return Planned(settings, gone)


def title(study: Study, data_dir: Path) -> str:
    """What a study is called: all that sets its runs apart, and what varies."""
    apart = {"alignment", *study.base.changed()} - {"seed", *dict(study.vary)}
    runs = sentence_case(", ".join(phrases(planned(study.base, data_dir), [n for n in TITLE_ORDER if n in apart])))
    over = f" over {joined([SETTINGS[name].word for name, _ in study.vary])}" if study.vary else ""
    return f"{runs}{over}, {study.seeds:,} seed{'s' if study.seeds > 1 else ''}"


def asked(study: Study) -> str:
    """What varies, with every value, as a sentence."""
    first = study.base.seed
    last = first + study.seeds - 1
    seeds = f"seeds {first:,} to {last:,}" if study.seeds > 1 else f"seed {first:,}"
    varied = [f"{SETTINGS[name].word} {joined([said(name, value) for value in values])}" for name, values in study.vary]
    return sentence_case("; ".join([*varied, seeds])) + "."


def common(study: Study, data_dir: Path) -> str:
    """What all runs have in common, as a sentence."""
    varied = [name for name, _ in study.vary]
    others = [name for name in study.base.changed() if name not in (*ALWAYS_SAID, "engines", "seed")]
    names = [name for name in (*ALWAYS_SAID, *others) if name not in varied]
    return f"Every run: {', '.join(phrases(planned(study.base, data_dir), names))}."


def said(name: str, value: Any) -> str:
    """A value of a varied setting in a sentence."""
    return SETTINGS[name].said(value)


def cell_words(cell: Cell) -> str:
    """A combination of values: batch size 126, no dropout; nothing where nothing varies."""
    return ", ".join(SETTINGS[name].phrase(value) for name, value in cell)


def pair_name(seed: int, cell: Cell) -> str:
    """A pair in words: seed 12, batch size 126."""
    return ", ".join(filter(None, (f"seed {seed:,}", cell_words(cell))))


def run_name(study: Study, settings: TrainSettings) -> str:
    """The same of a run of the study, by its settings."""
    values = settings.as_json()
    return pair_name(settings.seed, tuple((name, values[name]) for name, _ in study.vary))


def plan(study: Study, seconds: float | None) -> str:
    """How many runs Start will make, and about how long they take here."""
    cells, runs = len(study.cells), study.seeds * len(study.cells)
    made_of = f": {study.seeds:,} for each of {cells:,} combinations" if cells > 1 else ""
    time = "no estimate of the time yet" if seconds is None else f"about {long(seconds)} here"
    return f"{runs:,} run{'s' if runs > 1 else ''}{made_of}, {time}."


def long(seconds: float) -> str:
    """A time to come that may be hours or days: 40 s, 34 min, 5 h, 3 days."""
    hours = seconds / 3600
    if hours < 2:
        return metrics.roughly(seconds)
    return f"{round(hours)}{NO_BREAK}h" if hours < 48 else f"{round(hours / 24):,} days"


def can_decide(study: Study) -> str:
    """What so many seeds can decide, as a sentence."""
    half = half_width(study.seeds, study.alpha)
    pairs = f"{study.seeds:,} pair{'s' if study.seeds > 1 else ''}{' of each' * (len(study.cells) > 1)}"
    if math.isinf(half):
        return f"{sentence_case(pairs)} can decide nothing: it takes at least {fewest_pairs(study.alpha):,}."
    return (
        f"With {pairs} a mean difference can be told from none when it is larger than {half:.1f} standard "
        f"deviations of the pairs."
    )


def fewest_pairs(alpha: float = ALPHA) -> int:
    """The fewest pairs whose interval is bounded."""
    pairs = 1
    while math.isinf(half_width(pairs, alpha)):
        pairs += 1
    return pairs


def margin_words(finding: Finding) -> str:
    """The margin in the measure's unit: 0.2 points, 5 %."""
    return _written(finding.measure, metrics.digits(in_unit(finding.measure, finding.margin)))


def difference_words(finding: Finding) -> str:
    """The interval, Keras minus PyTorch: 0.05 to 0.21 points; a dash while there is none."""
    found = finding.interval
    if found is None or not found.bounded:
        return metrics.NOT_KNOWN
    low, high = (metrics.digits(in_unit(finding.measure, end)) for end in (found.low, found.high))
    return _written(finding.measure, _from_to(low, high))


def mean_words(finding: Finding) -> str:
    """The mean difference, Keras minus PyTorch."""
    if finding.interval is None:
        return metrics.NOT_KNOWN
    return _written(finding.measure, metrics.digits(in_unit(finding.measure, finding.interval.mean)))


def one_difference(measure: Measure, difference: float | None) -> str:
    """A pair's difference."""
    if difference is None:
        return metrics.NOT_KNOWN
    return _written(measure, metrics.digits(in_unit(measure, difference)))


def brief(finding: Finding, needed: int | None = None) -> str:
    """A verdict in a few words, for a table: `PyTorch faster, 12 to 21 %`; `needed` as for `sentence`."""
    match finding.verdict:
        case Verdict.IDENTICAL:
            return "identical"
        case Verdict.SAME:
            return "the same within the margin"
        case Verdict.UNKNOWN:
            return f"not known yet{_more(finding, needed)}"
    within = ", within the margin" if finding.verdict == Verdict.DIFFERS_WITHIN else ""
    return f"{engine_title(finding.favours)} {_BETTER[finding.measure.name][1]}, {_amount(finding)}{within}"


def sentence(finding: Finding, needed: int | None = None) -> str:
    """A verdict as a sentence. `needed`: about how many pairs it takes in all; None where that is not known."""
    what, pairs = finding.measure.title, _pairs(len(finding.differences))
    match finding.verdict:
        case Verdict.IDENTICAL:
            return f"{what} is identical in all {pairs}."
        case Verdict.SAME:
            return f"{what} is the same within the margin of {margin_words(finding)}."
        case Verdict.UNKNOWN:
            return f"{what} is not known yet{_more(finding, needed)}."
    better = finding.favours
    other = "torch" if better == "keras" else "keras"
    words = _BETTER[finding.measure.name][0].format(
        better=engine_title(better), other=engine_title(other), amount=_amount(finding)
    )
    within = f", less than the margin of {margin_words(finding)}" if finding.verdict == Verdict.DIFFERS_WITHIN else ""
    return f"{words}{within}."


FEWEST_TOLD = 5
"""Of fewer pairs the spread is not known: what they still need would be a guess, off by thousands."""


def _more(finding: Finding, needed: int | None) -> str:
    """How many pairs an open verdict still needs, after it."""
    have = len(finding.differences)
    if not have:
        return ": no pair counts so far"
    if needed is None or needed <= have or have < FEWEST_TOLD:
        return f": {_pairs(have)} so far"
    if needed > MOST_RUNS:
        return ": more pairs than a study can have"
    return f": about {_pairs(needed - have)} more"


def _pairs(count: int) -> str:
    return f"{count:,} pair{'' if count == 1 else 's'}"


def wins(finding: Finding) -> str:
    """The sign test beside the interval: how often which was better, and what that is worth as evidence."""
    keras = sum((difference > 0) == finding.measure.more_is_better for difference in finding.differences if difference)
    decided = sum(1 for difference in finding.differences if difference)
    if not decided:
        return "no pair differs" if finding.differences else metrics.NOT_KNOWN
    ahead, won = ("Keras", keras) if 2 * keras >= decided else ("PyTorch", decided - keras)
    evidence = finding.sign_evalue
    many = "more than a million" if evidence > 1e6 else metrics.digits(evidence)
    worth = f", evidence {many} to 1" if evidence > 1 else ""
    return f"{ahead} better in {won:,} of {len(finding.differences):,}{worth}"


def decided_words(findings: Sequence[Finding]) -> str:
    """How many of the verdicts are decided."""
    done = sum(finding.verdict.decided for finding in findings)
    return f"{done:,} of {len(findings):,} verdicts decided"


def left_out(found: StudyOutcome) -> str:
    """The pairs that do not count, or whose times do not, or that are gone, as sentences; empty where there is none."""
    said = []
    for who, count, how in (("", found.failed, "failed"), ("The lanes of ", found.parted, "parted")):
        so = "so it counts in no verdict: its run says" if count == 1 else "so they count in no verdict: their runs say"
        if count:
            said.append(f"{who}{count:,} of {_pairs(found.done)} {how}, {so} why.")
    if found.busy:
        whose = "its" if found.busy == 1 else "their"
        said.append(
            f"The machine was busy in {found.busy:,} of {_pairs(found.done)}: {whose} times count in no verdict."
        )
    return " ".join(filter(None, (*said, _deleted(found.record))))


def _deleted(record: StudyRecord) -> str:
    """How many of a study's pairs were deleted, and what becomes of it, as a sentence; empty where none was."""
    if not record.deleted:
        return ""
    one = record.deleted == 1
    were = f"{_pairs(record.deleted)} that had ended {'was' if one else 'were'} deleted"
    if record.state == StudyState.FINISHED or record.unchangeable_because:
        return f"{were}: the verdicts rest on those that are there."
    return f"{were}: {'it is' if one else 'they are'} run anew."


def cannot_say(found: StudyOutcome) -> str:
    """What stands under the verdicts: the pairs that count in none of them, and what no study says."""
    return " ".join(filter(None, (left_out(found), CANNOT_SAY)))


def sign_test(study: Study) -> str:
    """What the sign test beside each interval is."""
    return (
        "The sign test counts which was better in more pairs and needs no spread: evidence of "
        f"{round(1 / study.alpha):,} to 1 would decide."
    )


def stop_words(stop: str) -> str:
    """When a study ends by itself, by its stop rule."""
    if stop == "decided":
        return "when everything is decided"
    if stop == "seeds":
        return "after all its seeds"
    measure = next(each for each in MEASURES if each.name == stop)
    return f"when {measure.title.lower()} is decided"


def in_unit(measure: Measure, difference: float) -> float:
    """A difference in the unit in which it is written: points, per cent, or as it is; infinite beyond all numbers."""
    if measure.logarithm:
        return 100 * math.expm1(difference) if difference < LARGEST_LOGARITHM else math.inf
    return 100 * difference if measure.name == "test_accuracy" else difference


def unit_of(measure: Measure) -> str:
    """The unit of a difference, with the space before it; nothing where it has none."""
    unit = _UNITS.get(measure.name, "%")
    return f"{NO_BREAK}{unit}" if unit else ""


def _written(measure: Measure, text: str) -> str:
    return text + unit_of(measure)


def _amount(finding: Finding) -> str:
    """By how much the better one is better, from the nearer end of the interval to the farther one."""
    assert finding.interval is not None
    measure, found = finding.measure, finding.interval
    near, far = sorted((abs(found.low), abs(found.high)))
    if measure.logarithm and not measure.more_is_better:  # how much less than the other: a share of the other
        near, far = (-100 * math.expm1(-end) for end in (near, far))
    else:
        near, far = (in_unit(measure, end) for end in (near, far))
    low, high = metrics.digits(near), metrics.digits(far)
    return _written(measure, _from_to(low, high))


def _from_to(low: str, high: str) -> str:
    """Both ends, or the one that both are in so many digits."""
    return low if low == high else f"{low} to {high}"
