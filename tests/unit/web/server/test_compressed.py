"""Who gets a file's compressed copy, who the file itself, and what each answer says of it."""

import asyncio
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import brotli
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message
from streamlit import config
from streamlit.web.server.starlette.starlette_gzip_middleware import SelectiveGZipMiddleware
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_handler

from core.web.server.compressed import Compressed
from core.web.server.copies import copy_path, make_copies

DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {"br": brotli.decompress, "gzip": gzip.decompress}
INDEX, PAD = "static/js/index.DormvYxC.js", "assets/pad.js"
TEXTS = {
    INDEX: b"let frame = 'index'\n" * 400,
    PAD: b"let pad = 'pen'\n" * 400,
    "static/css/index.C1JORDN2.css": b"p { color: red }\n" * 400,
    "static/media/snowflake.JU2jBHL8.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>\n" * 40,
}
FONT = "static/media/Sans.BsWL4Kly.woff2"
FOR_EVER = {"public", "immutable", "max-age=31536000"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Site:
    """A folder that Streamlit's own handlers serve, with copies of what is in it, and `Compressed` before them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.copies = folder / "site", folder / "copies"
        for address, data in {**TEXTS, FONT: b"wOF2" * 500, "index.html": b"<html>"}.items():
            (self.folder / address).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / address).write_bytes(data)
        self.files = {address: self.folder / address for address in TEXTS}
        make_copies(self.files, self.copies)

    def app(self) -> ASGIApp:
        base = config.get_option("server.baseUrlPath").strip("/")
        handler = create_streamlit_static_handler(str(self.folder), base)
        app = Starlette(routes=[Mount(f"/{base}".rstrip("/") or "/", handler)])
        streamlit = SelectiveGZipMiddleware(app, minimum_size=1000, base_url=base)
        return Compressed(streamlit, self.files, self.copies)

    def ask(
        self, path: str, accept: str | None = None, method: str = "GET", root_path: str = "", **others: str
    ) -> Answer:
        """The answer to a request; `if_none_match="x"` is a header."""
        sent: list[Message] = []
        headers = {name.replace("_", "-"): value for name, value in others.items()}
        if accept is not None:
            headers["accept-encoding"] = accept

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"spec_version": "2.4"},
            "method": method,
            "path": path,
            "root_path": root_path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        asyncio.run(self.app()(scope, receive, send))
        found = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
        assert len(dict(found)) == len(found), "each header once"
        return Answer(sent[0]["status"], dict(found), b"".join(message.get("body", b"") for message in sent[1:]))

    def copy(self, address: str, encoding: str) -> Path:
        return copy_path(self.copies, address, self.files[address].stat(), encoding)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def is_plain(answer: Answer, address: str = INDEX) -> bool:
    """Whether it is the file itself, and says that others may get another form."""
    assert answer.headers["vary"] == "Accept-Encoding"
    return answer.status == 200 and answer.body == TEXTS[address] and "content-encoding" not in answer.headers


# --- who gets what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", TEXTS)
@pytest.mark.parametrize("encoding", DECOMPRESS)
def test_a_copy_comes_with_all_that_a_browser_and_a_cache_need(site: Site, address: str, encoding: str) -> None:
    status, headers, body = site.ask(f"/{address}", encoding)
    assert status == 200
    assert DECOMPRESS[encoding](body) == TEXTS[address]
    assert headers["content-encoding"] == encoding
    assert headers["content-length"] == str(len(body))
    assert set(headers["cache-control"].split(", ")) == FOR_EVER
    assert headers["vary"] == "Accept-Encoding"
    assert headers["accept-ranges"] == "none"
    kind = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    assert headers["content-type"] == kind[address.rpartition(".")[2]]
    plain = site.ask(f"/{address}").headers
    assert headers["last-modified"] == plain["last-modified"]
    assert headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("BR", "br"),
        (" gzip ; q=0.4 ,br;q=0.4", "br"),
        ("gzip;q=0.4,br;Q=0.4", "br"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.000, gzip;q=0.001", "gzip"),
        ("br; q=2, gzip", "gzip"),
        ("*", "br"),
        ("br;q=0, *;q=0.5", "gzip"),
        ("gzip, *;q=0.1", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("br;q=0.2, *;q=0.3, identity;q=0", "gzip"),
    ],
)
def test_a_client_gets_the_encoding_that_it_would_rather_have(site: Site, accept: str, encoding: str) -> None:
    assert site.ask(f"/{INDEX}", accept).headers["content-encoding"] == encoding


@pytest.mark.parametrize(
    "accept",
    [
        *(None, "", ",", "identity", "deflate, zstd", "br;q=0", "br;q=0, gzip;q=0.0, deflate", "*;q=0"),
        *("gzip;q=0.5, identity", "identity, *;q=0.5", "br;q=0.1, *;q=0.5, gzip;q=0", "br;q=x", "br;q=-1", "brotli"),
    ],
)
def test_a_client_that_would_rather_have_the_file_itself_gets_it(site: Site, accept: str | None) -> None:
    assert is_plain(site.ask(f"/{INDEX}", accept))


def test_a_head_is_told_the_same_without_the_body(site: Site) -> None:
    for accept in ("br", "gzip"):
        got, head = site.ask(f"/{INDEX}", accept), site.ask(f"/{INDEX}", accept, "HEAD")
        assert head == (200, got.headers, b"")


def test_a_part_of_a_file_is_one_of_the_file_itself(site: Site) -> None:
    answer = site.ask(f"/{INDEX}", "br, gzip", range="bytes=4-8")
    assert (answer.status, answer.body) == (206, TEXTS[INDEX][4:9])
    assert answer.headers["content-range"] == f"bytes 4-8/{len(TEXTS[INDEX])}"
    assert answer.headers["vary"] == "Accept-Encoding"
    etag = site.ask(f"/{INDEX}", "br").headers["etag"]
    assert is_plain(site.ask(f"/{INDEX}", "br", range="bytes=4-8", if_range=etag)), "no part of another form"


def test_what_is_no_such_file_is_the_apps(site: Site) -> None:
    font = site.ask(f"/{FONT}", "br")
    assert (font.status, font.body) == (200, b"wOF2" * 500)
    assert "vary" not in font.headers
    assert site.ask(f"/{INDEX}", "br", "POST").status == 405
    for path in ("/static/js/../js/index.DormvYxC.js", f"//{INDEX}", f"/{INDEX}/", f"/x/{INDEX}", "/static\0"):
        assert "content-encoding" not in site.ask(path, "br").headers, path


# --- what a client has already -----------------------------------------------------------------------------


def test_each_form_has_a_tag_of_its_own_and_answers_to_no_other(site: Site) -> None:
    tags = {accept: site.ask(f"/{INDEX}", accept).headers["etag"] for accept in ("br", "gzip", "identity")}
    assert len(set(tags.values())) == 3
    for accept in tags:
        for tag, owner in ((tag, owner) for owner, tag in tags.items()):
            answer = site.ask(f"/{INDEX}", accept, if_none_match=tag)
            assert answer.status == (304 if accept == owner else 200), (accept, owner)


@pytest.mark.parametrize("known", ["{}", "W/{}", '"x", W/{}, "y"', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_has_a_copy_is_not_sent_it_again(site: Site, known: str, method: str) -> None:
    headers = site.ask(f"/{INDEX}", "br").headers
    answer = site.ask(f"/{INDEX}", "br", method, if_none_match=known.format(headers["etag"]))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers == {name: headers[name] for name in ("etag", "vary", "cache-control")}


def test_a_date_counts_where_no_tag_is_given(site: Site) -> None:
    modified = site.ask(f"/{INDEX}", "br").headers["last-modified"]
    assert site.ask(f"/{INDEX}", "br", if_modified_since=modified).status == 304
    assert site.ask(f"/{INDEX}", "br", if_modified_since="Mon, 01 Jan 2001 00:00:00 GMT").status == 200
    assert site.ask(f"/{INDEX}", "br", if_modified_since=modified, if_none_match='"other"').status == 200


# --- copies that are missing or old ------------------------------------------------------------------------


def test_a_changed_file_is_never_sent_as_its_old_copy(site: Site) -> None:
    path, stat = site.files[INDEX], site.files[INDEX].stat()
    os.utime(path, (stat.st_atime, stat.st_mtime + 1))
    assert is_plain(site.ask(f"/{INDEX}", "br, gzip"))
    os.utime(path, (stat.st_atime, stat.st_mtime))
    assert site.ask(f"/{INDEX}", "br, gzip").headers["content-encoding"] == "br"
    path.write_bytes(b"let frame = 'new'")
    os.utime(path, (stat.st_atime, stat.st_mtime))
    assert site.ask(f"/{INDEX}", "br, gzip").body == b"let frame = 'new'"


def test_where_one_copy_is_missing_the_next_best_is_sent_and_then_the_file(site: Site) -> None:
    site.copy(INDEX, "br").unlink()
    assert site.ask(f"/{INDEX}", "br, gzip").headers["content-encoding"] == "gzip"
    assert is_plain(site.ask(f"/{INDEX}", "br"))
    site.copy(INDEX, "gzip").unlink()
    assert is_plain(site.ask(f"/{INDEX}", "br, gzip"))


def test_a_file_that_is_gone_is_the_apps_to_miss(site: Site) -> None:
    site.files[INDEX].unlink()
    assert site.ask(f"/{INDEX}", "br").body == b"<html>"


def test_streamlit_compresses_nothing_that_has_a_copy(site: Site) -> None:
    sent = site.ask(f"/{PAD}", "gzip")
    assert sent.body == site.copy(PAD, "gzip").read_bytes()
    site.copy(PAD, "gzip").unlink()
    answer = site.ask(f"/{PAD}", "gzip")
    assert answer.headers["content-encoding"] == "gzip", "as it would without us"
    assert gzip.decompress(answer.body) == TEXTS[PAD]
    assert answer.headers["vary"] == "Accept-Encoding"


# --- below a path ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["duel", "/a/b/"])
def test_below_a_path_the_same_files_have_copies_and_others_have_none(
    site: Site, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "get_option", {"server.baseUrlPath": base}.__getitem__)
    prefix = f"/{base.strip('/')}"
    for address in (INDEX, PAD):
        assert site.ask(f"{prefix}/{address}", "br").headers["content-encoding"] == "br"
        assert "content-encoding" not in site.ask(f"/{address}", "br").headers
    assert site.ask(f"{prefix}/{INDEX}").body == TEXTS[INDEX]


def test_where_a_proxy_or_another_app_names_a_root_it_is_no_part_of_the_address(site: Site) -> None:
    assert site.ask(f"/root/{INDEX}", "br", root_path="/root").headers["content-encoding"] == "br"
    assert "content-encoding" not in site.ask(f"/rooted/{INDEX}", "br", root_path="/root").headers
