"""Every page on a phone over a slow line, beside a minimal Streamlit app."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.memory import draw_one
from benchmarks.page_load import KIB, SLOW_PHONE, PageLoad, first_and_second_visit
from benchmarks.result import DIGITS, Result, Unit, quantile
from benchmarks.server import dashboard, minimal_app
from benchmarks.visitor import TITLE, chromium, open_page

HOW = """
Every page as a visitor finds it on an empty data folder, and the minimal app of `first-page` with Streamlit's own
settings, both served at the same time on this machine and at rest, each page visited once before, the Draw page's
models loaded. A window of 390 x 844 with touch. The DevTools protocol emulates the line (1.6 Mbit/s down, 0.75 up,
150 ms; the WebSocket's, too, which a browser test holds) and a processor four times slower. First visit: a fresh
browser context. Second visit: a new page in the same context. A visit ends when the page stands and nothing has come
over the network for 3 s. Bytes: what the browser says it received for each request, head and body as they were
compressed, and the content of the WebSocket's frames. Last byte: the end of the last request or frame, from the
navigation on. Blocked: what each long task after the first contentful paint took beyond 50 ms, to the visit's end.
Layout shift: the cumulative one, by session windows. Score: Lighthouse 12's curves and weights for a phone on what was
measured here, which are first and largest contentful paint, blocked and shift. Lighthouse's fifth measure, the speed
index, a tenth of its weight, needs a film of the page and is left out; and Lighthouse simulates the line from a fast
load, so its own score is another number. All pages once a round, forwards and backwards in turns; a ratio is a page's
to the minimal app's in the same round. Each line judges the page whose median is the worst, which its note names first.
"""

BARE = "minimal app"
PAGES = {"Train": "", "Draw": "draw", "Compare": "compare", "Runs": "runs", "Learn": "learn"}
"""Each page's address."""
QUIET_S = 3.0

log = logging.getLogger(__name__)

Round = Mapping[str, tuple[PageLoad, PageLoad]]
"""A first and a second visit to every page and to the minimal app."""


@dataclass(frozen=True)
class Size:
    """How often everything is visited."""

    rounds: int


FULL = Size(rounds=3)
QUICK = Size(rounds=1)


@dataclass(frozen=True)
class Measure:
    """One figure of a visit; smaller is better."""

    what: str
    of: Callable[[PageLoad], float]
    unit: Unit
    goal: float | None = None
    ratio_goal: float | None = None
    """Of its ratio to the minimal app's."""


LAST_BYTE_S = Measure("last byte", lambda load: load.last_byte_ms / 1000, "s", ratio_goal=1.0)
FIRST = (
    Measure("bytes", lambda load: load.received_bytes / KIB, "KiB", goal=2600, ratio_goal=1.0),
    Measure("requests", lambda load: len(load.requests), "count", goal=80),
    LAST_BYTE_S,
    Measure("largest paint", lambda load: load.largest_paint_ms / 1000, "s"),
    Measure("blocked", lambda load: load.blocked_ms, "ms", goal=600),
    Measure("layout shift", lambda load: load.layout_shift, "x", goal=0.05),
    Measure("what the score lacks of 100", lambda load: 100 - load.score, "count", ratio_goal=1.0),
)
SECOND = (Measure("last byte", LAST_BYTE_S.of, "s", ratio_goal=1.15),)
VISITS = {"First": FIRST, "Second": SECOND}


def in_words(load: PageLoad) -> str:
    """All that was measured of a visit, and what cost most."""
    shifted = load.most_shifted()
    return (
        f"{load.received_bytes / KIB:,.0f} KiB in {len(load.requests)} requests ({load.heaviest(4)}), "
        f"last byte {load.last_byte_ms / 1000:.1f} s, first paint {load.first_paint_ms / 1000:.1f} s, "
        f"largest {load.largest_paint_ms / 1000:.1f} s, blocked {load.blocked_ms:.0f} ms, score {load.score:.0f}, "
        f"shift {load.layout_shift:.3f}" + (f" (most {shifted})" if shifted else "")
    )


def judged(visit: str, measure: Measure, rounds: Sequence[Round]) -> list[Result]:
    """The worst page's figure, or its ratio to the minimal app's, or both."""
    place = list(VISITS).index(visit)
    figures = {name: [measure.of(one[name][place]) for one in rounds] for name in (*PAGES, BARE)}

    def worst(of: Mapping[str, Sequence[float]], suffix: str, unit: Unit, goal: float | None) -> Result:
        names = sorted(PAGES, key=lambda name: median(of[name]), reverse=True)
        note = ", ".join(f"{name} {median(figures[name]):,.{DIGITS[measure.unit]}f}" for name in (*names, BARE))
        return Result(f"{visit} visit by phone, {measure.what}{suffix}", quantile(of[names[0]]), unit, goal, note)

    found = []
    if measure.goal is not None or measure.ratio_goal is None:
        found.append(worst(figures, "", measure.unit, measure.goal))
    if measure.ratio_goal is not None:
        ratios = {name: [a / b for a, b in zip(figures[name], figures[BARE], strict=True)] for name in PAGES}
        found.append(worst(ratios, " / minimal app", "x", measure.ratio_goal))
    return found


def measure(size: Size) -> list[Result]:
    """What all pages cost at the first and at the second visit."""
    with dashboard(spares=False) as ours, minimal_app() as minimal, chromium() as browser:
        sides = {name: (f"{ours.url}/{path}", name if path else TITLE) for name, path in PAGES.items()}
        sides[BARE] = minimal.url, "Minimal"
        for side in sides.values():
            page, _ = open_page(browser.new_context(), *side)
            page.context.close()
        rounds = []
        for number in range(size.rounds):
            order = list(sides) if number % 2 == 0 else list(reversed(sides))
            visits = {}
            for name in order:
                if name == "Draw":
                    draw_one(ours, browser)  # its models are loaded
                visits[name] = first_and_second_visit(browser, *sides[name], QUIET_S, SLOW_PHONE)
                for visit, load in zip(VISITS, visits[name], strict=True):
                    log.info("  round %d of %d, %s, %s visit: %s", number + 1, size.rounds, name, visit, in_words(load))
            rounds.append(visits)
    return [one for visit, measures in VISITS.items() for each in measures for one in judged(visit, each, rounds)]
