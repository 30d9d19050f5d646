"""What one connection may send to a hosted server: messages at a browser's pace, and few files at a time.

Streamlit limits a message and a file, but not how many of them: it merges the widget states of all messages that come
while a script runs, so one client filled 1.5 GB within a minute, and it keeps every file until it forgets the session.
"""

import asyncio
import time
from functools import cached_property

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime

from core.web.visitor import VisitorCookie, strangers_visit

RATE, BURST = 250_000, 4_000_000
"""Bytes a second from one connection, and how many at once after a rest: a drawing has 8 kB, no message over 2 MB."""
MESSAGE_BYTES = 20_000
"""What a message counts beside its own bytes, since each runs the page: 12 a second, 200 at once."""
SESSION_BYTES, SERVER_BYTES = 5_000_000, 50_000_000
"""Uploads that are kept at the same time, of one session and of all."""
UPLOAD = "/_stcore/upload_file/"


def middleware() -> list[Middleware]:
    """What every request passes: the guard, then the giver of cookies; both do nothing where no strangers visit."""
    return [Middleware(Guard), Middleware(VisitorCookie)]


class Guard:
    """Slows connections down that send more than a browser would, and refuses uploads that nobody could look at."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    @cached_property
    def on(self) -> bool:
        """Whether strangers visit; asked at the first request."""
        return strangers_visit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan" or not self.on:
            pass
        elif scope["type"] == "websocket":
            receive = Paced(receive)
        elif scope["type"] == "http" and scope["method"] == "PUT" and UPLOAD in scope["path"]:
            session = scope["path"].split(UPLOAD)[1].split("/")[0]
            if full(session):
                words = "Too many files at once here: remove one, or try again in a few minutes."
                await PlainTextResponse(words, 413)(scope, receive, send)
                return
        await self.app(scope, receive, send)


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


def full(session: str) -> bool:
    """Whether this session, or all of them together, hold as much as may be held."""
    if not runtime.exists():
        return False
    kept = runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]
    bytes_of = {owner: sum(len(file.data) for file in list(files.values())) for owner, files in list(kept.items())}
    return bytes_of.get(session, 0) >= SESSION_BYTES or sum(bytes_of.values()) >= SERVER_BYTES
