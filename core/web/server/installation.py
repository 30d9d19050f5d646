"""What this process serves with: set by the lifespan, or by a test, and reached by `installation()` alone."""

from dataclasses import dataclass, field
from functools import cached_property

from core.deployment.limits import Limits
from core.deployment.settings import DeploymentSettings
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.results.study_shared import Outcomes
from core.storage.measurements import Measurements
from core.storage.runs import Store
from core.storage.studies import Studies
from core.web.server.live import Audience, Closings, Tails


@dataclass(frozen=True)
class Installation:
    """Where it keeps things, what visitors may ask for, and the Launcher or the reason why there is none."""

    deployment: DeploymentSettings
    limits: Limits
    opened: Launcher | LauncherUnavailable
    tails: Tails = field(default_factory=Tails)
    closings: Closings = field(default_factory=Closings)
    audience: Audience = field(default_factory=Audience)

    @property
    def launcher(self) -> Launcher:
        """Raises `LauncherUnavailable` where runs can be read and not started."""
        if isinstance(self.opened, LauncherUnavailable):
            raise LauncherUnavailable(str(self.opened))
        return self.opened

    @cached_property
    def store(self) -> Store:
        """The runs of the data folder."""
        return Store(self.deployment.data_dir)

    @cached_property
    def measurements(self) -> Measurements:
        """The measurements of the data folder."""
        return Measurements(self.deployment.data_dir)

    @cached_property
    def studies(self) -> Studies:
        """The studies of the data folder."""
        return Studies(self.deployment.data_dir)

    @cached_property
    def outcomes(self) -> Outcomes:
        """The same as they stand, added up once for all who look."""
        return Outcomes(self.studies, self.store)


_found: Installation | LauncherUnavailable | None = None


def serve_with(found: Installation | LauncherUnavailable | None) -> None:
    """Sets what `installation` gives; the reason where nothing can be served at all, None when the server ends."""
    global _found
    _found = found


def installation() -> Installation:
    """Raises `LauncherUnavailable` with the reason where not even the data folder is known."""
    if isinstance(_found, Installation):
        return _found
    raise LauncherUnavailable(str(_found or "The dashboard is still starting: try again in a moment."))
