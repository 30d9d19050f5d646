"""Where this installation keeps its things and whom it serves: the `DUEL_*` environment, read once a process."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import platformdirs
from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Profile(StrEnum):
    """`local`: one's own machine. `hosted`: strangers visit, and `core.deployment.limits` says what each may take."""

    LOCAL = "local"
    HOSTED = "hosted"


Folder = Annotated[Path, AfterValidator(Path.expanduser)]
"""No shell has looked at what stands in a container's environment."""


class DeploymentSettings(BaseSettings):
    """Where this installation keeps and finds things: environment variables `DUEL_DATA_DIR`, `DUEL_DATASETS_DIR`."""

    model_config = SettingsConfigDict(env_prefix="DUEL_", env_ignore_empty=True, extra="ignore")

    profile: Profile = Profile.LOCAL
    data_dir: Folder = Field(default_factory=lambda: platformdirs.user_data_path("keras-vs-pytorch", appauthor=False))
    """Everything the program writes: store, weights, logs, prepared data sets. `RuntimeError`: nobody has a home."""
    datasets_dir: Folder | None = None
    """A folder in torchvision's layout that is read instead of downloading."""
    spares: bool = True
    """Whether one imported worker per framework is kept warm, so that Start does not wait for imports; where it is
    hosted memory is scarcer than seconds, so not unless it is asked for."""
    epoch_weights: bool = True
    """Whether a run keeps its weights after each epoch, for a replay; a study's pairs never do. Where it is hosted disk
    space is short, so not unless it is asked for."""
    cluster: str = ""
    """The Ray cluster on which studies run: `auto`, `ray://HOST:10001` or `HOST:6379`; empty: on this machine alone."""
    fake_engines: bool = False
    """Whether runs may use the engines without a framework; for tests."""

    @model_validator(mode="after")
    def _less_where_hosted(self) -> Self:
        if self.profile == Profile.HOSTED:
            self.spares = self.spares and "spares" in self.model_fields_set
            self.epoch_weights = self.epoch_weights and "epoch_weights" in self.model_fields_set
        return self
