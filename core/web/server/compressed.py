"""Sends the compressed copy of a file (`copies.py`) to whoever takes one.

It stands before Streamlit's own middleware, which leaves static files as they are and compresses all else at every
request, our Plotly's 5 MB among it.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.server.copies import COMPRESSORS, FOLDER, TYPES, copy_path, originals
from core.web.server.routes import FOR_EVER, base_address

WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE | re.ASCII)
LEAST_WEIGHT = 0.001
VARY = "Accept-Encoding"


def accepted_encodings(request: Headers) -> list[str]:
    """Which of `COMPRESSORS` a client would rather have than the plain file, the best first (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for part in ",".join(request.getlist(VARY)).split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip().lower()] = _weight(parameter.strip())
    rest = weights.get("*", 0.0)
    plain = weights.get("identity", rest)
    wanted = {name: weights.get(name, rest) for name in COMPRESSORS}
    best_first = sorted(wanted, key=wanted.__getitem__, reverse=True)
    return [name for name in best_first if wanted[name] >= max(plain, LEAST_WEIGHT)]


def _weight(parameter: str) -> float:
    """From 0 to 1; what cannot be read is not accepted."""
    if not parameter:
        return 1.0
    found = WEIGHT.fullmatch(parameter)
    return float(found[1]) if found else 0.0


class Compressed:
    """Answers with a file's copy; where there is none, or a part of the file is asked for, the app answers."""

    def __init__(self, app: ASGIApp, files: Mapping[str, Path] | None = None, folder: Path = FOLDER) -> None:
        self.app, self.base = app, base_address()
        self.files, self.folder = originals() if files is None else files, folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        address = ""
        if scope["type"] == "http":
            address = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix(self.base)
        if address not in self.files:
            await self.app(scope, receive, send)
        elif response := self._response(address, scope):
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, _varying(send))

    def _response(self, address: str, scope: Scope) -> Response | None:
        """The copy, or that the client has it already; nothing where the app shall answer."""
        request = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD") or "range" in request:
            return None
        for encoding in accepted_encodings(request):
            with suppress(OSError):
                copy = self._copy(address, encoding)
                # What Streamlit's static files are asked, too.
                known = StaticFiles().is_not_modified(copy.headers, request)
                return NotModifiedResponse(copy.headers) if known else copy
        return None

    def _copy(self, address: str, encoding: str) -> FileResponse:
        """Raises `OSError` where there is no copy of the file as it is now."""
        original = self.files[address]
        copy = copy_path(self.folder, address, original.stat(), encoding)
        stat = copy.stat()
        headers = {
            # Every address has a hash or a version, so what it gives never changes.
            **FOR_EVER,
            "Vary": VARY,
            "Content-Encoding": encoding,
            "Accept-Ranges": "none",
            "ETag": f'"{stat.st_size:x}-{stat.st_mtime_ns // 10**9:x}-{encoding}"',
        }
        return FileResponse(copy, headers=headers, media_type=TYPES[original.suffix], stat_result=stat)


def _varying(send: Send) -> Send:
    """Says on an answer that another client may get another form of it."""

    async def send_varying(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if VARY.lower() not in headers.get("vary", "").lower():
                headers.add_vary_header(VARY)
        await send(message)

    return send_varying
