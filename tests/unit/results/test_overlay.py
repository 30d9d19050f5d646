"""Runs laid over each other: whose line is whose, names that never cover each other, and what differs in words."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.experiment.settings import TrainSettings
from core.results.outcome import LaneOutcome, Outcome
from core.results.overlay import BOTTOM, GLYPHS, NAME, TOP, legend, overlay, spread
from core.storage.database import LaneState
from core.storage.records import Run
from tests.events import epoch


def outcome(epochs: int = 2, engines: str = "keras,torch", accuracy: float = 0.9, **settings: Any) -> Outcome:
    """A run whose lanes all end at about the same accuracy."""
    chosen = TrainSettings.parse({"engines": engines, **settings})
    when = "2026-01-01T00:00:00+00:00"
    run = Run("20260101-000000-00000000", when, None, None, "finished", "", chosen, {})
    lanes = [LaneOutcome(engine, LaneState.FINISHED) for engine in chosen.engines]
    for lane in lanes:
        lane.epochs += [epoch(n, val_accuracy=accuracy + n / 1000) for n in range(1, epochs + 1)]
    return Outcome(run, lanes)


def lines(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.name]


def name_places(figure: go.Figure) -> list[float]:
    """Where the names stand, in pixels above the plot's lower edge, from the lowest."""
    low, high = figure.layout.yaxis.range
    height = figure.layout.height - TOP - BOTTOM
    return sorted((note.y - low) / (high - low) * height for note in figure.layout.annotations)


def test_each_run_has_a_mark_of_its_own_and_each_lane_its_frameworks_form_and_colour() -> None:
    figure, _ = overlay([outcome(), outcome(), outcome(), outcome()])
    drawn = {line.name: (line.marker.symbol, line.line.color) for line in lines(figure)}
    assert len(set(drawn.values())) == len(drawn) == 8
    assert all(symbol.startswith("circle") for name, (symbol, _) in drawn.items() if "Keras" in name)
    assert {colour for name, (_, colour) in drawn.items() if "PyTorch" in name} == {"#d3731a"}


def test_the_legend_shows_a_runs_own_mark_for_each_framework() -> None:
    assert legend(outcome(), 0) == "**A** :blue[●] :orange[◆]"
    assert legend(outcome(engines="torch,torch-tuned"), 1) == "**B** :orange[◇]"
    assert len({mark for marks in GLYPHS.values() for mark in marks}) == 12


@pytest.mark.parametrize("runs", [2, 3, 4])
def test_names_at_the_ends_of_equal_lines_do_not_cover_each_other(runs: int) -> None:
    figure, _ = overlay([outcome()] * runs)
    places = name_places(figure)
    assert len(places) == 2 * runs
    assert all(above - below >= NAME - 0.01 for below, above in pairwise(places))
    assert places[0] >= 0
    assert places[-1] <= figure.layout.height - TOP - BOTTOM


def test_forty_lanes_get_the_room_that_their_names_need() -> None:
    engines = "keras,torch,keras-eager,keras-on-torch,keras-tuned,torch-compile,torch-tuned,fake-a,fake-b,fake-c"
    figure, _ = overlay([outcome(engines=engines)] * 4)
    assert all(above - below >= NAME - 0.01 for below, above in pairwise(name_places(figure)))


def test_names_stand_at_the_edge_also_where_a_line_ends_before() -> None:
    figure, finding = overlay([outcome(epochs=8), outcome(epochs=2, engines="keras")])
    assert len({note.x for note in figure.layout.annotations}) == 1
    assert figure.layout.annotations[0].x > 8
    assert [note.text for note in figure.layout.annotations][-1] == "<b>B</b> Keras"
    assert finding.endswith("B Keras ends at 90.20 %.")


def test_one_epoch_is_a_point_and_without_one_nothing_breaks() -> None:
    figure, _ = overlay([outcome(epochs=1), outcome(epochs=1)])
    assert all(list(line.x) == [1] for line in lines(figure))
    assert figure.layout.xaxis.range[0] < 1 < figure.layout.xaxis.range[1]
    empty, finding = overlay([outcome(epochs=0), outcome(epochs=0)])
    assert lines(empty) == []
    assert finding.startswith("Validation accuracy")


@given(st.lists(st.floats(0, 100), max_size=12))
def test_places_keep_order_distance_and_bounds(values: Sequence[float]) -> None:
    places = spread(values, 5, 0, 100)
    for i, j in pairwise(sorted(range(len(values)), key=lambda i: values[i])):
        assert places[j] - places[i] >= 5 - 1e-9
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in places)


def test_a_name_alone_stands_where_its_line_ends() -> None:
    assert spread([20, 80], 5, 0, 100) == [20, 80]
