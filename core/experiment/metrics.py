"""What every figure is called, its unit and meaning, and how it is written on a page or in a terminal.

`FIGURES` is the one list of figures; docs/fairness.md explains how each is taken in both lanes.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

NO_BREAK = "\u00a0"
NOT_KNOWN = "\u2013"
MINUS = "\u2212"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PLAIN_DIGITS = {raised: plain for plain, raised in SUPERSCRIPT.items()}

Precision = Literal["float32", "float64"]
"""What a run computes in: an exact twin in float64, every other in float32."""

DIVERGED_LOSS = 1e9
"""A training loss above this, or not finite, ends a lane: chance is 2.3, nothing that learns comes near."""


@dataclass(frozen=True)
class Figure:
    """A figure's name in code, its label on a page, its unit and its meaning."""

    name: str
    label: str
    unit: str
    meaning: str


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure("test_accuracy", "Test accuracy", "fraction", "Test images read right after the last epoch."),
        Figure("test_loss", "Test loss", "nats", "Mean cross-entropy over the test images, dropout off."),
        Figure(
            "train_loss",
            "Training loss",
            "nats",
            "Mean over the epoch's images, each with the weights of its step.",
        ),
        Figure("train_accuracy", "Training accuracy", "fraction", "Like the training loss, with dropout on."),
        Figure(
            "val_loss",
            "Validation loss",
            "nats",
            "Mean over the validation images after the epoch, dropout off.",
        ),
        Figure("val_accuracy", "Validation accuracy", "fraction", "Validation images read right after the epoch."),
        Figure("train_s", "Training time", "s", "All steps of an epoch, first to last, without evaluation."),
        Figure("val_s", "Validation time", "s", "Evaluation on the validation images after an epoch."),
        Figure("test_s", "Test time", "s", "Evaluation and prediction on the test images."),
        Figure("import_s", "Import", "s", "Importing the framework in a fresh process."),
        Figure("data_s", "Data", "s", "Opening the prepared arrays."),
        Figure("build_s", "Build", "s", "Scaling the inputs, building the model and its optimiser."),
        Figure(
            "first_step_s",
            "First step",
            "s",
            "From the epoch's begin to the first step's end: tracing, compiling.",
        ),
        Figure(
            "images_per_s",
            "Throughput",
            "images/s",
            "Training images over training time, median after epoch 1.",
        ),
        Figure("cpu_s", "Processor time", "s", "What the lane's process took of all processors while it trained."),
        Figure("others_share", "Taken by others", "fraction", "Of all processors' time while the lane trained."),
        Figure("stolen_share", "Stolen", "fraction", "Of all processors' time, given to other virtual machines."),
        Figure("rss_mib", "Peak memory", "MiB", "The largest resident size of the lane's process."),
        Figure("parameters", "Parameters", "", "Trainable numbers, counted by the framework."),
    )
}


def steady_throughput(images_per_s: Sequence[float]) -> float | None:
    """Median images/s over the epochs after the first, which traces and compiles; None for one epoch."""
    return median(images_per_s[1:]) if len(images_per_s) > 1 else None


POINTS_PER_EPOCH = 100
"""Single steps kept of a longer epoch: evenly spaced, and the same ones in every lane."""


def step_is_kept(step: int, steps_per_epoch: int) -> bool:
    """Whether a step (from 1) of an epoch is among those whose losses are kept and drawn."""
    return (step - 1) % -(-steps_per_epoch // POINTS_PER_EPOCH) == 0


def stops_early(val_losses: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` validation losses were none lower than the best before them."""
    if patience <= 0 or len(val_losses) <= patience:
        return False
    return min(val_losses[-patience:]) >= min(val_losses[:-patience])


def percent_decimals(images: int) -> int:
    """How many decimals a per cent of `images` may have, no finer than one image: 2 of 10,000, 1 of 1,000."""
    return max(0, math.floor(math.log10(images / 100) + 1e-9)) if images > 0 else 0


def percent(fraction: float | None, images: int) -> str:
    """An accuracy, no finer than one image of `images`: 98.91 % of 10,000, 98.9 % of 1,000."""
    return NOT_KNOWN if fraction is None else f"{100 * fraction:.{percent_decimals(images)}f}{NO_BREAK}%"


def loss(value: float | None) -> str:
    """A loss with four decimals; one that leapt away as a power of ten."""
    if value is None:
        return NOT_KNOWN
    return f"{value:.4f}" if abs(value) < 1e6 else power_of_ten(value)


def duration(seconds: float | None) -> str:
    """0.8 ms, 1.9 s, 38 s, 2 min 8 s."""
    if seconds is None:
        return NOT_KNOWN
    if seconds < 0.0995:
        return f"{1000 * seconds:.1f}{NO_BREAK}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}{NO_BREAK}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NO_BREAK}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}{NO_BREAK}min {rest}{NO_BREAK}s"
    return f"{minutes // 60}{NO_BREAK}h {minutes % 60}{NO_BREAK}min"


def roughly(seconds: float) -> str:
    """A time to come: in whole seconds, or in whole minutes."""
    whole = max(1, round(seconds))
    return f"{whole}{NO_BREAK}s" if whole < 100 else f"{round(whole / 60)}{NO_BREAK}min"


def throughput(images_per_s: float | None) -> str:
    """Three digits: 3,310 images/s."""
    if images_per_s is None:
        return NOT_KNOWN
    digits = 3 - len(str(int(images_per_s)))
    return f"{round(images_per_s, min(digits, 0)):,.0f}{NO_BREAK}images/s"


def of_all(used: float | None, processors: int | None) -> str:
    """1.7 of 2."""
    return NOT_KNOWN if used is None or processors is None else f"{used:.1f} of {processors}"


def as_many(ratio: float) -> str:
    """A ratio of 1 or more in words that a noun follows: 10 % more, twice as many, from there on 11 times as many."""
    per_cent = round(100 * (ratio - 1))
    if per_cent < 100:
        return f"{per_cent}{NO_BREAK}% more"
    return f"{'twice' if times(ratio) == '2.0' else f'{times(ratio)} times'} as many"


def times(ratio: float) -> str:
    """A multiple to two digits: 2.6, 11, 1,021."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def more_than(ratio: float, what: str, other: str) -> str:
    """10 % more images a second than Keras; 11 times as many images a second as Keras."""
    words = as_many(ratio)
    return f"{words} {what} {'than' if words.endswith('more') else 'as'} {other}"


def as_long(ratio: float) -> str:
    """A ratio of times: half as long, 0.53 times as long, as long, twice as long, 3.4 times as long."""
    written = f"{ratio:.2g}"
    return {"0.5": "half", "1": "just", "2": "twice"}.get(written, f"{written} times") + " as long"


def mebibytes(value: int | None) -> str:
    """Whole MiB."""
    return NOT_KNOWN if value is None else f"{value:,}{NO_BREAK}MiB"


def digits(value: float) -> str:
    """A difference to two digits: 0.25, 40, and as a power of ten what is far from one: 4.4 × 10⁻¹⁶."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        places = 0 if value == 0 else max(0, 1 - math.floor(math.log10(abs(value))))
        written = f"{value:.{places}f}"
        return (written.rstrip("0").rstrip(".") if places else written).replace("-", MINUS)
    return power_of_ten(value)


def power_of_ten(value: float) -> str:
    """Two digits times a power of ten, in letters that need no markup: 4.4 × 10⁻¹⁶; a dash where it is not finite."""
    if not math.isfinite(value):
        return NOT_KNOWN
    mantissa, exponent = f"{value:.1e}".split("e")
    number = mantissa.removesuffix(".0").replace("-", MINUS)
    return f"{number}{NO_BREAK}×{NO_BREAK}10{str(int(exponent)).translate(SUPERSCRIPT)}"


def in_ascii(text: str) -> str:
    """The same with its powers of ten as a terminal without them writes it: 4.4e-16."""
    found = re.compile(f"{NO_BREAK}×{NO_BREAK}10([{''.join(map(chr, SUPERSCRIPT.values()))}]+)")
    return found.sub(lambda power: "e" + power[1].translate(PLAIN_DIGITS), text).replace(MINUS, "-")


def rounding(difference: float, precision: Precision) -> str:
    """A sentence of what a difference means between figures near one, or of a fraction of them."""
    held = 16 if precision == "float64" else 7
    if difference == 0:
        return "Not one bit differs."
    same = math.floor(-math.log10(difference)) if math.isfinite(difference) else 0
    if same >= held - 1:
        return f"That is about the last digit that a {precision} holds."
    if same < 1:
        return "That is more than rounding."
    if same == 1:
        return f"Of the {held} digits that a {precision} holds, the first is the same."
    return f"Of the {held} digits that a {precision} holds, the first {same} are the same."
