"""Weights and predictions inside an exported run, as text: packed, and unpacked with nothing of them believed.

Weights travel as the safetensors file that they are, predictions as plain arrays: no archive of a stranger is opened.
"""

import base64
import binascii
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from core.experiment.kinds import shown
from core.experiment.weights import WeightsError, parse_weights
from core.protocol.messages import Result
from core.results.gallery import GalleryError, read_predictions
from core.results.models import has_weights
from core.storage.records import Run
from core.storage.rows import Damage, Row
from core.storage.runs import Store

MOST_WEIGHTS, MOST_PREDICTIONS = 8_000_000, 400_000
"""Letters of base64, a lane: the article's network takes 350,000 in float64, 10,000 test images 53,000 and 13,000. Two
lanes fit into the largest file that is taken in.
"""


class Carried(BaseModel):
    """One lane's files: the weights' own bytes, the class (uint8) and its probability (float32) of each test image."""

    model_config = ConfigDict(extra="forbid", strict=True)

    weights: Annotated[str, Field(max_length=MOST_WEIGHTS)]
    classes: Annotated[str, Field(max_length=MOST_PREDICTIONS)]
    probabilities: Annotated[str, Field(max_length=MOST_PREDICTIONS)]


def can_carry(run: Run, store: Store) -> bool:
    """Whether a run has weights, and they are small enough to be taken in again."""
    sizes = [path.stat().st_size for path in store.artifacts(run.id).glob("*.safetensors")]
    return has_weights(run, store) and max(sizes) <= MOST_WEIGHTS * 3 // 4


def pack(run: Run, rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """The files of every lane with a result, by engine; a lane whose files are gone or damaged is left out."""
    found: dict[str, Any] = {}
    for engine, result in _results(rows).items():
        try:
            weights = (folder / result.weights_file).read_bytes()
            parse_weights(weights, result.weights_sha256, result.weights_file, run.network.weights)
            read = read_predictions(engine, folder / result.predictions_file)
        except (OSError, WeightsError, GalleryError):
            continue
        classes, probabilities = read.classes.astype("uint8"), read.probabilities.astype("<f4")
        parts = (weights, classes.tobytes(), probabilities.tobytes())
        texts = [base64.b64encode(part).decode("ascii") for part in parts]
        found[engine] = dict(zip(("weights", "classes", "probabilities"), texts, strict=True))
    return found


def _results(rows: Sequence[Row]) -> dict[str, Result]:
    """Each lane's result, by engine."""
    return {row.engine: row.event for row in rows if isinstance(row.event, Result)}


def unpack(carried: dict[str, Carried], run: Run, rows: Sequence[Row]) -> dict[str, bytes]:
    """Files by name, as a run's folder holds them. Raises `Damage` where one is not what the rows say."""
    results = _results(rows)
    files: dict[str, bytes] = {}
    for engine, texts in carried.items():
        if engine not in results:
            raise Damage(f"it has files of {shown(engine)}, which has no result")
        result = results[engine]
        name, predictions = result.weights_file, result.predictions_file
        if {name, predictions} & files.keys():
            raise Damage(f"two lanes call their files {name}")
        weights = _decoded("weights", engine, texts.weights)
        try:
            parse_weights(weights, result.weights_sha256, name, run.network.weights)
        except WeightsError as error:
            raise Damage(str(error)) from None
        files |= {name: weights, predictions: _predictions(engine, texts, np.array(result.confusion))}
    return files


def _decoded(what: str, engine: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Damage(f"the {what} of {shown(engine)} are no base64") from None


def _predictions(engine: str, texts: Carried, confusion: npt.NDArray[np.int64]) -> bytes:
    """The predictions' file, whose classes must be those that the confusion table counts."""
    classes = np.frombuffer(_decoded("classes", engine, texts.classes), np.uint8)
    raw = _decoded("probabilities", engine, texts.probabilities)
    if len(classes) != confusion.sum() or len(raw) != 4 * len(classes):
        raise Damage(f"the predictions of {shown(engine)} are not one for each test image")
    probabilities = np.frombuffer(raw, "<f4")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # NaN is neither
        raise Damage(f"the predictions of {shown(engine)} hold a probability that is none")
    counts = np.bincount(classes, minlength=len(confusion))
    if len(counts) != len(confusion) or (counts != confusion.sum(0)).any():
        raise Damage(f"the predictions of {shown(engine)} are not those that confusion counts")
    packed = io.BytesIO()
    np.savez_compressed(packed, classes=classes, probabilities=probabilities)
    return packed.getvalue()
