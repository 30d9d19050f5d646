"""Drawings and uploads as inputs of models that were trained on images of any shape."""

import io

import numpy as np
import pytest
from PIL import Image

from core.data import images, inputs
from core.data.dataset import Dataset
from core.data.datasets import DATASETS

COLOUR = Dataset.of_json(
    "own-pets",
    {
        "title": "Our pets",
        "image_shape": [32, 28, 3],
        "class_names": ["cat", "dog"],
        "train_images": 40,
        "test_images": 10,
    },
)
SEVEN = [[300, 200, 700, 200, 450, 800]]


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_a_drawing_for_mnist_is_what_it_was_before_with_a_channel() -> None:
    seen = inputs.from_strokes(SEVEN, DATASETS["mnist"])
    assert np.array_equal(seen[..., 0], images.from_strokes(SEVEN))


def test_a_drawing_for_small_digits_fills_their_height_and_is_as_bright_as_they_are() -> None:
    seen = inputs.from_strokes(SEVEN, DATASETS["digits"])
    assert (seen.shape, seen.dtype) == ((8, 8, 1), np.uint8)
    assert seen[0].max() > 150
    assert seen[7].max() > 100
    assert not seen[:, [0, 7]].any(), "theirs leave the outer columns black"
    assert 0.1 < seen.mean() / 255 < 0.5


@pytest.mark.parametrize("strokes", [[[500, 500]], [[100, 500, 900, 500]], [[500, 0, 500, 1000]]])
def test_any_drawing_gives_a_small_digit(strokes: images.Drawing) -> None:
    assert inputs.from_strokes(strokes, DATASETS["digits"]).max() > 100


def test_an_upload_keeps_its_colours_where_the_data_have_them() -> None:
    picture = Image.new("RGB", (280, 320), (200, 100, 50))
    assert (inputs.from_upload(png(picture), "a.png", COLOUR) == [200, 100, 50]).all()
    grey = inputs.from_upload(png(picture), "a.png", DATASETS["fashion-mnist"])
    assert (grey.shape, len(np.unique(grey))) == ((28, 28, 1), 1)


def test_an_upload_for_drawn_data_is_made_a_digit() -> None:
    paper = Image.new("L", (100, 100), 255)
    paper.paste(0, (40, 10, 60, 90))
    assert inputs.from_upload(png(paper), "1.png", DATASETS["mnist"])[0, 0, 0] == 0
    assert inputs.from_upload(png(paper), "1.png", DATASETS["digits"]).shape == (8, 8, 1)
    with pytest.raises(images.ImageError, match="nothing stands out"):
        inputs.from_upload(png(Image.new("L", (100, 100), 255)), "1.png", DATASETS["digits"])


def test_how_an_input_was_made_is_said() -> None:
    assert inputs.how_words(DATASETS["mnist"], False) == "28 × 28, cut to the ink and centred by mass."
    assert inputs.how_words(DATASETS["digits"], False) == "8 × 8, cut to the ink and counted in blocks."
    assert inputs.how_words(COLOUR, False) == "32 × 28, cut from the middle and resized (Lanczos)."
    assert inputs.how_words(COLOUR, True) == "A test image, as it is."
