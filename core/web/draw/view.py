"""What the Draw page shows: which models read, their answers in words and bars, and what can be taken along."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data.dataset import Dataset
from core.data.inputs import how_words
from core.experiment.engine_names import missing_module
from core.experiment.machine import machine_words
from core.experiment.metrics import NO_BREAK, percent
from core.experiment.names import engine_title, framework, joined
from core.experiment.titles import cut_apart, distinct_titles
from core.launcher.answers import Prediction
from core.launcher.predictors import PredictorError, Predictors
from core.protocol import lines
from core.results.gallery import Gallery
from core.results.models import Model, predicting_engines
from core.results.outcome import Outcome
from core.storage.records import Run
from core.web.components.digit_pad import PadLane, PadSample, PadView
from core.web.draw.drawing import Drawing

Shares = npt.NDArray[np.float64]
DRAW = "Draw a digit. Both models read it when you lift the pen."
SHOW = "Upload a picture or take a test image. Both models read it."
MOST_ROWS = 20
"""Classes of which each has a bar; of more only the likeliest ones do."""
LABEL_LETTERS = 18
"""Of a class beside its bar: what 8 rem hold."""
MOST_SAMPLES = 20
WHERE = {"here": "trained here", "imported": "imported"}


def run_labels(runs: Sequence[Run]) -> dict[str, str]:
    """Each run in a list of runs, by its id: what it is called, no two the same, and where it was trained."""
    titles = distinct_titles(runs)
    return {
        run.id: f"{titles[run.id]}, {WHERE.get(run.source) or f'recorded on {machine_words(run.machine)}'}: "
        f"{accuracy_words(run)}"
        for run in runs
    }


def accuracies(run: Run) -> dict[str, float]:
    """The test accuracy of each engine that reads, from 0 to 1."""
    found = {lane.engine: lane.test_accuracy for lane in run.lanes if lane.test_accuracy is not None}
    return {engine: found[engine] for engine in predicting_engines(list(found))}


def accuracy_words(run: Run) -> str:
    """Keras 97.6 %, PyTorch 98.1 %."""
    images = run.dataset.test_images
    return ", ".join(f"{engine_title(engine)} {percent(share, images)}" for engine, share in accuracies(run).items())


def best_run(runs: Sequence[Run]) -> Run:
    """The run whose better model has the highest test accuracy, of those that read MNIST's digits, else of all.

    Of two that are equal the first. What an imported run says of itself was not measured here: it is the last choice.
    """
    ours = [run for run in runs if run.source != "imported"] or list(runs)
    digits = [run for run in ours if run.dataset.name in ("mnist5k", "mnist")]
    return max(digits or ours, key=lambda run: max(accuracies(run).values()))


def chosen_words(run: Run, of: int) -> str:
    """How well the chosen one of the offered runs reads, and which one is chosen before anybody chooses."""
    rule = "The run with the highest test accuracy on digits is preselected."
    return f"Test accuracy: {accuracy_words(run)}." + (f" {rule}" if of > 1 else "")


def left_out(outcome: Outcome, engines: Sequence[str]) -> str:
    """Which finished lanes of the run read nothing here beside `engines`, as a sentence; empty where all do."""
    others = [lane for lane in outcome.lanes if lane.result and lane.engine not in engines]
    absent = [lane.title for lane in others if missing_module(lane.engine)]
    further = [lane.title for lane in others if not missing_module(lane.engine)]
    are = "is" if len(further) == 1 else "are"
    words = [f"{joined(absent)} is not installed here and reads nothing."] if absent else []
    words += [f"One model of each framework reads here: {joined(further)} {are} left out."] if further else []
    return " ".join(words)


@dataclass(frozen=True)
class Words:
    """Two models' answers to one image, in words."""

    headline: str
    detail: str
    tops: tuple[str, ...]


def per_cent(share: float) -> str:
    """A probability with one decimal."""
    return f"{100 * share:.1f}{NO_BREAK}%"


def a_class(name: str) -> str:
    """A class with its article, where it is a digit: a 7, an 8."""
    return f"{'an' if name == '8' else 'a'} {name}" if name.isdigit() else name


def possessive(title: str) -> str:
    """Keras' and PyTorch's."""
    return title + ("'" if title.endswith("s") else "'s")


def model_names(models: Sequence[Model], swap: bool) -> list[str]:
    """What the models are called, and with `swap` whose weights each takes; `models` are those with their own."""
    titles = [engine_title(model.engine) for model in models]
    if not swap:
        return titles
    return [f"{title} with {possessive(other)} weights" for title, other in zip(titles, reversed(titles), strict=True)]


def in_words(answers: Sequence[Prediction], classes: Sequence[str], titles: Sequence[str] = ()) -> Words:
    """What the models say, how sure they are, and whether they agree. `titles`: their names, where not the engines'."""
    shares = [answer.probabilities[0] for answer in answers]
    titles = titles or [engine_title(answer.engine) for answer in answers]
    predicted = [a_class(classes[int(share.argmax())]) for share in shares]
    sure = [per_cent(share.max()) for share in shares]
    if len(answers) > 1 and len(set(predicted)) == 1:
        headline = f"Both read {predicted[0]}."
        detail = f"{titles[0]} is {sure[0]} sure, {titles[1]} {sure[1]}."
    elif len(answers) > 1:
        headline = "They disagree."
        parts = [f"{title} reads {what} ({p})" for title, what, p in zip(titles, predicted, sure, strict=True)]
        detail = joined(parts) + "."
    else:
        headline, detail = f"{titles[0]} reads {predicted[0]}.", f"It is {sure[0]} sure."
    return Words(headline, detail, tuple(top_three(share, classes) for share in shares))


def top_three(share: Shares, classes: Sequence[str]) -> str:
    """The three likeliest classes: 7 97.2 %, 1 1.2 %, 2 0.6 %."""
    order = np.argsort(-share, kind="stable")[:3]
    return ", ".join(f"{classes[i]} {per_cent(share[i])}" for i in order)


def pad_lanes(
    models: Sequence[Model], names: Sequence[str], answers: Sequence[Prediction], words: Words | None
) -> tuple[PadLane, ...]:
    """Two bars' worth of answers under the models' `names`; without answers the lanes alone, for the legend."""
    tops = words.tops if words else ("",) * len(models)
    shares = [answer.probabilities[0].tolist() for answer in answers] or [None] * len(models)
    return tuple(
        PadLane(model.engine, name, framework(model.engine), share, top)
        for model, name, share, top in zip(models, names, shares, tops, strict=True)
    )


def pad_view(
    gallery: Gallery | None,
    drawing: Drawing,
    dataset: Dataset,
    lanes: tuple[PadLane, ...],
    words: Words | None,
    hint: str,
) -> PadView:
    """What the component shows: the answers to the newest drawing, or a hint in their place."""
    sample = drawing.answer.sample if drawing.seen is not None else None
    return PadView(
        strokes=drawing.strokes,
        sample=drawing.answer.sample,
        serial=drawing.answer.serial,
        lanes=lanes,
        classes=dataset.class_names,
        labels=tuple(cut_apart(dataset.class_names, LABEL_LETTERS)),
        rows=shown_rows(lanes, len(dataset.class_names)),
        image_shape=dataset.image_shape,
        drawable=dataset.drawable,
        how=how_words(dataset, sample is not None or bool(drawing.example)),
        samples=pad_samples(gallery),
        headline=words.headline if words else "",
        detail=" ".join(filter(None, [words.detail, drawing.example])) if words else "",
        seen=None if drawing.seen is None else lines.packed(drawing.seen),
        picture=None if drawing.picture is None else lines.packed(drawing.picture),
        hint="" if words else hint,
        fault=drawing.fault and hint == drawing.hint,
    )


def shown_rows(lanes: Sequence[PadLane], classes: int) -> tuple[int, ...]:
    """The classes that have a bar, in their order: all where there are few, else those that a model finds likeliest."""
    if classes <= MOST_ROWS:
        return tuple(range(classes))
    best = np.max([lane.probabilities or [0.0] * classes for lane in lanes], axis=0)
    return tuple(sorted(int(i) for i in np.argsort(-best, kind="stable")[: MOST_ROWS // 2]))


def pad_samples(gallery: Gallery | None) -> tuple[PadSample, ...]:
    """One of the run's own test images of each class, up to 20, to be taken instead of drawing."""
    if gallery is None:
        return ()
    index = gallery.samples()[:MOST_SAMPLES]
    return tuple(
        PadSample(int(i), int(gallery.labels[i]), lines.packed(image))
        for i, image in zip(index, gallery.pixels(index), strict=True)
    )


def largest_difference(first: Prediction, second: Prediction) -> tuple[float, float]:
    """The largest difference of two models' logits to one image, and the largest logit."""
    a, b = first.logits[0], second.logits[0]
    return float(np.abs(a - b).max()), float(max(np.abs(a).max(), np.abs(b).max()))


def framework_file(
    predictors: Predictors, model: Model, suffix: str, failed: Callable[[PredictorError], None]
) -> Callable[[], bytes]:
    """The bytes of a model in its engine's own format, made when somebody presses the button.

    Why they cannot be made goes to `failed`, too: the browser is told no more than that it failed.
    """

    def make() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model{suffix}"
            try:
                predictors.save(model, path)
            except PredictorError as error:
                failed(error)
                raise
            return path.read_bytes()

    return make
