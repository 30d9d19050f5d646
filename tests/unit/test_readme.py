"""README opens with a moving picture: small, animated, true to its caption, and still for whom motion disturbs."""

import re
from pathlib import Path

import pytest
from PIL import ExifTags, Image, ImageChops

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPENING = re.compile(
    r"# Keras vs PyTorch\n\n"
    r'<picture>\n  <source media="\(prefers-reduced-motion: reduce\)" srcset="(?P<still>[^"]+)">\n'
    r'  <img src="(?P<moving>[^"]+)" alt="(?P<alt>[^"]+)">\n</picture>\n\n'
    r"(?P<caption>.+)\n\n"
)


@pytest.fixture(scope="module")
def opening() -> re.Match[str]:
    found = OPENING.match(README)
    assert found, "README does not open with its title and a moving picture that has a still one"
    return found


@pytest.fixture(scope="module")
def moving(opening: re.Match[str]) -> Image.Image:
    return Image.open(ROOT / opening["moving"])


def test_moving_picture_takes_at_most_two_megabytes(opening: re.Match[str]) -> None:
    assert (ROOT / opening["moving"]).stat().st_size <= 2_000_000


def test_moving_picture_plays_for_12_to_20_seconds_and_begins_anew(moving: Image.Image) -> None:
    durations_ms = []
    for frame in range(moving.n_frames):
        moving.seek(frame)
        moving.load()
        durations_ms.append(moving.info["duration"])
    assert len(durations_ms) >= 20
    assert 12_000 <= sum(durations_ms) <= 20_000
    assert durations_ms[-1] >= 3_000  # the result can be read
    assert moving.info["loop"] == 0


def test_still_picture_is_the_last_frame(opening: re.Match[str], moving: Image.Image) -> None:
    moving.seek(moving.n_frames - 1)
    still = Image.open(ROOT / opening["still"]).convert("RGB")
    assert ImageChops.difference(still, moving.convert("RGB")).getbbox() is None


def test_caption_is_the_one_that_the_film_carries(opening: re.Match[str], moving: Image.Image) -> None:
    assert opening["caption"] == moving.getexif()[ExifTags.Base.ImageDescription]
    assert re.search(
        r" on .+, \d+ cores, .+, filmed from its record and played \d+ times as fast\. Batch size \d+, ",
        opening["caption"],
    )


def test_alternative_text_names_what_is_seen(opening: re.Match[str]) -> None:
    assert {"Start", "Keras", "PyTorch"} <= set(re.findall(r"\w+", opening["alt"]))


def test_readme_shows_every_picture_that_there_is() -> None:
    pictures = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/pictures").iterdir()}
    assert pictures == set(re.findall(r"docs/pictures/\w+\.\w+", README))
