"""Whether an aligned run held: both lanes' losses, figures and final weights, compared as they come.

Pure: what lanes report goes in, a `FairnessVerdict` comes out; `core.results.fairness_words` puts it into words. The
certificate before epoch 1 (`core.experiment.parity`) warns early; only this looks at the run itself. The bounds and
what was measured to choose them stand in docs/fairness.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from core.experiment.settings import Alignment
from core.protocol import messages

KINDS = ("first_losses", "step_loss", "loss", "accuracy", "weight")
"""The kinds of differences: `Bounds` has a bound for each, `FairnessVerdict` the largest that was found."""
State = Literal["held", "parted", "failed", "not compared"]
Where = Literal["step", "steps", "epoch", "epochs", "test", "weights"]


@dataclass(frozen=True)
class Bounds:
    """The largest differences that rounding explains.

    A loss' difference is over the larger loss, or over 1 where both are smaller: below 1 a loss is a difference of
    larger numbers, and what rounding leaves of it does not shrink with it. An accuracy's is a fraction of the images.
    An array of weights differs by the length of the difference over the longer array's, `SMALL_WEIGHT` a number at
    least: what a network cannot learn is rounding alone.
    """

    first_losses: float
    """For the first ten steps of the run."""
    step_loss: float
    """For every later step."""
    loss: float
    accuracy: float
    weight: float


@dataclass(frozen=True)
class Parting:
    """The first difference above its bound, in the order in which a run goes on."""

    where: Where
    """A step's loss, how many steps an epoch had, an epoch's figures, how many epochs, the test, the final weights."""
    figure: str
    """What differed: the name of a figure or of an array of weights."""
    epoch: int
    """From 1; 0 for the test and the weights."""
    step: int
    """Of the epoch, from 1; 0 where `where` is no step."""
    run_step: int
    """The same step counted from the run's begin."""
    difference: float
    bound: float


@dataclass(frozen=True)
class FairnessVerdict:
    """What was compared, the largest difference of each kind, and where the lanes first parted, if they did."""

    state: State
    steps: int = 0
    """Steps whose losses were compared."""
    epochs: int = 0
    tested: bool = False
    weighed: bool = False
    """Whether both lanes' final weights were compared."""
    complete: bool = False
    """Whether both lanes came to their end; else they are compared as far as both got, and did not hold."""
    certified: bool | None = None
    """What the certificate before epoch 1 said."""
    first_losses_difference: float = 0.0
    """Of the first ten steps; the next one is of all."""
    step_loss_difference: float = 0.0
    loss_difference: float = 0.0
    accuracy_difference: float = 0.0
    weight_difference: float = 0.0
    bounds: Bounds | None = None
    """None where dropout draws other numbers in each lane, and only the start can be held to a bound."""
    apart: str = ""
    """The array of weights that differs most."""
    parting: Parting | None = None

    @property
    def parted(self) -> bool:
        """Whether more than the framework differs, so that the run compares nothing."""
        return self.state in ("parted", "failed")

    def __post_init__(self) -> None:
        """Raises `ValueError` where it contradicts itself."""
        if self.state == "held" and not self.complete:  # as earlier versions said of a run that was cut off
            object.__setattr__(self, "state", "not compared")
        measured = {kind: getattr(self, f"{kind}_difference") for kind in KINDS}
        above = self.bounds is not None and any(
            not difference <= getattr(self.bounds, kind) for kind, difference in measured.items()
        )
        if (self.state == "parted") != (self.parting is not None) or (self.state == "held" and above):
            raise ValueError("a run that held has no difference above its bound, and one that parted says where")
        if self.parting is not None and not self.parting.difference > self.parting.bound:
            raise ValueError("lanes part where a difference is above its bound")
        if min(self.steps, self.epochs, *measured.values()) < 0:
            raise ValueError("counts and differences are not negative")


TWIN_BOUNDS = Bounds(first_losses=1e-12, step_loss=1e-11, loss=1e-11, accuracy=1e-12, weight=1e-8)
"""Over 8 epochs losses differ by 3e-13 and weights by 5e-11 at most, up to a learning rate of 10; at 1e-3 by 1e-15."""
SAME_START_BOUNDS = Bounds(first_losses=0.05, step_loss=0.5, loss=0.1, accuracy=0.05, weight=1.0)
"""Float32 drifts: at the default by 3e-6 over the first ten steps, at a learning rate of 0.3 by 6e-4; by 1e-2 of a loss
over 8 epochs. The certificate holds the start far closer."""
FIRST_STEPS = 10
SMALL_WEIGHT = 0.02


_VERDICT = TypeAdapter(FairnessVerdict)


def from_fields(fields: Mapping[str, Any] | None) -> FairnessVerdict | None:
    """The verdict of a row's fields, or None where there is none. Raises pydantic's `ValidationError`."""
    return None if fields is None else _VERDICT.validate_python(fields)


def bounds_of(alignment: str, drops: bool) -> Bounds | None:
    """The bounds to which a run of this alignment is held; None where its dropout differs by design."""
    if alignment == Alignment.EXACT_TWIN:
        return TWIN_BOUNDS
    return None if drops else SAME_START_BOUNDS


def state_of(parted: bool, certified: bool | None, weighed: bool, bounded: bool, steps: int) -> State:
    """What follows from what was found: `weighed` is a run that came to its end, with its weights compared, `bounded`
    one whose differences have bounds, `steps` how many steps were compared.
    """
    if parted:
        return "parted"
    if certified is False:
        return "failed"
    if not weighed:
        return "not compared"
    # Where dropout differs by design, the start is all that can be held to anything.
    compared = steps if bounded else certified
    return "held" if compared else "not compared"


Floats = npt.NDArray[np.floating[Any]]


@dataclass
class _Side:
    """What one lane has reported and the other has not yet."""

    losses: dict[int, dict[int, float]] = field(default_factory=dict)
    """Loss by epoch and step."""
    epochs: dict[int, messages.Epoch] = field(default_factory=dict)
    result: messages.Result | None = None


class Comparison:
    """Takes what two aligned lanes report, in any order, and keeps only what the other has not reported yet."""

    def __init__(self, engines: Sequence[str], alignment: str, drops: bool, every_step: bool = True) -> None:
        """`every_step`: whether a lane reports all its steps, so that their number counts, too."""
        self._every_step = every_step
        self.bounds = bounds_of(alignment, drops)
        self._first, self._second = sides = _Side(), _Side()
        self._sides = dict(zip(engines, sides, strict=True))
        self._steps_per_epoch = 0
        self._steps = self._epochs = 0
        self._largest = dict.fromkeys(KINDS, 0.0)
        self._parting: Parting | None = None

    def take(self, engine: str, message: messages.Event) -> None:
        """One event of a lane: steps, an epoch, a result; others say nothing."""
        side = self._sides[engine]
        match message:
            case messages.Step(epoch, steps_per_epoch, points):
                self._steps_per_epoch = steps_per_epoch
                side.losses.setdefault(epoch, {}).update((int(step), loss) for step, loss in points)
            case messages.Epoch(epoch):
                side.epochs[epoch] = message
                if epoch in self._first.epochs and epoch in self._second.epochs:
                    self._close_epoch(epoch)
            case messages.Result():
                side.result = message

    def verdict(
        self, weights: Sequence[Mapping[str, Floats]] = (), complete: bool = False, certified: bool | None = None
    ) -> FairnessVerdict:
        """The verdict once no event comes any more.

        `weights` holds both lanes' final weights in the canonical layout where both have some, `complete` says that
        both lanes came to their end, `certified` is what the certificate before epoch 1 said, None without one.
        """
        for epoch in sorted(self._first.losses.keys() & self._second.losses.keys()):
            self._compare_steps(epoch)
        trained = [max(side.epochs, default=0) for side in (self._first, self._second)]
        if complete and trained[0] != trained[1]:
            self._found("epochs", "epochs", min(trained) + 1, 0, abs(trained[0] - trained[1]), 0)
        one, other = self._first.result, self._second.result
        if one is not None and other is not None:
            self._compare_figures("test", 0, (one, other), ("test_loss", "test_accuracy"))
            self._compare_confusion(np.array(one.confusion), np.array(other.confusion))
        apart = self._compare_weights(*weights) if weights else ""
        parted, weighed = self._parting is not None, complete and bool(weights)
        return FairnessVerdict(
            state_of(parted, certified, weighed, self.bounds is not None, self._steps),
            self._steps,
            self._epochs,
            tested=one is not None and other is not None,
            weighed=bool(weights),
            complete=complete,
            certified=certified,
            **{f"{kind}_difference": value for kind, value in self._largest.items()},
            bounds=self.bounds,
            apart=apart,
            parting=self._parting,
        )

    def _close_epoch(self, epoch: int) -> None:
        """Compares an epoch that both lanes have reported, and forgets it."""
        counts = [len(side.losses.get(epoch, ())) for side in (self._first, self._second)]
        self._compare_steps(epoch)
        if self._every_step and {*counts} != {self._steps_per_epoch}:
            self._found("steps", "steps", epoch, 0, max(abs(n - self._steps_per_epoch) for n in counts), 0)
        pair = self._first.epochs[epoch], self._second.epochs[epoch]
        self._compare_figures("epoch", epoch, pair, ("train_loss", "train_accuracy", "val_loss", "val_accuracy"))
        self._epochs += 1

    def _compare_steps(self, epoch: int) -> None:
        one, other = (side.losses.pop(epoch, {}) for side in (self._first, self._second))
        for step in sorted(one.keys() & other.keys()):
            self._steps += 1
            difference = relative_difference(one[step], other[step])
            first = self._run_step(epoch, step) <= FIRST_STEPS
            for kind in ("first_losses", "step_loss") if first else ("step_loss",):
                bound = getattr(self.bounds, kind) if self.bounds else None
                self._measure("step", kind, "loss", epoch, step, difference, bound)

    def _compare_figures(self, where: Where, epoch: int, pair: tuple[Any, Any], names: Sequence[str]) -> None:
        for name in names:
            one, other = (getattr(message, name) for message in pair)
            if name.endswith("accuracy"):
                kind, difference = "accuracy", abs(one - other)
            else:
                kind, difference = "loss", relative_difference(one, other)
            bound = getattr(self.bounds, kind) if self.bounds else None
            self._measure(where, kind, name, epoch, 0, difference, bound)

    def _compare_confusion(self, one: npt.NDArray[np.int_], other: npt.NDArray[np.int_]) -> None:
        """Compares what each test image was read as: the fraction of images that stand in another cell."""
        if self.bounds is None or one.shape != other.shape or not one.sum():
            return
        moved = float(np.abs(one - other).sum() / (2 * one.sum()))
        if not moved <= self.bounds.accuracy:
            self._found("test", "confusion", 0, 0, moved, self.bounds.accuracy)

    def _compare_weights(self, one: Mapping[str, Floats], other: Mapping[str, Floats]) -> str:
        """Compares two sets of weights of the same names; returns the name of the array that differs most."""
        differences = {name: weight_difference(one[name], other[name]) for name in one}
        most = max(differences, key=lambda name: differences[name])
        bound = self.bounds.weight if self.bounds else None
        self._measure("weights", "weight", most, 0, 0, differences[most], bound)
        return most

    def _measure(
        self, where: Where, kind: str, figure: str, epoch: int, step: int, difference: float, bound: float | None
    ) -> None:
        self._largest[kind] = max(self._largest[kind], difference)
        if bound is not None and not difference <= bound:
            self._found(where, figure, epoch, step, difference, bound)

    def _found(self, where: Where, figure: str, epoch: int, step: int, difference: float, bound: float) -> None:
        if self._parting is None:
            run_step = self._run_step(epoch, step) if step else 0
            self._parting = Parting(where, figure, epoch, step, run_step, difference, bound)

    def _run_step(self, epoch: int, step: int) -> int:
        """The step counted from the run's begin."""
        return (epoch - 1) * self._steps_per_epoch + step


def relative_difference(one: float, other: float) -> float:
    """How far two losses are apart, over the larger one, or over 1 where both are smaller."""
    return abs(one - other) / max(abs(one), abs(other), 1.0)


def weight_difference(one: Floats, other: Floats) -> float:
    """The length of the difference of two arrays of one shape, over the longer one's; see `Bounds`."""
    least = SMALL_WEIGHT * math.sqrt(one.size)
    return float(np.linalg.norm(one - other)) / max(float(np.linalg.norm(one)), float(np.linalg.norm(other)), least)
