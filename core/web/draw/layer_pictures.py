"""A layer's output as one picture: maps in shades of grey, flat features as bars; both models in one scale."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Output = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

MOST_MAPS = 100
"""Of a layer, in one picture."""
MOST_BARS = 128
"""More flat features than these are shades of grey, row by row."""
BAR_PX, BAR_GAP_PX, TALL_PX = 3, 1, 96
AXIS = (128, 133, 143)
"""The line at 0 under bars."""


@dataclass(frozen=True)
class Scale:
    """From the smallest to the largest number of what is compared, 0 among them."""

    low: float
    high: float

    @classmethod
    def over(cls, arrays: Iterable[Output]) -> "Scale":
        """The one scale of several arrays."""
        ends = [(float(array.min()), float(array.max())) for array in arrays]
        return cls(min(0.0, *(low for low, _ in ends)), max(0.0, *(high for _, high in ends)))

    @property
    def of_differences(self) -> "Scale":
        """Its length from 0 on: a difference has the brightness of an output that is as large."""
        return Scale(0.0, self.high - self.low)

    def shares(self, values: Output) -> npt.NDArray[np.float64]:
        """Where values lie, from 0 to 1; 0 for all where there is no length."""
        length = self.high - self.low
        return (values.astype(np.float64) - self.low) / length if length else np.zeros(values.shape)


def picture(output: Output, scale: Scale, colour: str) -> Pixels:
    """An output [H, W, C] or [features] as uint8 [height, width, 4], transparent where nothing stands.

    `colour` (#rrggbb) is that of bars.
    """
    if output.ndim == 3:
        return maps(output, scale)
    return bars(output, scale, colour) if len(output) <= MOST_BARS else cells(output, scale)


def columns_of(count: int) -> int:
    """How many pictures stand in a row: 6 for 30, a little wider than tall."""
    return min(count, math.ceil(math.sqrt(1.2 * count)))


def maps(output: Output, scale: Scale) -> Pixels:
    """The first `MOST_MAPS` channels of an output [H, W, C], each a grey picture, row by row."""
    height, width, channels = output.shape
    count = min(channels, MOST_MAPS)
    columns = columns_of(count)
    gap = max(1, round(max(height, width) / 12))
    down, across = height + gap, width + gap
    sheet = np.zeros((-(-count // columns) * down - gap, columns * across - gap, 4), np.uint8)
    grey = _grey(output, scale)
    for place in range(count):
        top, left = place // columns * down, place % columns * across
        part = sheet[top : top + height, left : left + width]
        part[..., :3] = grey[..., place, np.newaxis]
        part[..., 3] = 255
    return sheet


def cells(output: Output, scale: Scale) -> Pixels:
    """An output [features], a grey pixel each, row by row, twice as wide as tall."""
    columns = math.ceil(math.sqrt(2 * len(output)))
    sheet = np.zeros((-(-len(output) // columns) * columns, 4), np.uint8)
    sheet[: len(output), :3] = _grey(output, scale)[:, np.newaxis]
    sheet[: len(output), 3] = 255
    return sheet.reshape(-1, columns, 4)


def bars(output: Output, scale: Scale, colour: str) -> Pixels:
    """An output [features], a bar each from the line at 0, larger numbers higher."""
    step = BAR_PX + BAR_GAP_PX
    sheet = np.zeros((TALL_PX, len(output) * step - BAR_GAP_PX, 4), np.uint8)
    ink = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    zero, *ends = np.rint((TALL_PX - 1) * (1 - scale.shares(np.array([0, *output], np.float32)))).astype(int)
    for place, end in enumerate(ends):
        sheet[min(zero, end) : max(zero, end) + 1, place * step : place * step + BAR_PX] = (*ink, 255)
    sheet[zero] = (*AXIS, 255)
    return sheet


def _grey(output: Output, scale: Scale) -> Pixels:
    shades: Pixels = np.rint(255 * scale.shares(output)).astype(np.uint8)
    return shades
