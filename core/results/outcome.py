"""What a run's rows add up to: each lane's figures, how far the run is, and what may be concluded from it.

Pure: rows in, figures and sentences out. Pages, the command line and reports all read a run through this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import NamedTuple

from core.data.datasets import Dataset
from core.experiment import metrics
from core.experiment.busy_machine import others_took, taken_share
from core.experiment.names import engine_title, joined
from core.experiment.parity import Certificate
from core.experiment.settings import Alignment, Schedule
from core.experiment.switches import titles
from core.protocol.messages import Built, Epoch, Preparing, Ready, Result
from core.storage.database import LaneState, State
from core.storage.records import Run
from core.storage.rows import DrawnMeanwhile, LaneChanged, Provenance, Row, RowEvent


@dataclass
class LaneOutcome:
    """One lane's rows, gathered: `epochs` in order, `built`, `ready` and `result` as they were reported."""

    engine: str
    state: LaneState = LaneState.WAITING
    reason: str = ""
    diverged: bool = False
    """Its own loss ended it; False, too, in a run from before this was written."""
    epochs: list[Epoch] = field(default_factory=list)
    ready: Ready | None = None
    built: Built | None = None
    result: Result | None = None

    @property
    def title(self) -> str:
        """The lane's name in sentences."""
        return engine_title(self.engine)

    @property
    def tested(self) -> Result:
        """The result of a lane that has one."""
        assert self.result is not None
        return self.result

    @property
    def device(self) -> str:
        """Where it trains, in words; empty before its network is built."""
        return self.built.device if self.built else ""

    @property
    def train_s(self) -> float:
        """Training time over all epochs."""
        return sum((epoch.train_s for epoch in self.epochs), 0.0)

    @property
    def start_s(self) -> float:
        """Import, data and build."""
        import_s = self.ready.import_s if self.ready else 0.0
        return import_s + (self.built.data_s + self.built.build_s if self.built else 0.0)

    @property
    def rest_s(self) -> float:
        """Validation and test."""
        return sum(epoch.val_s for epoch in self.epochs) + (self.result.test_s if self.result else 0.0)

    @property
    def throughput(self) -> float | None:
        """Steady images/s: median over the epochs after the first."""
        return metrics.steady_throughput([epoch.images_per_s for epoch in self.epochs])

    @property
    def processors_used(self) -> float | None:
        """How many processors it kept busy while it trained, on average; None where no epoch tells."""
        told = [epoch.cpu_s for epoch in self.epochs if epoch.cpu_s is not None]
        if not self.train_s or len(told) < len(self.epochs):
            return None
        return sum(told) / self.train_s

    @property
    def processors(self) -> int | None:
        """How many processors it could run on; None where no epoch tells."""
        return next((epoch.processors for epoch in self.epochs if epoch.processors), None)

    @property
    def taken_share(self) -> float | None:
        """Fraction of all processors' time that other programs and other machines took while it trained."""
        return taken_share(self.epochs)

    @property
    def versions(self) -> dict[str, str]:
        """Name to version of what computed."""
        return dict(self.ready.versions) if self.ready else {}


@dataclass
class Outcome:
    """A run and its lanes, and the certificate where the run has one."""

    run: Run
    lanes: list[LaneOutcome]
    certificate: Certificate | None = None
    data: Preparing | None = None
    """The newest progress of a data set that is being fetched."""
    drawn_meanwhile: bool = False
    """Whether predictors read drawings while this run trained."""
    prepared: Provenance = field(default_factory=Provenance)
    """Where the prepared data came from; says nothing before they are prepared."""

    @property
    def dataset(self) -> Dataset:
        """The run's data set."""
        return self.run.dataset

    @property
    def times_compare(self) -> bool:
        """Whether the lanes' times may be compared: in turns, on the same device, on a machine left to them."""
        return self.same_device and self.run.settings.schedule == Schedule.TURNS and not self.busy

    @property
    def same_device(self) -> bool:
        """Whether all lanes trained on one device."""
        return len({lane.device for lane in self.lanes}) == 1

    @property
    def busy(self) -> bool:
        """Whether others took so much of the processors, or so unequally, that the lanes' times say little.

        Its own end says it of a run; before that its rows so far do.
        """
        if not self.run.live:
            return self.run.busy
        return others_took([lane.epochs for lane in self.lanes], self.run.settings.schedule)


def gather(run: Run, rows: Sequence[Row]) -> Outcome:
    """The outcome of a run so far."""
    lanes = {lane.engine: LaneOutcome(lane.engine, lane.state, lane.reason) for lane in run.lanes}
    outcome = Outcome(run, list(lanes.values()))
    for row in rows:
        match row.event:
            case Certificate():
                outcome.certificate = row.event
            case Preparing():
                outcome.data = row.event
            case Provenance():
                outcome.prepared = row.event
            case DrawnMeanwhile():
                outcome.drawn_meanwhile = True
            case _ if row.engine in lanes:
                _take(lanes[row.engine], row.event)
    return outcome


def _take(lane: LaneOutcome, event: RowEvent) -> None:
    match event:
        case Epoch():
            lane.epochs.append(event)
        case Ready():
            lane.ready = event
        case Built():
            lane.built = event
        case Result():
            lane.result = event
        case LaneChanged():
            lane.diverged = event.diverged


@dataclass(frozen=True)
class RunProgress:
    """How far a run is: a fraction from 0 to 1, and a sentence."""

    fraction: float
    sentence: str


LANE_STATE_VERBS = {
    LaneState.STARTING: "starts",
    LaneState.CERTIFYING: "is checked before epoch 1",
    LaneState.BUILDING: "builds the network",
    LaneState.TRAINING: "trains",
    LaneState.TESTING: "reads the test images",
}
PREPARATION_VERBS = {"download": "Downloads", "verify": "Checks", "convert": "Prepares", "wait": "Waits for"}


def progress(outcome: Outcome, estimate: str = "") -> RunProgress:
    """How far a live run is. `estimate`: how long it will take, as a sentence, until its own epochs say it."""
    run, epochs = outcome.run, outcome.run.settings.epochs
    if run.state == State.QUEUED:
        return RunProgress(0, "Waits for its turn.")
    busy = [lane for lane in outcome.lanes if lane.state in LANE_STATE_VERBS]
    if not busy and outcome.data is not None and not any(lane.ready for lane in outcome.lanes):
        return RunProgress(0, _data_sentence(outcome.data, outcome.dataset))
    total = epochs * len(outcome.lanes)
    done = sum(epochs if lane.state.ended else len(lane.epochs) for lane in outcome.lanes)
    left_s = time_left_s(outcome)
    words = [_whose_turn(outcome, busy)]
    if left_s is not None:
        left = max(1, round(left_s))
        about = f"{left}{metrics.NO_BREAK}s" if left < 60 else metrics.duration(left)
        words.append(f"About {about} left.")
    elif estimate:
        words.append(estimate)
    return RunProgress(done / total, " ".join(words))


def _data_sentence(data: Preparing, dataset: Dataset) -> str:
    verb = PREPARATION_VERBS[data.phase]
    received, total = (count / 2**20 for count in (data.received_bytes, data.total_bytes))
    share = f": {received:.1f} of {total:.1f}{metrics.NO_BREAK}MiB" if total else ""
    return f"{verb} {dataset.title}{share}."


def _whose_turn(outcome: Outcome, busy: list[LaneOutcome]) -> str:
    if not busy:
        return "Getting ready."
    epoch = min(max(len(lane.epochs) for lane in busy) + 1, outcome.run.settings.epochs)
    waiting = [lane.title for lane in outcome.lanes if lane.state == LaneState.WAITING]
    doing = joined([f"{lane.title} {LANE_STATE_VERBS[lane.state]}" for lane in busy])
    rest = ""
    if waiting:
        verb = "waits for its turn" if len(waiting) == 1 else "wait for their turns"
        rest = f", {joined(waiting)} {verb}"
    training = any(lane.state in (LaneState.TRAINING, LaneState.BUILDING) for lane in busy)
    return (f"Epoch {epoch} of {outcome.run.settings.epochs}. " if training else "") + f"{doing}{rest}."


def time_left_s(outcome: Outcome) -> float | None:
    """Seconds until every lane has trained its epochs, from the epochs so far; None before each lane has one."""
    epochs = outcome.run.settings.epochs
    left = []
    for lane in outcome.lanes:
        if lane.state.ended:
            continue
        if not lane.epochs:
            return None
        # The first epoch traces and compiles; once there are others, they say more.
        steady = lane.epochs[1:] or lane.epochs
        left.append((epochs - len(lane.epochs)) * mean(epoch.train_s + epoch.val_s for epoch in steady))
    if not left:
        return None
    return float(sum(left)) if outcome.run.settings.schedule == Schedule.TURNS else float(max(left))


class Conclusion(NamedTuple):
    """One paragraph: what a run shows, the warning that goes with it, and what the warning means."""

    finding: str = ""
    """Empty where nothing can be concluded."""
    warning: str = ""
    meaning: str = ""

    @property
    def markdown(self) -> str:
        """The paragraph, its warning bold."""
        return f"{self.finding} **{self.warning}** {self.meaning}" if self.warning else self.finding


def conclusion(outcome: Outcome) -> Conclusion:
    """What one finished run shows, in plain words."""
    done = [lane for lane in outcome.lanes if lane.result]
    if outcome.run.parted:
        return Conclusion()  # what the lanes predict and how fast says nothing of the frameworks then
    if len(done) < 2:
        return Conclusion("One lane alone is no comparison." if len(outcome.lanes) == 1 else "")
    if len(done) > 2:
        finding = f"In this run {_accuracies(outcome, done)}, and {_speeds(outcome, done)}."
        return Conclusion(finding, *_caution(outcome))
    first, second = done[0], done[1]
    better, accuracy = _accuracy_words(outcome, first, second)
    faster, time = _time_words(outcome, first, second)
    # "Keras got more right and trained faster" where one lane leads in both; else the second part names its own.
    joint = " and " if better and better == faster else f", and {faster} " if faster else ", and "
    return Conclusion(f"In this run {better or 'both'} {accuracy}{joint}{time}.", *_caution(outcome))


def _accuracy_words(outcome: Outcome, first: LaneOutcome, second: LaneOutcome) -> tuple[str, str]:
    """Which lane got more right, if one did, and the rest of the sentence."""
    images = outcome.dataset.test_images
    right = [round(lane.tested.test_accuracy * images) for lane in (first, second)]
    if right[0] == right[1]:
        return "", f"got {right[0]:,} of the {images:,} test images right"
    better = first if right[0] > right[1] else second
    return better.title, f"got {abs(right[0] - right[1]):,} more of the {images:,} test images right"


def _accuracies(outcome: Outcome, lanes: list[LaneOutcome]) -> str:
    """Of three lanes and more: which got most right, which fewest."""
    images = outcome.dataset.test_images
    right = {lane.title: round(lane.tested.test_accuracy * images) for lane in lanes}
    most, fewest = max(right.values()), min(right.values())
    if most == fewest:
        return f"all {len(lanes)} lanes got {most:,} of the {images:,} test images right"
    first, last = (joined([title for title, count in right.items() if count == end]) for end in (most, fewest))
    return f"{first} got the most of the {images:,} test images right, {most:,}, {last} the fewest, {fewest:,}"


IMAGES = "images a second"


def _speeds(outcome: Outcome, lanes: list[LaneOutcome]) -> str:
    """Of three lanes and more: which trained fastest, and how much faster than the slowest, if times compare."""
    if why := _no_comparison(outcome, lanes, "all"):
        return why
    slowest, *_, fastest = sorted(lanes, key=lambda lane: lane.throughput or 0)
    ratio = (fastest.throughput or 0) / (slowest.throughput or 1)
    if ratio < 1.01:
        return f"all trained at the same speed within 1{metrics.NO_BREAK}%"
    return f"{fastest.title} trained fastest, {metrics.more_than(ratio, IMAGES, slowest.title)}"


def _no_comparison(outcome: Outcome, lanes: Sequence[LaneOutcome], all_of_them: str) -> str:
    """Why the lanes' speeds may not be compared; empty where they may."""
    if outcome.run.settings.schedule == Schedule.TOGETHER:
        return f"since {all_of_them} ran at once, their times cannot be compared"
    if not outcome.same_device:
        return "since they ran on different devices, their times cannot be compared"
    if outcome.busy:
        return f"since {_took(lanes)}, their times cannot be compared"
    if any(lane.throughput is None for lane in lanes):
        return "one epoch is too short to compare speed"
    return ""


def _took(lanes: Sequence[LaneOutcome]) -> str:
    """Other programs took 62 % of the processors while Keras trained and 8 % while PyTorch did."""
    told = [(metrics.percent(lane.taken_share, 100), lane.title) for lane in lanes if lane.taken_share is not None]
    whiles = [
        f"{share} while {title} did" if i else f"{share} of the processors while {title} trained"
        for i, (share, title) in enumerate(told)
    ]
    return f"other programs took {joined(whiles)}"


def _time_words(outcome: Outcome, first: LaneOutcome, second: LaneOutcome) -> tuple[str, str]:
    """Which lane trained faster, if times compare and one did, and the rest of the sentence."""
    if why := _no_comparison(outcome, (first, second), "both"):
        return "", why
    faster, slower = sorted((first, second), key=lambda lane: -(lane.throughput or 0))
    ratio = (faster.throughput or 0) / (slower.throughput or 1)
    if ratio < 1.01:
        return "", f"both trained at the same speed within 1{metrics.NO_BREAK}%"
    return faster.title, f"trained {metrics.more_than(ratio, IMAGES, slower.title)}"


def _caution(outcome: Outcome) -> tuple[str, str]:
    """A warning, and what it means."""
    run, verdict = outcome.run, outcome.run.fairness
    held = verdict is not None and verdict.state == "held"
    if verdict is not None and verdict.parted and run.settings.keep:
        return (
            "Only what was kept differs:",
            f"{titles(run.settings.keep)}; everything else was the same in both lanes.",
        )
    if held and run.settings.alignment == Alignment.EXACT_TWIN:
        same = "with everything aligned both compute the same numbers; only speed and memory are the frameworks' own."
        return "The framework is not the model:", same
    speed = "; another machine, or a busier one, the result in speed"
    done = [lane for lane in outcome.lanes if lane.result]
    turns = "" if _no_comparison(outcome, done, "all") else speed
    return "One run is an anecdote:", f"another seed can reverse the result in accuracy{turns}."
