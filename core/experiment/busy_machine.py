"""Whether others took so much of a machine's processors that the times of a run's lanes say little.

docs/fairness.md says why these are the limits.
"""

from collections.abc import Sequence

from core.experiment.settings import Schedule
from core.protocol.messages import Epoch

STARVED_SHARE = 0.2
"""A lane beside which others took this fraction of all processors got too little to be compared."""
UNEQUAL_SHARE = 0.1
"""So did one that lost this much more than another lane."""
FREE_SHARE = 0.25
"""Where this fraction of the processors stood idle on average, others took nothing that a lane wanted."""


def others_took(lanes: Sequence[Sequence[Epoch]], schedule: Schedule) -> bool:
    """Whether others took so much of the processors, or so unequally, that the times of a run's lanes say little.

    `lanes` are the epochs of each. Lanes that ran at once took the processors from each other: their times do not
    compare anyway.
    """
    if schedule == Schedule.TOGETHER:
        return False
    least = min((taken_share(epochs) or 0.0 for epochs in lanes), default=0.0)
    return any(_lacked(epochs, min(STARVED_SHARE, least + UNEQUAL_SHARE)) for epochs in lanes)


def taken_share(epochs: Sequence[Epoch]) -> float | None:
    """Fraction of all processors' time that other programs and other machines took during the epochs' training."""
    return _mean_share(epochs, "others_share", "stolen_share")


def _mean_share(epochs: Sequence[Epoch], *names: str) -> float | None:
    """The mean sum of these shares of the processors over the training time; None where no epoch tells."""
    shares = [(epoch.train_s, [getattr(epoch, name) for name in names]) for epoch in epochs]
    told = [(train_s, found) for train_s, found in shares if None not in found]
    trained_s = sum(train_s for train_s, _ in told)
    if not trained_s:
        return None
    return float(sum(share * train_s for train_s, found in told for share in found) / trained_s)


def _lacked(epochs: Sequence[Epoch], share: float) -> bool:
    """Whether others took at least this share and left hardly anything unused: of all epochs, or of the later ones.

    A first epoch that compiles for a minute hides what came after it, which alone makes the throughput.
    """
    for some in (epochs, epochs[1:]):
        taken, idle = taken_share(some), _mean_share(some, "idle_share")
        if taken is not None and idle is not None and taken >= share and idle < FREE_SHARE:
            return True
    return False
