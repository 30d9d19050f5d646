"""What is known of a data set: its images' shape, its classes and counts, as values and as JSON."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.shape import DataShape

ARRAY_FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy")
MOST_UINT8_CLASSES = 255
"""Labels are uint8."""
MOST_SIDE = 64
MOST_IMAGES = 1_000_000
MOST_NAME_LETTERS = 100
"""Of a title and of a class's name."""
_FIELDS = {"title", "image_shape", "class_names", "train_images", "test_images"}
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Letters that no line of text has: a terminal or a page obeys them. Joiners are not among them: families of emoji and
many scripts are written with them."""
_UNSEEN = ("Cf", "Zs", "Mn", "Me")
"""Unicode's categories of letters that show nothing by themselves."""


class DatasetError(Exception):
    """A data set cannot be had; the message is one plain sentence: what happened, and what to do."""


def unsound(path: Path, what: str) -> DatasetError:
    """What is wrong with a published file, as a sentence that begins with its path."""
    return DatasetError(f"{path} {what}: replace it with the published file.")


@dataclass(frozen=True)
class Dataset:
    """One data set: images of one shape, each of one class.

    `download_bytes` is what a preparation fetches (the published files together); None where nothing is fetched.
    """

    name: str
    title: str
    description: str
    train_images: int
    test_images: int
    class_names: tuple[str, ...]
    download_bytes: int | None = None
    image_shape: tuple[int, int, int] = (28, 28, 1)
    """Height, width and channels."""
    drawable: bool = False
    """Whether its images are white strokes on black, as the Draw page's pad makes them."""

    @property
    def shape(self) -> DataShape:
        """What a network has to know of it."""
        return DataShape(*self.image_shape, len(self.class_names))

    @property
    def validation_images(self) -> int:
        """Images held out for validation: the last 10 % of the training images, before any shuffle."""
        return self.train_images // 10

    @property
    def training_split(self) -> int:
        """Images that are trained on: what the validation split leaves."""
        return self.train_images - self.validation_images

    @property
    def split_words(self) -> str:
        """How many of its images do what, as part of a sentence."""
        return (
            f"{self.training_split:,} for training, {self.validation_images:,} for validation, "
            f"{self.test_images:,} for testing"
        )

    @property
    def array_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every prepared file by its name, in the order of ARRAY_FILES; all are uint8."""
        counts = (self.train_images, self.test_images)
        shapes = [shape for count in counts for shape in ((count, *self.image_shape), (count,))]
        return dict(zip(ARRAY_FILES, shapes, strict=True))

    def is_like(self, other: "Dataset") -> bool:
        """Whether both have as many images of one shape in the same classes, whatever they are called."""
        return {**self.as_json(), "title": ""} == {**other.as_json(), "title": ""}

    def as_json(self) -> dict[str, Any]:
        """What a run is shown with, as JSON fields, which `of_json` takes back."""
        return {
            "title": self.title,
            "image_shape": list(self.image_shape),
            "class_names": list(self.class_names),
            "train_images": self.train_images,
            "test_images": self.test_images,
        }

    @classmethod
    def of_json(cls, name: str, fields: Any) -> "Dataset":
        """One's own images called `name`, from JSON fields of which nothing is believed.

        Raises ValueError, whose message is the rest of a sentence, where they cannot be.
        """
        if not isinstance(fields, Mapping) or fields.keys() != _FIELDS:
            raise ValueError(f"it must have the fields {', '.join(sorted(_FIELDS))}")
        title, shape, class_names = fields["title"], fields["image_shape"], fields["class_names"]
        if not _is_plain(title):
            raise ValueError(f"its title must be plain text of 1 to {MOST_NAME_LETTERS} letters")
        if not (
            isinstance(shape, list)
            and len(shape) == 3
            and all(_is_count(side, 1, MOST_SIDE) for side in shape[:2])
            and shape[2] in (1, 3)
        ):
            raise ValueError(f"its image_shape must be height and width up to {MOST_SIDE}, and 1 or 3 channels")
        if not isinstance(class_names, list) or not 2 <= len(class_names) <= MOST_UINT8_CLASSES:
            raise ValueError(f"it must have 2 to {MOST_UINT8_CLASSES} classes")
        if not all(map(_is_plain, class_names)) or len(set(class_names)) < len(class_names):
            raise ValueError(
                f"its classes must have different names, each plain text of 1 to {MOST_NAME_LETTERS} letters"
            )
        for what in ("train_images", "test_images"):
            if not _is_count(fields[what], 10 if what == "train_images" else 1, MOST_IMAGES):
                raise ValueError(f"its {what} must be a number of images up to {MOST_IMAGES:,}")
        train, test = fields["train_images"], fields["test_images"]
        return cls(
            name=name,
            title=title,
            description=f"{train + test:,} images of your own in {len(class_names)} classes.",
            train_images=train,
            test_images=test,
            class_names=tuple(class_names),
            image_shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        )


def can_be_shown(text: str) -> bool:
    """Whether text is one line that shows something, and that nothing obeys."""
    return not _OBEYED.search(text) and any(unicodedata.category(letter) not in _UNSEEN for letter in text)


def in_sentence(text: str, letters: int = 60) -> str:
    """Text from elsewhere as it may stand in a sentence: on one line, its middle left out where it is long."""
    if not can_be_shown(text):
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    half = letters // 2 - 1
    return text if len(text) <= letters else f"{text[:half]}…{text[-half:]}"


def _is_count(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_plain(value: object) -> bool:
    """Whether it is text that can be shown on one line."""
    return isinstance(value, str) and len(value) <= MOST_NAME_LETTERS and value == value.strip() and can_be_shown(value)
