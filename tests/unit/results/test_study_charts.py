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
    return study_charts.closing(STUDY, found, range(len(differences)))


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


# --- many pairs -------------------------------------------------------------------------------------------

MANY = [0.001 * (7 * i % 13 - 6) for i in range(2000)]
FARTHEST = {701: 0.4, 1402: -0.3}


def many(name: str = "test_accuracy") -> tuple[go.Figure, str, str]:
    """The figure of 2,000 pairs, two of which lie far out, its words and its caption."""
    differences = [FARTHEST.get(place, value) for place, value in enumerate(MANY)]
    found = finding(STUDY, measure(name), differences, DATASET.test_images)
    figure, words = study_charts.closing(STUDY, found, range(5000, 7000))
    return figure, words, study_charts.closing_caption(found)


def test_of_many_pairs_some_are_marks_the_newest_and_the_farthest_out_always() -> None:
    figure, words, caption = many()
    (pairs,) = named(figure, "markers")
    assert len(pairs.x) == len(pairs.y) == len(pairs.customdata) == 128
    drawn = dict(zip(pairs.x, pairs.y, strict=True))
    assert drawn[702] == pytest.approx(40)
    assert drawn[1403] == pytest.approx(-30)
    assert {1, 2000} <= set(drawn)
    assert [seed - 4999 for seed in pairs.customdata] == list(pairs.x), "a press opens the mark's own run"
    assert ", of 2,000 pairs: " in words, "what is found rests on all of them"
    assert caption.startswith("A ring is a pair: press it for its run. 128 of 2,000 are drawn, the farthest out among")
    assert "80\u00a0% of all lie between the dotted lines. Teal: " in caption


def test_most_of_many_pairs_lie_between_two_lines() -> None:
    lines = {trace.line.dash: trace for trace in named(many()[0], "lines")}
    low, high = (lines["dot"].y[place] for place in (0, 3))
    assert (low, high) == pytest.approx((-0.5, 0.5))
    assert list(lines["dot"].x)[::4] == [1, 2000]


def test_of_many_pairs_the_interval_stays_that_of_all() -> None:
    _, high, *_ = named(many()[0], "lines")
    differences = [FARTHEST.get(place, value) for place, value in enumerate(MANY)]
    assert high.y[-1] == pytest.approx(100 * interval(differences, STUDY.alpha, 0.001).high)


def test_few_pairs_have_a_mark_each_and_nothing_beside_them() -> None:
    figure, _ = closing("test_accuracy", MANY[:200])
    (pairs,) = named(figure, "markers")
    assert len(pairs.x) == 200
    assert len(named(figure, "lines")) == 3
    found = finding(STUDY, measure("test_accuracy"), MANY[:200], DATASET.test_images)
    assert study_charts.closing_caption(found) == (
        "A ring is a pair: press it for its run. Teal: the interval after each pair. Grey: the margin."
    )


def test_of_many_runs_a_bar_holds_most_and_both_lanes_have_the_same_runs() -> None:
    values = {"keras": [0.95 + one for one in MANY], "torch": [0.9 - one for one in MANY]}
    figure, words = study_charts.each_lane(measure("test_accuracy"), values, range(2000))
    keras, torch = figure.data
    assert list(keras.customdata) == list(torch.customdata)
    assert 100 < len(keras.x) == len(torch.x) <= 205
    bars = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(bar.x0, bar.x1) for bar in bars] == [pytest.approx((94.5, 95.5)), pytest.approx((89.5, 90.5))]
    assert min(keras.x) == pytest.approx(94.4), "the axis holds the farthest out"
    assert "Keras 94.4 to 95.6" in words
    assert "2,000 are drawn, the farthest out among them" in study_charts.lanes_caption(values)
    assert study_charts.lanes_caption({"keras": [1.0], "torch": [2.0]}) == ("A mark is a run: press it for its page.")
