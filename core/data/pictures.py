"""A PNG or JPEG of a stranger as numbers: checked before it is decoded, within limits, every fault in a sentence.

`from_picture` makes a data set's image of it and changes no more than it must; core/data/images.py makes a digit of it.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from core.data.dataset import DatasetError

Pixels = npt.NDArray[np.uint8]

MAX_UPLOAD_BYTES = 1024 * 1024
MAX_UPLOAD_PIXELS = 4_000_000
MAX_SCANS = 100
"""Passes of a progressive JPEG over its pixels: cameras make ten, and 1 MB has room for 70,000, a minute's work."""

_ONLY = "only PNG and JPEG pictures can be read"
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"RIFF": "WebP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
}


class ImageError(Exception):
    """A drawing or a file that cannot be read; the message is one plain sentence: what is wrong, what is allowed."""


class PictureError(ImageError):
    """A picture file that cannot be read."""

    def __init__(self, file: str, what: str, allowed: str) -> None:
        super().__init__(f"{file} {what}{allowed}.")
        self.what = what
        """What is wrong with it, as the rest of a sentence that begins with the file's name."""


class PictureLimits(NamedTuple):
    """How large a picture may be; checked before anything of it is decoded."""

    most_bytes: int
    most_pixels: int


UPLOAD = PictureLimits(MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS)
"""Of a picture that the web process itself reads."""


def from_picture(
    content: bytes,
    name: str,
    image_shape: tuple[int, int, int],
    limits: PictureLimits,
    count: Callable[[int], None] | None = None,
) -> Pixels:
    """The middle of a PNG's or JPEG's picture at a data set's shape: uint8 [H, W, C].

    The largest part of that form is cut from the centre and resized by Pillow's Lanczos filter. A JPEG is decoded no
    finer than four times the result needs. Transparency, orientation and `ImageError`s as in
    `core.data.images.from_upload`. `count` hears how many pixels the picture has before they are decoded; its
    DatasetError ends that.
    """
    height, width, channels = image_shape

    def fitted(upright: Image.Image) -> Pixels:
        paper = on_paper(upright).convert("L" if channels == 1 else "RGB")
        small = ImageOps.fit(paper, (width, height), Image.Resampling.LANCZOS)
        return np.asarray(small).reshape(image_shape)

    return read(content, name, limits, fitted, (4 * width, 4 * height), count)


def named(name: str) -> str:
    """A file's name as it may stand in a sentence: without folders, short, printable."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if letter.isprintable()).strip() or "The file"
    return shown if len(shown) <= 40 else shown[:39] + "…"


def _kind(content: bytes) -> str:
    """What a file is by its first bytes: "PNG", "JPEG", or another format in words."""
    for signature, kind in _SIGNATURES.items():
        if content.startswith(signature):
            return kind if kind in ("PNG", "JPEG") else f"a {kind} file"
    start = content[:1000].lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if not content:
        return "empty"
    return "text" if b"\0" not in start and start.isascii() else "no picture that is known here"


def _checked_kind(content: bytes, file: str, limits: PictureLimits) -> str:
    """PNG or JPEG, by what needs no decoding. Raises `PictureError`."""
    if len(content) > limits.most_bytes:
        raise PictureError(file, f"is larger than {limits.most_bytes // 2**20} MB", ", the most that can be read")
    kind = _kind(content)
    if kind not in ("PNG", "JPEG"):
        raise PictureError(file, f"is {kind}", f": {_ONLY}")
    if kind == "JPEG" and content.count(b"\xff\xda") > MAX_SCANS:
        raise PictureError(file, f"is built up in more than {MAX_SCANS} passes", ": save it as a plain JPEG once more")
    return kind


def read(
    content: bytes,
    name: str,
    limits: PictureLimits,
    work: Callable[[Image.Image], Pixels],
    enough: tuple[int, int] | None = None,
    count: Callable[[int], None] | None = None,
) -> Pixels:
    """What `work` makes of the upright picture in a PNG or JPEG; a JPEG may come reduced to no less than `enough`.

    `count` as in `from_picture`.
    """
    file = named(name)
    kind = _checked_kind(content, file, limits)
    most = f"{limits.most_pixels / 1e6:.0f} megapixels"
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as picture:
            width, height = picture.size
            if width * height > limits.most_pixels:
                raise PictureError(file, f"has {width:,} x {height:,} pixels", f": at most {most} can be read")
            if kind == "PNG" and getattr(picture, "is_animated", False):
                raise PictureError(file, "is animated", ": only still pictures can be read")
            if count is not None:
                count(width * height)
            if enough is not None:
                picture.draft(None, enough)
            return work(ImageOps.exif_transpose(picture))
    except (ImageError, DatasetError):
        raise
    except MemoryError:
        raise PictureError(file, "needs more memory than there is", ": make it smaller") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(file, f"has far more than {most}", ", the most that can be read") from None
    except Exception:  # Pillow's decoders raise a dozen kinds of error at hostile bytes.
        raise PictureError(file, "is damaged or cut short", f": save it as a {kind} once more") from None


def on_paper(picture: Image.Image) -> Image.Image:
    """Any of Pillow's modes as "L" or "RGB", what is transparent white."""
    if picture.mode.startswith("I"):  # 16 bits; Pillow's own conversion would cut off all above 255
        wide = np.asarray(picture).astype("uint16")
        grey = (wide >> 8).astype("uint8")
        if isinstance(clear := picture.info.get("transparency"), int):
            grey[wide == clear] = 255
        return Image.fromarray(grey)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")
