"""Inside both models: pictures of layers in one scale, and what is said of them."""

import numpy as np
import pytest

from core.data.shape import MNIST_SHAPE
from core.experiment.network import Network
from core.launcher.answers import Inside
from core.web.draw.inside_words import (
    correlation,
    gradient_words,
    most_words,
    parting_words,
    partings,
    same_weights_words,
    scale_words,
    shape_words,
    strength,
)
from core.web.draw.layer_pictures import MOST_BARS, MOST_MAPS, TALL_PX, Scale, columns_of, picture

BLUE = "#3d60d4"


def inside(gradient: float = 1.0, **outputs: object) -> Inside:
    arrays = {name: np.array(output, np.float32) for name, output in outputs.items()}
    return Inside("keras", arrays, np.full((2, 2, 1), gradient, np.float32))


# --- pictures ----------------------------------------------------------------------------------------------


def test_maps_stand_row_by_row_in_one_scale_with_clear_gaps() -> None:
    output = np.zeros((5, 4, 3), np.float32)
    output[..., 0], output[..., 1], output[..., 2] = -1, 0, 3
    drawn = picture(output, Scale(-1, 3), BLUE)
    assert columns_of(3) == 2
    assert drawn.shape == (5 + 1 + 5, 4 + 1 + 4, 4)
    assert {tuple(pixel) for pixel in drawn[:5, :4].reshape(-1, 4)} == {(0, 0, 0, 255)}
    assert {tuple(pixel) for pixel in drawn[:5, 5:].reshape(-1, 4)} == {(64, 64, 64, 255)}
    assert {tuple(pixel) for pixel in drawn[6:, :4].reshape(-1, 4)} == {(255, 255, 255, 255)}
    assert not drawn[5].any()
    assert not drawn[6:, 4:].any(), "no map stands there"


def test_of_more_maps_the_first_are_drawn() -> None:
    drawn = picture(np.ones((1, 1, MOST_MAPS + 50), np.float32), Scale(0, 1), BLUE)
    assert int((drawn[..., 3] > 0).sum()) == MOST_MAPS


def test_bars_begin_at_the_line_of_zero_in_the_models_colour() -> None:
    drawn = picture(np.array([2, -1, 0], np.float32), Scale(-1, 2), BLUE)
    assert drawn.shape == (TALL_PX, 11, 4)
    zero = round((TALL_PX - 1) * 2 / 3)
    up, down = drawn[:, 0], drawn[:, 4]
    assert tuple(up[0]) == tuple(up[zero - 1]) == (0x3D, 0x60, 0xD4, 255)
    assert not up[zero + 1 :].any()
    assert tuple(down[-1]) == tuple(down[zero + 1]) == (0x3D, 0x60, 0xD4, 255)
    assert not down[:zero].any()
    assert drawn[zero, :, 3].all()


def test_many_flat_features_are_shades_row_by_row() -> None:
    count = MOST_BARS + 1
    drawn = picture(np.arange(count, dtype=np.float32), Scale(0, count - 1), BLUE)
    seen = drawn.reshape(-1, 4)
    assert seen[:count, 3].all()
    assert not seen[count:].any()
    assert (seen[0, 0], seen[count - 1, 0]) == (0, 255)
    assert drawn.shape[1] > drawn.shape[0]


def test_one_scale_holds_both_models_and_zero_and_their_difference_is_as_bright_as_an_output_of_its_size() -> None:
    scale = Scale.over([np.array([1.0, 4.0], np.float32), np.array([2.0, 3.0], np.float32)])
    assert scale == Scale(0, 4)
    assert Scale.over([np.array([-3.0], np.float32)]) == Scale(-3, 0)
    assert Scale(-3, 1).of_differences == Scale(0, 4)
    assert Scale(0, 0).shares(np.zeros(2, np.float32)).tolist() == [0, 0]


# --- words -------------------------------------------------------------------------------------------------


def test_a_layers_parting_is_its_largest_difference_beside_its_largest_output() -> None:
    found = partings(inside(conv1=[[[1, -4]]], dense=[1, 2]), inside(conv1=[[[1, -1]]], dense=[1, 2]))
    assert [(each.layer, each.difference, each.largest, each.share) for each in found] == [
        ("conv1", 3, 4, 0.75),
        ("dense", 0, 2, 0),
    ]
    assert parting_words(found[0]) == "Largest difference: 3, of a largest output of 4 (75\u00a0%)."
    assert parting_words(found[1]) == "Both models compute the same here, digit for digit."
    assert most_words(found, own_starts=False) == "The models part most at conv1, by 75\u00a0% of its largest output."
    assert "random weights of its own" in most_words(found, own_starts=True)
    assert most_words(found[1:], own_starts=True) == (
        "No layer parts by more than 0 of its largest output, which is rounding."
    )


def test_a_layer_is_named_with_its_notation_and_shape_and_what_is_left_out() -> None:
    conv, pool, *_, dense = Network.of("conv 200 3, maxpool 2, flatten, dense 10", MNIST_SHAPE).nodes
    words = shape_words(conv, 200).replace("\u00a0", " ")
    assert words == "conv1 (conv 200 3): 26 × 26 × 200, height by width by maps. The first 100 are shown."
    assert "only the first 20 of 200 maps are compared." in shape_words(pool, 20)
    assert shape_words(dense, 10) == "dense (dense 10): 10 numbers."


def test_the_same_weights_either_leave_rounding_or_name_the_layer_from_which_they_do_not() -> None:
    same, nearly = inside(a=[1.0], b=[2.0]), inside(a=[1.0], b=[2.0 + 2e-6])
    far = inside(a=[1.0], b=[1.0])
    titles = ("Keras", "PyTorch")
    vanished = same_weights_words(titles, partings(same, nearly), partings(same, same), True)
    assert vanished.startswith(
        "Here both models have the weights that PyTorch learnt. The differences vanish: at most "
    )
    assert "With the weights that Keras learnt it is 0." in vanished
    left = same_weights_words(titles, partings(same, far), partings(same, same), True)
    assert "They still differ, from b on, by up to 50\u00a0% of a largest output. As shipped, some layers" in left
    assert "As shipped" not in same_weights_words(titles, partings(same, far), partings(same, same), False)


def test_a_pixels_strength_is_its_strongest_channel_and_maps_agree_by_their_correlation() -> None:
    gradient = np.array([[[1, -3, 2], [0, 0.5, 0]]], np.float32)
    assert strength(gradient).tolist() == [[[3], [0.5]]]
    rising = np.array([1, 2, 3, 5], np.float32)
    assert correlation(rising, 7 * rising + 1) == pytest.approx(1)
    assert correlation(rising, -rising) == pytest.approx(-1)
    assert correlation(rising, np.ones(4, np.float32)) is None


def test_the_words_to_the_gradients_say_whose_answer_each_is_of() -> None:
    three, five = inside(dense=[0, 1]), inside(dense=[1, 0])
    names, classes = ("Keras", "PyTorch"), ("five", "three")
    assert "Keras reads three, PyTorch five. How far the maps agree cannot be said" in gradient_words(
        (three, five), names, classes
    )
    alike = Inside("keras", three.outputs, np.arange(4, dtype=np.float32).reshape(2, 2, 1))
    assert (
        gradient_words((alike, alike), names, classes)
        .partition("Both read three. ")[2]
        .startswith("The two maps agree by 1.00")
    )
    assert gradient_words((three,), names[:1], classes).endswith("Keras reads three.")


def test_the_scale_is_said_for_shades_and_for_bars() -> None:
    assert (
        scale_words(Scale(-1, 3), shades=True)
        == "Black is \u22121, white 3, in both. In the difference black is 0, white 4."
    )
    assert scale_words(Scale(0, 0.5), shades=False) == "All bars have one scale, from 0 to 0.5; the line is 0."
