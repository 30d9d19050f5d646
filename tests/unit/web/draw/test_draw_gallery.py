"""The test images on the Draw page, as CSS places them."""

import numpy as np
import pytest

from core.web.draw.gallery import sheet_style


@pytest.mark.parametrize(
    ("height", "width", "sides"),
    [(28, 28, "--across: 1; --down: 1"), (32, 28, "--across: 0.875; --down: 1"), (28, 56, "--across: 1; --down: 0.5")],
)
def test_images_keep_their_shape(height: int, width: int, sides: str) -> None:
    style = sheet_style(np.zeros((3, height, width, 3), np.uint8))
    assert style.startswith("--sheet: url(data:image/png;base64,")
    assert style.endswith(f"); --count: 3; {sides}")
