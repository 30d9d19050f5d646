"""Pictures of one's own, made by tests: each class has a shade, so that a network can tell them apart."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

PETS = {"cat": 40, "dog": 20}


def picture(
    shade: int, number: int = 0, width: int = 40, height: int = 30, kind: str = "PNG", mode: str = "RGB"
) -> bytes:
    """A picture of about one shade; its `number` decides the noise in it."""
    noise = np.random.default_rng(number).integers(-20, 21, (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(shade + noise, 0, 255).astype(np.uint8)).convert(mode).save(file, kind)
    return file.getvalue()


def pets(classes: Mapping[str, int] = PETS, inside: str = "") -> dict[str, bytes]:
    """So many pictures of each class by their paths, every other one a JPEG."""
    return {
        f"{inside}{name}/{number:03}.{'jpg' if number % 2 else 'png'}": picture(
            255 * place // max(1, len(classes) - 1), number, kind="JPEG" if number % 2 else "PNG"
        )
        for place, (name, count) in enumerate(classes.items())
        for number in range(count)
    }


def zipped(files: Mapping[str, bytes], path: Path) -> Path:
    """The files as a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unzipped(files: Mapping[str, bytes], folder: Path) -> Path:
    """The files in a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
