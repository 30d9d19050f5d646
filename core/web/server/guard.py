"""What a stranger's connection may do: come from our own pages, at a browser's pace, with few files at a time.

Streamlit answers a WebSocket from a foreign page by asking the internet for its own address, in the event loop: where
such requests are dropped, one handshake held everybody up for two seconds. So foreign origins end here.

Streamlit limits a message and a file, but not how many of them: it merges the widget states of all messages that come
while a script runs, so one client filled 1.5 GB within a minute, and it keeps every file until it forgets the session.
"""

import asyncio
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config, runtime, url_util

from core.web.server.compressed import Compressed
from core.web.server.shell import SafeHeaders, Shell
from core.web.server.visitor import VisitorCookie, strangers_visit

RATE, BURST = 250_000, 4_000_000
"""Bytes a second from one connection, and how many at once after a rest: a drawing has 8 kB, no message over 2 MB."""
MESSAGE_BYTES = 20_000
"""What a message counts beside its own bytes, since each runs the page: 12 a second, 200 at once."""
SESSION_BYTES, SERVER_BYTES = 5_000_000, 50_000_000
"""Uploads that are kept at the same time, of one session and of all."""
UPLOAD = "/_stcore/upload_file/"
METRICS = "/_stcore/metrics"
"""Streamlit's own figures, for whoever runs the server: how many sessions there are, what they hold."""
LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}
PORTS = {"http": 80, "https": 443}
POLICY_VIOLATION = 1008


def middleware() -> list[Middleware]:
    """What every request passes, from the outside in."""
    return [Middleware(layer) for layer in (SafeHeaders, Guard, VisitorCookie, Compressed, Shell)]


class Guard:
    """Refuses what comes from foreign pages, everywhere.

    Where strangers visit it also slows connections down that send more than a browser would, and refuses uploads that
    nobody could look at and the server's own figures.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        strangers = strangers_visit()
        if scope["type"] == "websocket":
            if not await is_own_handshake(scope, strangers, send):
                return
            receive = Paced(receive) if strangers else receive
        elif scope["type"] == "http" and strangers and (refusal := _refusal(scope)):
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


async def is_own_handshake(scope: Scope, strangers: bool, send: Send) -> bool:
    """Whether a handshake is for our own page; refuses it otherwise.

    Streamlit compares the origin with the `Host` alone, letter by letter, so it is given the one that we accepted.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or not config.get_option("server.enableCORS"):
        return True  # no browser's page; or whoever runs the server lets every page in
    named = {url_util.get_hostname(listed) for listed in config.get_option("server.corsAllowedOrigins")}
    if own_origin(origin, headers, named if strangers else named | LOOPBACK):
        MutableHeaders(scope=scope)["host"] = urlsplit(origin).netloc
        return True
    await send({"type": "websocket.close", "code": POLICY_VIOLATION})
    return False


def own_origin(origin: str, headers: Headers, named: Collection[str | None]) -> bool:
    """Whether `origin` is the address that the request itself came to, or has one of these host names.

    A proxy that replaces `Host` tells in `X-Forwarded-Host` what it was; no page can make a browser send that.
    """
    try:
        parts = urlsplit(origin)
        port = parts.port or PORTS[parts.scheme]
        if parts.username is not None or not parts.hostname:
            return False
        asked = [headers.get("host", ""), headers.get("x-forwarded-host", "").split(",")[0].strip()]
        places = [urlsplit(f"//{host}") for host in asked if host]
        own = {(place.hostname, place.port or PORTS[parts.scheme]) for place in places}
    except (KeyError, ValueError):
        return False
    return (parts.hostname, port) in own or parts.hostname in named


def _refusal(scope: Scope) -> PlainTextResponse | None:
    """The answer to what strangers may not ask for."""
    path = scope["path"]
    if path.rstrip("/").endswith(METRICS):
        return PlainTextResponse("Not here.", 404)
    if scope["method"] == "PUT" and UPLOAD in path and upload_limit_reached(path.split(UPLOAD)[1].split("/")[0]):
        return PlainTextResponse("Too many files at once here: remove one, or try again in a few minutes.", 413)
    return None


class Paced:
    """A connection's messages, each held back until what came before it has been paid for.

    Nothing is dropped and nobody is thrown out: while a message is held back the server reads no further, and the
    sender has to wait.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left, self._at = float(BURST), time.monotonic()

    async def __call__(self) -> Message:
        """The next message."""
        message = await self._receive()
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * RATE)
        self._at = now
        self._left -= MESSAGE_BYTES + len(message.get("bytes") or message.get("text") or b"")
        if self._left < 0 and message["type"] == "websocket.receive":
            await asyncio.sleep(-self._left / RATE)
        return message


def upload_limit_reached(session: str) -> bool:
    """Whether this session, or all of them together, hold as much as may be held."""
    if not runtime.exists():
        return False
    kept = runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]
    bytes_of = {owner: sum(len(file.data) for file in list(files.values())) for owner, files in list(kept.items())}
    return bytes_of.get(session, 0) >= SESSION_BYTES or sum(bytes_of.values()) >= SERVER_BYTES
