"""What a browser gets before any page runs: Streamlit's frame, with what we add to it; our page for unknown addresses;
and the headers of every answer.

Streamlit gives its frame to every address. Its code then looks for the server below the page's own address first,
/draw/_stcore/..., meets a 404, and waits before it tries the right one; at an address of two parts it finds nothing.
"""

import base64
import hashlib
import html
import re
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config, file_util

ADDRESSES = {"": "Train", "draw": "Draw", "compare": "Compare", "runs": "Runs", "learn": "Learn"}
"""Each page's address below the dashboard's own, and its title, in the order of the navigation."""
FILES = ("media/", "component/", "_stcore/", "api/")
"""Where an answer may be HTML that is no page."""

WHERE = "<script>window.__streamlit = {BACKEND_BASE_URL: new URL('./', location.href).href}</script>"
"""Tells Streamlit's code where its server is: pages lie side by side, right below it."""
NAMED = """<script>
new MutationObserver(() => document.querySelector("[data-testid=stExpandSidebarButton]")
  ?.setAttribute("aria-label", "Pages")).observe(document, {childList: true, subtree: true})
</script>"""
"""On a phone all pages hide behind a button that Streamlit calls "Expand sidebar": it is named as its label reads."""
SHELL = (
    (Path(file_util.get_static_dir()) / "index.html")
    .read_text(encoding="utf-8")
    .replace("<head>", f"<head>{WHERE}{NAMED}", 1)
    .replace("<title>Streamlit</title>", "<title>Keras vs PyTorch</title>", 1)
)
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
<h1>There is no page here</h1>
<p>Nothing is at <code>{address}</code>. These are the pages:</p>
<nav aria-label="Pages">{links}</nav>
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
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class SafeHeaders:
    """Puts `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Shell:
    """Gives a page's address Streamlit's frame, and any other that Streamlit would give it to our page of links."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.base = f"/{config.get_option('server.baseUrlPath').strip('/')}/".replace("//", "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        place = scope["path"].removeprefix(self.base) if scope["type"] == "http" else ""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or place.startswith(FILES):
            await self.app(scope, receive, send)
        elif scope["path"].startswith(self.base) and place in ADDRESSES:
            await HTMLResponse(SHELL, headers={"Cache-Control": "no-cache"})(scope, receive, send)
        else:
            await self._unless_a_page(scope, receive, send)

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
