"""The one way to make, rename and delete one's own images, for pages and terminal alike."""

import contextlib
from collections.abc import Iterator

from core.data import own_images
from core.data.dataset import DatasetError
from core.deployment.limits import NO_LIMITS, Limits
from core.launcher.admission import Refused
from core.storage.database import StoreError
from core.storage.runs import Store


class OwnImages:
    """The data sets of one's own images in a data folder, and the runs that need them."""

    def __init__(self, store: Store, limits: Limits = NO_LIMITS) -> None:
        self._store, self._limits = store, limits

    def draft(self, wanted: own_images.Wanted) -> own_images.Draft:
        """Begins a data set. Raises `Refused` where it is not allowed or something trains, `DatasetError`."""
        self._check_allowed()
        try:
            return own_images.Draft(self._store.data_dir, wanted)
        except own_images.MachineBusy as error:
            raise Refused(str(error)) from None

    def rename(self, name: str, title: str) -> None:
        """Gives a data set another title. Raises `Refused`, `DatasetError`."""
        self._check_allowed()
        own_images.rename(self._store.data_dir, name, title)

    def delete(self, name: str) -> None:
        """Removes a data set that no run waits for or trains on; runs that have ended keep what they found.

        Raises `Refused`, `DatasetError`, `StoreError`.
        """
        self._check_allowed()
        own_images.delete(self._store.data_dir, name, lambda: self._check_unneeded(name))

    @contextlib.contextmanager
    def staying(self, name: str) -> Iterator[None]:
        """Nobody deletes the data set meanwhile, in any process. Raises `StoreError` where that cannot be held."""
        try:
            with own_images.staying(self._store.data_dir, name):
                yield
        except DatasetError as error:
            raise StoreError(str(error)) from None

    def _check_allowed(self) -> None:
        if not self._limits.own_images:
            raise Refused("Own images cannot be added or changed here: choose one of the data sets that are there.")

    def _check_unneeded(self, name: str) -> None:
        if users := [run.id for run in self._store.open_runs() if run.settings.dataset == name]:
            raise Refused(f"Run {users[0]} needs {name}: delete it when that has ended, or stop it.")
