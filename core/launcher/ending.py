"""How a run, its lanes and a measurement ended, in words: nothing else in this room says it.

What only they know comes from processes, data and the engines as the rest of a sentence, without its stop.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.experiment.metrics import duration
from core.experiment.names import engine_title, joined
from core.experiment.settings import TrainSettings
from core.experiment.titles import sentence_case
from core.launcher.lanes import Failed, LaneEnd, RunFailed, RunLane, Stopped
from core.protocol.messages import Epoch
from core.protocol.stdio import one_line
from core.storage.database import LaneState, State
from core.storage.recomputed import was_busy
from core.storage.records import Run
from core.storage.rows import Entry, LaneChanged, Row, RunChanged

PLACES = {
    LaneState.STARTING: "while importing",
    LaneState.CERTIFYING: "while certifying",
    LaneState.BUILDING: "while building",
    LaneState.TESTING: "in the test",
}

UNATTENDED = "Nobody had looked at this lesson for a minute, so it was stopped."


def reason_of(end: LaneEnd) -> str:
    """Why a lane ended that says so for itself, as sentences; empty where its run says it."""
    if isinstance(end, RunFailed):
        return end.reason
    if not isinstance(end, Failed):
        return ""
    place = _place(end)
    likely = f" Likely cause: {end.cause}." if end.cause else ""
    return f"{place}{': ' if place else ''}{end.why}.{likely}"


def _place(end: Failed) -> str:
    """Where a lane failed, as part of a sentence."""
    if end.step:
        return f"in epoch {end.epoch}, step {end.step}"
    return f"in epoch {end.epoch}" if end.at == LaneState.TRAINING else PLACES.get(end.at, "")


def _failure(lane: RunLane, end: Failed) -> str:
    """The lane's failure as sentences of the run's reason."""
    return f"{lane.title} failed{' ' if _place(end) else ': '}{reason_of(end)} {kept_epochs({lane.title: lane.epoch})}"


def how_ended(lanes: Sequence[RunLane], settings: TrainSettings, owner: str, visitor: str = "") -> tuple[State, str]:
    """The state and the reason of a run all of whose lanes have ended; `owner` ran it for `visitor`."""
    failures = [_failure(lane, lane.end) for lane in lanes if isinstance(lane.end, Failed)]
    # A failed lane's sentence says its own, so that the others' says whose they are.
    others = {lane.title: lane.epoch for lane in lanes if lane.state != LaneState.FAILED}
    there = kept_epochs(others, by_lane=bool(failures))
    states = {lane.state for lane in lanes}
    if LaneState.INTERRUPTED in states:
        return State.INTERRUPTED, " ".join([owner_closed(owner), there, *failures])
    if stops := [lane.end for lane in lanes if isinstance(lane.end, Stopped)]:
        when = f"{_stopped(stops[0], visitor)} {_when(lanes, settings.epochs)}."
        return State.STOPPED, " ".join([when, *([there] if any(lane.built for lane in lanes) else []), *failures])
    if failures:
        finished = [lane.title for lane in lanes if lane.state == LaneState.FINISHED]
        went_on = [f"{joined(finished)} went on and finished."] if finished else []
        return State.FAILED, " ".join([*failures, *went_on])
    why = _no_better_loss(settings)
    early = [lane for lane in lanes if lane.epoch < settings.epochs]
    return State.FINISHED, " ".join(f"{lane.title} stopped early after epoch {lane.epoch}: {why}." for lane in early)


def with_reason(epoch: Epoch, settings: TrainSettings) -> Epoch:
    """A lane's epoch with the reason why none follows, where that is not the run's plan."""
    if not epoch.last or epoch.epoch == settings.epochs:
        return epoch
    return replace(epoch, reason=_no_better_loss(settings))


def _no_better_loss(settings: TrainSettings) -> str:
    """Why a lane stopped early, as the rest of a sentence."""
    return f"no better validation loss in {settings.patience} epoch{'s' * (settings.patience != 1)}"


def no_lane_started(error: OSError) -> str:
    """Why a run failed before its first epoch, as a sentence."""
    return f"No lane could be started ({error.strerror or error}): look at this machine's disk and memory."


def launcher_failed(error: Exception) -> str:
    """Why a job failed for a fault of ours, as a sentence."""
    return f"The launcher failed: {one_line(error)}."


def _stopped(end: Stopped, visitor: str) -> str:
    """Who or what stopped a run, as the begin of a sentence."""
    if end.limit_s is None:
        return f"{stopper(visitor)} stopped this run"
    return f"A run has {duration(end.limit_s)} here, so this one was stopped"


def _when(lanes: Sequence[RunLane], epochs: int) -> str:
    """Where a run was stopped, as the rest of a sentence: by the lane that had come least far."""
    if not any(lane.built for lane in lanes):
        return "before its first epoch"
    done = min(lane.epoch for lane in lanes if lane.state == LaneState.STOPPED)
    return "after its last epoch" if done == epochs else f"in epoch {done + 1}"


def stopper(visitor: str) -> str:
    """Who can stop something, as its reason says it: where visitors are told apart, others read it, too."""
    return "Its visitor" if visitor else "You"


def study_paused(visitor: str) -> str:
    """Why a study has no further pair for now, as a sentence."""
    return f"{stopper(visitor)} paused this study."


def study_stopped(visitor: str) -> str:
    """Why a study was ended, as a sentence."""
    return f"{stopper(visitor)} stopped this study."


STUDYS_RUN_STOPPED = "A run of it was stopped, so it waits until you go on."
"""Why a study has no further pair for now whose run somebody stopped."""

STUDYS_IMAGES_CHANGED = "Its data set was made anew: its next pairs would train on other images. Begin a new study."
"""Why a study ended whose own images are others than those of its first pairs."""


def study_overran(limit_s: float) -> str:
    """The same where a run was stopped since it may take no longer here."""
    return (
        f"A run has {duration(limit_s)} here, and one of it needed more, so it waits until you go on, which tries that "
        "run again. Where every run needs more, only a smaller one will do: fewer epochs, or a smaller network."
    )


def study_not_trained(reason: str) -> str:
    """The same where a pair failed before a lane trained; `reason` is its run's, as sentences."""
    return f"A pair of it failed before it trained, so it waits until you go on, which tries it again. {reason}"


def kept_epochs(epochs: Mapping[str, int], by_lane: bool = False) -> str:
    """Which epochs of an ended run are there to look at, by lane title, as a sentence.

    `by_lane`: names the lanes even where all have as many.
    """
    counts = set(epochs.values())
    if not any(counts):
        return "No epoch was complete."
    if len(counts) == 1 and not by_lane:
        parts = [_span(max(counts))]
    else:
        parts = [f"{_span(count)} of {title}" for title, count in epochs.items() if count]
    many = max(counts) > 1
    return f"Epoch{'s' if many else ''} {joined(parts)} {'are' if many or len(parts) > 1 else 'is'} kept."


def _span(epochs: int) -> str:
    return "1" if epochs == 1 else f"1 {'and' if epochs == 2 else 'to'} {epochs}"


def owner_closed(owner: str, meanwhile: str = "this ran") -> str:
    """Why something is interrupted whose `owner` (see `Owner`) went away, as a sentence."""
    return f"{sentence_case(owner)} was closed while {meanwhile}."


def measurement_interrupted(owner: str, lesson: bool) -> str:
    """Why a measurement or lesson is interrupted whose owner went away, as a sentence."""
    return owner_closed(owner, "this lesson ran" if lesson else "this was measured")


def no_cluster(address: str, why: str) -> str:
    """Why no pair runs on a cluster that cannot be reached, as a sentence; `why` is the rest of one."""
    return f"The cluster {address} cannot be reached: {why}."


def cluster_lost(address: str, why: str) -> str:
    """Why a pair was cut short, and none runs now, as a sentence; `why` is the rest of one."""
    return f"The cluster {address} was lost: {why}."


def measurement_stopped(visitor: str, lesson: bool) -> str:
    """Why a measurement or lesson has no result that its visitor stopped, as a sentence."""
    return f"{stopper(visitor)} stopped this {'lesson' if lesson else 'measurement'}."


def measurement_not_started(error: OSError) -> str:
    """Why a measurement or lesson failed that has no process, as a sentence."""
    return f"Nothing could be started ({error.strerror or error})."


def measurement_failed(why: str) -> str:
    """Why a measurement or lesson failed, as a sentence; `why` is the rest of one, without its stop."""
    return f"It failed: {why}."


def measurement_overran(limit_s: float) -> str:
    """Why a measurement or lesson failed that took too long, as a sentence."""
    return measurement_failed(f"it took longer than its limit of {limit_s:.0f} s")


def stopped_before_start(visitor: str) -> str:
    """Why a run was stopped whose turn had not come, as a sentence."""
    return f"{stopper(visitor)} stopped this run before it began."


def cut_off(run: Run, rows: Sequence[Row], owner: str) -> list[Entry]:
    """The rows that end an open run whose owner went away: what it had shown is there, and nothing more will come."""
    before = f"{sentence_case(owner)} was closed before this began."
    return cut_short(run, rows, before if run.state == State.QUEUED else owner_closed(owner))


def cut_short(run: Run, rows: Sequence[Row], why: str) -> list[Entry]:
    """The rows that end an open run as interrupted, `why` as a sentence: what it had shown is there."""
    done = Counter(row.engine for row in rows if row.kind == "epoch")
    there = kept_epochs({engine_title(lane.engine): done[lane.engine] for lane in run.lanes})
    reason = why if run.state == State.QUEUED else f"{why} {there}"
    cut = [lane.engine for lane in run.lanes if not lane.state.ended]
    return last_rows(cut, State.INTERRUPTED, reason, busy=was_busy(run, rows))


def last_rows(
    lanes: Iterable[str], state: State, reason: str, lane_reason: str = "", busy: bool = False
) -> list[Entry]:
    """The last rows of a run that nothing executes: the end of each of these lanes, then its own."""
    entries = [Entry(lane, LaneChanged(LaneState(state), reason=lane_reason)) for lane in lanes]
    return [*entries, Entry("", RunChanged(state, reason, busy))]
