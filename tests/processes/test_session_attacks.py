"""What strangers try on a hosted server: after each attack others get their page, and nobody's run has changed.

One server stands for the whole file. Its visitor A has a run that is live and one that has ended; everything else is
done by others.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks import storm
from benchmarks.viewer import Http, Viewer, ViewerError
from core.storage.records import Run
from tests.processes.conftest import wait_for
from tests.processes.serve import FakeDashboard, fake_dashboard

LIVE = "engines=fake-slow&epochs=100&batch_size=36"  # 100 steps of 50 ms an epoch: longer than this file takes
ENDED = "engines=fake-a&epochs=1&batch_size=600"
LIMITS = {"DUEL_LIMIT_EPOCHS": "100", "DUEL_LIMIT_RUN_S": "none"}

TRICKS = (
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "....//....//etc/passwd",
    "/etc/passwd",
    "20261104-081500-1a2b3c4d%00.png",
    "20261104-081500-1a2b3c4d/../../lock",
    "20261104-081500-1a2b3c4d%0a",
    "file:///etc/passwd",
    "'; DROP TABLE runs; --",
    "%ff%fe",
    "\u202e\U0001f600",
    "a" * 10_000,
)


@dataclass
class House:
    """The server, and what its first visitor has there."""

    server: FakeDashboard
    cookies: dict[str, str]
    live: str
    ended: str

    def runs(self) -> dict[str, Run]:
        """Both runs of A."""
        return {run_id: self.server.store.run(run_id) for run_id in (self.live, self.ended)}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, prepared_data_dir: Path) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("hosted")
    with fake_dashboard(folder, prepared_data_dir, DUEL_PROFILE="hosted", **LIMITS) as server:
        yield asyncio.run(move_in(server))


async def move_in(server: FakeDashboard) -> House:
    """A starts a short run, then a long one."""
    async with Viewer(server.port, query=ENDED) as a:
        await a.press("Start")
        ended = server.newest()
        await a.wait_for("the short run has ended", lambda: not server.store.run(ended).live)
    async with Viewer(server.port, query=LIVE, cookies=a.http.cookies) as again:
        await again.press("Start")
    live = server.newest()
    assert live != ended
    wait_for("the long run trains", lambda: server.store.run(live).lanes[0].state == "training")
    return House(server, dict(a.http.cookies), live, ended)


Attack = Callable[[House], Awaitable[None]]


@pytest.fixture
def attack(house: House) -> Iterator[Callable[[Attack], None]]:
    """Runs an attack. Afterwards another visitor gets the page, A's runs are as they were, and the log is clean."""
    before, known = house.runs(), len(house.server.tracebacks())

    def run(attacked: Attack) -> None:
        asyncio.run(attacked(house))
        asyncio.run(ordinary_visit(house))

    yield run
    assert house.runs() == before
    assert house.server.store.run(house.live).state == "running"
    assert house.server.tracebacks()[known:] == []


async def ordinary_visit(house: House) -> None:
    """Somebody who has just come sees the run that trains, and may start one."""
    async with Viewer(house.server.port) as viewer:
        assert "Someone else's run:" in viewer.text()
        assert viewer.widget("Start")


async def answered(viewer: Viewer) -> None:
    """Until the page has answered, or the server has closed the connection."""
    await viewer.wait_for("an answer", lambda: viewer.closed or viewer.answered)


# --- too much, and not what it should be ------------------------------------------------------------------


def test_a_query_string_of_600_kb_is_one_page_with_a_sentence(attack: Callable[[Attack], None]) -> None:
    async def long_queries(house: House) -> None:
        for path, name in (
            ("", "engines"),
            ("", "nothing"),
            ("runs", "run"),
            ("learn", "lesson"),
            ("compare", "claim"),
        ):
            async with Viewer(house.server.port, path, f"{name}={'x' * 600_000}") as viewer:
                assert "Next:" in viewer.text()
        http = Http(house.server.port)
        for target in ("/?run=", "/runs?run=", f"/api/runs/{house.live}/rows?after="):
            with contextlib.suppress(ViewerError):  # closed before all of it was sent
                assert (await http.get(target + "1" * 600_000)).status in (400, 414, 431)
            await http.close()

    attack(long_queries)


def test_states_of_no_widget_change_nothing(attack: Callable[[Attack], None]) -> None:
    async def floods(house: House) -> None:
        assert await storm.flood_widgets(house.server.port, ids=3000, messages=2) == ""
        # The limit is 2 MB in one message.
        assert "1009" in await storm.flood_widgets(house.server.port, ids=1, messages=1, size=2_100_000)

    attack(floods)


def test_states_of_the_wrong_kind_change_nothing(attack: Callable[[Attack], None]) -> None:
    async def wrong(house: House) -> None:
        deep = "[" * 100_000
        for path in ("", "draw", "runs", "learn"):
            async with Viewer(house.server.port, path) as viewer:
                ids = [element.id for element in viewer.elements.values() if isinstance(getattr(element, "id", 0), str)]
                for changed in (
                    {"string_value": "\x00" * 100},
                    {"json_value": deep},
                    {"json_trigger_value": deep},
                    {"double_value": float("nan")},
                    {"int_value": 2**62},
                    {"bytes_value": b"\xff" * 1000},
                ):
                    await viewer.rerun([WidgetState(id=id_, **changed) for id_ in ids if id_])
                    await answered(viewer)

    attack(wrong)


def test_what_is_no_message_closes_that_connection_alone(attack: Callable[[Attack], None]) -> None:
    async def garbage(house: House) -> None:
        message = BackMsg()
        message.rerun_script.query_string = "run=1"
        whole = message.SerializeToString()
        for payload in (b"\xff" * 100, os.urandom(1000), whole[:-1], b""):
            async with Viewer(house.server.port) as viewer:
                await viewer.send(payload)
                await asyncio.sleep(0.2)
        async with Viewer(house.server.port) as viewer:
            for field in ("page_script_hash", "fragment_id", "page_name"):
                await viewer.rerun(**{field: "../../etc/passwd" + "x" * 1000})
                await asyncio.sleep(0.2)
        for order in ("debug_shutdown_runtime", "debug_disconnect_websocket", "clear_cache"):
            async with Viewer(house.server.port) as viewer:
                await viewer.send(BackMsg(**{order: True}).SerializeToString())  # type: ignore[arg-type]
                await asyncio.sleep(0.1)

    attack(garbage)


# --- from foreign pages ------------------------------------------------------------------------------------


async def handshake(port: int, origin: str, **headers: str) -> int:
    """The status that a WebSocket's handshake from a page at `origin` gets."""
    http = Http(port)
    try:
        answer = await http.get(
            "/_stcore/stream",
            Origin=origin,
            Connection="Upgrade",
            Upgrade="websocket",
            Sec_WebSocket_Version="13",
            Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
            **headers,
        )
        return answer.status
    finally:
        await http.close()


def test_handshakes_from_foreign_pages_are_refused_and_hold_nobody_up(attack: Callable[[Attack], None]) -> None:
    async def foreign(house: House) -> None:
        port = house.server.port
        strangers = (
            "http://evil.example",
            f"http://localhost:{port}",  # of the visitor's own machine
            f"https://127.0.0.1:{port + 1}",
            f"http://127.0.0.1:{port}@evil.example",
            "null",
            "",
            "x" * 5000,
            "http://[::1",
        )
        async with Viewer(port) as other:
            handshakes = [handshake(port, origin) for origin in strangers * 5]
            delays, statuses = await asyncio.gather(
                storm.delays_beside(other, house.live, 3.0), asyncio.gather(*handshakes)
            )
        assert set(statuses) == {403}
        assert max(delays) < 1.0, "one look-up of the server's own address takes longer"
        assert house.server.calls() == []

    attack(foreign)


def test_our_own_pages_are_served_as_every_proxy_passes_them_on(attack: Callable[[Attack], None]) -> None:
    async def own(house: House) -> None:
        port = house.server.port
        for origin, headers in (
            (f"http://127.0.0.1:{port}", {}),
            ("https://demo.example", {"Host": "demo.example"}),
            ("https://demo.example", {"Host": "DEMO.example:443"}),
            (f"http://localhost:{port}", {"Host": f"localhost:{port}"}),
            ("https://demo.example", {"X_Forwarded_Host": "demo.example, inner"}),
        ):
            assert await handshake(port, origin, **headers) == 101, (origin, headers)
        assert house.server.calls() == []

    attack(own)


def test_what_streamlit_counts_is_not_told_to_strangers(house: House) -> None:
    async def ask() -> None:
        http = Http(house.server.port)
        for target in ("/_stcore/metrics", "/_stcore/metrics?families=session_events", "/_stcore/%6detrics"):
            answer = await http.get(target, Accept="application/x-protobuf")
            assert answer.status == 404
            assert b"session" not in answer.body
        await http.close()

    asyncio.run(ask())


# --- ids that are paths -----------------------------------------------------------------------------------


def test_no_id_leads_out_of_its_place(attack: Callable[[Attack], None]) -> None:
    async def tricks(house: House) -> None:
        http = Http(house.server.port)
        for trick in TRICKS:
            raw = quote(trick, safe="/%.:")
            for target in (
                f"/api/runs/{raw}/rows",
                f"/assets/{raw}",
                f"/media/{raw}",
                f"/component/{raw}",
                f"/_stcore/bidi-components/{raw}",
            ):
                answer = await http.get(target)
                assert answer.status in (400, 404) or b"<!doctype html>" in answer.body.lower(), target
                assert b"root:" not in answer.body
        for after in ("-1", "1e9", "x", "", "99999999999999999999", "%00"):
            answer = await http.get(f"/api/runs/{house.live}/rows?after={after}")
            assert answer.status in (200, 400), after
        await http.close()
        for path, name in (("runs", "run"), ("draw", "run"), ("learn", "lesson"), ("compare", "claim")):
            async with Viewer(house.server.port, path) as viewer:
                for trick in TRICKS:
                    viewer.query = f"{name}={quote(trick, safe='/%.:')}"
                    await viewer.rerun()
                    await viewer.settled()
                    assert "root:" not in viewer.text()
                    assert "Next:" in viewer.text()

    attack(tricks)


# --- somebody else's run ----------------------------------------------------------------------------------


async def pages_of(house: House, cookies: dict[str, str]) -> list[Viewer]:
    """The Train page and the pages of A's two runs, opened with these cookies."""
    live, ended = f"run={house.live}", f"run={house.ended}"
    viewers = [
        Viewer(house.server.port, path, query, cookies) for path, query in (("", ""), ("runs", live), ("runs", ended))
    ]
    for viewer in viewers:
        await viewer.open()
    return viewers


async def orders_of_a(house: House) -> list[list[WidgetState]]:
    """The states by which A's own tabs would stop, name and delete, for each of the three pages."""
    pages = await pages_of(house, house.cookies)
    train, live, ended = pages
    name, note = ended.widget("Name"), ended.widget("Note")
    annotate = [WidgetState(id=name.id, string_value="theirs"), WidgetState(id=note.id, string_value="theirs")]
    await ended.rerun([pressed(ended.widget("Delete"))])
    await ended.settled()
    await ended.wait_for("it asks once", lambda: len(ended.widgets("Delete")) == 2)
    orders = [
        [pressed(train.widget("Stop"))],
        [pressed(live.widget("Stop"))],
        [*annotate, pressed(ended.widget("Keep")), *(pressed(button) for button in ended.widgets("Delete"))],
    ]
    for page in pages:
        await page.close()
    return orders


def pressed(button: Any) -> WidgetState:
    return WidgetState(id=button.id, trigger_value=True)


def test_messages_forged_from_anothers_page_change_nothing(attack: Callable[[Attack], None]) -> None:
    async def forge(house: House) -> None:
        orders = await orders_of_a(house)
        for viewer, states in zip(await pages_of(house, {}), orders, strict=True):
            await viewer.rerun(states)
            await answered(viewer)
            for state in states:
                await viewer.rerun([state])
                await answered(viewer)
            await viewer.close()

    attack(forge)


def test_anothers_run_has_no_buttons_that_change_it(attack: Callable[[Attack], None]) -> None:
    async def press_all(house: House) -> None:
        train, live, ended = await pages_of(house, {})
        for viewer in (live, ended):
            assert {"Stop", "Delete", "Keep", "Pin", "Unpin"}.isdisjoint(widget.label for widget in viewer.widgets())
        assert not train.widgets("Stop")
        for viewer in (live, ended):
            states = [pressed(widget) for widget in viewer.widgets() if widget.DESCRIPTOR.name == "Button"]
            await viewer.rerun(states)
            await answered(viewer)
        for viewer in (train, live, ended):
            await viewer.close()

    attack(press_all)


@pytest.mark.parametrize(
    "cookie",
    ["", "x", "a" * 22 + ";", '"\\000\\377"', "\udcff\udcfe\udc80", "a" * 1_000_000],
    ids=["empty", "short", "ends early", "escaped", "not text", "1 MB"],
)
def test_a_cookie_that_we_never_gave_is_nobody(attack: Callable[[Attack], None], cookie: str) -> None:
    async def come_with(house: House) -> None:
        orders = await orders_of_a(house)
        viewer = Viewer(house.server.port, "runs", f"run={house.live}", {"visitor": cookie})
        try:
            # Straight to the socket: on its way there the page would have given another cookie.
            await viewer.connect()
            await viewer.rerun()
            await viewer.settled()
            assert not viewer.widgets("Stop")
            await viewer.rerun(orders[1])
            await answered(viewer)
        except ViewerError:
            assert len(cookie) > 60_000 or not cookie.isascii()
        finally:
            await viewer.close()

    attack(come_with)


def test_the_cookie_is_given_once_and_no_script_can_read_it(house: House) -> None:
    async def ask() -> None:
        http = Http(house.server.port)
        first = (await http.get("/")).headers.get("set-cookie", "")
        assert first.startswith("visitor=")
        assert "HttpOnly" in first
        assert "visitor=" not in (await http.get("/runs")).headers.get("set-cookie", "")
        await http.close()

    asyncio.run(ask())


# --- many at once -----------------------------------------------------------------------------------------


@pytest.mark.alone
def test_a_client_that_reads_nothing_holds_nobody_up(attack: Callable[[Attack], None]) -> None:
    async def beside(house: House) -> None:
        before, slow = storm.resident_mb(house.server), storm.NeverReads(house.server.port)
        async with Viewer(house.server.port) as other:
            delays, _ = await asyncio.gather(storm.delays_beside(other, house.live, 4.0), slow.ask(4.0))
        assert sorted(delays)[len(delays) // 2] < 0.5
        assert storm.resident_mb(house.server) - before < 50
        await slow.close()

    attack(beside)


def test_who_has_left_leaves_little_behind(attack: Callable[[Attack], None]) -> None:
    async def come_and_go(house: House) -> None:
        before = storm.resident_mb(house.server)
        await storm.come_and_go(house.server.port, 30)
        assert storm.resident_mb(house.server) - before < 40

    attack(come_and_go)


def test_of_30_submissions_at_once_10_wait_and_20_are_told_why_not(attack: Callable[[Attack], None]) -> None:
    async def submit(house: House) -> None:
        texts, _ = await storm.submit_at_once(house.server.port, 30, ENDED)
        waiting = [run for run in house.server.store.open_runs() if run.state == "queued"]
        assert len(waiting) == 10
        assert len({run.visitor for run in waiting}) == 10
        assert sum(storm.FULL_QUEUE in text for text in texts) == 20

    attack(submit)


@pytest.mark.alone
def test_a_flood_that_waits_for_no_answer_is_held_back(attack: Callable[[Attack], None]) -> None:
    async def flood(house: House) -> None:
        before = storm.resident_mb(house.server)
        work = storm.flood_widgets(house.server.port, ids=10_000, messages=20, within_s=6)
        said, highest = await storm.highest_mb(house.server, work)
        assert said == "held back"
        assert highest - before < 100  # without the guard: 200 MB and more

    attack(flood)


def test_one_session_keeps_a_few_files_and_no_more(attack: Callable[[Attack], None]) -> None:
    async def fill(house: House) -> None:
        statuses = await storm.upload(house.server.port, 12, 900_000)
        assert statuses.count(204) == 6
        assert set(statuses[6:]) == {413}

    attack(fill)
