"""Who looks at a page, where visitors are told apart: a random cookie that no script can read, or the session.

A courtesy, not a login: it lets people change what they started and nothing else. What is kept of it is a hash.
"""

import hashlib
import re
import secrets
from http.cookies import CookieError, SimpleCookie

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from core.launcher.launcher import LauncherUnavailable
from core.web.server.installation import installation

COOKIE = "visitor"
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
KEPT_S = 30 * 24 * 3600
NO_PAGES = ("/_stcore/", "/static/", "/assets/", "/api/", "/component")
"""Parts of addresses that are no page's."""


def strangers_visit() -> bool:
    """Whether visitors are told apart; known once the lifespan has begun."""
    try:
        return installation().limits.hosted
    except LauncherUnavailable:
        return False  # every page says what is wrong


class VisitorCookie:
    """Gives every browser that opens a page without the cookie a random one, before its session begins."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        page = scope["type"] == "http" and not any(part in scope["path"] for part in NO_PAGES)
        if not page or not strangers_visit() or _token(scope):
            await self.app(scope, receive, send)
            return
        given = _cookie(scope)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"set-cookie", given.encode("ascii"))]
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _token(scope: Scope) -> str:
    """The cookie that a request brings; empty where it has none that we gave."""
    cookies: SimpleCookie = SimpleCookie()
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                cookies.load(value.decode("latin-1"))
            except CookieError:
                return ""
    found = cookies[COOKIE].value if COOKIE in cookies else ""
    return found if TOKEN.fullmatch(found) else ""


def _cookie(scope: Scope) -> str:
    forwarded = dict(scope["headers"]).get(b"x-forwarded-proto", b"")
    secure = "; Secure" if b"https" in (scope["scheme"].encode(), forwarded.split(b",")[0].strip()) else ""
    path = "/" + config.get_option("server.baseUrlPath").strip("/")
    value = secrets.token_urlsafe(16)
    return f"{COOKIE}={value}; Path={path}; Max-Age={KEPT_S}; HttpOnly; SameSite=Lax{secure}"


def visitor() -> str:
    """A hash that stands for who looks; empty where visitors are not told apart.

    Where no cookie arrives, the session stands in: whoever reloads is then somebody new.
    """
    if not strangers_visit():
        return ""
    token = st.context.cookies.get(COOKIE, "")
    if not TOKEN.fullmatch(token):
        token = st.session_state.setdefault("visitor_token", secrets.token_urlsafe(16))
    return hashlib.sha256(token.encode("ascii")).hexdigest()[:16]
