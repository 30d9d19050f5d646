"""The hosted dashboard behind a real nginx, as docs/nginx.conf has it; and behind one that refuses our routes.

One server, one nginx. The second story is what a host such as Streamlit Community Cloud may do: it passes Streamlit's
own addresses, but not `api/` (the charts' rows), or neither `api/` nor `assets/` (their code and the pad's).
"""

import gzip
import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import brotli
import pytest
from playwright.sync_api import Page, expect

from benchmarks.server import free_port
from core.deployment.logs import path_of
from core.storage.runs import Store
from core.web.draw.drawing import EXAMPLE
from core.web.server.copies import FOLDER, make_copies, originals
from core.web.server.visitor import COOKIE
from tests.browser.conftest import (
    CHARTS,
    ROOT,
    STORY_S,
    OpenVisitor,
    Server,
    Visitor,
    rows_shown,
    run_shown,
    run_started,
    settled,
    start_button,
    stop_button,
    wait_for,
)
from tests.browser.nginx import Nginx
from tests.browser.test_draw import CANVAS, PAD, PLACES, answered, draw
from tests.strokes import PATHS

HOST = "duel.localhost"
"""Resolved by the browser itself, and none of the names that Streamlit accepts from anywhere."""
SHIPPED = ROOT / "docs" / "nginx.conf"
NO_UPLOAD = "/duel/_stcore/upload_file/none/none"
"""Where a picture goes, of a session that does not exist."""
LOGGED = {
    *("at", "level", "logger", "message", "owner", "data_dir"),
    *("job", "waiting", "state", "elapsed_s", "reason", "runs"),
}
"""Everything that a line of the log may tell, where nothing went wrong."""
REFUSED = "    location /duel/%s/ {\n        return 404;\n    }\n\n    location /duel/ {"


@dataclass(frozen=True)
class Front:
    """An address of the dashboard, in place of the server's own."""

    url: str
    folder: Path

    @property
    def port(self) -> int:
        return urlparse(self.url).port or 0


@dataclass(frozen=True)
class Fronts:
    """Three nginx servers before one dashboard."""

    shipped: Front
    no_api: Front
    no_routes: Front
    server: Server


def site(listen: int, app: int, *refused: str) -> str:
    """The shipped file with this machine's ports and name, and addresses that are refused."""
    text = SHIPPED.read_text()
    for words, instead in (
        ("listen 80;", f"listen 127.0.0.1:{listen};"),
        ("server_name duel.example.org;", f"server_name {HOST};"),
        ("proxy_pass http://127.0.0.1:8501;", f"proxy_pass http://127.0.0.1:{app};"),
    ):
        assert text.count(words) == 1, f"{SHIPPED.name} has no single {words!r}"
        text = text.replace(words, instead)
    for name in refused:
        text = text.replace("    location /duel/ {", REFUSED % name, 1)
    return text


@pytest.fixture(scope="module")
def fronts(prepared_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronts]:
    """The hosted dashboard below /duel, and an nginx in front of it."""
    folder = tmp_path_factory.mktemp("hosted")
    data = folder / "data"
    data.mkdir()
    (data / "datasets").symlink_to(prepared_data_dir / "datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", "duel")
        patch.setenv("DUEL_PROFILE", "hosted")
        server = Server(data, folder / "server.log")
    server.url += "/duel"
    ports = free_port(), free_port(), free_port()
    # The map stands once: the file is included into nginx's http block.
    blocks = [
        site(ports[0], server.port),
        site(ports[1], server.port, "api"),
        site(ports[2], server.port, "api", "assets"),
    ]
    blocks[1:] = [re.sub(r"^map .*?^}$", "", block, flags=re.DOTALL | re.MULTILINE) for block in blocks[1:]]
    nginx = None
    try:
        nginx = Nginx(folder / "nginx", "\n".join(blocks), ports)
        server.wait()
        shipped, no_api, no_routes = (Front(f"http://{HOST}:{port}/duel", data) for port in ports)
        yield Fronts(shipped, no_api, no_routes, server)
    finally:
        if nginx is not None:
            nginx.stop()
        server.stop()
    faults = [line for line in nginx.log.read_text().splitlines() if re.search(r"\[(error|crit|alert|emerg)\]", line)]
    assert not [fault for fault in faults if NO_UPLOAD not in fault], "but for the uploads that nobody waits for"


def finished(page: Page) -> None:
    """Waits until the page shows the result of its run."""
    expect(page.get_by_role("heading", name="Result in figures")).to_be_visible(timeout=STORY_S * 1000)


def only_refusals(visitor: Visitor) -> list[str]:
    """What went wrong beside the answers that nginx gives in the host's place."""
    return [trouble for trouble in visitor.troubles if "Failed to load resource" not in trouble]


def draw_a_seven(page: Page) -> None:
    """Draws on a pad whose models are loaded, and reads the answers."""
    expect(page.locator(CANVAS)).to_be_visible()
    wait_for("both models are loaded", lambda: EXAMPLE in page.locator(PAD).inner_text(), 90, page)
    draw(page, PATHS[7], PLACES[0])
    assert answered(page) == "Both read a 7."


# --- as shipped --------------------------------------------------------------------------------------------


def test_a_visitor_trains_reloads_and_draws_below_the_path(fronts: Fronts, visit: OpenVisitor) -> None:
    visitor, stranger = visit(fronts.shipped), visit(fronts.shipped)
    page = visitor.open(epochs=2, batch_size=180)
    start_button(page).click()
    run_id = run_started(page, fronts.server)
    (cookie,) = visitor_cookies(visitor)
    assert cookie["httpOnly"]
    assert cookie["path"] == "/duel"
    page.reload()
    settled(page)
    expect(stop_button(page)).to_be_visible()
    wait_for("the charts follow the same run", lambda: run_shown(page) == run_id, page=page)
    assert visitor_cookies(visitor) == [cookie]
    other = stranger.open()
    wait_for("a stranger sees it, too", lambda: run_shown(other) == run_id, page=other)
    assert stop_button(other).count() == 0
    finished(page)
    assert Store(fronts.server.folder).run(run_id).state == "finished"
    assert rows_shown(page)
    page.get_by_role("link", name="Draw").first.click()
    draw_a_seven(page)
    lines = path_of(fronts.server.folder).read_text().splitlines()
    assert run_id in "".join(lines), "the log knows of the run"
    for line in lines:
        assert set(json.loads(line)) <= LOGGED, "and of nothing that was drawn, named or noted"
        assert cookie["value"] not in line


def visitor_cookies(visitor: Visitor) -> list[dict[str, Any]]:
    """The cookies by which this browser is known again."""
    return [dict(cookie) for cookie in visitor.context.cookies() if cookie["name"] == COOKIE]


def test_what_is_too_large_ends_at_nginx_and_a_picture_of_one_mb_does_not(fronts: Fronts) -> None:
    assert put(fronts.shipped, 2**20) != 413
    assert put(fronts.shipped, 1_200_000) == 413


def test_only_nginx_says_whether_a_visitor_came_by_https(fronts: Fronts) -> None:
    direct = Front(f"http://127.0.0.1:{fronts.server.port}/duel", fronts.server.folder)
    assert "; Secure" in cookie_given(direct), "as behind an nginx with TLS"
    assert "; Secure" not in cookie_given(fronts.shipped), "this nginx has none, whatever the visitor's side claims"


def cookie_given(front: Front) -> str:
    """The cookie of a first visitor whose request claims https."""
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=10)
    try:
        connection.request("GET", "/duel/", headers={"Host": f"{HOST}:{front.port}", "X-Forwarded-Proto": "https"})
        return connection.getresponse().headers["Set-Cookie"] or ""
    finally:
        connection.close()


def put(front: Front, size: int) -> int:
    """The status of an upload of so many bytes to a session that does not exist."""
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=10)
    headers = {"Host": f"{HOST}:{front.port}", "Content-Type": "multipart/form-data; boundary=x"}
    try:
        connection.request("PUT", NO_UPLOAD, b"0" * size, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def get(front: Front, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer to a request with these headers, and its body as it came."""
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("GET", path, headers={"Host": f"{HOST}:{front.port}", **named})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_compressed_copies_pass_with_all_that_is_said_of_them(fronts: Fronts) -> None:
    make_copies(originals(), FOLDER)  # as the installation has, where there was one
    for address in (index_script(), "assets/plotly.min.js"):
        original = originals()[address].read_bytes()
        for encoding, decompress in (("br", brotli.decompress), ("gzip", gzip.decompress)):
            answer, body = get(fronts.shipped, f"/duel/{address}", Accept_Encoding=encoding)
            assert decompress(body) == original
            assert answer.headers["Content-Encoding"] == encoding
            assert answer.headers["Content-Length"] == str(len(body))
            assert answer.headers["Vary"] == "Accept-Encoding"
            tag = answer.headers["ETag"]
            known, nothing = get(fronts.shipped, f"/duel/{address}", Accept_Encoding=encoding, If_None_Match=tag)
            assert (known.status, nothing) == (304, b"")
        part, some = get(fronts.shipped, f"/duel/{address}", Accept_Encoding="br", Range="bytes=10-19")
        assert (part.status, some) == (206, original[10:20])
        assert get(fronts.shipped, f"/duel/{address}")[1] == original


def index_script() -> str:
    """The address of the first script of every page."""
    (found,) = [address for address in originals() if re.fullmatch(r"static/js/index\.[\w-]{8}\.js", address)]
    return found


def test_the_path_without_its_slash_leads_to_the_page(fronts: Fronts, visit: OpenVisitor) -> None:
    visitor = visit(fronts.shipped)
    visitor.page.goto(fronts.shipped.url)
    assert settled(visitor.page).url == f"{fronts.shipped.url}/"


# --- where routes are refused ------------------------------------------------------------------------------


def test_the_pad_works_where_its_code_is_refused(fronts: Fronts, visit: OpenVisitor) -> None:
    """Stands before the run of the next test: the models of the first test's draw are still in memory."""
    visitor = visit(fronts.no_routes)
    visitor.expects_troubles = True
    draw_a_seven(visitor.open("draw"))
    page = visitor.page
    page.get_by_role("link", name="Train").first.click()
    expect(start_button(page)).to_be_visible()
    page.get_by_role("link", name="Draw").first.click()
    expect(page.locator(CANVAS)).to_be_visible()
    assert answered(page) == "Both read a 7."
    assert not only_refusals(visitor)


def test_a_run_is_trained_and_drawn_where_routes_are_refused(fronts: Fronts, visit: OpenVisitor) -> None:
    fed, bare = visit(fronts.no_api), visit(fronts.no_routes)
    fed.expects_troubles = bare.expects_troubles = True
    page = fed.open(epochs=1, batch_size=180)
    start_button(page).click()
    expect(stop_button(page)).to_be_visible()
    (run,) = Store(fronts.server.folder).open_runs()
    other = bare.open()
    wait_for("the page feeds the charts", lambda: rows_shown(page), STORY_S, page)
    assert Store(fronts.server.folder).run(run.id).live, "while the run goes on"
    finished(page)
    finished(other)
    assert Store(fronts.server.folder).run(run.id).state == "finished"
    assert page.locator(CHARTS).first.get_attribute("data-state") == "finished"
    expect(other.locator(CHARTS)).to_be_hidden()
    expect(other.get_by_role("heading", name="Validation accuracy")).to_be_visible()
    drawn = "(plot) => plot.data.map((trace) => trace.x.length)"
    assert other.locator("[data-testid=stPlotlyChart] .js-plotly-plot").first.evaluate(drawn) == [1, 1]
    assert not only_refusals(fed) + only_refusals(bare)


# --- the switch as a secret --------------------------------------------------------------------------------


def test_a_secret_at_the_root_of_its_file_makes_it_a_hosted_demo(
    prepared_data_dir: Path, tmp_path: Path, visit: OpenVisitor
) -> None:
    """As Community Cloud sets variables: Streamlit reads the file when the app has been imported already."""
    (tmp_path / "secrets.toml").write_text('DUEL_PROFILE = "hosted"\n')
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "datasets").symlink_to(prepared_data_dir / "datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMLIT_SECRETS_FILES", str(tmp_path / "secrets.toml"))
        server = Server(tmp_path / "data", tmp_path / "server.log")
    try:
        visitor = visit(server.wait())
        page = visitor.open(epochs=11)
        expect(
            page.get_by_role("paragraph").filter(has_text="A run here has at most 10 epochs, not 11.")
        ).to_be_visible()
        assert visitor_cookies(visitor)
        visitor.page.close()
    finally:
        server.stop()
