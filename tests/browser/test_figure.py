"""A figure that asks for itself, in Chromium without a server: what it draws, and whom it goes on asking."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from core.web.components.assets import SCRIPTS
from core.web.components.figure import HTML
from tests.browser.conftest import PATIENCE_S

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
HOST = "http://figures.example/"


def figure(points: int) -> str:
    return json.dumps({"data": [{"y": [1.0] * points}], "layout": {"height": 200}})


class Host:
    """A page with one figure, and what its server says."""

    def __init__(self, page: Page) -> None:
        self.page, self.points, self.status = page, 1, 200
        self.asked: list[str] = []
        page.route(f"{HOST}**", self._answer)
        page.goto(HOST)
        page.evaluate(
            """async () => {
                const { default: draw } = await import("/figure.js?v=1");
                const parentElement = document.getElementById("here");
                window.rerun = (data) => void draw({ parentElement, data, setStateValue: () => {} });
                window.points = () => document.querySelector(".figure").data?.[0].y.length ?? 0;
            }"""
        )

    def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(HOST)
        if path.startswith("api/"):
            self.asked.append(path)
            if self.status != 200:
                route.fulfill(status=self.status, body="no")
                return
            answer: dict[str, Any] = {"version": f"v{self.points}", "again_ms": 0}
            if not path.endswith(f"&after=v{self.points}"):
                answer |= {"figure": figure(self.points), "finding": f"{self.points} points", "done": self.points}
            route.fulfill(json=answer)
        elif not path:
            route.fulfill(content_type="text/html", body=f'<div id="here" style="width: 600px">{HTML}</div>')
        elif path.startswith("assets/plotly"):
            route.fulfill(content_type="text/javascript", path=PLOTLY)
        else:
            found = [each for each in SCRIPTS if each.name == path.partition("?")[0]]
            route.fulfill(content_type="text/javascript", path=found[0]) if found else route.abort()

    def rerun(self, points: int, follows: str = "api/one?m=1") -> None:
        """The page is drawn anew with a figure of so many points."""
        data = {"figure": figure(points), "finding": f"{points} points", "pressable": False, "follows": follows}
        self.page.evaluate("data => rerun(data)", {**data, "plotly_url": "assets/plotly.min.js"})

    def asks(self, address: str) -> None:
        """Waits until it asks there, from now on."""
        before, end = len(self.asked), time.monotonic() + PATIENCE_S
        while address not in self.asked[before:]:
            assert time.monotonic() < end, f"never asked {address}, but {self.asked[before:]}"
            self.page.wait_for_timeout(50)

    def shows(self, points: int) -> None:
        self.page.wait_for_function("points => window.points() === points", arg=points)
        expect(self.page.locator(".figure")).to_have_attribute("aria-label", f"{points} points")


@pytest.fixture
def host(browser: Browser) -> Iterator[Host]:
    page = browser.new_page(viewport={"width": 640, "height": 480})
    yield Host(page)
    page.close()


def test_a_figure_follows_what_it_is_told_to_and_is_the_page_s_where_nobody_answers(host: Host) -> None:
    host.rerun(1)
    host.shows(1)
    host.points = 2
    host.shows(2)
    host.page.wait_for_function("() => performance.getEntriesByName('duel-study-2').length === 1")
    host.asks("api/one?m=1&after=v2")
    host.rerun(1)  # a page that was drawn before what the figure knows
    host.asks("api/one?m=1&after=v2")
    host.shows(2)
    host.points = 3
    host.rerun(9, follows="api/two?m=1")
    host.shows(3)
    host.rerun(5, follows="")
    host.shows(5)
    host.page.wait_for_timeout(600)  # what was asked before is answered
    count = len(host.asked)
    host.page.wait_for_timeout(600)
    assert len(host.asked) == count, "it asked on after it was told to stop"
    host.status = 404
    host.rerun(4, follows="api/three?m=1")
    host.asks("api/three?m=1&after=")
    host.shows(4)
    host.rerun(6, follows="api/three?m=1")
    host.shows(6)
