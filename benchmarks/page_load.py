"""What loading a page costs a phone, by Chromium's own instruments: its network events, and its performance entries."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.result import BenchmarkError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

PHONE: Mapping[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
LOADED_S = 180.0
"""A page that is not loaded by then never will be."""
KIB = 1024
LONG_TASK_MS = 50.0

# Notes each entry as it comes; of what moved the nearest name in the page's source, its text, and where its box went.
OBSERVE = """
window.pageLoad = { paints: {}, largest: 0, tasks: [], shifts: [] };
{
  const observe = (type, note) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  const named = (node) => {
    const element = node?.nodeType === Node.ELEMENT_NODE ? node : node?.parentElement;
    const near = element?.closest("[data-testid]")?.dataset.testid ?? "";
    const own = element ? `${element.localName}.${element.getAttribute("class")?.split(" ").at(-1) ?? ""}` : "gone";
    return `${near} ${own} "${(element?.textContent ?? "").trim().slice(0, 24)}"`;
  };
  const moved = ({ node, previousRect: from, currentRect: to }) =>
    `${named(node)} ${from.y.toFixed()}+${from.height.toFixed()} to ${to.y.toFixed()}+${to.height.toFixed()} px`;
  observe("paint", ({ name, startTime }) => (pageLoad.paints[name] = startTime));
  observe("largest-contentful-paint", ({ startTime }) => (pageLoad.largest = startTime));
  observe("longtask", ({ startTime, duration }) => pageLoad.tasks.push([startTime, duration]));
  observe("layout-shift", ({ startTime, value, hadRecentInput, sources }) => {
    if (!hadRecentInput) pageLoad.shifts.push([startTime, value, sources.map(moved)]);
  });
}
"""
SETTLED = """(title) => {
  const app = document.querySelector("[data-testid=stApp]")?.dataset;
  const heading = [...document.querySelectorAll("h1")].find((each) => each.textContent.includes(title));
  const rests = app?.testConnectionState === "CONNECTED" && app.testScriptState === "notRunning";
  return Boolean(rests && heading?.checkVisibility());
}"""


@dataclass(frozen=True)
class Slowness:
    """An emulated line and processor."""

    down_bit_s: float
    up_bit_s: float
    latency_ms: float
    cpu_slower: float
    """How many times as long a task takes."""


SLOW_PHONE = Slowness(down_bit_s=1.6e6, up_bit_s=750e3, latency_ms=150, cpu_slower=4)


@dataclass
class Request:
    """A request, and what came back of it over the network."""

    url: str
    received_bytes: int = 0
    """Head and body, as they were compressed."""
    from_cache: bool = False
    ended: bool = False

    @property
    def name(self) -> str:
        """The last part of its address."""
        return self.url.partition("?")[0].rstrip("/").rpartition("/")[2]


@dataclass(frozen=True)
class Shift:
    """Something moved without anybody's doing; `sources` says what, the largest first."""

    at_ms: float
    value: float
    """The share of the window that it touched times how far it moved, as a share of the window."""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """How Lighthouse 12 scores a measure on a phone: 0.9 at `p10`, 0.5 at `median`."""

    weight: float
    median: float
    p10: float

    def score(self, value: float) -> float:
        """From 1, where it is nothing, down to 0: the complement of a log-normal distribution function."""
        if value <= 0:
            return 1.0
        ninth_decile = 0.9061938024368232  # erfc of it is 0.2, so the score at p10 is 0.9
        return math.erfc(ninth_decile * math.log(value / self.median) / math.log(self.median / self.p10)) / 2


FIRST_PAINT, LARGEST_PAINT, BLOCKED, SHIFT = (
    Curve(0.10, 3000, 1800),
    Curve(0.25, 4000, 2500),
    Curve(0.30, 600, 200),
    Curve(0.25, 0.25, 0.1),
)
"""The tenth that is left is the speed index, which needs a film of the page."""


@dataclass(frozen=True)
class PageLoad:
    """What it cost, in bytes and in milliseconds since the navigation."""

    requests: tuple[Request, ...]
    """Those that went over the network, the WebSocket too."""
    socket_bytes: int
    """What the WebSocket's frames held."""
    last_byte_ms: float
    first_paint_ms: float
    largest_paint_ms: float
    blocked_ms: float
    shifts: tuple[Shift, ...]

    @property
    def received_bytes(self) -> int:
        """Heads and bodies of all answers as they were compressed, and the WebSocket's frames as they arrived."""
        return sum(request.received_bytes for request in self.requests) + self.socket_bytes

    @property
    def layout_shift(self) -> float:
        """The cumulative layout shift."""
        return cumulative_layout_shift(self.shifts)

    @property
    def score(self) -> float:
        """Lighthouse 12's performance score on a phone, from 0 to 100, of all that it weighs but the speed index."""
        scored = {
            FIRST_PAINT: self.first_paint_ms,
            LARGEST_PAINT: self.largest_paint_ms,
            BLOCKED: self.blocked_ms,
            SHIFT: self.layout_shift,
        }
        weighed = sum(curve.weight * curve.score(value) for curve, value in scored.items())
        return 100 * weighed / sum(curve.weight for curve in scored)

    def heaviest(self, most: int) -> str:
        """What brought the most bytes: `index.js 142, font.woff2 90 KiB`."""
        found = [(request.received_bytes, request.name) for request in self.requests]
        if self.socket_bytes:
            found.append((self.socket_bytes, "WebSocket"))
        return ", ".join(f"{name} {size / KIB:.0f}" for size, name in sorted(found, reverse=True)[:most]) + " KiB"

    def most_shifted(self) -> str:
        """What moved in the worst shift; empty where nothing did."""
        worst = max(self.shifts, key=lambda shift: shift.value, default=None)
        return "" if worst is None else f"{worst.value:.3f} at {worst.at_ms / 1000:.1f} s: {'; '.join(worst.sources)}"


def total_blocking_time(tasks: Sequence[tuple[float, float]], first_paint_ms: float) -> float:
    """Milliseconds for which a touch would have waited: what each long task (start, duration) after the first paint
    takes beyond 50 ms.
    """
    after = (min(duration, start + duration - first_paint_ms) for start, duration in tasks)
    return sum(max(0.0, each - LONG_TASK_MS) for each in after)


def cumulative_layout_shift(shifts: Sequence[Shift]) -> float:
    """The worst window's sum; a window of shifts ends after a second without one, or after five seconds."""
    worst = window = 0.0
    began = before = -math.inf
    for shift in shifts:
        if shift.at_ms - before >= 1000 or shift.at_ms - began >= 5000:
            window, began = 0.0, shift.at_ms
        before = shift.at_ms
        window += shift.value
        worst = max(worst, window)
    return worst


class Wire:
    """What comes over the network for one page, as the DevTools protocol's `Network` tells it."""

    def __init__(self) -> None:
        self.requests: dict[str, Request] = {}
        self.redirects: list[Request] = []
        self.sockets: list[Request] = []
        self.socket_bytes = 0
        self.began_s = math.nan
        self.last_byte_s = -math.inf
        self.heard_at = time.monotonic()

    def hear(self, event: str, said: Mapping[str, Any]) -> None:
        """One event, by its name without the domain."""
        self.heard_at = time.monotonic()
        at, request = said.get("timestamp", 0.0), self.requests.get(said.get("requestId", ""))
        match event:
            case "requestWillBeSent":
                self._asked(said, at, request)
            case "webSocketCreated":
                self.sockets.append(Request(said["url"], ended=True))
            case "webSocketFrameReceived" if said["response"]["opcode"] in (1, 2):
                self.socket_bytes += _payload_bytes(said["response"])
                self.last_byte_s = max(self.last_byte_s, at)
            case _ if request is not None:
                self._answered(request, event, said, at)

    def _asked(self, said: Mapping[str, Any], at: float, before: Request | None) -> None:
        if not said["request"]["url"].startswith("http"):  # data: and blob:
            return
        if before is not None and "redirectResponse" in said:
            before.received_bytes, before.ended = said["redirectResponse"]["encodedDataLength"], True
            self.redirects.append(before)
        if not self.requests:
            self.began_s = at
        self.requests[said["requestId"]] = Request(said["request"]["url"])

    def _answered(self, request: Request, event: str, said: Mapping[str, Any], at: float) -> None:
        match event:
            case "requestServedFromCache":
                request.from_cache = True
            case "responseReceived" if said["response"].get("fromDiskCache"):
                request.from_cache = True
            case "dataReceived":  # of one that never ends; else what counts is said at its end
                request.received_bytes += said["encodedDataLength"]
            case "loadingFinished":
                request.ended, request.received_bytes = True, int(said["encodedDataLength"])
                if not request.from_cache:
                    self.last_byte_s = max(self.last_byte_s, at)
            case "loadingFailed":
                request.ended = True

    def over_the_network(self) -> tuple[Request, ...]:
        """Every request that no cache answered."""
        every = [*self.requests.values(), *self.redirects, *self.sockets]
        return tuple(request for request in every if not request.from_cache)

    def rests_for(self, seconds: float) -> bool:
        """Whether nothing is under way, and nothing was said for so long."""
        under_way = any(not request.ended for request in self.requests.values())
        return not under_way and time.monotonic() - self.heard_at > seconds


def _payload_bytes(frame: Mapping[str, Any]) -> int:
    """How much a WebSocket's frame holds; one that is no text is told in base64."""
    payload = frame["payloadData"]
    return len(payload.encode()) if frame["opcode"] == 1 else 3 * len(payload) // 4 - payload[-2:].count("=")


EVENTS = (
    *("requestWillBeSent", "requestServedFromCache", "responseReceived", "dataReceived", "loadingFinished"),
    *("loadingFailed", "webSocketCreated", "webSocketFrameSent", "webSocketFrameReceived"),
)


class Visit:
    """One page in a browser's tab, watched from before its navigation on.

    `quiet_s`: for how long nothing must come over the network before the page counts as loaded.
    """

    def __init__(self, context: "BrowserContext", quiet_s: float, slowness: Slowness | None = None) -> None:
        self.page, self.wire, self.quiet_s = context.new_page(), Wire(), quiet_s
        session = context.new_cdp_session(self.page)
        for event in EVENTS:
            session.on(f"Network.{event}", lambda said, event=event: self.wire.hear(event, said))
        session.send("Network.enable")
        if slowness is not None:
            line = {
                "offline": False,
                "latency": slowness.latency_ms,
                "downloadThroughput": slowness.down_bit_s / 8,
                "uploadThroughput": slowness.up_bit_s / 8,
            }
            session.send("Network.emulateNetworkConditions", line)
            session.send("Emulation.setCPUThrottlingRate", {"rate": slowness.cpu_slower})
        self.page.add_init_script(OBSERVE)

    def open(self, url: str, title: str) -> PageLoad:
        """Goes to a page and waits until it rests. Raises `BenchmarkError`."""
        self.page.goto(url, wait_until="commit", timeout=1000 * LOADED_S)
        self.rest(title)
        return self.load()

    def rest(self, title: str) -> None:
        """Until the page stands and nothing has come for a while. Raises `BenchmarkError`."""
        end = time.monotonic() + LOADED_S
        # Nothing is asked of the page before the network rests: that would take time of its processor.
        while not (
            self.wire.rests_for(self.quiet_s)
            and self.page.evaluate(SETTLED, title)
            and self.wire.rests_for(self.quiet_s)  # else something came while it was asked
        ):
            if time.monotonic() > end:
                left = [request.url for request in self.wire.requests.values() if not request.ended]
                raise BenchmarkError(f"{title} was not loaded within {LOADED_S:.0f} s; under way: {left or 'nothing'}.")
            self.page.wait_for_timeout(100)

    def load(self) -> PageLoad:
        """What it has cost so far."""
        seen = self.page.evaluate("pageLoad")
        first_paint_ms = seen["paints"].get("first-contentful-paint", math.nan)
        return PageLoad(
            self.wire.over_the_network(),
            self.wire.socket_bytes,
            1000 * (self.wire.last_byte_s - self.wire.began_s),
            first_paint_ms,
            seen["largest"],
            total_blocking_time(seen["tasks"], first_paint_ms),
            tuple(Shift(at, value, tuple(sources)) for at, value, sources in seen["shifts"]),
        )


def first_and_second_visit(
    browser: "Browser", url: str, title: str, quiet_s: float, slowness: Slowness | None = None
) -> tuple[PageLoad, PageLoad]:
    """A person's first load of a page, nothing cached in the browser, and the next one in the same browser."""
    context = browser.new_context(**PHONE)
    loads = []
    for _ in range(2):
        visit = Visit(context, quiet_s, slowness)
        loads.append(visit.open(url, title))
        visit.page.close()
    context.close()
    return loads[0], loads[1]
