"""What the Draw page shows: which models read, their answers in words and bars, and what can be taken along."""

import base64
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.gallery import Gallery
from core.machine import machine_words
from core.metrics import NO_BREAK
from core.names import distinct_titles, engine_title, framework, joined
from core.outcome import Outcome
from core.predictor import Model, Prediction, Predictors
from core.store import Run
from core.web.components.digit_pad import PadLane, PadSample

Images = npt.NDArray[np.uint8]
Shares = npt.NDArray[np.float64]


WHERE = {"here": "trained here", "imported": "imported"}


def run_labels(runs: Sequence[Run]) -> dict[str, str]:
    """Each run in a list of runs, by its id: what it is called, no two the same, and where it was trained."""
    titles = distinct_titles(runs)
    return {
        run.id: f"{titles[run.id]}, {WHERE.get(run.source) or f'recorded on {machine_words(run.machine)}'}"
        for run in runs
    }


def left_out(outcome: Outcome, engines: Sequence[str]) -> str:
    """Which finished lanes of the run read nothing here beside `engines`, as a sentence; empty where all do."""
    others = [lane.title for lane in outcome.lanes if lane.result and lane.engine not in engines]
    if not others:
        return ""
    return f"One model of each framework reads here: {joined(others)} {'is' if len(others) == 1 else 'are'} left out."


@dataclass(frozen=True)
class Words:
    """Two models' answers to one image, in words."""

    headline: str
    detail: str
    tops: tuple[str, ...]
    times: str


def per_cent(share: float) -> str:
    """A probability with one decimal."""
    return f"{100 * share:.1f}{NO_BREAK}%"


def a_class(name: str) -> str:
    """A class with its article, where it is a digit: a 7, an 8."""
    return f"{'an' if name == '8' else 'a'} {name}" if name.isdigit() else name


def in_words(answers: Sequence[Prediction], classes: Sequence[str]) -> Words:
    """What the models say, how sure they are, whether they agree, and how long each computed."""
    shares = [answer.probabilities[0] for answer in answers]
    titles = [engine_title(answer.engine) for answer in answers]
    read = [a_class(classes[int(share.argmax())]) for share in shares]
    sure = [per_cent(share.max()) for share in shares]
    if len(answers) > 1 and len(set(read)) == 1:
        headline = f"Both read {read[0]}."
        detail = f"{titles[0]} is {sure[0]} sure, {titles[1]} {sure[1]}."
    elif len(answers) > 1:
        headline = "They disagree."
        parts = [f"{title} reads {what} ({p})" for title, what, p in zip(titles, read, sure, strict=True)]
        detail = joined(parts) + "."
    else:
        headline, detail = f"{titles[0]} reads {read[0]}.", f"It is {sure[0]} sure."
    times = [f"{title} took {a.compute_ms:.1f}{NO_BREAK}ms" for title, a in zip(titles, answers, strict=True)]
    return Words(headline, detail, tuple(top_three(share, classes) for share in shares), ", ".join(times) + ".")


def top_three(share: Shares, classes: Sequence[str]) -> str:
    """The three likeliest classes: 7 97.2 %, 1 1.2 %, 2 0.6 %."""
    order = np.argsort(-share, kind="stable")[:3]
    return ", ".join(f"{classes[i]} {per_cent(share[i])}" for i in order)


def pad_lanes(models: Sequence[Model], answers: Sequence[Prediction], words: Words | None) -> tuple[PadLane, ...]:
    """Two bars' worth of answers; without answers the lanes alone, for the legend."""
    tops = words.tops if words else ("",) * len(models)
    shares = [answer.probabilities[0].tolist() for answer in answers] or [None] * len(models)
    return tuple(
        PadLane(model.engine, engine_title(model.engine), framework(model.engine), share, top)
        for model, share, top in zip(models, shares, tops, strict=True)
    )


def pad_samples(gallery: Gallery | None) -> tuple[PadSample, ...]:
    """One of the run's own test images of each class, to be taken instead of drawing."""
    if gallery is None:
        return ()
    index = gallery.samples()
    return tuple(
        PadSample(int(i), int(gallery.labels[i]), packed(image))
        for i, image in zip(index, gallery.pixels(index), strict=True)
    )


def packed(image: Images) -> str:
    """A 28 x 28 picture as base64 of its bytes."""
    return base64.b64encode(np.ascontiguousarray(image, np.uint8).tobytes()).decode("ascii")


def largest_difference(first: Prediction, second: Prediction) -> tuple[float, float]:
    """The largest difference of two models' logits to one image, and the largest logit."""
    a, b = first.logits[0], second.logits[0]
    return float(np.abs(a - b).max()), float(max(np.abs(a).max(), np.abs(b).max()))


def framework_file(predictors: Predictors, model: Model, suffix: str) -> Callable[[], bytes]:
    """The bytes of a model in its engine's own format, made when somebody presses the button."""

    def make() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model{suffix}"
            predictors.save(model, path)
            return path.read_bytes()

    return make
