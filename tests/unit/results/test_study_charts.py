"""Figures of a study: the interval that closes in, the crossing of two lanes, a mark for every run."""

import math
from typing import Any

import plotly.graph_objects as go
import pytest

from core.data.datasets import DATASETS
from core.experiment.settings import TrainSettings
from core.experiment.statistics import interval
from core.experiment.study import MEASURES, Measure, Study, finding
from core.results import study_charts
from core.results.charts import COLOURS

DATASET = DATASETS["mnist5k"]
STUDY = Study.of(TrainSettings(), DATASET, 40, {})
OVER = Study.of(TrainSettings(), DATASET, 40, {"batch_size": [32, 126, 512]})


def measure(name: str) -> Measure:
    return next(one for one in MEASURES if one.name == name)


def closing(name: str, differences: list[float]) -> tuple[go.Figure, str]:
    found = finding(STUDY, measure(name), differences, DATASET.test_images)
    return study_charts.closing(STUDY, found, DATASET.test_images, range(len(differences)))


def named(figure: go.Figure, mode: str) -> list[Any]:
    return [trace for trace in figure.data if trace.mode == mode]


def test_each_pair_is_a_mark_in_percent_and_the_interval_is_the_statistics_own() -> None:
    differences = [0.1 + 0.01 * (-1) ** i for i in range(30)]
    figure, words = closing("log_train_s", differences)
    (pairs,) = named(figure, "markers")
    assert list(pairs.x) == list(range(1, 31))
    assert list(pairs.customdata) == list(range(30)), "its seed, by which a press opens its run"
    assert list(pairs.y) == pytest.approx([100 * math.expm1(d) for d in differences])
    low, high, mean = named(figure, "lines")
    found = interval(differences, STUDY.alpha)
    assert [line.y[-1] for line in (low, high, mean)] == pytest.approx(
        [100 * math.expm1(end) for end in (found.low, found.high, found.mean)]
    )
    assert low.x[0] > 1, "one pair has no interval"
    assert high.y[-1] - low.y[-1] < high.y[0] - low.y[0]
    assert words.startswith("Training time, Keras minus PyTorch, of 30 pairs: mean 1")


def test_the_margin_lies_around_zero_and_one_pair_alone_can_be_drawn() -> None:
    figure, words = closing("test_accuracy", [0.004])
    (band,) = figure.layout.shapes
    assert (band.y0, band.y1) == pytest.approx((-0.2, 0.2))
    assert [len(line.y) for line in named(figure, "lines")] == [0, 0, 0]
    assert "interval \u2013" in words


def test_of_many_pairs_some_intervals_are_drawn_and_the_last_always() -> None:
    found = study_charts.intervals([0.1, -0.1] * 900, 0.01, 0.0)
    assert len(found) <= study_charts.MOST_INTERVALS
    assert max(found) == 1800


def test_lines_cross_where_the_lead_changes() -> None:
    assert study_charts.cross([0, 10], [1, 3], [2, 2]) == [(5, 2)]
    ((at, height),) = study_charts.cross([10, 1000], [0, 2], [2, 0], logarithmic=True)
    assert (at, height) == pytest.approx((100, 1))
    assert study_charts.cross([0, 10], [1, 2], [2, 3]) == []


def test_both_lanes_stand_over_the_varied_number_and_the_crossing_is_named() -> None:
    keras = {32: 3000.0, 126: 5400.0, 512: 6300.0}
    points = {number: {"keras": [rate] * 30, "torch": [4300.0] * 30} for number, rate in keras.items()}
    figure, words = study_charts.over_field(OVER, measure("log_images_per_s"), "batch size", points, 1000)
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name["Keras"].y) == pytest.approx(list(keras.values()))
    assert by_name["PyTorch"].line.color == COLOURS["torch"]
    (note,) = figure.layout.annotations
    assert note.text.startswith("cross near ")
    assert note.x == pytest.approx(math.log10(float(note.text.split()[-1])), abs=0.01), "the axis is logarithmic"
    assert words.endswith(f"They {note.text}.")


def test_a_lane_s_interval_is_of_its_own_runs_and_stays_above_zero_for_times() -> None:
    found = study_charts.lane_interval(measure("log_train_s"), [1.0, 4.0] * 20, STUDY.alpha, 1000)
    assert found.mean == pytest.approx(2.0)
    assert 0 < found.low < 2 < found.high
    assert not study_charts.lane_interval(measure("log_train_s"), [1.0], STUDY.alpha, 1000).bounded


def test_every_run_is_a_mark_of_its_lane() -> None:
    values = {"keras": [0.961, 0.961, 0.963], "torch": [0.955, 0.958, 0.95]}
    figure, words = study_charts.each_lane(measure("test_accuracy"), values, [4, 5, 6])
    marks = {trace.name: trace for trace in figure.data}
    assert list(marks["PyTorch"].customdata) == [4, 5, 6], "what a press on a mark says"
    assert list(marks["Keras"].x) == pytest.approx([96.1, 96.1, 96.3])
    assert len(set(marks["Keras"].y)) == 3, "equal ones lie apart"
    assert min(marks["Keras"].y) > max(marks["PyTorch"].y)
    assert "Keras 96.1 to 96.3" in words
