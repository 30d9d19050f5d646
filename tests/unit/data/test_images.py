"""From drawings and uploads to network inputs: MNIST's preparation, and every bad file in a sentence."""

import io
import itertools
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.data import datasets, images, pictures
from core.data.images import Drawing, Grey, ImageError
from tests.strokes import PATHS, PLACES, drawn


def alike(one: Grey, other: Grey) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def assert_like_mnist(picture: Grey) -> None:
    assert picture.shape == (28, 28)
    assert picture.dtype == np.uint8
    assert picture.max() >= 250
    for axis in (0, 1):
        mass = picture.sum(axis=axis, dtype=float)
        # 14.0 in MNIST; a long stroke may be moved off the frame by a pixel
        assert 12.9 <= mass @ np.arange(28) / mass.sum() <= 15.1
    rows, columns = np.nonzero(picture)
    assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21
    assert 30 < picture.sum() / 255 < 200


@pytest.mark.parametrize("digit", PATHS)
def test_a_digit_gives_the_same_picture_wherever_and_however_large_it_is_drawn(digit: int) -> None:
    pictures = {place: images.from_strokes(drawn(digit, place)) for place in PLACES}
    for picture in pictures.values():
        assert_like_mnist(picture)
    for (one, first), (other, second) in itertools.combinations(pictures.items(), 2):
        assert alike(first, second) >= 0.9, (one, other)


@pytest.mark.parametrize("digit", PATHS)
def test_a_picture_gives_what_its_drawing_gives_thin_or_thick_small_or_large(digit: int) -> None:
    drawing = images.from_strokes(drawn(digit, "middle"))
    pictures = {
        (side, pen): images.prepare_digit(images.rasterise(drawn(digit, "middle"), side, pen))
        for side in (140, 280, 1000)
        for pen in (0.012, 0.03, 0.045)
    }
    for picture in pictures.values():
        assert_like_mnist(picture)
    assert min(alike(drawing, picture) for picture in pictures.values()) >= 0.9
    for one, other in itertools.combinations(pictures.values(), 2):
        assert alike(one, other) >= 0.9


def test_a_hair_line_in_a_large_picture_stays_bright() -> None:
    grey = np.zeros((2000, 2000), "uint8")
    grey[100:1900, 1000] = 255
    assert_like_mnist(images.prepare_digit(grey))


def test_the_shape_is_kept() -> None:
    wide = images.from_strokes([[100, 500, 900, 500]])
    rows, columns = np.nonzero(wide > 40)
    assert np.ptp(columns) + 1 in (20, 21)
    assert np.ptp(rows) + 1 in (2, 3, 4)


def test_ink_that_is_heavy_on_one_side_stays_within_the_border() -> None:
    grey = np.zeros((200, 200), "uint8")
    grey[:, :20] = grey[90:110] = 255
    grey[:60, :60] = 255
    picture = images.prepare_digit(grey)
    columns = np.flatnonzero(picture.any(axis=0))
    assert np.ptp(columns) + 1 in (19, 20, 21)
    assert not touches_the_frame(picture)


def touches_the_frame(picture: Grey) -> bool:
    return bool(picture[[0, -1]].any() or picture[:, [0, -1]].any())


@pytest.mark.parametrize("turned", range(4))
def test_a_drawing_that_is_heavy_at_one_end_does_not_touch_the_frame(turned: int) -> None:
    heavy = [[0, y, 200, y] for y in range(0, 1001, 20)] + [[0, 500, 1000, 500]]
    for _ in range(turned):
        heavy = [[n for x, y in zip(s[::2], s[1::2], strict=True) for n in (1000 - y, x)] for s in heavy]
    assert not touches_the_frame(images.from_strokes(heavy))
    assert not touches_the_frame(images.prepare_digit(images.rasterise(heavy)))


# --- drawings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strokes", [[], [[]]])
def test_an_empty_pad_is_said_to_be_empty(strokes: Drawing) -> None:
    with pytest.raises(ImageError, match=r"^Nothing is drawn yet\.$"):
        images.from_strokes(strokes)
    with pytest.raises(ImageError, match=r"^Nothing is drawn yet\.$"):
        images.prepare_digit(images.rasterise(strokes))


@pytest.mark.parametrize("strokes", [[[500, 500]], [[3, 4, 3, 4]], [[1000, 1000, 999, 1000]]])
def test_a_single_dot_is_a_dot_in_the_middle(strokes: Drawing) -> None:
    rows, columns = np.nonzero(images.from_strokes(strokes))
    assert max(np.ptp(rows), np.ptp(columns)) <= 4
    assert {14} <= set(rows.tolist()) & set(columns.tolist())


def test_a_full_pad_gives_a_full_square() -> None:
    strokes = [[0, row, 1000, row] for row in range(0, 1001, 25)]
    assert images.rasterise(strokes).min() == 255
    for picture in (images.from_strokes(strokes), images.prepare_digit(np.full((280, 280), 255, "uint8"))):
        assert picture[8:20, 8:20].min() == 255
        assert picture[:2].max() == 0


def test_rasterise_shows_the_pad() -> None:
    picture = images.rasterise([[500, 500], [0, 0, 1000, 0]], side=100, pen=0.1)
    assert picture.shape == (100, 100)
    assert picture[50, 50] == picture[0, 50] == picture[3, 99] == 255
    assert picture[50, 56] == picture[30, 30] == picture[7, 50] == 0
    disc = picture[40:60, 40:60] / 255
    assert disc.sum() == pytest.approx(math.pi * 25, rel=0.06)
    assert len(np.unique(disc)) > 4  # soft edges
    assert np.array_equal(images.rasterise([[-30, 500, 1040, 500]]), images.rasterise([[0, 500, 1000, 500]]))


def test_good_strokes_come_back_without_the_empty_ones() -> None:
    assert images.checked_strokes([[1, 2, 3, 4], [], [-1000, 2000]]) == [[1, 2, 3, 4], [-1000, 2000]]
    assert images.checked_strokes([]) == []


@pytest.mark.parametrize(
    "value",
    [
        *(None, 5, "strokes", {"strokes": []}, [1, 2], [[1, 2], None], ((1, 2),), [[1]], [[1, 2, 3]]),
        *([[1.5, 2]], [[True, False]], [["1", "2"]], [[math.nan, 1]], [[None, 1]], [[2001, 0]], [[0, -1001]]),
        *([[10**400, 0]], [[[1], [2]]], [[0, 0]] * 201, [[0, 0] * 10_001], [[]] * 201),
    ],
)
def test_bad_strokes_are_one_sentence(value: object) -> None:
    with pytest.raises(ImageError, match=r"^[A-Z][^\n]{10,120}\.$"):
        images.checked_strokes(value)


numbers = st.integers(-1000, 2000)


@given(st.lists(st.lists(st.tuples(numbers, numbers), max_size=8), max_size=6))
@settings(max_examples=60)
def test_any_drawing_gives_a_picture(points: list[list[tuple[int, int]]]) -> None:
    strokes = images.checked_strokes([[number for point in stroke for number in point] for stroke in points])
    assert images.rasterise(strokes, side=56).shape == (56, 56)
    if strokes:
        picture = images.from_strokes(strokes)
        assert picture.shape == (28, 28)
        assert picture.max() == 255
        assert not touches_the_frame(picture)
    else:
        with pytest.raises(ImageError):
            images.from_strokes(strokes)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=20))
@settings(max_examples=60)
def test_anything_else_is_refused_or_right(value: object) -> None:
    try:
        strokes = images.checked_strokes(value)
    except ImageError:
        return
    assert all(len(stroke) % 2 == 0 and stroke for stroke in strokes)


# --- MNIST's own pictures --------------------------------------------------------------------------------


def test_mnists_own_pictures_stay_what_they_are(prepared_data_dir: Path) -> None:
    prepared = datasets.prepared("mnist5k", prepared_data_dir)
    assert prepared is not None
    originals = prepared.load().without_channels().test_images[::5]
    kept = [alike(original, images.prepare_digit(original)) for original in originals]
    assert np.mean(kept) >= 0.94
    assert np.percentile(kept, 5) >= 0.85
    uploaded = [images.prepare_digit(images.from_upload(file(255 - original), "digit")) for original in originals]
    assert np.mean([alike(*pair) for pair in zip(originals, uploaded, strict=True)]) >= 0.94


@given(st.data())
@settings(max_examples=60)
def test_any_picture_gives_an_input_or_is_said_to_be_empty(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 300), st.integers(1, 300)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    grey = (random.random(shape) < data.draw(st.floats(0, 1))) * random.integers(0, 256, shape)
    try:
        picture = images.prepare_digit(grey.astype("uint8"))
    except ImageError:
        assert grey.max() < 48
    else:
        assert picture.shape == (28, 28)
        assert picture.max() == 255


def test_faint_noise_is_not_cut_out_as_ink() -> None:
    clean = images.rasterise(drawn(3, "top left"))
    noise = np.random.default_rng(0).integers(0, 30, clean.shape).astype("uint8")
    assert alike(images.prepare_digit(clean), images.prepare_digit(np.maximum(clean, noise))) > 0.97


# --- uploads ---------------------------------------------------------------------------------------------

WHITE_ON_BLACK = images.rasterise(drawn(5, "middle"), side=200, pen=0.04)


def file(picture: Image.Image | Grey, kind: str = "PNG", **options: object) -> bytes:
    made = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(made, kind, **options)
    return made.getvalue()


def read(content: bytes) -> Grey | str:
    """The picture in a file, or the sentence that refuses it."""
    try:
        return images.from_upload(content, "x.png")
    except ImageError as error:
        return str(error)


def test_dark_on_light_is_turned_round() -> None:
    light, dark = (images.from_upload(file(picture), "five.png") for picture in (WHITE_ON_BLACK, 255 - WHITE_ON_BLACK))
    assert np.array_equal(light, dark)
    assert np.array_equal(light, WHITE_ON_BLACK)
    assert np.array_equal(images.prepare_digit(light), images.prepare_digit(WHITE_ON_BLACK))


def in_mode(mode: str) -> Image.Image:
    dark = Image.fromarray(255 - WHITE_ON_BLACK)
    if mode == "I;16":
        return Image.fromarray((255 - WHITE_ON_BLACK).astype("uint16") * 257)
    if mode in ("LA", "RGBA"):  # black everywhere, the ink in its opacity alone
        black = Image.new("L", dark.size, 0)
        layers = [black] * (len(mode) - 1) + [Image.fromarray(WHITE_ON_BLACK)]
        return Image.merge(mode, layers)
    return dark.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "JPEG") for mode in ("L", "RGB", "CMYK")),
    ],
)
def test_every_kind_of_pixel_is_read(mode: str, kind: str) -> None:
    grey = images.from_upload(file(in_mode(mode), kind), "five")
    assert grey.shape == WHITE_ON_BLACK.shape
    assert alike(grey, WHITE_ON_BLACK) > 0.96
    assert alike(images.prepare_digit(grey), images.prepare_digit(WHITE_ON_BLACK)) > 0.96


def test_sixteen_bits_keep_their_shades() -> None:
    ramp = np.linspace(0, 65535, 256 * 50).astype("uint16").reshape(256, 50)
    with Image.open(io.BytesIO(file(Image.fromarray(ramp)))) as opened:
        assert opened.mode == "I;16"
        grey = np.asarray(pictures.on_paper(opened))
    assert np.array_equal(grey, ramp >> 8)


def test_a_palette_may_be_transparent() -> None:
    palette = Image.fromarray((WHITE_ON_BLACK > 127).astype("uint8"), "P")
    palette.putpalette([0, 0, 0, 10, 10, 10])
    assert alike(images.from_upload(file(palette, transparency=0), "five.png"), WHITE_ON_BLACK) > 0.96


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_cameras_orientation_is_followed(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    lying = Image.fromarray(WHITE_ON_BLACK).transpose(Image.Transpose.ROTATE_90)
    assert alike(images.from_upload(file(lying, kind, exif=exif), "five"), WHITE_ON_BLACK) > 0.99


@pytest.mark.parametrize("place", ["middle", "large", "top left"])
def test_a_photo_of_shaded_paper_is_stretched(place: str) -> None:
    ink = images.rasterise(drawn(2, place), side=900, pen=0.02)
    y, x = np.mgrid[:900, :900] / 900
    paper = 190 - 60 * x - 30 * y**2 - ink * 0.25 + np.random.default_rng(0).normal(0, 3, ink.shape)
    grey = images.from_upload(file(paper.clip(0, 255).astype("uint8"), "JPEG"), "photo.jpg")
    assert max(grey.shape) <= 800
    assert np.percentile(grey, 50) == 0
    assert grey.max() == 255
    assert alike(images.prepare_digit(grey), images.prepare_digit(ink)) > 0.95


def test_what_is_inside_decides_and_not_the_name() -> None:
    for kind, name in (("PNG", "five.jpg"), ("JPEG", "five.svg"), ("PNG", "")):
        assert images.from_upload(file(WHITE_ON_BLACK, kind), name).shape == (200, 200)


def header_of(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(WHITE_ON_BLACK), Image.fromarray(255 - WHITE_ON_BLACK)]
    return file(frames[0], kind, save_all=True, append_images=frames[1:])


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0L9 9"/></svg>'
PHOTO = file(np.random.default_rng(0).integers(0, 256, (300, 300)).astype("uint8"), "JPEG")
BAD = {
    "empty": (b"", "is empty"),
    "text": (b"This is no picture at all.", "is text"),
    "bytes": (bytes(range(256)), "is no picture"),
    "svg": (SVG, "is an SVG drawing"),
    "gif": (file(WHITE_ON_BLACK, "GIF"), "is a GIF"),
    "animated gif": (animated("GIF"), "is a GIF"),
    "webp": (file(WHITE_ON_BLACK, "WEBP"), "is a WebP"),
    "bmp": (file(WHITE_ON_BLACK, "BMP"), "is a BMP"),
    "animated png": (animated("PNG"), "is animated"),
    "truncated jpeg": (PHOTO[: len(PHOTO) // 2], "damaged or cut short"),
    "truncated png": (file(WHITE_ON_BLACK)[:-200], "damaged or cut short"),
    "png without pixels": (header_of(100, 100), "damaged or cut short"),
    "signature alone": (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
    "large file": (PHOTO + bytes(images.MAX_UPLOAD_BYTES), "larger than 1 MB"),
    "4.1 megapixels": (header_of(2050, 2000), "at most 4 megapixels"),
    "20,000 x 20,000": (header_of(20_000, 20_000), "4 megapixels"),
    "blank": (file(np.full((50, 50), 255, "uint8")), "nothing stands out"),
    "one pixel": (file(np.zeros((1, 1), "uint8")), "nothing stands out"),
    "faint": (file((WHITE_ON_BLACK // 20) + 100), "nothing stands out"),
    "transparent": (file(Image.new("RGBA", (50, 50))), "nothing stands out"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence(name: str) -> None:
    content, words = BAD[name]
    with pytest.raises(ImageError, match=re.escape(words)) as caught:
        images.from_upload(content, "../some folder/digit.png")
    assert re.fullmatch(r"digit\.png [^\n]{10,120}\.", str(caught.value))


@pytest.mark.parametrize("side", [2050, 9_000, 11_000, 20_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_huge_picture_is_refused_before_it_is_decoded(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        pytest.fail("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(ImageError, match="4 megapixels"):
        images.from_upload(header_of(side, side), "huge.png")


def test_a_bomb_warning_that_is_an_error_is_still_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def bomb(*_: object, **__: object) -> None:
        raise Image.DecompressionBombWarning("bomb")

    monkeypatch.setattr(Image, "open", bomb)
    with pytest.raises(ImageError, match="4 megapixels"):
        images.from_upload(header_of(11_000, 11_000), "huge.png")


def test_a_files_name_cannot_break_the_sentence() -> None:
    with pytest.raises(ImageError) as caught:
        images.from_upload(b"", "a\n\x1b[31m" + "b" * 300 + ".png")
    assert re.fullmatch(r"a\[31mb+… is empty: [^\n]+", str(caught.value))
    with pytest.raises(ImageError, match=r"^The file is empty: "):
        images.from_upload(b"", "folder/")


GOOD = [file(WHITE_ON_BLACK), file(WHITE_ON_BLACK, "JPEG"), file(in_mode("P")), animated("PNG"), file(in_mode("I;16"))]


@given(st.data())
@settings(max_examples=150)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_hostile_bytes_never_raise_anything_else(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(GOOD) | st.binary(max_size=200)))
    for _ in range(data.draw(st.integers(0, 6)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content += data.draw(st.binary(max_size=20))
    found = read(bytes(content[: data.draw(st.integers(0, len(content)))]))
    if isinstance(found, str):
        assert re.fullmatch(r"x\.png [^\n]{10,120}\.", found)
    else:
        assert found.dtype == np.uint8
        assert found.max() > 200
        images.prepare_digit(found)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=60)
def test_a_picture_of_any_shape_is_read_or_shows_no_digit(height: int, width: int, seed: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (height, width)).astype("uint8")
    found = read(file(grey))
    assert "nothing stands out" in found if isinstance(found, str) else images.prepare_digit(found).max() == 255


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (2, 2), (4000, 1000)])
def test_odd_shapes_are_read(shape: tuple[int, int]) -> None:
    grey = np.zeros(shape, "uint8")
    grey[: shape[0] // 2 or None, : shape[1] // 8 or None] = 255
    found = read(file(grey))
    assert "nothing stands out" in found if isinstance(found, str) else images.prepare_digit(found).max() == 255


# --- pictures for the page -------------------------------------------------------------------------------


def test_a_png_shows_each_pixel_as_a_square() -> None:
    pixels = np.arange(6, dtype="uint8").reshape(2, 3) * 40
    with Image.open(io.BytesIO(images.png(pixels, 4))) as opened:
        assert opened.mode == "L"
        assert np.array_equal(np.asarray(opened), np.kron(pixels, np.ones((4, 4), "uint8")))
    assert images.data_url(pixels).startswith("data:image/png;base64,iVBOR")
