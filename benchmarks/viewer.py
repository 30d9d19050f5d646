"""A protocol client of the dashboard: what a browser tab sends and takes, without drawing any of it.

It speaks Streamlit's own messages over its WebSocket, reruns the fragments that the page wants rerun, and fetches a
live run's rows as `core/web/components/live_chart/live_chart.js` does. Many of them share one asyncio loop, so one
process can be thirty viewers; that process' CPU time is its own and never part of what is measured.
"""

import asyncio
import gzip
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any, Self
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from benchmarks.server import ADDRESS

POLL_S = 0.25
"""Between two requests for rows: `VISIBLE_MS` of the live chart."""
PATIENCE_S = 30.0
"""How long anything may take before it counts as never."""
LIVE = ("queued", "running")


class ViewerError(Exception):
    """A viewer did not get what a browser would have got, in one sentence."""


@dataclass(frozen=True)
class Answer:
    """An HTTP response, its body as it was before any compression."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Http:
    """Requests over one kept connection, as a browser's for one address; keeps the cookies that it is given."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """One request; `target` goes out as it stands. Raises `ViewerError` where nothing comes back."""
        for again in (True, False):
            fresh = self._streams is None
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return await self._exchange(target, method, body, headers)
            except (OSError, EOFError, ValueError) as error:
                await self.close()
                if fresh or not again:  # a connection that was kept may have been closed meanwhile
                    raise ViewerError(f"{method} {target[:60]!r}: {type(error).__name__}: {error}.") from None
        raise AssertionError

    async def _exchange(self, target: str, method: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(ADDRESS, self.port, limit=2**22)
        reader, writer = self._streams
        sent = {"Host": f"{ADDRESS}:{self.port}", "Accept-Encoding": "gzip", **self.cookie_header(), **headers}
        if body:
            sent["Content-Length"] = str(len(body))
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in sent.items())
        writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + body)
        await writer.drain()
        status, received = await self._head(reader)
        content = await self._body(reader, status, received, method)
        if received.get("connection", "").lower() == "close":
            await self.close()
        if received.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        return Answer(status, received, content)

    async def _head(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        received = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            if name.lower() == "set-cookie":
                self.cookies |= {key: morsel.value for key, morsel in SimpleCookie(value.strip()).items()}
            received[name.lower()] = value.strip()
        return int(lines[0].split()[1]), received

    @staticmethod
    async def _body(reader: asyncio.StreamReader, status: int, headers: Mapping[str, str], method: str) -> bytes:
        if method == "HEAD" or status in (204, 304):
            return b""
        if headers.get("transfer-encoding") != "chunked":
            return await reader.readexactly(int(headers.get("content-length", 0)))
        parts = []
        while size := int((await reader.readline()).strip() or b"0", 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)

    def cookie_header(self) -> dict[str, str]:
        """What goes out with every request."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    async def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Viewer:
    """One browser tab on one page.

    `path` is the page's own address without its slash, empty for Train; `query` its parameters, or the query string
    as it stands. `elements` is what stands on the page: each element's message by its place.
    """

    def __init__(
        self, port: int, path: str = "", query: Mapping[str, str] | str = "", cookies: Mapping[str, str] | None = None
    ) -> None:
        self.http = Http(port, dict(cookies or {}))
        self.path, self.query = path, query if isinstance(query, str) else urlencode(query)
        self.page_hash = self.session_id = ""
        self.elements: dict[tuple[int, ...], Any] = {}
        self.pages: dict[str, str] = {}
        """Path and hash of every page that the server has named."""
        self.received_bytes = self.runs = self.fragment_runs = 0
        self.closed: str = ""
        """Why the server closed the connection; empty while it stands."""
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._cache: dict[str, tuple[ForwardMsg, int]] = {}
        self._run_of_element: dict[tuple[int, ...], str] = {}
        self._run = ""
        self._finished = asyncio.Event()

    # --- the connection --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Loads the page as a browser does and waits until its script has run. Raises `ViewerError`."""
        await self.load()
        await self.connect()
        await self.rerun()
        await self.settled()

    async def load(self) -> None:
        """The page's frame, and what Streamlit's own frontend asks for before it connects: cookies come with them."""
        for target in (f"/{self.path}", "/_stcore/health", "/_stcore/host-config"):
            answer = await self.http.get(target)
            if answer.status != 200:
                raise ViewerError(f"{target} answered {answer.status}.")

    async def connect(self, reads: bool = True) -> None:
        """Opens the WebSocket. One that does not read never takes anything from it."""
        wanted = ["streamlit", self.http.cookies.get("_streamlit_xsrf", ""), self.session_id]
        host = f"{ADDRESS}:{self.http.port}"
        try:
            self._socket = await connect(
                f"ws://{host}/_stcore/stream",
                subprotocols=[Subprotocol(word) for word in wanted if word],
                origin=f"http://{host}",  # type: ignore[arg-type]
                additional_headers=self.http.cookie_header(),
                max_size=None,
                ping_interval=None,
                open_timeout=PATIENCE_S,
            )
        except (OSError, EOFError, ValueError, WebSocketException) as error:
            raise ViewerError(f"The server did not take the connection: {error}.") from None
        if reads:
            self._tasks.append(asyncio.create_task(self._read(self._socket)))

    async def close(self) -> None:
        """Leaves the page."""
        for task in (*self._tasks, *self._timers.values()):
            task.cancel()
        self._tasks, self._timers = [], {}
        if self._socket is not None:
            with suppress(Exception):
                await self._socket.close()
        await self.http.close()

    async def abort(self) -> None:
        """Cuts the connection, as a computer does that is switched off."""
        for task in (*self._tasks, *self._timers.values()):
            task.cancel()
        if self._socket is not None:
            self._socket.transport.abort()
        await self.http.close()

    # --- what the server says --------------------------------------------------------------------------

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for payload in socket:
                self.received_bytes += len(payload)
                message = ForwardMsg()
                message.ParseFromString(payload if isinstance(payload, bytes) else payload.encode())
                self._take(self._resolved(message))
        except ConnectionClosed:
            pass
        self.closed = f"{socket.close_code} {socket.close_reason}".strip()
        for timer in self._timers.values():
            timer.cancel()
        self._finished.set()

    def _resolved(self, message: ForwardMsg) -> ForwardMsg:
        """The message that a reference stands for; large elements are sent once and then only named."""
        if message.WhichOneof("type") == "ref_hash":
            whole = ForwardMsg()
            whole.CopyFrom(self._cache[message.ref_hash][0])
            whole.metadata.CopyFrom(message.metadata)
            return whole
        if message.metadata.cacheable and message.hash:
            self._cache[message.hash] = message, self.runs
        return message

    def _take(self, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "new_session":
                self._begin(message)
            case "navigation":
                self.page_hash = message.navigation.page_script_hash
                self.pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
            case "delta":
                self._place(message)
            case "auto_rerun":
                self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            case "stop_auto_rerun":
                for fragment in message.stop_auto_rerun.fragment_ids:
                    self._stop_repeating(fragment)
            case "script_finished":
                self._finish(message)

    def _begin(self, message: ForwardMsg) -> None:
        self.session_id = message.new_session.initialize.session_id or self.session_id
        self._run = message.metadata.run.script_run_id
        if not message.metadata.run.fragment_ids:
            self.page_hash = message.new_session.page_script_hash or self.page_hash
            for fragment in list(self._timers):
                self._stop_repeating(fragment)

    def _place(self, message: ForwardMsg) -> None:
        place = tuple(message.metadata.delta_path)
        kind = message.delta.WhichOneof("type")
        if kind == "new_element":
            element = message.delta.new_element
            self.elements[place] = getattr(element, str(element.WhichOneof("type")), element)
        elif kind == "add_block":
            self.elements[place] = message.delta.add_block
        self._run_of_element[place] = self._run

    def _finish(self, message: ForwardMsg) -> None:
        if message.metadata.run.fragment_ids:
            self.fragment_runs += 1
        else:
            self.runs += 1
            for place in [place for place, run in self._run_of_element.items() if run != self._run]:
                self.elements.pop(place, None)
                del self._run_of_element[place]
            self._cache = {key: kept for key, kept in self._cache.items() if self.runs - kept[1] <= 2}
        if message.script_finished != ForwardMsg.ScriptFinishedStatus.FINISHED_EARLY_FOR_RERUN:
            self._finished.set()

    def _repeat(self, fragment: str, interval_s: float) -> None:
        async def tick() -> None:
            while True:
                await asyncio.sleep(interval_s)
                await self.rerun(fragment_id=fragment, is_auto_rerun=True)

        if fragment not in self._timers:
            self._timers[fragment] = asyncio.create_task(tick())

    def _stop_repeating(self, fragment: str) -> None:
        if timer := self._timers.pop(fragment, None):
            timer.cancel()

    @property
    def answered(self) -> bool:
        """Whether the script that was asked for last has run."""
        return self._finished.is_set()

    async def settled(self, within_s: float = PATIENCE_S) -> None:
        """Returns once the script that was asked for has run. Raises `ViewerError`."""
        try:
            async with asyncio.timeout(within_s):
                await self._finished.wait()
        except TimeoutError:
            raise ViewerError(f"The page did not come within {within_s:.0f} s.") from None
        if self.closed:
            raise ViewerError(f"The server closed the connection: {self.closed}.")

    async def wait_for(self, what: str, holds: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        """Returns once `holds` does. Raises `ViewerError`."""
        end = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > end:
                raise ViewerError(f"Not within {within_s:.0f} s: {what}.")
            await asyncio.sleep(0.05)

    # --- what the page says ----------------------------------------------------------------------------

    def widgets(self, label: str = "") -> list[Any]:
        """The page's elements that a browser can set or press, those with this label where one is given."""
        found = [element for element in self.elements.values() if getattr(element, "id", "") and _says(element)]
        return [element for element in found if label in ("", element.label)]

    def widget(self, label: str) -> Any:
        """The one widget with this label. Raises `ViewerError`."""
        found = self.widgets(label)
        if len(found) != 1:
            raise ViewerError(f"The page has {len(found)} widgets {label!r}: {self.text()[:300]!r}")
        return found[0]

    def text(self) -> str:
        """All words on the page, a line each, without the backslashes that keep Markdown from reading them."""
        words = "\n".join(words for element in self.elements.values() for words in _words(element))
        return re.sub(r"\\([^\w\s])", r"\1", words)

    # --- what the tab says -----------------------------------------------------------------------------

    async def rerun(self, states: Sequence[WidgetState] = (), **fields: Any) -> None:
        """Asks for a run of the page, with these widget states; `fields` are other fields of `ClientState`."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self.query
        state.page_script_hash = self.page_hash
        state.page_name = "" if self.page_hash else self.path
        state.context_info.timezone, state.context_info.locale = "Europe/Berlin", "en-US"
        state.context_info.url = f"http://{ADDRESS}:{self.http.port}/{self.path}"[:2000]
        state.cached_message_hashes.extend(self._cache)
        state.widget_states.widgets.extend(states)
        for name, value in fields.items():
            setattr(state, name, value)
        if not fields.get("is_auto_rerun"):
            self._finished.clear()
        await self.send(message.SerializeToString())

    async def send(self, payload: bytes) -> None:
        """Any bytes as one message; into nothing where the server has closed."""
        if self._socket is None:
            raise ViewerError("There is no connection yet.")
        with suppress(ConnectionClosed):
            await self._socket.send(payload)

    async def press(self, label: str) -> None:
        """Presses a button, and waits for what comes of it."""
        await self.rerun([WidgetState(id=self.widget(label).id, trigger_value=True)])
        await self.settled()

    async def watch(self, run_id: str, on_rows: Callable[[Self, list[dict[str, Any]]], None]) -> None:
        """Fetches a run's rows as the live chart does, until the run has ended; each answer goes to `on_rows`."""
        after, state = 0, "queued"
        while state in LIVE:
            answer = await self.http.get(f"/api/runs/{run_id}/rows?after={after}")
            if answer.status != 200:
                raise ViewerError(f"The rows' route answered {answer.status}: {answer.body[:200]!r}")
            values = json.loads(answer.body)
            after, state = values["next"], values["state"]
            on_rows(self, values["rows"])
            if state in LIVE:
                await asyncio.sleep(max(POLL_S, values["again_ms"] / 1000))


def _says(element: Any) -> bool:
    return "label" in getattr(element, "DESCRIPTOR", type("", (), {"fields_by_name": ()})).fields_by_name


def _words(element: Any) -> Iterator[str]:
    """The texts of one element's message, nested ones included."""
    for descriptor, value in getattr(element, "ListFields", list)():
        if isinstance(value, str) and descriptor.name not in ("id", "form_id", "icon"):
            yield value
        elif descriptor.message_type is not None and hasattr(value, "ListFields"):
            yield from _words(value)
