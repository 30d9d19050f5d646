"""What all viewers of a run or a study share, so that thirty of them cost little more than one: a run's rows and a
study's figure as they are sent, and the pace at which its words are drawn anew.

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

from core.results.chart_rows import chart_rows
from core.results.study_shared import Closing, Outcomes
from core.results.twin import CurveDifference, is_twin
from core.storage.database import State, StoreError
from core.storage.runs import ALL_ROWS, Store

FRESH_S = 0.1
"""Rows that were read so recently are sent without another look."""
MOST_RUNS = 8
"""Runs whose rows are kept in memory: those that were asked for last."""

PACES_S = (2, 5, 10, 30, 60, 120)
EACH_SECOND = 6
"""Words, bar and cards of a run are drawn at most so often a second, for all its viewers together: every 2 s for up to
12 of them, every 5 s for up to 30."""
ROWS_EACH_S = 120
"""The charts ask for rows every 0.25 s, and more seldom beyond 30 viewers: at most so often a second, all together."""


@dataclass
class Tail:
    """A run's rows for its charts as JSON, from its first to the newest that was read."""

    state: State | None = None
    """None before it was read."""
    last: int = 0
    """The newest row that was read, whether or not the charts need it."""
    seqs: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    difference: CurveDifference = field(default_factory=CurveDifference)
    read_at: float = -1e9
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def after(self, cursor: int, most: int) -> tuple[list[str], int, bool]:
        """At most so many rows with `seq` above the cursor, the next cursor, and whether more are there."""
        first = bisect.bisect_right(self.seqs, cursor)
        texts = self.texts[first : first + most]
        return texts, self.seqs[first + len(texts) - 1] if texts else cursor, first + most < len(self.seqs)

    async def read(self, store: Store, run_id: str) -> None:
        """Takes what is new. Raises `StoreError`, `UnknownRun`."""
        began = time.monotonic()
        # Read in a thread, kept in the event loop: a look that is given up half way leaves nothing half. A row that a
        # difference meets twice changes nothing.
        found = await asyncio.to_thread(_rows_after, store, run_id, self.last, self.difference)
        self.state, self.last, seqs, texts = found
        self.seqs += seqs
        self.texts += texts
        self.read_at = began


def _rows_after(
    store: Store, run_id: str, last: int, difference: CurveDifference
) -> tuple[State, int, list[int], list[str]]:
    """The run's state, the number of its newest row, and of the charts' rows after `last` the numbers and each as JSON.

    A twin's rows are compared as they are stored.
    """
    # The state first: what is written in between is then fetched by the next call, never missed.
    run = store.run(run_id)
    rows = store.rows_as_json(run_id, last)
    if is_twin(run.settings):  # after them, so that none that they end with is missed
        difference.take(store.rows(run_id, last, ALL_ROWS))
    drawn = chart_rows(rows)
    texts = [json.dumps(row, separators=(",", ":")) for row in drawn]
    return run.state, rows[-1]["seq"] if rows else last, [row["seq"] for row in drawn], texts


class Tails:
    """The tails of the runs that are looked at, for the routes: one event loop, one look at a time for each run."""

    def __init__(self) -> None:
        self._tails: OrderedDict[tuple[Path, str], Tail] = OrderedDict()

    async def of(self, store: Store, run_id: str) -> Tail:
        """A run's tail, at most `FRESH_S` older than this question. Raises `StoreError`, `UnknownRun`."""
        key, asked = (store.path, run_id), time.monotonic()
        tail = self._tails.setdefault(key, Tail())
        try:
            if asked - tail.read_at > FRESH_S:
                async with tail.lock:
                    # Whoever waited here for another's look has it now, however long that took.
                    if asked - tail.read_at > FRESH_S:
                        await tail.read(store, run_id)
        except StoreError:
            self._tails.pop(key, None)
            raise
        if key in self._tails:
            self._tails.move_to_end(key)
        while len(self._tails) > MOST_RUNS:
            self._tails.popitem(last=False)
        return tail


@dataclass
class _Look:
    """The last look at a figure."""

    closing: Closing | None = None
    read_at: float = -1e9
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Closings:
    """The figures of studies that are looked at, for the route: one event loop, one look at a time for each."""

    def __init__(self) -> None:
        self._looks: OrderedDict[tuple[str, str, int], _Look] = OrderedDict()

    async def of(self, outcomes: Outcomes, study: str, measure: str, cell: int) -> Closing:
        """As `Outcomes.closing`, at most `FRESH_S` older than this question. Raises what that raises."""
        key, asked = (study, measure, cell), time.monotonic()
        look = self._looks.setdefault(key, _Look())
        try:
            if look.closing is None or asked - look.read_at > FRESH_S:
                async with look.lock:
                    # Whoever waited here for another's look has it now.
                    if look.closing is None or asked - look.read_at > FRESH_S:
                        began = time.monotonic()
                        look.closing = await asyncio.to_thread(outcomes.closing, study, measure, cell)
                        look.read_at = began
        except (StoreError, LookupError):
            self._looks.pop(key, None)
            raise
        if key in self._looks:
            self._looks.move_to_end(key)
        while len(self._looks) > MOST_RUNS:
            self._looks.popitem(last=False)
        return look.closing


class Audience:
    """Who looks at each live run or study; pages call it from their threads."""

    def __init__(self) -> None:
        self._back_by: dict[str, dict[str, float]] = {}
        """When each viewer of a run has gone, unless they are seen before."""
        self._guard = threading.Lock()

    def count(self, run_id: str, viewer: str, pace: int = PACES_S[0]) -> int:
        """How many look at a run, this viewer included, who was just seen and should be again in `pace` seconds."""
        now = time.monotonic()
        with self._guard:
            self._back_by.setdefault(run_id, {})[viewer] = now + 2 * pace + 10
            for run, back_by in list(self._back_by.items()):
                for who in [who for who, at in back_by.items() if at < now]:
                    del back_by[who]
                if not back_by:
                    del self._back_by[run]
            return len(self._back_by[run_id])

    def size(self, run_id: str) -> int:
        """How many look at a run."""
        return len(self._back_by.get(run_id, ()))

    def pace_s(self, run_id: str, now_s: int = 0) -> int:
        """Seconds between two drawings of a live run's words, for as many viewers as it has with this session.

        A pace is kept while it nearly fits.
        """
        viewer = st.session_state.setdefault("viewer", secrets.token_hex(4))
        count = self.count(run_id, viewer, now_s or PACES_S[0])
        nearly = (pace_for(round(0.8 * count) - 2), pace_for(round(1.25 * count) + 2))
        return now_s if nearly[0] <= now_s <= nearly[1] else pace_for(count)

    def again_ms(self, run_id: str) -> int:
        """Milliseconds until a viewer's charts shall ask for a run's rows again."""
        return max(250, 1000 * self.size(run_id) // ROWS_EACH_S)


def pace_for(count: int) -> int:
    """The pace for a number of viewers."""
    return next((pace for pace in PACES_S if count <= EACH_SECOND * pace), PACES_S[-1])
