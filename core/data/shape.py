"""What a network has to know of its data: how large an image is, and how many classes there are."""

from typing import NamedTuple


class DataShape(NamedTuple):
    """The shape of one image, channels last, and the number of classes."""

    height: int
    width: int
    channels: int
    """1: grey, 3: colour."""
    classes: int

    @property
    def image(self) -> tuple[int, int, int]:
        """[height, width, channels]."""
        return self.height, self.width, self.channels

    @property
    def words(self) -> str:
        """In a sentence: 28 x 28 grey pixels."""
        return f"{self.height} x {self.width} {'grey' if self.channels == 1 else 'colour'} pixels"


MNIST_SHAPE = DataShape(28, 28, 1, 10)
"""Of MNIST and what comes in its format: the article's data."""
