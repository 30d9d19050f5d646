"""What visitors may ask of this installation: the limits of the hosted profile, and who has asked for how much.

`DUEL_PROFILE=hosted` is the switch; each limit has an environment variable of its own, `DUEL_LIMIT_EPOCHS=20`, in
either profile (`none`: no limit). docs/hosting.md lists them. Every refusal is a sentence that says what is allowed.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from functools import cache
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.deployment.settings import DeploymentSettings, Profile
from core.experiment import metrics
from core.experiment.network import MOST, Network
from core.experiment.settings import InvalidSettings, TrainSettings

HOUR_S = 3600.0

Count = Annotated[int, Field(ge=1)] | None


class Limits(BaseSettings):
    """What one run, one visitor and all of them together may take. None: no limit. As it stands: one's own machine."""

    model_config = SettingsConfigDict(
        env_prefix="DUEL_LIMIT_", env_ignore_empty=True, env_parse_none_str="none", extra="ignore", frozen=True
    )

    queue: Count = None
    """Runs and measurements that wait, of all visitors together."""
    visitor_at_once: Count = None
    """Runs and measurements of one visitor that run or wait."""
    visitor_per_hour: Count = None
    """How many one visitor may start within any hour."""
    study_pairs: Count = None
    """Runs of one study, each of which counts as any other."""
    epochs: Count = None
    batch_min: Count = None
    batch_max: Count = None
    lanes: Count = None
    """Lanes of one run: each is a process with a framework in its memory."""
    layers: Count = None
    """Layers of a network, below what no installation trains; parameters and multiply-adds an image likewise."""
    parameters: Count = None
    multiply_adds: Count = None
    activations_mb: Count = None
    """What all layers leave of one batch, in MB of 1,000,000 bytes; a lane takes three times as much."""
    run_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds after which a run or a measurement is stopped."""
    drawing_beside: bool = True
    """Whether models that read drawings stay in memory while a run trains."""
    downloads: bool = True
    """Whether a run may download its data set."""
    imports: bool = True
    """Whether runs and studies may be taken in from files."""
    own_images: bool = True
    """Whether data sets of one's own images may be made, renamed and deleted on the pages."""
    only_own: bool = False
    """Whether visitors change and stop only what they started."""
    kept_runs: Count = None
    """Older runs beyond so many are removed; a pinned run stays and is not counted."""
    kept_mb: Count = None
    """Older runs, pinned ones apart, are removed while all of them take more, in MB of 1,000,000 bytes."""

    def check(self, settings: TrainSettings, data_is_here: bool, network: Network) -> None:
        """Raises `InvalidSettings` with a sentence for each field of a run that is not allowed here.

        `network` is the one that the settings mean for their data.
        """
        problems: dict[str, str] = {}
        if too_large := network.too_large(self.network):
            problems["network"] = too_large
        if self.epochs is not None and settings.epochs > self.epochs:
            problems["epochs"] = f"A run here has at most {self.epochs} epochs, not {settings.epochs}."
        low, high = self.batch_span(settings.float64)
        if settings.batch_size < low or (high is not None and settings.batch_size > high):
            span = f"{low:,} or more" if high is None else f"{low:,} to {high:,}"
            whose = " of an exact twin" if settings.float64 else ""
            problems["batch_size"] = f"Batch size{whose} here is {span}, not {settings.batch_size:,}."
        else:
            image_bytes = network.activations * (8 if settings.float64 else 4)
            most = self.activations_mb and max(1, self.activations_mb * 10**6 // image_bytes)
            if most is not None and settings.batch_size > most:
                problems["batch_size"] = f"Batch size here is at most {most:,} with this network: it fills the memory."
        if self.lanes is not None and len(settings.engines) > self.lanes:
            problems["engines"] = f"A run here has at most {self.lanes} lanes, not {len(settings.engines)}."
        if not self.downloads and not data_is_here:
            problems["dataset"] = f"Nothing is downloaded here, and {settings.dataset} is not there: choose mnist5k."
        if problems:
            raise InvalidSettings(problems)

    def check_study(self, pairs: int) -> None:
        """Raises `InvalidSettings` where a study of so many pairs is not allowed here."""
        most = self.study_pairs
        if most is not None and pairs > most:
            raise InvalidSettings({"seeds": f"A study here has at most {most:,} pairs, not {pairs:,}."})

    @property
    def network(self) -> dict[str, int]:
        """What a network may have at most: layers, parameters, multiply-adds an image."""
        ours = {"layers": self.layers, "parameters": self.parameters, "multiply-adds an image": self.multiply_adds}
        return {what: min(own or MOST[what], MOST[what]) for what, own in ours.items()}

    def batch_span(self, float64: bool) -> tuple[int, int | None]:
        """The smallest and the largest batch of a run; None: as large as its data set allows."""
        low, high = self.batch_min or 1, self.batch_max
        if high is not None and float64:
            high = max(low, high // 2)  # each number takes twice the memory
        return low, high

    @property
    def hosted(self) -> bool:
        """Whether visitors are told apart."""
        return self.only_own or self.visitor_at_once is not None or self.visitor_per_hour is not None


class HostedLimits(Limits):
    """The same for a demo that strangers use."""

    queue: Count = 10
    visitor_at_once: Count = 1
    visitor_per_hour: Count = 5
    study_pairs: Count = 10
    epochs: Count = 10
    batch_min: Count = 16
    batch_max: Count = 1024
    lanes: Count = 2
    layers: Count = 20
    parameters: Count = 500_000
    multiply_adds: Count = 20_000_000
    activations_mb: Count = 300
    run_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 180.0
    drawing_beside: bool = False
    downloads: bool = False
    imports: bool = False
    own_images: bool = False
    only_own: bool = True
    kept_runs: Count = 200
    kept_mb: Count = 500


NO_LIMITS = Limits.model_construct()
"""What an operator has in the terminal, whatever the environment says."""


def read_environment() -> tuple[DeploymentSettings, Limits]:
    """The `DUEL_*` environment. Raises `InvalidSettings` that names the variable."""
    prefix = "DUEL_"
    try:
        deployment = DeploymentSettings()
        prefix = "DUEL_LIMIT_"
        return deployment, HostedLimits() if deployment.profile == Profile.HOSTED else Limits()
    except RuntimeError:
        raise InvalidSettings({"data_dir": "This user has no home folder: set DUEL_DATA_DIR to a full path."}) from None
    except ValidationError as error:
        wrong = error.errors()[0]
        name = f"{prefix}{str(wrong['loc'][0]).upper()}"
        raise InvalidSettings({name: f"The environment variable {name} is wrong: {wrong['msg']}."}) from None


@cache
def environment() -> tuple[DeploymentSettings, Limits]:
    """The same, read once a process. Raises `InvalidSettings`."""
    return read_environment()


class Allowance:
    """Who started how much in the last hour; in memory alone, so that a deleted run still counts."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._started: defaultdict[str, deque[float]] = defaultdict(deque)

    def refusal(self, visitor: str, at_once: int, waiting: int, wait_s: float | None) -> str:
        """Why a visitor may start nothing now, as sentences; empty where they may.

        `at_once` of theirs run or wait, `waiting` of everybody wait; the next place is free in `wait_s`.
        """
        limits = self._limits
        if limits.visitor_at_once is not None and at_once >= limits.visitor_at_once:
            most = (
                "one run, measurement or lesson" if limits.visitor_at_once == 1 else f"{limits.visitor_at_once} of them"
            )
            return f"Each visitor has {most} at a time here: start the next when yours has ended, or stop it."
        if limits.visitor_per_hour is not None:
            self._forget()
            mine = list(self._started.get(visitor, ()))
            if len(mine) >= limits.visitor_per_hour:
                left = metrics.roughly(mine[0] + HOUR_S - self._clock())
                return f"Each visitor starts at most {limits.visitor_per_hour} an hour here: the next in about {left}."
        if limits.queue is not None and waiting >= limits.queue:
            when = f"in about {metrics.roughly(wait_s)}" if wait_s is not None else "in a few minutes"
            return f"The queue is full: at most {limits.queue} wait here. A place should be free {when}."
        return ""

    def count(self, visitor: str) -> None:
        """Takes one of the starts that this visitor has in an hour."""
        if self._limits.visitor_per_hour is not None:
            self._started[visitor].append(self._clock())

    def _forget(self) -> None:
        """Drops what is older than an hour: what is kept never grows beyond what an hour can hold."""
        before = self._clock() - HOUR_S
        for visitor in list(self._started):
            times = self._started[visitor]
            while times and times[0] <= before:
                times.popleft()
            if not times:
                del self._started[visitor]
