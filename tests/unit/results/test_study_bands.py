"""Bands of a study's epochs: median and percentiles are the runs' own, and every run is a line with its seed."""

import numpy as np
import plotly.graph_objects as go
import pytest

from core.results.epoch_charts import ACCURACY, LOSS
from core.results.study_bands import MOST_LINES, RunCurves, band, evenly, heading


def run(seed: int, *accuracies: float, finished: bool = True) -> RunCurves:
    lane = [(accuracy, 1 - accuracy) for accuracy in accuracies]
    return RunCurves(seed, finished, {"keras": lane, "torch": [(a / 2, b) for a, b in lane]})


def lines(figure: go.Figure) -> tuple[list[go.Scatter], list[go.Scatter], list[go.Scatter]]:
    """Ends of bands, runs, medians."""
    runs = [trace for trace in figure.data if trace.customdata is not None]
    medians = [trace for trace in figure.data if trace.line.width == 3]
    return [trace for trace in figure.data if trace.line.width == 0], runs, medians


def test_the_band_lies_between_the_tenth_and_the_ninetieth_percentile_of_finished_runs() -> None:
    accuracies = np.linspace(0.9, 0.98, 9)
    runs = [run(seed, 0.5, value) for seed, value in enumerate(accuracies)] + [run(9, 0.1, finished=False)]
    figure, words = band(ACCURACY, lambda: runs)
    (low, high, *_), (keras, _), (median, torch) = lines(figure)
    assert [low.y[1], median.y[1], high.y[1]] == pytest.approx(100 * np.percentile(accuracies, [10, 50, 90]), rel=1e-4)
    assert torch.y[1] == pytest.approx(median.y[1] / 2)
    assert list(keras.customdata[:2]) == [0, 0]
    assert np.isnan(keras.y[2]), "a gap between runs"
    assert {seed for seed in keras.customdata if not np.isnan(seed)} == set(range(10)), "the failed one is drawn, too"
    assert band(LOSS, lambda: runs)[0].layout.yaxis.type == "log"
    assert heading(LOSS) == "Validation loss"
    assert words.startswith("Validation accuracy by epoch of 9 runs. Median of the last epoch")
    assert "Keras 94.0" in words


def test_runs_that_ended_early_are_in_the_band_as_far_as_they_go() -> None:
    figure, _ = band(ACCURACY, lambda: [run(0, 0.5), run(1, 0.7, 0.9)])
    _, _, (median, _) = lines(figure)
    assert list(median.y) == pytest.approx([60, 90])


def test_one_epoch_is_drawn_as_marks_and_none_is_an_empty_figure() -> None:
    figure, _ = band(ACCURACY, lambda: [run(0, 0.5)])
    _, (keras, _), (median, _) = lines(figure)
    assert (keras.mode, median.mode) == ("markers", "lines+markers")
    for none in ([], [run(0)]):
        assert "Keras" not in band(LOSS, lambda none=none: none)[1]  # type: ignore[misc]


def test_of_many_runs_some_are_drawn_the_first_and_the_last_among_them() -> None:
    figure, _ = band(ACCURACY, lambda: [run(seed, 0.5, 0.6) for seed in range(200)])
    _, (keras, _), _ = lines(figure)
    seeds = {int(seed) for seed in keras.customdata if not np.isnan(seed)}
    assert len(seeds) == MOST_LINES
    assert {0, 199} < seeds
    assert evenly(3, 200) == [0, 1, 2]
    assert len(set(evenly(2000, 200))) == 200
