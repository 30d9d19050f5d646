"""What becomes of a folder or a zip of one's own pictures: the arrays, the split, every bad input in a sentence."""

import io
import os
import stat
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.data import make_own, picture_files, pictures
from core.data.dataset import ARRAY_FILES, DatasetError
from core.data.datasets import PROVENANCE_FILE
from core.data.own import DATASET_FILE, read_own
from core.data.own_images import Wanted, look
from core.protocol.messages import Done, Failed, PreparationEvent, Preparing
from tests.pictures import pets, picture, unzipped, zipped
from tests.unit.data.bombs import png

WANTED = Wanted("Pets", 32)


def made(source: Path, folder: Path, wanted: Wanted = WANTED) -> list[PreparationEvent]:
    folder.mkdir()
    events: list[PreparationEvent] = []
    status = make_own.run(source, folder, wanted, events.append)
    assert status == (0 if events[-1] == Done() else 1)
    return events


def refusal(source: Path, tmp_path: Path, wanted: Wanted = WANTED) -> str:
    """The sentence for a source of which nothing may be left."""
    event = made(source, tmp_path / "draft", wanted)[-1]
    assert isinstance(event, Failed)
    assert list((tmp_path / "draft").iterdir()) == []
    assert event.reason.isprintable()
    assert event.reason.endswith(".")
    assert len(event.reason) < 600
    return event.reason


def arrays(folder: Path) -> list[np.ndarray]:
    return [np.load(folder / "ready" / name) for name in ARRAY_FILES]


# --- what is made ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "pets/", "a/b/"])
@pytest.mark.parametrize("put", [zipped, unzipped])
def test_a_folder_and_a_zip_of_it_give_the_same_set(put: object, inside: str, tmp_path: Path) -> None:
    events = made(put(pets(inside=inside), tmp_path / "source"), tmp_path / "draft")  # type: ignore[operator]
    assert events[0] == Preparing("verify", 0, 0)
    last = events[-2]
    assert isinstance(last, Preparing)
    assert last.received_bytes == last.total_bytes > 0
    train, train_labels, test, test_labels = arrays(tmp_path / "draft")
    assert train.shape == (48, 32, 32, 1)
    assert test.shape == (12, 32, 32, 1)
    assert Counter(train_labels.tolist() + test_labels.tolist()) == {0: 40, 1: 20}
    # Cats are black and dogs are white: every image lies under its own label.
    for pixels, labels in ((train, train_labels), (test, test_labels)):
        assert np.array_equal(pixels.mean(axis=(1, 2, 3)) > 128, labels == 1)
    assert {path.name for path in (tmp_path / "draft" / "ready").iterdir()} == {
        *ARRAY_FILES,
        DATASET_FILE,
        PROVENANCE_FILE,
    }


def test_the_split_is_stratified_and_the_seed_decides_it(tmp_path: Path) -> None:
    source = zipped(pets({"cat": 50, "dog": 100}), tmp_path / "pets.zip")
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        made(source, tmp_path / name, Wanted("Pets", 28, True, seed))
    one, same, other = (arrays(tmp_path / name) for name in ("one", "same", "other"))
    assert all(np.array_equal(first, second) for first, second in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    train, labels, _, test_labels = one
    assert train.shape == (120, 28, 28, 3)
    assert Counter(test_labels.tolist()) == {0: 10, 1: 20}
    assert Counter(labels[-12:].tolist()) == {0: 4, 1: 8}


@given(counts=st.lists(st.integers(10, 60), min_size=2, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_every_image_is_in_one_part_and_every_part_has_its_share_of_each_class(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.uint8)
    training, validation, test = make_own.split(labels, seed)
    assert sorted([*training, *validation, *test]) == list(range(len(labels)))
    left = len(training) + len(validation)
    assert len(validation) == left // 10
    for label, count in enumerate(counts):
        assert (labels[test] == label).sum() == round(0.2 * count)
        share = (labels[validation] == label).sum()
        assert abs(share - len(validation) * (count - round(0.2 * count)) / left) < 1


def test_the_middle_square_is_resized_and_colours_stay_where_they_are_wanted(tmp_path: Path) -> None:
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, :32], wide[:, 32:64], wide[:, 64:96], wide[:, 96:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0)
    file = io.BytesIO()
    Image.fromarray(wide).save(file, "PNG")
    files = {f"{name}/{i}.png": file.getvalue() for name in ("a", "b") for i in range(10)}
    made(zipped(files, tmp_path / "wide.zip"), tmp_path / "draft", Wanted("Wide", 32, colour=True))
    image = arrays(tmp_path / "draft")[0][0]
    assert image.shape == (32, 32, 3)
    assert image[16, 4].tolist() == [0, 255, 0]
    assert image[16, 27].tolist() == [0, 0, 255]
    assert image[:, 2:-2, 0].max() < 5, "what is not in the middle is cut off"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA"])
def test_every_kind_of_png_is_read(mode: str, tmp_path: Path) -> None:
    shades = {"a": 0, "b": 255}
    files = {f"{name}/{i}.png": picture(shades[name], i, mode=mode) for name in shades for i in range(10)}
    assert made(zipped(files, tmp_path / "source.zip"), tmp_path / "draft")[-1] == Done()
    _, _, test, labels = arrays(tmp_path / "draft")
    assert np.array_equal(test.mean(axis=(1, 2, 3)) > 128, labels == 1)


@pytest.mark.parametrize("put", [zipped, unzipped])
def test_what_file_managers_leave_is_skipped(put: object, tmp_path: Path) -> None:
    left = ["cat/.DS_Store", "cat/Thumbs.db", "desktop.ini", "__MACOSX/cat/._000.png", ".git/config", ".hidden"]
    source = put({**pets(), **dict.fromkeys(left, b"junk")}, tmp_path / "source")  # type: ignore[operator]
    assert made(source, tmp_path / "draft")[-1] == Done()


def test_what_a_set_says_of_itself_is_read_back_with_its_counts_and_samples(tmp_path: Path) -> None:
    source = zipped(pets({"cat": 40, "Äpfel": 20, "a bird \N{CAT FACE}": 10}), tmp_path / "pets.zip")
    made(source, tmp_path / "draft", Wanted("My pets", 48, colour=True))
    folder = tmp_path / "draft" / "ready"
    seen = look(read_own(folder), folder)
    assert seen.dataset.title == "My pets"
    assert seen.dataset.image_shape == (48, 48, 3)
    assert dict(zip(seen.dataset.class_names, seen.counts, strict=True)) == {
        "a bird \N{CAT FACE}": 10,
        "cat": 40,
        "Äpfel": 20,
    }
    assert [sample.shape for sample in seen.samples] == [(8, 48, 48, 3)] * 3
    assert seen.unequal == (
        "The classes are unequal: always guessing cat would be right in 57.1\N{NO-BREAK SPACE}% of the tests."
    )


def test_joiners_may_stand_in_the_name_of_a_class(tmp_path: Path) -> None:
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    made(zipped(pets({"cat": 10, family: 10}), tmp_path / "pets.zip"), tmp_path / "draft")
    assert read_own(tmp_path / "draft" / "ready").class_names == ("cat", family)


def test_classes_that_are_about_equal_get_no_sentence(tmp_path: Path) -> None:
    made(zipped(pets({"cat": 30, "dog": 20}), tmp_path / "pets.zip"), tmp_path / "draft")
    folder = tmp_path / "draft" / "ready"
    assert look(read_own(folder), folder).unequal == ""


# --- what is refused -------------------------------------------------------------------------------------

BAD: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({}, "No pictures were found: give a folder for each of 2 to 50 classes."),
    "junk alone": ({"cat/.DS_Store": b""}, "No pictures were found: give a folder for each of 2 to 50 classes."),
    "one class": (pets({"cat": 20}), "There is one class alone, cat: give a folder for each of at least two."),
    "51 classes": (pets({f"c{i}": 10 for i in range(51)}), "There are 51 classes: at most 50 can be compared."),
    "few of a class": (
        pets({"cat": 20, "dog": 9, "eel": 3}),
        "Each class needs at least 10 pictures: dog has 9; eel has 3.",
    ),
    "beside the classes": (
        {**pets(), "notes.txt": b"x"},
        "notes.txt lies in no class's folder: put it into one, or take it out.",
    ),
    "too deep": (
        pets({"train/cat": 10, "train/dog": 10, "test/cat": 10}),
        "test/cat/000.png lies too deep: put the pictures of a class straight into its folder.",
    ),
    "a class of 200 letters": (
        pets({"cat": 10, "d" * 200: 10}),
        f"The class {'d' * 29}…{'d' * 29} has a name of 200 letters: at most 40 can be shown.",
    ),
    "a class that cannot be shown": (
        pets({"cat": 10, "d\u202eog": 10}),
        "The class d?og has letters in its name that cannot be shown: rename it.",
    ),
    "a class of which nothing is seen": (
        pets({"cat": 10, "\u200d": 10}),
        "The class ? has letters in its name that cannot be shown: rename it.",
    ),
    "two of a name": (
        pets({"cat": 10, "Cat": 10}),
        "Two classes are called Cat, but for capitals: rename one or put them together.",
    ),
}


@pytest.mark.parametrize("put", [zipped, unzipped])
@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_set_of_classes_is_refused_in_a_sentence(bad: str, put: object, tmp_path: Path) -> None:
    files, sentence = BAD[bad]
    (tmp_path / "source").mkdir() if put is unzipped else None
    assert refusal(put(files, tmp_path / "source"), tmp_path) == sentence  # type: ignore[operator]


UNREADABLE = {
    "text": (b"a cat", "is text"),
    "empty": (b"", "is empty"),
    "a GIF": (b"GIF89a" + bytes(50), "is a GIF file"),
    "cut short": (picture(0)[:-40], "is damaged or cut short"),
    "a JPEG cut short": (picture(0, kind="JPEG")[:200], "is damaged or cut short"),
    "20,000 pixels a side": (png(20_000, 20_000, b""), "has far more than 50 megapixels"),
    "passes": (b"\xff\xd8\xff" + b"\xff\xda" * 101, "is built up in more than 100 passes"),
}


@pytest.mark.parametrize("put", [zipped, unzipped])
@pytest.mark.parametrize("bad", UNREADABLE)
def test_an_unreadable_picture_is_named_with_what_is_wrong(bad: str, put: object, tmp_path: Path) -> None:
    content, what = UNREADABLE[bad]
    source = put({**pets(), "cat/bad.png": content}, tmp_path / "source")  # type: ignore[operator]
    sentence = f"1 of 61 files cannot be read as PNG or JPEG pictures: cat/bad.png {what}."
    assert refusal(source, tmp_path) == sentence


def test_of_many_unreadable_pictures_the_first_five_are_named_and_all_are_counted(tmp_path: Path) -> None:
    bad = {f"cat/bad {i}.png": b"no" for i in range(9)}
    sentence = refusal(zipped({**pets(), **bad}, tmp_path / "source.zip"), tmp_path)
    assert sentence.startswith("9 of 69 files cannot be read as PNG or JPEG pictures: cat/bad 0.png is text; ")
    assert sentence.endswith("; cat/bad 4.png is text; and 4 more.")


def test_a_large_picture_within_the_limit_is_read(tmp_path: Path) -> None:
    large = picture(0, width=5000, height=4000, kind="JPEG")
    source = zipped({**pets(), "cat/large.jpg": large}, tmp_path / "source.zip")
    assert made(source, tmp_path / "draft")[-1] == Done()


def test_more_bytes_than_fit_are_refused_before_a_picture_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_own, "MOST_ARRAY_BYTES", 60 * 64 * 64 * 3 - 1)
    sentence = refusal(zipped(pets(), tmp_path / "source.zip"), tmp_path, Wanted("Pets", 64, colour=True))
    assert sentence.startswith("60 pictures of 64 x 64 pixels take 1 MB: at most 1 MB fit")


def test_more_files_than_allowed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_own, "MOST_FILES", 59)
    assert refusal(zipped(pets(), tmp_path / "source.zip"), tmp_path) == "There are more than 59 files: give fewer."


TOO_DEEP = "f/f/f lies too deep: put the pictures of a class straight into its folder."


def test_empty_folders_in_folders_without_end_are_refused(tmp_path: Path) -> None:
    source = unzipped(pets(), tmp_path / "source")
    (source / ("f/" * 40)).mkdir(parents=True)
    assert refusal(source, tmp_path) == TOO_DEEP


def test_a_zip_of_folders_in_folders_without_end_is_refused(tmp_path: Path) -> None:
    deep = {"f/" * 1200 + name: content for name, content in pets().items()}
    assert refusal(zipped(deep, tmp_path / "source.zip"), tmp_path) == TOO_DEEP


# --- hostile zips ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../cat.png", "cat/../../x.png", "/etc/cat.png", "..\\cat\\x.png", "C:\\cat\\x.png"])
def test_a_path_that_leaves_the_zip_is_refused(path: str, tmp_path: Path) -> None:
    source = zipped({**pets(), path: picture(0)}, tmp_path / "source.zip")
    assert refusal(source, tmp_path).endswith(" leads out of the zip: pack the folder once more.")
    assert {each.name for each in tmp_path.iterdir()} == {"source.zip", "draft"}


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    source = zipped(pets(), tmp_path / "source.zip")
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert refusal(source, tmp_path) == "cat/link.png is a link: put the file itself there."


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc", "000.png", "gone"])
def test_a_link_in_a_folder_is_refused(target: str, tmp_path: Path) -> None:
    source = unzipped(pets(), tmp_path / "source")
    (source / "cat" / "link").symlink_to(target)
    assert refusal(source, tmp_path) == "cat/link is a link: put the file itself there."


def test_a_pipe_in_a_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    source = unzipped(pets(), tmp_path / "source")
    os.mkfifo(source / "cat" / "pipe.png")
    assert refusal(source, tmp_path) == "cat/pipe.png is no plain file: take it out."


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    source = zipped(pets(), tmp_path / "source.zip")
    with zipfile.ZipFile(source, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("cat/000.png", picture(9))
    assert refusal(source, tmp_path) == "cat/000.png is in the zip twice: pack the folder once more."


TOO_MUCH = (
    "The zip unpacks to more than 200 MB: make its pictures smaller, or unpack it and give the folder in the terminal."
)


def test_a_zip_that_unpacks_to_more_than_200_mb_is_refused(tmp_path: Path) -> None:
    bomb = dict.fromkeys((f"cat/{i}.png" for i in range(11)), bytes(20_000_000))
    source = zipped({**pets(), **bomb}, tmp_path / "source.zip")
    assert source.stat().st_size < 1_000_000
    assert refusal(source, tmp_path) == TOO_MUCH


def lying(source: Path, path: str, says_bytes: int) -> None:
    """Rewrites how large a file of a zip is unpacked, in both places that say it."""
    content = bytearray(source.read_bytes())
    name = path.encode()
    for mark, at, header in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        place = -1
        while (place := content.find(mark, place + 1)) >= 0:
            if content[place + header : place + header + len(name)] == name:
                content[place + at : place + at + 4] = struct.pack("<I", says_bytes)
    source.write_bytes(content)


def test_a_header_that_lies_about_the_size_unpacks_no_more_than_it_says(tmp_path: Path) -> None:
    source = zipped({**pets(), "cat/bomb.png": bytes(100_000_000)}, tmp_path / "source.zip")
    lying(source, "cat/bomb.png", 100)
    sentence = refusal(source, tmp_path)
    assert sentence == "1 of 61 files cannot be read as PNG or JPEG pictures: cat/bomb.png is damaged in the zip."


def test_what_is_really_unpacked_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = pets()
    unpacked = picture_files.Zip(zipped(files, tmp_path / "source.zip"))
    listed = list(unpacked.listed())
    monkeypatch.setattr(picture_files, "MOST_ZIP_MB", 0.01)  # from now on; the headers were believed
    with pytest.raises(DatasetError, match="unpacks to more than"):
        list(map(unpacked.read, listed))


def test_pixels_are_counted_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """White pictures pack a thousandfold, and each takes its time: a small zip could hold hours of work."""
    monkeypatch.setattr(picture_files, "MOST_ZIP_PIXELS", 120_000_000)
    large = png(7000, 7000, zlib.compress(bytes(7000 * 876), 9), bits=1)
    assert len(large) < 10_000
    files = {f"{name}/{i}.png": large for name in ("cat", "dog") for i in range(10)}
    decoded: list[Image.Image] = []
    whole = pictures.on_paper

    def on_paper(picture: Image.Image) -> Image.Image:
        decoded.append(picture)
        return whole(picture)

    monkeypatch.setattr(pictures, "on_paper", on_paper)
    assert refusal(zipped(files, tmp_path / "source.zip"), tmp_path) == (
        "The pictures in the zip have more than 120 megapixels together: make them smaller, or unpack it and give the "
        "folder in the terminal."
    )
    assert len(decoded) == 2
    small = {f"{name}/{i}.png": picture(0, i) for name in ("cat", "dog") for i in range(10)}
    monkeypatch.setattr(picture_files, "MOST_ZIP_PIXELS", 1)
    assert made(unzipped(small, tmp_path / "folder"), tmp_path / "of a folder")[-1] == Done(), "a folder may take time"


def test_a_zip_with_a_password_and_one_packed_otherwise_are_refused(tmp_path: Path) -> None:
    source = zipped(pets(), tmp_path / "source.zip")
    content = bytearray(source.read_bytes())
    content[content.find(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(content)
    assert refusal(source, tmp_path) == "The zip is locked with a password: pack it without one."
    (tmp_path / "draft").rmdir()
    with zipfile.ZipFile(source, "w", zipfile.ZIP_LZMA) as archive:
        for name, each in pets().items():
            archive.writestr(name, each)
    assert refusal(source, tmp_path) == "The zip is packed in an unusual way: pack it with the usual one, Deflate."


@pytest.mark.parametrize(
    "damage",
    [lambda zip_: b"", lambda zip_: b"PK\x03\x04", lambda zip_: zip_[:-30], lambda zip_: b"x" * 5000],
    ids=["empty", "a beginning", "cut short", "no zip"],
)
def test_what_is_no_zip_is_refused(damage: object, tmp_path: Path) -> None:
    source = zipped(pets(), tmp_path / "source.zip")
    source.write_bytes(damage(source.read_bytes()))  # type: ignore[operator]
    assert refusal(source, tmp_path) == "The zip is damaged, or no zip: pack the folder once more."


def test_a_damaged_file_in_a_zip_is_named(tmp_path: Path) -> None:
    source = zipped(pets(), tmp_path / "source.zip")
    content = bytearray(source.read_bytes())
    place = content.find(b"cat/004.png") + 400
    content[place : place + 20] = bytes(20)
    source.write_bytes(content)
    sentence = refusal(source, tmp_path)
    assert sentence == "1 of 60 files cannot be read as PNG or JPEG pictures: cat/004.png is damaged in the zip."


def test_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone", tmp_path) == f"{tmp_path / 'gone'} is neither a folder nor a zip."


def test_memory_that_does_not_suffice_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip may name so many files that their list alone fills a machine: the program has a limit of its own."""

    def fill(path: Path) -> None:
        raise MemoryError

    monkeypatch.setattr(picture_files.zipfile, "ZipFile", fill)
    (tmp_path / "source.zip").touch()
    sentence = "These images need more memory than a data set may take: give fewer or smaller ones."
    assert refusal(tmp_path / "source.zip", tmp_path) == sentence
