"""What a browser gets before any page runs: Streamlit's frame, with what we add to it; our page for unknown addresses;
and the headers of every answer.

Streamlit gives its frame to every address. Its code then looks for the server below the page's own address first,
/draw/_stcore/..., meets a 404, and waits before it tries the right one; at an address of two parts it finds nothing.
"""

import base64
import gzip
import hashlib
import html
import re
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.server import merged
from core.web.server.compressed import VARY, accepted_encodings
from core.web.server.copies import merged_file
from core.web.server.routes import FOR_EVER, base_address

PAGES = {
    "Train": "train a duel of your own",
    "Study": "study, a duel repeated until it is decided",
    "Draw": "draw a digit for both models",
    "Compare": "compare the article's ten claims, and what really differs",
    "Runs": "runs, the history of all",
    "Learn": "learn by its examples and lessons",
}
"""Every page's title in the order of the navigation, and what the link says that leads on to it."""
PAGE_FILES = {title: Path(__file__).resolve().parents[3] / "pages" / f"{title.lower()}.py" for title in PAGES}
"""Every page's file by its title, as Streamlit's links and its navigation take them."""
ADDRESSES = {"" if title == "Train" else title.lower(): title for title in PAGES}
"""The same by the page's address below the dashboard's own."""
FILES = ("media/", "component/", "_stcore/", "api/")
"""Where an answer may be HTML that is no page."""

WHERE = "<script>window.__streamlit = {BACKEND_BASE_URL: new URL('./', location.href).href}</script>"
"""Tells Streamlit's code where its server is: pages lie side by side, right below it."""
SCRIPTS = (
    Path(__file__).parents[1] / "components" / "clipboard.js",
    *(
        Path(__file__).with_name(f"{name}.js")
        for name in ("code_buttons", "named", "quiet", "focus", "spoken", "still")
    ),
)
"""What the frame does on every page, before Streamlit's code is there; each file says why. They stand in the frame,
since a host may refuse our files, and as one script, since the policy names each by its hash."""
OURS = f"<script>{''.join(path.read_text(encoding='utf-8') for path in SCRIPTS)}</script>"
STILL = """<style>
[data-testid=stMainBlockContainer] { max-width: none !important; }
[data-coming] ~ * {
  &, & * { visibility: hidden !important; }
}
</style>"""
"""Keeps what has come where it is: a page is as wide as the window from its beginning, and what stands below something
whose code has not come yet, marked by `still.js`, is seen once it has. Here, since `navigation.css` comes with such
code."""
FOCUS = """<style>
:root:root :focus-visible { outline: 2px solid light-dark(#0f766e, #0d8175); outline-offset: 2px; }
:root:root [data-testid=stMain]:focus-visible { outline-offset: -2px; }
</style>"""
"""Shows the focus from the first key on."""
SHELL = (
    merged.frame(merged_file().is_file())
    .replace("<head>", f"<head>{WHERE}{OURS}{FOCUS}{STILL}", 1)
    .replace("<title>Streamlit</title>", "<title>Keras vs PyTorch</title>", 1)
)
SHELL_GZIP = gzip.compress(SHELL.encode(), mtime=0)
"""A third of its size; brotli would save a little more, and stays out of this process."""
NOT_FOUND = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{base}favicon.png">
<title>Not found: Keras vs PyTorch</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ background: light-dark(#ffffff, #14161a); color: light-dark(#14161a, #eceae6);
  font: 1rem/1.6 "Source Sans", system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.75rem; font-weight: 650; }}
p {{ overflow-wrap: anywhere; }}
nav {{ display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; }}
a {{ color: inherit; padding: 0.25rem 0; }}
a:focus-visible {{ outline: 2px solid light-dark(#0f766e, #0d8175); outline-offset: 2px; }}
</style>
</head>
<body>
<main>
<h1>There is no page here</h1>
<p>Nothing is at <code>{address}</code>. These are the pages:</p>
<nav aria-label="Pages">{links}</nav>
</main>
</body>
</html>
"""


def _hashes(page: str) -> str:
    """The scripts that stand in the page itself, as a policy names them."""
    digests = (hashlib.sha256(script.encode()).digest() for script in re.findall("<script>(.*?)</script>", page, re.S))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


POLICY = "; ".join(
    (
        "default-src 'self'",
        # Streamlit makes a blob of the few lines that come with one of our components.
        f"script-src 'self' blob: {_hashes(SHELL)}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        # A Space's own page shows the demo in a frame.
        "frame-ancestors 'self' https://huggingface.co",
    )
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Of JSON, which needs nothing: the charts fetch it often, and the policy of a page was most of an answer."""
NO_DOCUMENT = ("text/css", "text/javascript", "font/")
"""Of a file that is no document nobody heeds a policy; on a hundred of them it was 60 kB of each first visit."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class SafeHeaders:
    """Puts `HEADERS` on every answer, of the policies the one that it needs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                content_type = headers.get("content-type", "")
                if content_type.startswith("application/json"):
                    headers["Content-Security-Policy"] = DATA_POLICY
                elif content_type.startswith(NO_DOCUMENT):
                    del headers["Content-Security-Policy"]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _shell(request: Headers) -> Response:
    """The frame, compressed for whoever takes it so."""
    headers = {"Cache-Control": "no-cache", "Vary": VARY}
    if "gzip" in accepted_encodings(request):
        return HTMLResponse(SHELL_GZIP, headers={**headers, "Content-Encoding": "gzip"})
    return HTMLResponse(SHELL, headers=headers)


def _script(name: str) -> Response:
    """Streamlit's scripts as one, or one that is not among them."""
    if name == merged.merged_name():
        return FileResponse(merged_file(), media_type="text/javascript", headers=FOR_EVER)
    try:
        return Response(merged.script_beside(name), media_type="text/javascript", headers=FOR_EVER)
    except OSError:
        return PlainTextResponse("There is no such script.", 404)


class Shell:
    """Gives a page's address Streamlit's frame, and any other that Streamlit would give it to our page of links."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.base = base_address()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        place = scope["path"].removeprefix(self.base) if scope["type"] == "http" else ""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or place.startswith(FILES):
            await self.app(scope, receive, send)
        elif scope["path"].startswith(self.base) and place.startswith(merged.PLACE):
            await _script(place.removeprefix(merged.PLACE))(scope, receive, send)
        elif scope["path"].startswith(self.base) and place.strip("/").lower() in {*ADDRESSES, "train"}:
            await self._page(place, scope)(scope, receive, send)
        else:
            await self._unless_a_page(scope, receive, send)

    def _page(self, place: str, scope: Scope) -> Response:
        """The frame at a page's own address; from one that is nearly it, or whose run is shown elsewhere, there."""
        query = scope.get("query_string", b"").decode("latin-1")
        address = place.strip("/").lower().removeprefix("train")
        if not address and "run" in parse_qs(query):
            address = "runs"
        if address == place:
            return _shell(Headers(scope=scope))
        return RedirectResponse(f"{self.base}{address}{'?' if query else ''}{query}")

    async def _unless_a_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Streamlit's answer, but for its frame."""
        ours = False

        async def send_or_replace(message: Message) -> None:
            nonlocal ours
            if message["type"] == "http.response.start":
                ours = Headers(raw=message["headers"]).get("content-type", "").startswith("text/html")
                if ours:
                    await self._not_found(scope["path"])(scope, receive, send)
            if not ours:
                await send(message)

        await self.app(scope, receive, send_or_replace)

    def _not_found(self, path: str) -> HTMLResponse:
        links = "".join(f'<a href="{self.base}{address}">{title}</a>' for address, title in ADDRESSES.items())
        return HTMLResponse(NOT_FOUND.format(base=self.base, address=html.escape(path[:200]), links=links), 404)
