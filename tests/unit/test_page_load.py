"""What a benchmark makes of a browser's own figures: bytes, blocked time, layout shift, score."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from benchmarks.page_load import (
    BLOCKED,
    FIRST_PAINT,
    LARGEST_PAINT,
    PageLoad,
    Request,
    Shift,
    Wire,
    cumulative_layout_shift,
    total_blocking_time,
)

ADDRESS = "http://127.0.0.1:8501"


def sent(number: str, url: str, at: float, **more: Any) -> tuple[str, Mapping[str, Any]]:
    return "requestWillBeSent", {"requestId": number, "request": {"url": url}, "timestamp": at, **more}


def finished(number: str, size: int, at: float) -> tuple[str, Mapping[str, Any]]:
    return "loadingFinished", {"requestId": number, "encodedDataLength": size, "timestamp": at}


def heard(*events: tuple[str, Mapping[str, Any]]) -> Wire:
    wire = Wire()
    for event in events:
        wire.hear(*event)
    return wire


def load(**figures: Any) -> PageLoad:
    values: dict[str, Any] = {
        "requests": (),
        "socket_bytes": 0,
        "last_byte_ms": 0.0,
        "first_paint_ms": 0.0,
        "largest_paint_ms": 0.0,
        "blocked_ms": 0.0,
        "shifts": (),
    }
    return PageLoad(**values | figures)


def test_a_request_counts_with_all_that_came_of_it_and_what_a_cache_gave_does_not() -> None:
    wire = heard(
        sent("1", f"{ADDRESS}/", 10.0),
        finished("1", 500, 10.2),
        sent("2", f"{ADDRESS}/kept.js", 10.3),
        ("responseReceived", {"requestId": "2", "response": {"fromDiskCache": True}, "timestamp": 10.3}),
        finished("2", 0, 12.0),
        sent("3", "data:image/png;base64,AAAA", 10.3),
        finished("3", 4, 13.0),
        sent("4", f"{ADDRESS}/torn.js", 10.4),
        ("dataReceived", {"requestId": "4", "encodedDataLength": 70, "timestamp": 10.5}),
        ("loadingFailed", {"requestId": "4", "timestamp": 14.0}),
    )
    assert [(request.name, request.received_bytes) for request in wire.over_the_network()] == [
        ("127.0.0.1:8501", 500),
        ("torn.js", 70),
    ]
    assert (wire.began_s, wire.last_byte_s) == (10.0, 10.2)


def test_a_redirect_is_a_request_of_its_own() -> None:
    again = sent("1", f"{ADDRESS}/draw", 10.2, redirectResponse={"encodedDataLength": 120})
    wire = heard(sent("1", f"{ADDRESS}/Draw", 10.0), again, finished("1", 500, 10.4))
    assert sorted(request.received_bytes for request in wire.over_the_network()) == [120, 500]
    assert wire.began_s == 10.0


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_a_frame_of_the_websocket_counts_with_what_it_holds(size: int) -> None:
    binary = {"opcode": 2, "payloadData": base64.b64encode(b"x" * size).decode()}
    ping = {"opcode": 9, "payloadData": ""}
    wire = heard(
        ("webSocketCreated", {"requestId": "7", "url": "ws://127.0.0.1/_stcore/stream"}),
        ("webSocketFrameReceived", {"requestId": "7", "timestamp": 3.0, "response": binary}),
        ("webSocketFrameReceived", {"requestId": "7", "timestamp": 9.0, "response": ping}),
    )
    assert (wire.socket_bytes, wire.last_byte_s) == (size, 3.0)
    assert len(wire.over_the_network()) == 1


def test_nothing_rests_while_a_request_is_under_way() -> None:
    events = [sent("1", f"{ADDRESS}/", 10.0), finished("1", 5, 10.1)]
    assert not heard(*events[:1]).rests_for(-1)
    assert heard(*events).rests_for(-1)
    assert not heard(*events).rests_for(60)


def test_blocked_is_what_long_tasks_take_beyond_50_ms_after_the_first_paint() -> None:
    tasks = [(0.0, 400.0), (900.0, 300.0), (2000.0, 51.0), (3000.0, 50.0)]
    assert total_blocking_time(tasks, 1000.0) == (200 - 50) + 1
    assert total_blocking_time([], 1000.0) == 0


def shifts(*pairs: Sequence[float]) -> list[Shift]:
    return [Shift(at, value) for at, value in pairs]


def test_shifts_add_up_within_a_window_and_the_worst_window_counts() -> None:
    assert cumulative_layout_shift([]) == 0
    assert cumulative_layout_shift(shifts((0, 0.1), (999, 0.2))) == pytest.approx(0.3)
    assert cumulative_layout_shift(shifts((0, 0.1), (1000, 0.2))) == pytest.approx(0.2)
    steady = shifts(*((600 * number, 0.01) for number in range(12)))
    assert cumulative_layout_shift(steady) == pytest.approx(0.09), "a window is five seconds long at most"


@pytest.mark.parametrize("curve", [FIRST_PAINT, LARGEST_PAINT, BLOCKED])
def test_a_curve_gives_nine_tenths_at_its_tenth_and_half_at_its_median(curve: Any) -> None:
    assert curve.score(curve.p10) == pytest.approx(0.9)
    assert curve.score(curve.median) == pytest.approx(0.5)
    assert curve.score(0) == 1
    assert curve.score(1e9) == pytest.approx(0)


def test_the_score_weighs_all_measures_but_the_speed_index() -> None:
    assert load().score == pytest.approx(100)
    middle = load(first_paint_ms=3000, largest_paint_ms=4000, blocked_ms=600, shifts=(Shift(0, 0.25),))
    assert middle.score == pytest.approx(50)
    assert load(blocked_ms=1e9).score == pytest.approx(100 * (1 - 0.3 / 0.9))


def test_what_cost_most_is_named() -> None:
    fetched = (Request("http://x/a.js?v=1", 2048), Request("http://x/b.css", 4096), Request("http://x/c.js", 10))
    cost = load(requests=fetched, socket_bytes=3072, shifts=(Shift(10, 0.1, ("p",)), Shift(2000, 0.3, ("h1", "h2"))))
    assert cost.heaviest(3) == "b.css 4, WebSocket 3, a.js 2 KiB"
    assert cost.received_bytes == 2048 + 4096 + 10 + 3072
    assert cost.most_shifted() == "0.300 at 2.0 s: h1; h2"
    assert load().most_shifted() == ""
    assert math.isclose(cost.layout_shift, 0.3)
