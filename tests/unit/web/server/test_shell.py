"""The frame of every page, our page for unknown addresses, and the headers of every answer."""

import asyncio
import gzip
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send
from streamlit import config

from core.web.server.shell import ADDRESSES, FOCUS, HEADERS, STILL, SafeHeaders, Shell

ROOT = Path(__file__).resolve().parents[4]
STREAMLIT = HTMLResponse("<title>Streamlit</title>", headers={"x-content-type-options": "other"})


def get(
    path: str, answer: Response = STREAMLIT, method: str = "GET", query: str = "", accept: str = ""
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of a request, where Streamlit would give `answer`."""
    sent: list[Message] = []

    async def streamlit(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    asked = [(b"accept-encoding", accept.encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": asked, "query_string": query.encode()}
    asyncio.run(SafeHeaders(Shell(streamlit))(scope, receive, send))
    start, *bodies = sent
    headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
    assert len(dict(headers)) == len(headers), "each header once"
    body = b"".join(message["body"] for message in bodies)
    compressed = dict(headers).get("content-encoding") == "gzip"
    assert dict(headers).get("content-length", str(len(body))) == str(len(body))
    return start["status"], dict(headers), (gzip.decompress(body) if compressed else body).decode()


@pytest.fixture(params=["", "duel", "/a/b/"])
def base(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the dashboard is served, with both slashes."""
    monkeypatch.setattr(config, "get_option", {"server.baseUrlPath": request.param}.__getitem__)
    return f"/{request.param.strip('/')}/".replace("//", "/")


def test_every_page_gets_the_frame_that_knows_where_its_server_is(base: str) -> None:
    pages = {path.stem for path in (ROOT / "pages").glob("*.py")}
    assert pages == {title.lower() for title in ADDRESSES.values()}
    assert pages == {address or "train" for address in ADDRESSES}
    for address in ADDRESSES:
        status, _, body = get(base + address)
        assert status == 200
        assert "BACKEND_BASE_URL: new URL('./', location.href)" in body
        assert "<title>Keras vs PyTorch</title>" in body


def test_the_frame_is_compressed_for_whoever_takes_it_so(base: str) -> None:
    plain, gzipped = get(base), get(base, accept="gzip, br")
    assert gzipped[2] == plain[2]
    assert gzipped[1]["content-encoding"] == "gzip"
    assert int(gzipped[1]["content-length"]) < int(plain[1]["content-length"]) / 2
    assert "content-encoding" not in plain[1]
    assert plain[1]["vary"] == gzipped[1]["vary"] == "Accept-Encoding"
    assert "content-encoding" not in get(base, accept="gzip;q=0")[1]


def test_an_unknown_address_is_not_found_and_its_page_leads_to_all_others(base: str) -> None:
    for path in (base + "nothing", base + "draw/more", base + "trains", "/<b>", base + "static/no.js"):
        status, _, body = get(path)
        assert status == 404
        assert [link for link in links_in(body)] == [base + address for address in ADDRESSES]
        assert "<b>" not in body


def moved(path: str, query: str = "") -> str:
    """Where a request is sent on to."""
    status, headers, _ = get(path, query=query)
    assert status == 307
    return headers["location"]


def test_an_address_that_is_nearly_a_page_s_leads_there(base: str) -> None:
    assert moved(base + "Train") == moved(base + "train") == moved(base + "train/") == base
    assert moved(base + "RUNS", "run=20261124-092215-2c351cb4") == f"{base}runs?run=20261124-092215-2c351cb4"
    assert moved(base + "draw/") == f"{base}draw"


def test_a_link_to_a_run_leads_to_it_without_its_page_s_name(base: str) -> None:
    assert moved(base, "run=20261124-092215-2c351cb4") == f"{base}runs?run=20261124-092215-2c351cb4"
    assert get(base, query="epochs=2")[0] == get(base + "draw", query="run=x")[0] == 200


def links_in(page: str) -> list[str]:
    """Where the page's links lead."""
    found: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value or "" for name, value in attrs if tag == "a" and name == "href")

    Links().feed(page)
    return found


def test_what_is_no_page_stays_as_it_was(base: str) -> None:
    for path in ("media/report.html", "component/x/index.html", "_stcore/bidi-components/x.html"):
        assert get(base + path)[::2] == (200, "<title>Streamlit</title>")
    script = PlainTextResponse("let x", media_type="text/javascript")
    assert get(base + "static/js/index.js", script)[::2] == (200, "let x")
    assert get(base + "nothing", method="POST")[::2] == (200, "<title>Streamlit</title>")


@pytest.mark.parametrize("make", [lambda: STREAMLIT, lambda: PlainTextResponse("no", 404), lambda: Response()])
def test_every_answer_has_the_headers(make: Callable[[], Response]) -> None:
    for path in ("/", "/nothing", "/media/x", "/_stcore/health"):
        _, headers, _ = get(path, make())
        for name, value in HEADERS.items():
            assert headers[name.lower()] == value, path


def test_a_space_s_page_may_show_the_demo_in_a_frame_and_no_other_site_may() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["frame-ancestors"] == "'self' https://huggingface.co"
    assert "unsafe" not in policy["script-src"]
    assert policy["script-src"].count("sha256-") == 3, "where the server is, our script, and Streamlit's"


@pytest.mark.parametrize("content_type", ["text/javascript; charset=utf-8", "text/css", "font/woff2"])
def test_a_file_that_is_no_document_has_no_policy_to_carry(content_type: str) -> None:
    _, headers, _ = get("/static/js/x.js", Response(b"1", headers={"content-type": content_type}))
    assert "content-security-policy" not in headers
    assert headers["x-content-type-options"] == "nosniff"


def test_rows_have_a_policy_of_their_own_which_is_short() -> None:
    _, headers, _ = get("/api/runs/x/rows", JSONResponse({"rows": []}))
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"


def test_no_rule_of_the_frame_makes_each_layout_of_a_long_page_dear() -> None:
    assert ":has(" not in FOCUS + STILL, "a run's page with its charts took eight times as long to draw with one"
