"""What there is to say of the insides of two models: how far their layers part, and how alike their gradients are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.experiment.metrics import NO_BREAK, digits
from core.experiment.network import Node
from core.launcher.answers import Inside
from core.web.draw.layer_pictures import MOST_MAPS, Scale
from core.web.draw.view import a_class

ROUNDING = 1e-4
"""Of a layer's largest output: what two frameworks part by where they compute the same in float32."""


@dataclass(frozen=True)
class Parting:
    """How far two models' outputs of one layer lie apart: the largest difference, and the largest output of both."""

    layer: str
    difference: float
    largest: float

    @property
    def share(self) -> float:
        """The difference as a share of the largest output."""
        return self.difference / self.largest if self.largest else 0.0

    @property
    def rounding(self) -> bool:
        """Whether rounding can account for it."""
        return self.share <= ROUNDING


def partings(first: Inside, second: Inside) -> list[Parting]:
    """Of every layer, in the network's order."""
    found = []
    for layer, output in first.outputs.items():
        one, other = output.astype(np.float64), second.outputs[layer].astype(np.float64)
        largest = max(float(np.abs(one).max()), float(np.abs(other).max()))
        found.append(Parting(layer, float(np.abs(one - other).max()), largest))
    return found


def share_words(share: float) -> str:
    """A share in per cent, to two digits."""
    return f"{digits(100 * share)}{NO_BREAK}%"


def shape_words(node: Node, compared: int) -> str:
    """conv1 (conv 30 3 relu): 26 × 26 × 30. `compared`: how many of its maps or numbers came."""
    size = f"{NO_BREAK}×{NO_BREAK}".join(f"{length:,}" for length in node.leaves)
    what = f"{node.name} ({node.layer})" if str(node.layer) != node.name else node.name
    flat = len(node.leaves) == 1
    words = (
        f"{what}: {size} {'number' if node.leaves == (1,) else 'numbers'}."
        if flat
        else f"{what}: {size}, height by width by maps."
    )
    count, kind = node.leaves[-1], "numbers" if flat else "maps"
    if compared < count:
        words += f" The network is large: only the first {compared:,} of {count:,} {kind} are compared."
    if not flat and compared > MOST_MAPS:
        words += f" The first {MOST_MAPS} are shown."
    return words


def parting_words(parting: Parting) -> str:
    """How far the models part at the layer that is shown."""
    if not parting.difference:
        return "Both models compute the same here, digit for digit."
    share = "" if parting.rounding else f" ({share_words(parting.share)})"
    return f"Largest difference: {digits(parting.difference)}, of a largest output of {digits(parting.largest)}{share}."


def most_words(found: Sequence[Parting], own_starts: bool) -> str:
    """At which layer the models part most; `own_starts`: each model was trained from random weights of its own."""
    most = max(found, key=lambda parting: parting.share)
    if most.rounding:
        return f"No layer parts by more than {digits(most.share)} of its largest output, which is rounding."
    words = f"The models part most at {most.layer}, by {share_words(most.share)} of its largest output."
    if own_starts:
        words += " Each was trained from random weights of its own: the first map of one need not be like the other's."
    return words


def same_weights_words(
    titles: Sequence[str], found: Sequence[Parting], back: Sequence[Parting], as_shipped: bool
) -> str:
    """Both models with the second one's weights (`found`), then with the first one's (`back`): whether they differ."""
    first, second = titles
    words = f"Here both models have the weights that {second} learnt. "
    share, other = (max(each.share for each in way) for way in (found, back))
    parted = next((parting.layer for parting in found if not parting.rounding), "")
    if parted:
        why = " As shipped, some layers do not compute the same in both frameworks." if as_shipped else ""
        return f"{words}They still differ, from {parted} on, by up to {share_words(share)} of a largest output.{why}"
    words += f"The differences vanish: at most {digits(share)} of a layer's largest output is left, "
    words += "which is rounding. What a layer computes is in its weights, not in its framework."
    if other <= ROUNDING:
        words += f" With the weights that {first} learnt it is {digits(other)}."
    return words


def scale_words(scale: Scale, shades: bool) -> str:
    """How the pictures of a layer are to be read: in `shades` of grey, or as bars."""
    if not shades:
        return f"All bars have one scale, from {digits(scale.low)} to {digits(scale.high)}; the line is 0."
    words = f"Black is {digits(scale.low)}, white {digits(scale.high)}, in both."
    return f"{words} In the difference black is 0, white {digits(scale.of_differences.high)}."


def strength(gradient: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How strongly each pixel moves the answer, [H, W, 1]: the largest size of its channels' gradients."""
    found: npt.NDArray[np.float32] = np.abs(gradient).max(axis=2, keepdims=True)
    return found


def correlation(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float | None:
    """Pearson's correlation of two maps, from -1 to 1; None where one of them is the same everywhere."""
    a, b = (each.astype(np.float64).ravel() - each.mean(dtype=np.float64) for each in (first, second))
    sizes = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / sizes if sizes > 0 else None


def gradient_words(pair: Sequence[Inside], titles: Sequence[str], classes: Sequence[str]) -> str:
    """What each model's map is of, and how far the maps agree."""
    read = [a_class(classes[int(list(inside.outputs.values())[-1].argmax())]) for inside in pair]
    words = "White: the pixels of which a small change moves a model's own answer most (the size of its gradient). "
    if len(pair) < 2:
        return words + f"{titles[0]} reads {read[0]}."
    if read[0] == read[1]:
        words += f"Both read {read[0]}. "
    else:
        words += f"{titles[0]} reads {read[0]}, {titles[1]} {read[1]}. "
    agree = correlation(*(strength(inside.gradient) for inside in pair))
    if agree is None:
        return words + "How far the maps agree cannot be said: one of them is the same everywhere."
    return words + f"The two maps agree by {agree:.2f} (correlation: 1 is the same map, 0 is none in common)."
