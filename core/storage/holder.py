"""Who holds a data folder: a lock, and beside it the words that say whose it is.

One process at a time may write there. `core.storage.health` reads the same words from another process.
"""

import contextlib
import json
import os
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import filelock
import psutil

from core.storage.database import Database, StoreError

FILE, LOCK = "holder.json", "lock"
PATIENCE_S = 0.3
"""A reader has the lock for an instant (`left_by`): that keeps nobody from taking the folder."""


class Owner(StrEnum):
    """Whose process holds a folder, in the words of a sentence."""

    DASHBOARD = "the dashboard"
    COMMAND_LINE = "the command line"


class FolderHeld(Exception):
    """Another process holds the folder, or it cannot be used: in one plain sentence."""


@dataclass(frozen=True)
class HolderInfo:
    """A process that holds a folder: `owner` as it called itself, mostly an `Owner`, `since` an hour and minute."""

    owner: str
    pid: int
    since: str


def who_holds(data_dir: Path) -> HolderInfo | None:
    """The process that holds a folder now; None where nobody does."""
    with contextlib.suppress(KeyError, TypeError, ValueError, psutil.Error):
        values = _read(data_dir)
        # A process is known by its pid and its start.
        if psutil.Process(values["pid"]).create_time() == values["started"]:
            return HolderInfo(str(values["owner"]), int(values["pid"]), str(values["since"]))
    return None


def left_by(data_dir: Path) -> str:
    """Who was the last to hold a folder that nobody holds now; empty while somebody does, or where nobody can tell."""
    if who_holds(data_dir) is not None:
        return ""
    # Its owner may be in another container, where its pid means nothing here: the lock itself tells.
    if (data_dir / LOCK).exists():
        try:
            with filelock.FileLock(data_dir / LOCK).acquire(timeout=0):
                pass
        except (filelock.Timeout, OSError):
            return ""
    return _last_owner(data_dir)


def _last_owner(data_dir: Path) -> str:
    return str(_read(data_dir).get("owner", Owner.DASHBOARD))


def _read(data_dir: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        values = json.loads((data_dir / FILE).read_text())
        if isinstance(values, dict):
            return values
    return {}


class Holder:
    """Holds a data folder from its making until `release`."""

    def __init__(self, database: Database) -> None:
        """Takes the lock. Raises `FolderHeld` with the sentence that says who has it, or what is wrong."""
        self._database, self.data_dir = database, database.data_dir
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            # Not thread_local: the web closes in another thread than it opened in.
            self._lock = filelock.FileLock(self.data_dir / LOCK, thread_local=False)
            self._lock.acquire(timeout=PATIENCE_S)
        except filelock.Timeout:
            raise FolderHeld(self._held_by()) from None
        except OSError as error:
            raise FolderHeld(database.in_words(error)) from None
        self.before = _last_owner(self.data_dir)
        """Who held it last, for what they left open."""

    def say(self, owner: Owner) -> None:
        """Writes down who holds it now. Raises `StoreError`."""
        process = {"pid": os.getpid(), "started": psutil.Process().create_time()}
        temporary = self.data_dir / f"{FILE}.part"
        try:
            temporary.write_text(json.dumps({"owner": owner, "since": time.strftime("%H:%M"), **process}))
            temporary.replace(self.data_dir / FILE)
        except OSError as error:
            raise StoreError(self._database.in_words(error)) from None

    def release(self) -> None:
        """Gives the folder back."""
        self._lock.release()

    def _held_by(self) -> str:
        """Who holds the folder, once they have written it down: two may have started at this moment."""
        words = "another process"
        for _ in range(20):
            if who := who_holds(self.data_dir):
                words = f"{who.owner} (process {who.pid}, since {who.since})"
                break
            time.sleep(0.1)
        return (
            f"The data folder {self.data_dir} is in use by {words}: use that one, close it, "
            "or set DUEL_DATA_DIR to another folder."
        )
