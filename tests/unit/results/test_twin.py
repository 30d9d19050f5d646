"""How far a twin's curves are apart: the one figure of the live charts and the report."""

from dataclasses import replace

import pytest

from core.results.twin import CurveDifference
from tests.reported import recorded


def test_a_step_that_parts_is_in_the_difference() -> None:
    _, rows = recorded("exact-twin")
    at = next(number for number, row in enumerate(rows) if row.kind == "step" and row.engine == "torch")
    [step, loss], *others = rows[at].event.points
    rows[at] = replace(rows[at], event=replace(rows[at].event, points=[[step, loss + 0.25], *others]))
    assert CurveDifference().take(rows).largest == pytest.approx(0.25)


def test_rows_that_come_one_after_the_other_and_twice_give_the_same_difference() -> None:
    _, rows = recorded("exact-twin")
    whole, piecemeal = CurveDifference().take(rows), CurveDifference()
    assert piecemeal.words is None
    for row in rows:
        piecemeal.take([row])
        piecemeal.take([row])
    assert piecemeal.largest == whole.largest
    assert whole.words == ("4.4\u00a0×\u00a010⁻¹⁶", "That is about the last digit that a float64 holds.")


def test_what_one_lane_alone_has_shown_is_no_difference() -> None:
    _, rows = recorded("exact-twin")
    assert CurveDifference().take([row for row in rows if row.engine == "keras"]).largest is None
