"""What viewers share: rows read once for all, whatever each of them has seen, and a pace that follows their number."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.experiment.settings import Alignment, TrainSettings
from core.protocol.messages import Step
from core.storage.database import State
from core.storage.records import UnknownRun
from core.storage.rows import Entry, RunChanged
from core.storage.runs import Store
from core.web.server.live import Audience, Tails, pace_for
from tests.events import built, step


class Counting(Store):
    """A store that counts how often rows are read."""

    reads = 0

    def rows_as_json(self, *arguments: object, **named: object):  # type: ignore[no-untyped-def]
        self.reads += 1
        return super().rows_as_json(*arguments, **named)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    opened = Counting(tmp_path, tmp_path / "recorded")
    opened.open_for_writing()
    return opened


def new_run(store: Store, rows: int) -> str:
    run_id = store.create(TrainSettings(engines=("keras",)), {})
    store.append(run_id, [Entry("keras", step(points=[[n, 0.5]])) for n in range(rows)])
    return run_id


def test_viewers_at_the_same_time_read_the_store_once(store: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.web.server.live.FRESH_S", 5)  # on a busy machine thirty questions take a while
    run_id = new_run(store, 7)

    async def thirty() -> list[list[str]]:
        tails = Tails()
        found = await asyncio.gather(*(tails.of(store, run_id) for _ in range(30)))
        return [tail.after(0, 5000)[0] for tail in found]

    answers = asyncio.run(thirty())
    assert store.reads == 1
    assert all([json.loads(text)["seq"] for text in answer] == list(range(1, 8)) for answer in answers)


def test_viewers_of_a_slow_disk_read_the_store_once_too(store: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.web.server.live.FRESH_S", 0.5)
    run_id = new_run(store, 1)
    read = store.rows_as_json

    def slowly(*arguments: object) -> object:
        time.sleep(1.0)
        return read(*arguments)

    monkeypatch.setattr(store, "rows_as_json", slowly)

    async def three() -> None:
        tails = Tails()
        await asyncio.gather(*(tails.of(store, run_id) for _ in range(3)))

    asyncio.run(three())
    assert store.reads == 1


def test_each_viewer_gets_what_is_after_its_own_cursor_and_new_rows_come(store: Counting) -> None:
    run_id = new_run(store, 5)

    async def look() -> None:
        tails = Tails()
        tail = await tails.of(store, run_id)
        assert [json.loads(text)["seq"] for text in tail.after(3, 5000)[0]] == [4, 5]
        assert tail.after(5, 5000) == ([], 5, False)
        assert tail.after(0, 2)[1:] == (2, True)
        store.append(run_id, [Entry("keras", step())])
        await asyncio.sleep(0.15)
        assert (await tails.of(store, run_id)).after(5, 5000)[1:] == (6, False)

    asyncio.run(look())


def test_a_deleted_run_is_gone_and_unknown_ones_keep_nothing(store: Counting) -> None:
    run_id = new_run(store, 1)

    async def look() -> None:
        tails = Tails()
        await tails.of(store, run_id)
        store.append(run_id, [Entry("", RunChanged(State.STOPPED))])
        store.delete(run_id)
        await asyncio.sleep(0.15)
        for missing in (run_id, "20261104-081500-1a2b3c4d"):
            with pytest.raises(UnknownRun):
                await tails.of(store, missing)
        assert not tails._tails

    asyncio.run(look())


def test_a_twins_difference_comes_with_its_rows(store: Counting) -> None:
    run_id = store.create(TrainSettings(alignment=Alignment.EXACT_TWIN), {})
    store.append(run_id, [Entry("keras", Step(1, 2, [[1, 0.5], [2, 0.25]]))])

    async def words() -> list[tuple[str, str] | None]:
        tails, found = Tails(), []
        found.append((await tails.of(store, run_id)).difference.words)
        store.append(run_id, [Entry("torch", Step(1, 2, [[1, 0.5], [2, 0.5]]))])
        await asyncio.sleep(0.15)
        found.append((await tails.of(store, run_id)).difference.words)
        return found

    assert asyncio.run(words()) == [None, ("0.25", "That is more than rounding.")]


def test_a_twins_row_that_comes_while_rows_are_read_is_compared(
    store: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.create(TrainSettings(alignment=Alignment.EXACT_TWIN), {})
    store.append(run_id, [Entry("keras", Step(1, 2, [[1, 0.5], [2, 0.25]]))])
    late = [Entry("torch", Step(1, 2, [[1, 0.5], [2, 0.5]]))]

    def then_late(read: Callable[..., object]) -> Callable[..., object]:
        def read_then(*arguments: object) -> object:
            found = read(*arguments)
            if late:
                store.append(run_id, [late.pop()])
            return found

        return read_then

    for name in ("rows", "rows_as_json"):
        monkeypatch.setattr(store, name, then_late(getattr(store, name)))

    async def look() -> object:
        tails = Tails()
        await tails.of(store, run_id)
        await asyncio.sleep(0.15)
        return (await tails.of(store, run_id)).difference.words

    assert asyncio.run(look()) == ("0.25", "That is more than rounding.")


def test_few_runs_are_kept(store: Counting) -> None:
    runs = [new_run(store, 1) for _ in range(20)]

    async def look() -> int:
        tails = Tails()
        for run_id in runs:
            await tails.of(store, run_id)
        return len(tails._tails)

    assert asyncio.run(look()) == 8


def test_words_are_drawn_more_slowly_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [pace_for(count) for count in (-1, 1, 6, 7, 12, 13, 30, 500, 10_000)] == [2, 2, 2, 2, 2, 5, 5, 120, 120]
    now = [0.0]
    monkeypatch.setattr("core.web.server.live.time.monotonic", lambda: now[0])
    audience = Audience()
    assert [audience.count("run", f"viewer-{n}") for n in range(30)] == list(range(1, 31))
    assert audience.count("other", "viewer-0") == 1
    now[0] = 20.0
    assert audience.count("run", "viewer-1") == 1
    assert list(audience._back_by) == ["run"]
    audience.count("run", "viewer-2", pace=30)
    now[0] = 80.0
    assert audience.size("run") == 2, "who is drawn for every 30 s is not gone after 60"
    assert audience.count("run", "viewer-2") == 1


def test_rows_are_asked_for_more_seldom_by_many() -> None:
    audience = Audience()
    assert audience.again_ms("run") == 250
    for number in range(30):
        audience.count("run", f"viewer-{number}")
    assert audience.again_ms("run") == 250
    for number in range(600):
        audience.count("run", f"viewer-{number}")
    assert audience.again_ms("run") == 5000
    assert audience.again_ms("other") == 250


def test_a_row_that_no_chart_needs_is_read_once_and_sent_to_nobody(
    store: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_run(store, 2)
    store.append(run_id, [Entry("keras", built()), Entry("keras", built())])
    asked: list[int] = []
    read = store.rows_as_json
    monkeypatch.setattr(store, "rows_as_json", lambda run, after: asked.append(after) or read(run, after))

    async def look() -> None:
        tails = Tails()
        assert (await tails.of(store, run_id)).after(0, 5000)[1:] == (2, False)
        store.append(run_id, [Entry("keras", step())])
        await asyncio.sleep(0.15)
        assert (await tails.of(store, run_id)).after(2, 5000)[1:] == (5, False)

    asyncio.run(look())
    assert asked == [0, 4]
