"""What all viewers of a run share, so that thirty of them cost little more than one: its rows as they are sent, and the
pace at which its words are drawn anew.

Reading the store costs more than answering a browser, so rows are read once for all, at most ten times a second. It
needs no Launcher: the run may be another process'.
"""

import asyncio
import bisect
import json
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from core.store import ALL_ROWS, Store, StoreError

FRESH_S = 0.1
"""Rows that were read so recently are sent without another look."""
MOST_RUNS = 8
"""Runs whose rows are kept in memory: those that were asked for last."""

PACES_S = ((6, 1), (12, 2))
SLOWEST_S = 5
"""Words, bar and cards: every second for up to 6 viewers, every 2 s for up to 12, else every 5 s. The charts follow by
themselves and stay as fast."""
AWAY_S = 12.0
"""A viewer who has not been seen for so long has gone."""


@dataclass
class Tail:
    """A run's rows as JSON, from its first to the newest that was read."""

    state: str = ""
    seqs: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    read_at: float = -1e9
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def after(self, cursor: int, most: int) -> tuple[list[str], int, bool]:
        """At most so many rows with `seq` above the cursor, the next cursor, and whether more are there."""
        first = bisect.bisect_right(self.seqs, cursor)
        texts = self.texts[first : first + most]
        return texts, self.seqs[first + len(texts) - 1] if texts else cursor, first + most < len(self.seqs)

    def read(self, store: Store, run_id: str) -> None:
        """Takes what is new. Raises `StoreError`, `UnknownRun`."""
        began = time.monotonic()
        # The state first: what is written in between is then fetched by the next call, never missed.
        state = store.run(run_id).state
        for row in store.rows(run_id, self.seqs[-1] if self.seqs else 0, ALL_ROWS):
            self.texts.append(json.dumps(row.as_json(), separators=(",", ":")))
            self.seqs.append(row.seq)
        self.state, self.read_at = state, began


class Tails:
    """The tails of the runs that are looked at, for the routes: one event loop, one look at a time for each run."""

    def __init__(self) -> None:
        self._tails: OrderedDict[tuple[Path, str], Tail] = OrderedDict()

    async def of(self, store: Store, run_id: str) -> Tail:
        """A run's tail, at most `FRESH_S` old. Raises `StoreError`, `UnknownRun`."""
        key = store.path, run_id
        tail = self._tails.setdefault(key, Tail())
        try:
            if time.monotonic() - tail.read_at > FRESH_S:
                async with tail.reading:
                    # Whoever waited here for another's look has it now.
                    if time.monotonic() - tail.read_at > FRESH_S:
                        await asyncio.to_thread(tail.read, store, run_id)
        except StoreError:
            self._tails.pop(key, None)
            raise
        if key in self._tails:
            self._tails.move_to_end(key)
        while len(self._tails) > MOST_RUNS:
            self._tails.popitem(last=False)
        return tail


class Audience:
    """Who looks at each live run; pages call it from their threads."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, float]] = {}
        self._guard = threading.Lock()

    def count(self, run_id: str, viewer: str) -> int:
        """How many look at a run, this viewer included, who has just been seen."""
        now = time.monotonic()
        with self._guard:
            self._seen.setdefault(run_id, {})[viewer] = now
            for run, seen in list(self._seen.items()):
                gone = [who for who, at in seen.items() if now - at > AWAY_S]
                for who in gone:
                    del seen[who]
                if not seen:
                    del self._seen[run]
            return len(self._seen[run_id])


audience = Audience()


def pace_s(run_id: str, now_s: int = 0) -> int:
    """Seconds between two drawings of a live run's words, for so many viewers; a pace is kept while it nearly fits."""
    count = audience.count(run_id, st.session_state.setdefault("viewer", secrets.token_hex(4)))
    nearly = (pace_for(count - 2), pace_for(count + 2))
    return now_s if now_s in nearly else pace_for(count)


def pace_for(count: int) -> int:
    """The pace for a number of viewers."""
    return next((pace for most, pace in PACES_S if count <= most), SLOWEST_S)
