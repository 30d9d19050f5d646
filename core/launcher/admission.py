"""Who may start, stop, change and take in what here, and how much of it: every refusal is a sentence."""

import contextlib

from core.data import datasets
from core.deployment.limits import Allowance, Limits
from core.deployment.settings import DeploymentSettings
from core.experiment.engine_names import ENGINE_NAMES, no_engine
from core.experiment.network import Network
from core.experiment.settings import InvalidSettings, TrainSettings
from core.launcher.queue import Queue, Turn, left_s
from core.storage.database import StoreError
from core.storage.runs import Store


class LauncherUnavailable(Exception):
    """No run can start here, in one plain sentence."""


class Refused(LauncherUnavailable):
    """This visitor may not, in a sentence that says what is allowed and when."""


class Admission:
    """The limits of one data folder, and what visitors own in it."""

    def __init__(self, deployment: DeploymentSettings, limits: Limits, store: Store) -> None:
        self._deployment, self._limits, self._store = deployment, limits, store
        self._allowance, self._studies = Allowance(limits), Allowance(limits)
        self.closed = False
        """Whether nothing starts any more."""

    def check(self, settings: TrainSettings) -> TrainSettings:
        """The settings as they are kept. Raises `InvalidSettings` where such a run cannot be or is not allowed here."""
        self.check_engines(settings)
        settings.check_installed()
        try:
            dataset = datasets.find(settings.dataset, self._store.data_dir)
        except datasets.DatasetError as error:
            raise InvalidSettings({"dataset": str(error)}) from None
        here = not dataset.download_bytes or self._deployment.datasets_dir is not None
        here = here or datasets.prepared(settings.dataset, self._store.data_dir) is not None
        fitted = settings.fitted(dataset)
        self._limits.check(fitted, here, Network.of(fitted.network, dataset.shape))
        return fitted

    def check_engines(self, settings: TrainSettings) -> None:
        """Raises `InvalidSettings` where an engine is none, as the one of tests is none outside of them."""
        for engine in settings.engines:
            if engine not in ENGINE_NAMES and not self._deployment.fake_engines:
                raise InvalidSettings({"engines": no_engine(engine)})

    def admit(self, visitor: str, queue: Queue) -> None:
        """Raises `Refused` where this visitor may start nothing now, `LauncherUnavailable` where nobody may."""
        if self.closed:
            raise LauncherUnavailable("The dashboard is shutting down.")
        at_once = sum(turn.job.visitor == visitor and not _is_over(turn) for turn in queue.turns())
        free_in_s = left_s([queue.running] if queue.running else [])
        if sentence := self._allowance.refusal(visitor, at_once, queue.waiting(), free_in_s):
            raise Refused(sentence)

    def admit_study(self, visitor: str) -> None:
        """Counts a study that begins. Raises `Refused` where this visitor has begun as many as there may be in an hour.

        Its runs count by themselves, and one that is stopped before its first has none.
        """
        if sentence := self._studies.refusal(visitor, at_once=0, waiting=0, wait_s=None):
            raise Refused(sentence)
        self._studies.count(visitor)

    def count(self, visitor: str) -> None:
        """See `Allowance.count`."""
        self._allowance.count(visitor)

    def may_change(self, owner: str, visitor: str) -> bool:
        """Whether a visitor may stop or change what `owner`, a visitor too, has started."""
        return not self._limits.only_own or (owner == visitor != "")

    def check_change(self, owner: str, visitor: str, what: str = "run") -> None:
        """Raises `Refused` where a visitor may not stop or change what `owner` has started."""
        if not self.may_change(owner, visitor):
            raise Refused(f"Only who started a {what} can stop or change it here.")

    def check_pin(self) -> None:
        """Raises `Refused` where no run can be pinned."""
        if self._limits.only_own:
            raise Refused("Nothing can be pinned here: the list is everybody's.")

    def check_deletion(self, run_id: str, visitor: str) -> None:
        """Raises `Refused` where this visitor cannot delete a run, `StoreError` where there is none."""
        owner, undeletable_because = self._store.owner_and_obstacle(run_id)
        self.check_change(owner, visitor)
        if undeletable_because:
            raise Refused(f"Run {run_id} {undeletable_because}.")

    def check_import(self) -> None:
        """Raises `Refused` where no run can be taken in."""
        if not self._limits.imports:
            raise Refused("Nothing can be imported here: every figure was measured on this machine.")


def _is_over(turn: Turn) -> bool:
    """Whether everybody can read its end, though its last process is still being put away."""
    with contextlib.suppress(StoreError):
        return turn.began_at is not None and not turn.job.stored().live
    return False
