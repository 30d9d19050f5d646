"""Which pages may open a connection, on one's own machine and where strangers visit."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit import config

from core.deployment.limits import Limits
from core.deployment.settings import DeploymentSettings
from core.launcher.launcher import LauncherUnavailable
from core.web.server.guard import Guard
from core.web.server.installation import Installation, serve_with

HERE = "127.0.0.1:8501"


def answer(origin: str | None, *, strangers: bool, **headers: str) -> str:
    """What Streamlit's own check sees as the host of a handshake from a page at `origin`; empty where it is refused."""
    sent = {"host": HERE, **headers} | ({} if origin is None else {"origin": origin})
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    scope: Scope = {"type": "websocket", "path": "/_stcore/stream", "headers": pairs}
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["headers"])[b"host"].decode())

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        assert message["type"] == "websocket.close"

    limits = Limits(only_own=strangers)
    serve_with(Installation(DeploymentSettings(), limits, LauncherUnavailable("")))
    try:
        asyncio.run(Guard(app)(scope, receive, send))
    finally:
        serve_with(None)
    return seen[0] if seen else ""


@pytest.mark.parametrize("strangers", [True, False])
def test_a_foreign_page_is_refused_everywhere(strangers: bool) -> None:
    for origin in (
        "http://evil.example",
        "null",
        "",
        "https://" + HERE + "0",
        "file://",
        f"http://{HERE}@evil.example",
    ):
        assert answer(origin, strangers=strangers) == "", origin
    assert answer("http://evil.example", strangers=strangers, x_forwarded_host="demo.example, evil.example") == ""


@pytest.mark.parametrize("strangers", [True, False])
def test_our_own_page_is_let_in_and_streamlit_s_check_then_has_nothing_to_look_up(strangers: bool) -> None:
    assert answer(None, strangers=strangers) == HERE
    assert answer(f"http://{HERE}", strangers=strangers) == HERE
    assert answer("https://demo.example", strangers=strangers, host="Demo.example:443") == "demo.example"
    assert answer("https://demo.example", strangers=strangers, x_forwarded_host="demo.example") == "demo.example"


def test_the_visitor_s_own_machine_is_no_origin_of_a_hosted_server() -> None:
    for origin in ("http://localhost:8501", "http://localhost:3000", "http://[::1]:8501"):
        assert answer(origin, strangers=True) == ""
        assert answer(origin, strangers=False) == origin.removeprefix("http://")


def test_who_runs_the_server_may_name_other_origins_or_let_all_in(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"server.enableCORS": True, "server.corsAllowedOrigins": ["https://portal.example", "other.example:8080"]}
    monkeypatch.setattr(config, "get_option", options.__getitem__)
    assert answer("https://portal.example", strangers=True) == "portal.example"
    assert answer("http://other.example", strangers=True) == "other.example"
    assert answer("http://evil.example", strangers=True) == ""
    options["server.enableCORS"] = False
    assert answer("http://evil.example", strangers=True) == HERE
