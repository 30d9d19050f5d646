"""How long a run or a study will take here, from the newest one whose epochs cost the same, whatever their number."""

from dataclasses import dataclass
from statistics import mean

from core.experiment import metrics
from core.experiment.settings import Schedule, TrainSettings
from core.experiment.study import Pair, Study
from core.results.outcome import LaneOutcome, gather
from core.storage.runs import ALL_ROWS, Store


@dataclass(frozen=True)
class Estimate:
    """Seconds from start to end, and the length in epochs of the run that they come from."""

    seconds: float
    epochs: int
    measured: bool
    """Whether that run was just as long, so that nothing had to be scaled."""

    @property
    def words(self) -> str:
        """The estimate as a sentence that says where it comes from."""
        if self.measured:
            return f"The last such run took {metrics.duration(self.seconds)} here."
        epochs = f"{self.epochs} epoch{'s' if self.epochs > 1 else ''}"
        return f"About {metrics.roughly(self.seconds)} here, going by the last such run of {epochs}."


def estimate(store: Store, settings: TrainSettings) -> Estimate | None:
    """What `store.newest_similar` took, plus or minus the epochs between them; None where no run is similar.

    So imports, certificate, tracing and the test count once, whatever the number of epochs.
    """
    run = store.newest_similar(settings)
    if run is None or run.elapsed_s is None:
        return None
    lanes = [lane for lane in gather(run, store.rows(run.id, steps=False, limit=ALL_ROWS)).lanes if lane.epochs]
    missing = [(settings.epochs - len(lane.epochs)) * epoch_s(lane) for lane in lanes]
    if not missing:
        return None
    more_s = sum(missing) if settings.schedule == Schedule.TURNS else max(missing, key=abs)
    done = max(len(lane.epochs) for lane in lanes)
    return Estimate(max(0.0, run.elapsed_s + more_s), done, all(seconds == 0 for seconds in missing))


def epoch_s(lane: LaneOutcome) -> float:
    """Seconds of a lane's epoch, training and validation; of the first, which traces and compiles, what is steady."""
    later = lane.epochs[1:]
    if later:
        return float(mean(epoch.train_s + epoch.val_s for epoch in later))
    only = lane.epochs[0]
    return max(0.0, only.train_s - (only.first_step_s or 0.0) + only.val_s)


MOST_ESTIMATED = 20
"""Of a study's cells, evenly spaced: so many tell how long all of them take."""


def study_seconds(store: Store, study: Study) -> float | None:
    """About how long all runs of a study take, one after the other; None where one of its cells has no `estimate`."""
    cells = study.cells[:: -(-len(study.cells) // MOST_ESTIMATED)]
    found = [estimate(store, study.settings(Pair(cell, study.base.seed))) for cell in cells]
    known = [one.seconds for one in found if one is not None]
    return mean(known) * len(study.cells) * study.seeds if len(known) == len(found) else None
