"""Static figures of a finished run: what they show, what they say in words, and that they follow the theme."""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from core.data.datasets import DATASETS
from core.experiment.metrics import NO_BREAK
from core.results import charts
from core.results.outcome import LaneOutcome
from core.storage.database import LaneState
from tests import events

DIGITS = DATASETS["mnist5k"].class_names
FASHION = DATASETS["fashion-mnist"].class_names


def matrix(**wrong: int) -> list[list[int]]:
    """100 of each class right, and `wrong` as `is4_as9=3`."""
    counts = 100 * np.eye(10, dtype=int)
    for name, count in wrong.items():
        counts[int(name[2]), int(name[-1])] = count
    return counts.tolist()


def lane(engine: str, epochs: int = 2, **result: Any) -> LaneOutcome:
    made = LaneOutcome(engine, LaneState.FINISHED, ready=events.ready(), built=events.built())
    made.result = events.result(**result) if result else None
    for number in range(1, epochs + 1):
        figures = {"val_accuracy": 0.9 + number / 100, "val_loss": 0.5 / number, "train_s": 1.5, "val_s": 0.25}
        made.epochs.append(events.epoch(number, **figures))
    return made


def texts(figure: go.Figure) -> list[str]:
    """Every text that is drawn on the figure."""
    return [note.text for note in figure.layout.annotations]


def plain(text: str) -> str:
    return text.replace(NO_BREAK, " ")


# --- time split ------------------------------------------------------------------------------------------


def test_the_time_split_has_three_parts_a_lane_that_add_up() -> None:
    lanes = [lane("keras", test_s=0.5), lane("torch", test_s=0.5)]
    figure, finding = charts.time_split(lanes)
    keras = [bar for bar in figure.data if list(bar.y) == ["Keras"]]
    assert [(bar.name, bar.x[0]) for bar in keras] == [("start", 5.0), ("training", 3.0), ("the rest", 1.0)]
    assert figure.layout.barmode == "stack"
    assert [bar.marker.color for bar in figure.data] == ["#3d60d4"] * 3 + ["#d3731a"] * 3
    assert [bar.marker.opacity for bar in keras] == [0.3, 1.0, 0.55]
    words = "start 5.0 s, training 3.0 s, the rest 1.0 s"
    assert [plain(text) for text in texts(figure)] == [words, words]
    assert plain(finding) == f"Where the time went. Keras: {words}. PyTorch: {words}."


def test_a_lane_that_never_ended_still_has_its_bar() -> None:
    figure, _ = charts.time_split([lane("keras")])
    assert figure.data[2].x[0] == 0.5  # validation alone


# --- confusion -------------------------------------------------------------------------------------------


def test_only_mistakes_are_coloured_and_every_count_is_written() -> None:
    counts = matrix(is4_as9=3, is9_as4=1)
    figure, finding = charts.confusion(lane("keras", confusion=counts), 3, DIGITS)
    heat, numbers = figure.data
    shown = np.array(heat.z, float)
    assert np.isnan(np.diag(shown)).all()
    assert np.nansum(shown) == 4
    assert (shown[4, 9], shown[9, 4]) == (3, 1)
    assert np.isnan(shown[0, 1])
    assert len(numbers.text) == 12
    assert {(y, x): text for y, x, text in zip(numbers.y, numbers.x, numbers.text, strict=True)}[("4", "9")] == "3"
    assert finding == "Keras: 4 mistakes, most often 4 read as 9 (3 times)."


def test_both_matrices_share_one_scale() -> None:
    keras, torch = lane("keras", confusion=matrix(is4_as9=3)), lane("torch", confusion=matrix(is2_as7=8))
    most = charts.most_mistakes([keras, torch])
    assert most == 8
    scales = {(f.data[0].zmin, f.data[0].zmax) for f, _ in (charts.confusion(x, most, DIGITS) for x in (keras, torch))}
    assert scales == {(0, 16)}


def test_a_lane_wears_its_frameworks_colour() -> None:
    colours = [
        charts.confusion(lane(engine, confusion=matrix(is1_as7=1)), 1, DIGITS)[0].data[0].colorscale[1][1]
        for engine in ("keras", "torch", "fake-a")
    ]
    assert colours == ["rgba(61, 96, 212, 0.85)", "rgba(211, 115, 26, 0.85)", "rgba(128, 133, 143, 0.85)"]


def test_a_lane_without_a_mistake_is_drawn_and_said() -> None:
    faultless = lane("torch", confusion=matrix())
    assert charts.mistakes(faultless) == 0
    assert charts.most_mistakes([faultless]) == 0
    figure, finding = charts.confusion(faultless, 0, DIGITS)
    assert finding == "PyTorch: 0 mistakes."
    assert figure.data[0].zmax == 2


def test_mistakes_are_counted_off_the_diagonal() -> None:
    assert charts.mistakes(lane("keras", confusion=matrix(is4_as9=1_200, is0_as6=34))) == 1_234


def test_classes_with_long_names_get_the_room() -> None:
    figure, finding = charts.confusion(lane("keras", confusion=matrix(is6_as0=5)), 5, FASHION)
    assert list(figure.data[0].x) == list(FASHION)
    assert finding.endswith("most often Shirt read as T-shirt/top (5 times).")
    assert figure.layout.margin.l > charts.base_layout(100).margin.l


def test_digits_stay_categories() -> None:
    figure, _ = charts.confusion(lane("keras", confusion=matrix(is4_as9=1)), 1, DIGITS)
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "category"
    assert figure.layout.yaxis.autorange == "reversed"  # "is 0" stands on top


# --- curves ----------------------------------------------------------------------------------------------


def test_the_static_curves_are_accuracy_in_per_cent_and_loss_on_a_log_axis() -> None:
    (accuracy, loss) = charts.curves([lane("keras"), lane("torch", epochs=1)])
    assert [accuracy[0], loss[0]] == ["Validation accuracy", "Loss"]
    assert list(accuracy[1].data[0].x) == [1, 2]
    assert list(accuracy[1].data[0].y) == pytest.approx([91, 92])
    assert accuracy[2] == "Validation accuracy by epoch. Last: Keras 92, PyTorch 91."
    assert loss[1].layout.yaxis.type == "log"
    assert accuracy[1].layout.yaxis.type == "linear"
    assert [trace.marker.symbol for trace in loss[1].data] == ["circle", "diamond"]


def test_static_curves_have_whole_epochs_per_cents_and_pytorchs_dashes() -> None:
    (_, accuracy, _), (_, loss, _) = charts.curves([lane("keras", epochs=12), lane("torch", epochs=12)])
    assert accuracy.layout.xaxis.ticktext == loss.layout.xaxis.ticktext == ("2", "4", "6", "8", "10", "12")
    assert all(text.endswith(f"{NO_BREAK}%") for text in accuracy.layout.yaxis.ticktext)
    assert [trace.line.dash for trace in accuracy.data] == ["solid", "7px,4px"]


def test_one_epoch_is_a_point_on_an_axis_from_0_to_1() -> None:
    for _, figure, _ in charts.curves([lane("keras", epochs=1), lane("torch", epochs=1)]):
        assert figure.layout.xaxis.ticktext == ("0", "1")
        begin, end = figure.layout.xaxis.range
        assert begin < 0 < 1 < end < 1.1
        assert all("markers" in trace.mode for trace in figure.data)


def test_margins_grow_with_the_ticks_so_that_no_title_lies_on_them() -> None:
    for figure in all_figures():
        assert figure.layout.xaxis.automargin
        assert figure.layout.yaxis.automargin


def test_a_variant_is_thinner_open_and_named_at_its_lines_end() -> None:
    (_, accuracy, _), (_, loss, _) = charts.curves([lane("keras"), lane("keras-tuned"), lane("torch-tuned")])
    assert [trace.marker.symbol for trace in accuracy.data] == ["circle", "circle-open", "diamond-open"]
    assert [trace.line.color for trace in accuracy.data] == ["#3d60d4", "#3d60d4", "#d3731a"]
    stock, *variants = (trace.line.width for trace in accuracy.data)
    assert all(width < stock for width in variants)
    assert [(note.text, note.x, note.y) for note in accuracy.layout.annotations] == [
        ("Keras tuned", 2, pytest.approx(92)),
        ("PyTorch tuned", 2, pytest.approx(92)),
    ]
    assert loss.layout.annotations[0].y == pytest.approx(math.log10(0.25))  # of a log axis


def test_curves_without_an_epoch_say_so() -> None:
    for _, _, finding in charts.curves([lane("keras", epochs=0)]):
        assert finding.endswith("Last: none yet.")


# --- look ------------------------------------------------------------------------------------------------


def all_figures() -> list[go.Figure]:
    keras = lane("keras", confusion=matrix(is4_as9=1), test_s=0.5)
    return [
        charts.time_split([keras])[0],
        charts.confusion(keras, 1, DIGITS)[0],
        *(figure for _, figure, _ in charts.curves([keras])),
    ]


@pytest.mark.parametrize("figure", all_figures())
def test_text_and_background_are_left_to_the_page(figure: go.Figure) -> None:
    """A figure keeps its colours when the reader switches the theme, so that it has none but its marks'."""
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.font.color is None
    assert all(note.font.color is None for note in figure.layout.annotations)
    assert not figure.layout.dragmode  # a finger scrolls the page


# --- many classes, and names of the reader's own ---------------------------------------------------------


def of_classes(count: int) -> list[list[int]]:
    """Ten of each class right, and one of each but the last read as the next."""
    return (10 * np.eye(count, dtype=int) + np.eye(count, k=1, dtype=int)).tolist()


def test_many_classes_have_no_numbers_but_answer_the_pointer_and_not_every_one_is_named() -> None:
    names = [f"class {number}" for number in range(60)]
    figure, finding = charts.confusion(lane("keras", confusion=of_classes(60)), 1, names)
    assert figure.data[1].mode == "markers"
    assert len(figure.data[1].text) == 119, "every cell that counts anything"
    assert list(figure.layout.xaxis.ticktext) == names[::3] == list(figure.layout.yaxis.tickvals)
    assert "59 mistakes" in finding


def test_up_to_twenty_classes_have_their_numbers() -> None:
    figure, _ = charts.confusion(lane("keras", confusion=of_classes(20)), 1, [str(n) for n in range(20)])
    assert figure.data[1].mode == "text"
    assert figure.layout.xaxis.tickvals is None


def test_names_are_no_markup_and_long_ones_are_cut_on_the_axes_alone() -> None:
    names = ["<b>cat</b>", "a dog of a very long name"]
    figure, finding = charts.confusion(lane("keras", confusion=[[1, 2], [0, 3]]), 2, names)
    assert set(figure.data[1].y) == {"&lt;b&gt;cat&lt;/b&gt;", "a dog of a very long name"}
    assert list(figure.layout.xaxis.ticktext) == ["&lt;b&gt;cat&lt;/b&gt;", "a dog of a v…"]
    assert "<b>cat</b> read as a dog" in finding


def test_names_that_begin_alike_are_told_apart_on_the_axes() -> None:
    names = ["Golden retriever, old", "Golden retriever, young", "cat", f"x{'y' * 40}1z", f"x{'y' * 40}2z"]
    figure, _ = charts.confusion(lane("keras", confusion=of_classes(5)), 1, names)
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        texts = list(axis.ticktext)
        assert len(set(texts)) == 5, texts
        assert max(map(len, texts)) <= 13
        assert texts[:3] == ["Golden…r, old", "Golden… young", "cat"]


def test_the_most_frequent_mistakes_stand_first() -> None:
    found = charts.most_frequent(lane("keras", confusion=[[5, 1, 0], [0, 5, 3], [0, 0, 5]]), "abc")
    assert found == [("b", "c", 3), ("a", "b", 1)]
