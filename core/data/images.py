"""From a drawing or an upload to a network input: the one path that the pages and the command line take.

Everything ends as MNIST's own pictures are made: the ink fitted into 20x20 with its shape kept, centred by mass
in 28x28, white on black, uint8 [28, 28]; `core.worker.engines.base.scaled` then scales it as in training.
`from_strokes` takes what the pad gives, `from_upload` and `prepare_digit` take files. The web process imports
this file, so it stays with the standard library, numpy and Pillow.

**Stroke width.** A network trained on MNIST knows strokes of two to three pixels. A drawing is therefore drawn
anew with a pen in proportion to its own size, however large it was on the pad. A picture's strokes are measured,
and widened or narrowed where they lie outside of MNIST's middle. Both work eight times finer than the result.

**Photos.** A quadratic surface is fitted to most of a picture, that is the paper with its shading, and subtracted.
What stands out from it, whichever of dark and light stands out further, is stretched to full contrast. A hard
shadow, a table's edge or a second thing in the picture count as ink: cut them off before the upload.
"""

import base64
import io
import itertools
import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from core.data import pictures
from core.data.pictures import MAX_UPLOAD_BYTES as MAX_UPLOAD_BYTES
from core.data.pictures import ImageError as ImageError

Grey = npt.NDArray[np.uint8]
Drawing = list[list[int]]
"""Strokes, each flat [x0, y0, x1, y1, ...], in thousandths of the pad's side from its top left corner."""

MAX_STROKES = 200
MAX_NUMBERS = 20_000
NOTHING_DRAWN = "Nothing is drawn yet."

_PAD = 1000
_SIDE, _BOX = 28, 20
_CENTRE = 14.5
"""Where MNIST's centres of mass lie, from the left and top edges: 14.0 as pixel numbers, on average and +-0.5."""
_MARGIN = 1
"""Pixels on every side that stay black, however far its centre of mass would move a drawing."""
_FINE = 8
"""How many times finer than the result shapes are drawn, measured and moved."""
_PEN_PX = 2.4
"""Width of a drawing's strokes in the 28x28 picture: MNIST's median is 2.5; from 1.8 to 3.0 accuracy hardly changes."""
_WIDTHS_PX = (2.2, 3.4)
"""Widths that a picture's strokes keep in the 28x28 picture (half of MNIST: 2.1 to 2.9); others go to the nearer."""
_MAX_CHANGE_PX = 2.5
_SMALLEST_DRAWING = 25
"""Drawings smaller than this on the pad are not enlarged further, so that a dot stays a dot."""
_FAINT = 0.2
"""Share of a picture's brightest value below which nothing counts as ink when it is cut out."""
_LEAST_INK = 48
"""A picture without a pixel as bright as this is empty."""
_WORKING_SIDE = 800
_LEAST_CONTRAST = 16
_RANK = 10
"""A picture's peak is its tenth brightest pixel, so that a few hot ones do not count."""
# --- drawings --------------------------------------------------------------------------------------------


def checked_strokes(value: object) -> Drawing:
    """The strokes in an untrusted value, empty ones left out; [] is an empty pad.

    Raises `ImageError` for anything but a list of at most 200 lists of x, y pairs, whole numbers from -1000 to
    2000, at most 20,000 numbers in all.
    """
    if not isinstance(value, list) or not all(isinstance(stroke, list) for stroke in value):
        raise ImageError("A drawing must be a list of strokes, each a list of numbers.")
    if len(value) > MAX_STROKES:
        raise ImageError(f"The drawing has {len(value):,} strokes: at most {MAX_STROKES} can be read.")
    numbers = sum(len(stroke) for stroke in value)
    if numbers > MAX_NUMBERS:
        raise ImageError(f"The drawing has {numbers // 2:,} points: at most {MAX_NUMBERS // 2:,} can be read.")
    if any(len(stroke) % 2 for stroke in value):
        raise ImageError("Each stroke must hold pairs of x and y: one of them has a number too many.")
    if not all(type(number) is int and -_PAD <= number <= 2 * _PAD for stroke in value for number in stroke):
        raise ImageError(f"Places in a drawing must be whole numbers from {-_PAD} to {2 * _PAD}.")
    return [list(stroke) for stroke in value if stroke]


def rasterise(strokes: Drawing, side: int = 280, pen: float = 0.075) -> Grey:
    """The pad as it looks: white ink on black, uint8 [side, side], antialiased, with round ends and joins.

    `pen` is the stroke's width as a share of the side. What lies outside the pad is moved to its edge; a stroke
    of one point is a dot; no strokes give black.
    """
    finer = 2 if side > 500 else 4
    scale = side * finer / _PAD
    ink = _inked([stroke * scale for stroke in _on_pad(strokes)], (side * finer, side * finer), pen * side * finer)
    return np.asarray(Image.fromarray(ink).reduce(finer))


def from_strokes(strokes: Drawing) -> Grey:
    """The network input of a drawing: uint8 [28, 28].

    The same digit gives nearly the same picture wherever and however large it was drawn. Drawings under 25
    thousandths of the pad are not enlarged to the full 20x20: a dot gives a dot in the middle, not a disc. A pad
    full of ink gives a picture too; whether that is a digit is the networks' to say. Raises `ImageError` where
    there is no stroke.
    """
    placed = _on_pad(strokes)
    if not placed:
        raise ImageError(NOTHING_DRAWN)
    points = np.concatenate(placed)
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    pen = _PEN_PX * _FINE
    scale = (_BOX * _FINE - pen) / max(float(extent.max()), _SMALLEST_DRAWING)
    width, height = (math.ceil(length * scale + pen) for length in extent)
    return _centred(_inked([(stroke - low) * scale + pen / 2 for stroke in placed], (width, height), pen))


def _on_pad(strokes: Drawing) -> list[npt.NDArray[np.float64]]:
    """Each stroke that has a point as [points, 2], x before y, moved onto the pad."""
    return [np.clip(np.asarray(stroke, "float64").reshape(-1, 2), 0, _PAD) for stroke in strokes if stroke]


def _inked(strokes: list[npt.NDArray[np.float64]], size: tuple[int, int], pen: float) -> Grey:
    """Hard-edged strokes of a round pen on a picture of `size` (width, height); all lengths in its pixels."""
    picture = Image.new("L", size)
    draw = ImageDraw.Draw(picture)
    radius = pen / 2
    for stroke in strokes:
        for start, end in itertools.pairwise(_steps(stroke, radius / 4)):
            draw.line((*start, *end), fill=255, width=max(1, round(pen)))
            draw.ellipse(_round(end, radius), fill=255)
        draw.ellipse(_round(stroke[0], radius), fill=255)
    return np.asarray(picture)


def _steps(stroke: npt.NDArray[np.float64], least: float) -> list[tuple[float, float]]:
    """The stroke's points but for those within `least` of the one before: a slow hand makes thousands of them."""
    points = [(float(x), float(y)) for x, y in stroke]
    kept = points[:1]
    for point in points[1:]:
        if math.dist(kept[-1], point) >= least:
            kept.append(point)
    return kept


def _round(centre: npt.ArrayLike, radius: float) -> tuple[float, float, float, float]:
    """The box of a filled circle; Pillow counts its last row and column in."""
    x, y = np.asarray(centre, "float64")
    return (float(x - radius), float(y - radius), float(x + radius - 1), float(y + radius - 1))


# --- pictures --------------------------------------------------------------------------------------------


def prepare_digit(grey: Grey) -> Grey:
    """The network input of a picture, white on black: uint8 [H, W] -> uint8 [28, 28].

    Values under a fifth of the brightest do not count when the ink is cut out. A picture full of ink gives a
    filled square, a single spot a filled shape. Raises `ImageError` where nothing is brighter than 47 of 255.
    """
    peak = int(grey.max(initial=0))
    if peak < _LEAST_INK:
        raise ImageError(NOTHING_DRAWN)
    ink = _fitted(grey, peak * _FAINT)
    width = _stroke_width(ink, peak / 2) / _FINE
    change = min(max(width, _WIDTHS_PX[0]), _WIDTHS_PX[1]) - width
    change = min(max(change, -_MAX_CHANGE_PX), _MAX_CHANGE_PX)
    if abs(change) * _FINE >= 2:  # a whole step on either side
        ink = _fitted(_widened(ink, round(change * _FINE / 2)), peak * _FAINT)
    return _centred(ink)


def _fitted(grey: Grey, threshold: float) -> Grey:
    """What is brighter than `threshold`, cut out and scaled so that its longer side is 160 (20 pixels, 8 x finer).

    Reducing takes the brightest value of each block first, so a thin line gets thinner but never fainter.
    """
    rows, columns = (np.flatnonzero((grey > threshold).any(axis=axis)) for axis in (1, 0))
    cut = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = _BOX * _FINE
    block = max(cut.shape) // side
    if block > 1:
        cut = np.pad(cut, [(0, -length % block) for length in cut.shape])
        cut = cut.reshape(cut.shape[0] // block, block, cut.shape[1] // block, block).max(axis=(1, 3))
    height, width = (max(1, round(length * side / max(cut.shape))) for length in cut.shape)
    return np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.BICUBIC))


def _stroke_width(ink: Grey, threshold: float) -> float:
    """The mean width of the strokes in pixels: twice the area over the outline's length."""
    shape = np.pad(ink >= threshold, 1)
    # Crofton's formula: an outline's length from how often lines in four directions cross it.
    straight = np.count_nonzero(shape[1:] != shape[:-1]) + np.count_nonzero(shape[:, 1:] != shape[:, :-1])
    slanting = np.count_nonzero(shape[1:, 1:] != shape[:-1, :-1]) + np.count_nonzero(shape[1:, :-1] != shape[:-1, 1:])
    outline = math.pi / 8 * (straight + slanting / math.sqrt(2))
    return 2 * np.count_nonzero(shape) / max(outline, 1)


def _widened(ink: Grey, steps: int) -> Grey:
    """Strokes wider by `steps` pixels on either side, or narrower where it is negative, with room for it all around."""
    ink = np.pad(ink, abs(steps))
    return np.asarray(255 - _grown(255 - ink, -steps)) if steps < 0 else _grown(ink, steps)


def _grown(ink: Grey, steps: int) -> Grey:
    """Each pixel the brightest within `steps` of it: squares and crosses by turns make it an octagon."""
    for step in range(steps):
        across = np.maximum(ink, np.maximum(_moved(ink, 1, 1), _moved(ink, -1, 1)))
        down = across if step % 2 else ink
        ink = np.maximum(across, np.maximum(_moved(down, 1, 0), _moved(down, -1, 0)))
    return ink


def _moved(ink: Grey, by: int, axis: int) -> Grey:
    """The picture one pixel further along an axis, its edge repeated."""
    length = ink.shape[axis]
    return ink.take(np.clip(np.arange(length) - by, 0, length - 1), axis=axis)


def _centred(ink: Grey) -> Grey:
    """A shape of at most 160x160, its centre of mass moved to MNIST's, off the frame by `_MARGIN`: uint8 [28, 28]."""
    canvas = np.zeros((_SIDE * _FINE, _SIDE * _FINE), "uint8")
    margin = _MARGIN * _FINE
    places = []
    for axis in (1, 0):
        mass = ink.sum(axis=axis, dtype="float64")
        centre = float(mass @ (np.arange(len(mass)) + 0.5)) / max(float(mass.sum()), 1)
        place = round(_CENTRE * _FINE - centre)
        places.append(slice(max(margin, min(place, len(canvas) - margin - len(mass))), None))
    top, left = (place.start for place in places)
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    small = canvas.reshape(_SIDE, _FINE, _SIDE, _FINE).mean(axis=(1, 3))
    return np.asarray(np.rint(small * (255 / max(small.max(), 1))), "uint8")


# --- uploads ---------------------------------------------------------------------------------------------


def from_upload(content: bytes, name: str) -> Grey:
    """A PNG's or JPEG's picture as white on black, uint8 [H, W], at most 800 pixels a side; for `prepare_digit`.

    What it is, the content says; `name` stands in the sentence of an error only. Transparency lies on white
    paper, and a camera's note on orientation is followed. Dark ink on light paper is turned round: what stands
    out furthest from the background is ink. Raises `ImageError` for any other format, more than 1 MB or 4 megapixels
    (checked before anything is decoded), animation, damage, and pictures in which nothing stands out.
    """
    return _stretched(pictures.read(content, name, pictures.UPLOAD, _grey), pictures.named(name))


def png(pixels: Grey, scale: int = 1) -> bytes:
    """A PNG file of uint8 [H, W] or [H, W, 1, 3 or 4], each pixel a square of `scale` pixels."""
    file = io.BytesIO()
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1)).save(file, "PNG")
    return file.getvalue()


def data_url(pixels: Grey, scale: int = 1) -> str:
    """The same PNG as a `data:` address, for an `img` element."""
    return "data:image/png;base64," + base64.b64encode(png(pixels, scale)).decode()


def _grey(upright: Image.Image) -> Grey:
    """The picture in shades of grey on white paper, uint8 [H, W], at most 800 a side."""
    grey = pictures.on_paper(upright).convert("L")
    return np.asarray(grey.reduce(max(1, math.ceil(max(grey.size) / _WORKING_SIDE))))


def _stretched(grey: Grey, file: str) -> Grey:
    """Ink on a background of any shade as white on black. Raises `ImageError` where nothing stands out."""
    ink = grey - _background(grey)
    rank = min(_RANK, ink.size)
    darkest, peak = -np.partition(ink, rank - 1, axis=None)[rank - 1], np.partition(ink, -rank, axis=None)[-rank]
    if darkest > peak:
        ink, peak = -ink, darkest
    noise = 1.4826 * float(np.median(np.abs(ink)))
    if peak < max(_LEAST_CONTRAST, 5 * noise):
        raise ImageError(f"{file} shows no digit: nothing stands out from its background.")
    floor = min(3 * noise, peak / 2)
    return np.asarray(np.rint(np.clip((ink - floor) * (255 / (peak - floor)), 0, 255)), "uint8")


def _background(grey: Grey) -> npt.NDArray[np.float64]:
    """The shade of the paper at every pixel, [H, W]: the quadratic surface that most pixels lie closest to."""
    y, x = (np.linspace(-1, 1, length) for length in grey.shape)
    step = max(1, max(grey.shape) // 64)
    few_y, few_x = (axis.ravel() for axis in np.meshgrid(y[::step], x[::step], indexing="ij"))
    terms = np.stack([np.ones_like(few_x), few_x, few_y, few_x**2, few_x * few_y, few_y**2], axis=1)
    shades = grey[::step, ::step].ravel().astype("float64")
    # Paper may be the darker or the lighter part; ink is less than half of a picture.
    starts = shades <= np.percentile(shades, 60), shades >= np.percentile(shades, 40)
    fits = [_surface(terms, shades, start) for start in starts]
    a, b, c, d, e, f = min(fits, key=lambda fit: float(np.median(np.abs(shades - terms @ fit))))
    y = y[:, np.newaxis]
    return np.asarray(a + b * x + c * y + d * x**2 + e * x * y + f * y**2)


def _surface(
    terms: npt.NDArray[np.float64], shades: npt.NDArray[np.float64], paper: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """The factors of `terms` [N, 6] that give `shades` [N] on paper, which is found by fitting anew six times."""
    for _ in range(6):
        weighted = (terms * paper[:, np.newaxis]).T
        # Normal equations: six unknowns. lstsq, as a picture of one row leaves some of them open.
        factors = np.linalg.lstsq(weighted @ terms, weighted @ shades, rcond=None)[0]
        off = np.abs(shades - terms @ factors)
        paper = off <= max(4, 3 * float(np.median(off[paper])))
    return np.asarray(factors, "float64")
