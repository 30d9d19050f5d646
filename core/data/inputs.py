"""From a drawing or an upload to one input of a run's models, whatever it was trained on: uint8 [H, W, C].

Digits end as their data set's own images are made. Every other upload is cut to the middle and resized, as one's own
images are when they are added.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.data import images
from core.data.dataset import Dataset
from core.data.pictures import UPLOAD, from_picture

Pixels = npt.NDArray[np.uint8]

_BLOCK = 8
"""How many times finer than the result a small digit is cut and placed."""
_WIDTH_SHARE = 5 / 8
"""Of the frame that a digit of scikit-learn's fills at most; it fills the height."""
_MOST_STRETCH = 1.6
_INK = 60
"""Of a drawing's 255, from which on a pixel belongs to the digit."""


def from_strokes(strokes: images.Drawing, dataset: Dataset) -> Pixels:
    """A drawing as one of the data set's images. Raises `ImageError` where nothing is drawn."""
    return _in_shape(images.from_strokes(strokes), dataset)


def from_upload(content: bytes, name: str, dataset: Dataset) -> Pixels:
    """A PNG or JPEG as one of the data set's images. Raises `ImageError` with a sentence."""
    if dataset.drawable:
        return _in_shape(images.prepare_digit(images.from_upload(content, name)), dataset)
    return from_picture(content, name, dataset.image_shape, UPLOAD)


def how_words(dataset: Dataset, sample: bool) -> str:
    """How what the models see was made, as a sentence."""
    if sample:
        return "A test image, as it is."
    height, width, _ = dataset.image_shape
    size = f"{height} × {width}"
    if not dataset.drawable:
        return f"{size}, cut from the middle and resized (Lanczos)."
    if (height, width) == (28, 28):
        return f"{size}, cut to the ink and centred by mass."
    return f"{size}, cut to the ink and counted in blocks."


def _in_shape(digit: images.Grey, dataset: Dataset) -> Pixels:
    """A digit as MNIST has it, [28, 28], in the size of the data set."""
    height, width, _ = dataset.image_shape
    if (height, width) == digit.shape:
        return digit[..., np.newaxis]
    # As scikit-learn's were made: black or white ink, stretched to the frame's height, counted in blocks.
    rows, columns = (np.flatnonzero((digit > _INK).any(axis=axis)) for axis in (1, 0))
    ink = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    tall, wide = height * _BLOCK, width * _BLOCK
    scale = min(tall / ink.shape[0], wide * _WIDTH_SHARE / ink.shape[1])
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(min(tall, ink.shape[0] * scale * _MOST_STRETCH))))
    fitted = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC)) > 100
    canvas = np.zeros((tall, wide))
    top, left = (tall - fitted.shape[0]) // 2, (wide - fitted.shape[1]) // 2
    canvas[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    shares = canvas.reshape(height, _BLOCK, width, _BLOCK).mean(axis=(1, 3))
    return np.asarray(np.rint(255 * shares)[..., np.newaxis], np.uint8)
