"""Messages as lines: the only code that makes JSON of them and reads it."""

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NoReturn, TypeVar, get_args

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from core.protocol.messages import Command, Event

M = TypeVar("M")
COMMANDS: dict[str, TypeAdapter[Command]] = {cls.kind: TypeAdapter(cls) for cls in get_args(Command)}
EVENTS: dict[str, TypeAdapter[Event]] = {cls.kind: TypeAdapter(cls) for cls in get_args(Event)}


class ProtocolError(ValueError):
    """A line that is no message of its direction, or one that has no place where it was heard."""


def encode(message: Command | Event) -> str:
    """One JSON line without the newline. Raises `ValueError` for NaN and infinity."""
    return json.dumps({"kind": message.kind, **asdict(message)}, allow_nan=False, separators=(",", ":"))


def decode_command(line: str) -> Command:
    """The command of a line, its types checked. Raises `ProtocolError` for anything else, with its beginning."""
    return _decode(line, COMMANDS)


def decode_event(line: str) -> Event:
    """The event of a line, its types checked. Raises `ProtocolError` for anything else, with its beginning."""
    return _decode(line, EVENTS)


def _decode(line: str, kinds: Mapping[str, TypeAdapter[M]]) -> M:
    try:
        values = json.loads(line, parse_constant=_refused)
        return kinds[values.pop("kind")].validate_python(values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise ProtocolError(f"not a message ({why[:200]}): {line[:200]!r}") from None


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def packed(images: npt.NDArray[np.uint8]) -> str:
    """Uint8 images as text for one line."""
    return base64.b64encode(np.ascontiguousarray(images, np.uint8).tobytes()).decode("ascii")


def unpacked(text: str, image_shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The images of `packed`, uint8 [N, *image_shape]. Raises `ValueError` for anything else."""
    return np.frombuffer(base64.b64decode(text, validate=True), np.uint8).reshape(-1, *image_shape)


def packed_floats(arrays: Iterable[npt.NDArray[np.floating[Any]]]) -> str:
    """Arrays as text for one line: their numbers as float32, one array after the other, without their shapes."""
    return base64.b64encode(b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays)).decode("ascii")


def unpacked_floats(text: str, shapes: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
    """The arrays of `packed_floats`, in their shapes. Raises `ValueError` where these hold more or fewer numbers."""
    numbers = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if not len(ends) or ends[-1] != len(numbers):
        raise ValueError(f"{len(numbers)} numbers do not fill these shapes")
    parts = np.split(numbers, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
