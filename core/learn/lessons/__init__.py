"""The Learn page's lessons: what each is about, and the scripts that it runs.

A lesson is a folder here with `keras.py`, `torch.py` or both: complete scripts that
need nothing of this project. They are read here and run elsewhere, under another name:
from its own folder a script called `torch.py` would import itself. This file imports no
framework, for the web process reads it.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.experiment.order import Order, Place

Side = Literal["keras", "torch"]
Value = bool | int | str

SIDES: dict[str, str] = {"keras": "Keras", "torch": "PyTorch"}
"""A side's name for readers."""

SIDE_LIMIT_S = 120.0
"""A script that takes longer has failed."""

DATA_VARIABLE = "LESSON_DATA"
"""The environment variable that tells the lesson `pretrained` where Fashion-MNIST's
prepared folder is (`core.data.datasets.folder_of`); else it says so and takes
digits."""

_FOLDER = Path(__file__).parent
_SUBJECT = "lesson-"


@dataclass(frozen=True)
class Control:
    """The one thing that a reader can change: a constant at the top of the scripts."""

    constant: str
    label: str
    kind: Literal["toggle", "choice"]
    options: tuple[Value, ...]
    default: Value


@dataclass(frozen=True)
class Lesson:
    """One place on the Learn page."""

    slug: str
    title: str
    words: str
    control: Control | None
    sides: tuple[Side, ...]
    about_s: int
    """Seconds for its scripts, one after the other, on two quiet cores."""

    @property
    def subject(self) -> str:
        """The name under which its output is kept."""
        return f"{_SUBJECT}{self.slug}"


def _toggle(constant: str, label: str, default: bool) -> Control:
    return Control(constant, label, "toggle", (False, True), default)


def _choice(
    constant: str, label: str, options: tuple[Value, ...], default: Value
) -> Control:
    return Control(constant, label, "choice", options, default)


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        slug="keras_example",
        title="Keras example",
        words=(
            "The article's Keras network with its settings, from summary to test "
            "accuracy. It learns from the digits that come with the project, so "
            "nothing is downloaded."
        ),
        control=_choice("EPOCHS", "Epochs", tuple(range(1, 9)), 8),
        sides=("keras",),
        about_s=18,
    ),
    Lesson(
        slug="pytorch_example",
        title="PyTorch example",
        words=(
            "The article prints this network and never feeds it an image. Its "
            "reshape does not fit its own channels: most batches fail, and one that "
            "happens to fit gives wrong rows without a word."
        ),
        control=_choice("INPUT_SIZE", "Input size", (32, 111), 32),
        sides=("torch",),
        about_s=3,
    ),
    Lesson(
        slug="save_and_load",
        title="Save and load",
        words=(
            "Keras saves the whole model in one file, or its weights alone. In "
            "PyTorch, save the weights: a whole model is a pickle, and loading one "
            "can run any code."
        ),
        control=_toggle("WHOLE_MODEL", "Whole model", True),
        sides=("keras", "torch"),
        about_s=16,
    ),
    Lesson(
        slug="cross_entropy",
        title="Cross-entropy",
        words=(
            "The loss expects logits: give it probabilities and softmax runs twice; "
            "nothing fails, but learning slows down. Keras on TensorFlow notices a "
            "softmax right before the loss, warns, and uses the logits after all."
        ),
        control=_toggle("SOFTMAX_TWICE", "Softmax twice", False),
        sides=("keras", "torch"),
        about_s=23,
    ),
    Lesson(
        slug="mse",
        title="MSE",
        words=(
            "Mean squared error can train a classifier, too. Its loss is on a "
            "different scale, so compare the accuracy and how sure the network is."
        ),
        control=_choice("LOSS", "Loss", ("cross-entropy", "mse"), "cross-entropy"),
        sides=("keras", "torch"),
        about_s=21,
    ),
    Lesson(
        slug="data_loader",
        title="Data loader",
        words=(
            "Images can come from memory in batches, or one by one through a "
            "pipeline. Both ways take the same steps here, in turns, so the "
            "difference is the cost of feeding them."
        ),
        control=_choice("BATCH_SIZE", "Batch size", (32, 126, 512), 126),
        sides=("keras", "torch"),
        about_s=24,
    ),
    Lesson(
        slug="summary",
        title="Summary",
        words=(
            "Keras knows every shape as soon as the model is built, PyTorch only "
            "once an image has gone through. The parameters can be counted by hand, "
            "and the counts agree."
        ),
        control=_choice("FILTERS", "Filters", (16, 62, 128), 62),
        sides=("keras", "torch"),
        about_s=8,
    ),
    Lesson(
        slug="evaluation_mode",
        title="Evaluation mode",
        words=(
            "Dropout is for training: left on, it gives the same image a different "
            "answer at every call. Keras turns it off in predict(), PyTorch when you "
            "call eval()."
        ),
        control=_toggle("EVALUATION_MODE", "Evaluation mode", True),
        sides=("keras", "torch"),
        about_s=22,
    ),
    Lesson(
        slug="early_stopping",
        title="Early stopping",
        words=(
            "With few images, the training loss keeps falling while the validation "
            "loss starts to rise. Keras stops with a callback, PyTorch with a few "
            "lines of your own; both go back to the best weights."
        ),
        control=_choice("PATIENCE", "Patience", (1, 2, 3, 4, 5), 3),
        sides=("keras", "torch"),
        about_s=22,
    ),
    Lesson(
        slug="pretrained",
        title="Pretrained",
        words=(
            "Weights learned on one task can be the start for another. Both starts "
            "get the same 100 images of the digits 5 to 9."
        ),
        control=_choice(
            "START", "Pretrained on", ("digits 0-4", "Fashion-MNIST"), "digits 0-4"
        ),
        sides=("keras", "torch"),
        about_s=26,
    ),
    Lesson(
        slug="tuning",
        title="Tuning",
        words=(
            "Each change comes on top of the one before, and all take the same "
            "steps, forwards and backwards. What a change gains depends on the "
            "machine: this is yours."
        ),
        control=None,
        sides=("keras", "torch"),
        about_s=46,
    ),
)


def lesson(slug: str) -> Lesson:
    """The lesson of that folder. Raises `KeyError`, with a sentence, for any other."""
    for found in LESSONS:
        if found.slug == slug:
            return found
    slugs = ", ".join(known.slug for known in LESSONS)
    raise KeyError(f"There is no lesson {slug}: choose one of {slugs}.")


def order(lesson: Lesson, value: Value | None) -> Order:
    """What the Launcher takes to run the lesson with its control set to `value`."""
    limit_s = SIDE_LIMIT_S * len(lesson.sides)
    arguments = {"slug": lesson.slug, "value": value}
    place = Place("Learn", {"lesson": lesson.slug}, f"Lesson: {lesson.title}")
    return Order(lesson.subject, "lesson", arguments, limit_s, True, place)


def script(lesson: Lesson, side: str, value: Value | None) -> str:
    """One side's script with the control set to `value`; None if there is no control.

    Raises `ValueError`, with a sentence, for a side or a value that the lesson lacks.
    """
    if side not in lesson.sides:
        sides = " and ".join(lesson.sides)
        raise ValueError(
            f"The lesson {lesson.title} has no {side} script, only {sides}."
        )
    text = (_FOLDER / lesson.slug / f"{side}.py").read_text(encoding="utf-8")
    control = lesson.control
    if control is None:
        if value is not None:
            raise ValueError(f"The lesson {lesson.title} has no control to set.")
        return text
    # The type too: True equals 1, and would stand in the script.
    if (type(value), value) not in [
        (type(option), option) for option in control.options
    ]:
        options = ", ".join(map(_literal, control.options))
        raise ValueError(f"{control.label} must be one of {options}, not {value!r}.")
    # What stands behind the value is for the reader, and stays.
    pattern = re.compile(rf"^{control.constant} = .*?(?=  # .*$|$)", re.MULTILINE)
    if len(pattern.findall(text)) != 1:
        where = f"{lesson.slug}/{side}.py"
        raise ValueError(f"{where} must set {control.constant} on one line of its own.")
    assert value is not None
    line = f"{control.constant} = {_literal(value)}"
    return pattern.sub(lambda _: line, text)


def _literal(value: Value) -> str:
    """The value as the scripts write it."""
    return json.dumps(value) if isinstance(value, str) else repr(value)
