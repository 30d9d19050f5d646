"""Five viewers of one live run, as browsers are: each gets every row in order, and the training goes on."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.viewer import Viewer
from core.results.chart_rows import chart_rows
from tests.processes.serve import FakeDashboard, fake_dashboard

VIEWERS, WATCHED_S = 5, 10.0
LINK = "engines=fake-slow,fake-a&epochs=100&batch_size=180"  # 20 steps of 50 ms an epoch


@pytest.fixture
def server(tmp_path: Path, prepared_data_dir: Path) -> Iterator[FakeDashboard]:
    with fake_dashboard(tmp_path, prepared_data_dir) as opened:
        yield opened


@pytest.mark.alone
def test_every_viewer_gets_every_row_in_order_while_training_goes_on(server: FakeDashboard) -> None:
    asyncio.run(watch(server))


async def watch(server: FakeDashboard) -> None:
    web, rows = psutil.Process(server.process.pid), dict[Viewer, list[dict[str, Any]]]()
    viewers = [Viewer(server.port) for _ in range(VIEWERS)]
    async with Viewer(server.port, query=LINK) as starter:
        await starter.press("Start")
        run_id = server.newest()
        await asyncio.gather(*(viewer.open() for viewer in viewers))
        tasks = [
            asyncio.create_task(viewer.watch(run_id, lambda who, new: rows.setdefault(who, []).extend(new)))
            for viewer in viewers
        ]
        await asyncio.sleep(1)
        cpu_s, began, epochs = sum(web.cpu_times()[:2]), time.monotonic(), epochs_of(server, run_id)
        await asyncio.sleep(WATCHED_S)
        share = (sum(web.cpu_times()[:2]) - cpu_s) / (time.monotonic() - began)
        trained = epochs_of(server, run_id) - epochs
        await starter.press("Stop")
        await asyncio.gather(*tasks)
    kept = chart_rows(row.as_json() for row in server.store.rows(run_id, limit=10**6))
    assert len(kept) > 100
    assert [rows[viewer] == kept for viewer in viewers] == [True] * VIEWERS
    assert [viewer.closed for viewer in viewers] == [""] * VIEWERS
    assert share < 0.5, f"{VIEWERS} viewers took {100 * share:.0f} % of a core"
    # Alone it is an epoch of each lane in a little more than a second.
    assert trained >= WATCHED_S / 2
    for viewer in viewers:
        await viewer.rerun()
        await viewer.settled()
        assert "stopped" in viewer.text()
        await viewer.close()


def epochs_of(server: FakeDashboard, run_id: str) -> int:
    return sum(row.kind == "epoch" for row in server.store.rows(run_id, steps=False))
