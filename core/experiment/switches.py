"""What an exact twin aligns, one name each: a run can keep any of them as the frameworks ship it (`keep`).

An engine asks the settings whether they align one (`TrainSettings.aligns`), and nothing else decides it: as shipped
none is aligned, at the same start all but the dropout masks and the precision, in the twin all that are not kept. So
the twin that keeps every one is a run as shipped.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.experiment.kinds import Setting, shown
from core.experiment.names import joined


class Switch(StrEnum):
    """One default in which the frameworks differ, inside a run."""

    INITIALISERS = "initialisers"
    BATCH_ORDER = "batch-order"
    DROPOUT_MASKS = "dropout-masks"
    FLOAT32 = "float32"
    ROUNDED_CONSTANTS = "rounded-constants"
    ADAM_EPSILON = "adam-epsilon"
    RMSPROP_EPSILON = "rmsprop-epsilon"
    RMSPROP_RHO = "rmsprop-rho"
    WEIGHT_DECAY = "weight-decay"
    BATCHNORM_EPSILON = "batchnorm-epsilon"
    BATCHNORM_MOMENTUM = "batchnorm-momentum"
    BATCHNORM_VARIANCE = "batchnorm-variance"
    LAYERNORM_EPSILON = "layernorm-epsilon"
    STRIDED_PADDING = "strided-padding"
    AVGPOOL_PADDING = "avgpool-padding"
    LEAKYRELU_SLOPE = "leakyrelu-slope"


@dataclass(frozen=True)
class SwitchWords:
    """`title` stands in lists and sentences, `meaning` is one line: what either framework does by default."""

    title: str
    meaning: str


WORDS = {
    Switch.INITIALISERS: SwitchWords(
        "Initialisers",
        "Each framework draws its own initial weights, by its own rule: Keras Glorot, PyTorch ±1/√inputs.",
    ),
    Switch.BATCH_ORDER: SwitchWords(
        "Order of batches", "Each framework shuffles by itself; Keras repeats one order in every epoch of a seeded run."
    ),
    Switch.DROPOUT_MASKS: SwitchWords("Dropout masks", "Each framework draws what it drops by itself."),
    Switch.FLOAT32: SwitchWords("Precision", "Both compute in float32, as they do by default, in place of float64."),
    Switch.ROUNDED_CONSTANTS: SwitchWords(
        "Rounded constants", "Keras' constants pass through float32 on their way, PyTorch's do not."
    ),
    Switch.ADAM_EPSILON: SwitchWords(
        "Adam's epsilon", "Keras adds 1e-7 before the bias correction, PyTorch 1e-8 after it."
    ),
    Switch.RMSPROP_EPSILON: SwitchWords("RMSprop's epsilon", "Keras adds 1e-7 under the root, PyTorch 1e-8 behind it."),
    Switch.RMSPROP_RHO: SwitchWords("RMSprop's decay", "Keras keeps 0.9 of the mean of squares a step, PyTorch 0.99."),
    Switch.WEIGHT_DECAY: SwitchWords(
        "Weight decay", "Keras shrinks the weights; PyTorch's Adam, SGD and RMSprop add the decay to the gradient."
    ),
    Switch.BATCHNORM_EPSILON: SwitchWords("Batch norm's epsilon", "1e-3 in Keras, 1e-5 in PyTorch."),
    Switch.BATCHNORM_MOMENTUM: SwitchWords(
        "Batch norm's momentum", "A running statistic takes 1 % of a batch's in Keras, 10 % in PyTorch."
    ),
    Switch.BATCHNORM_VARIANCE: SwitchWords(
        "Batch norm's variance", "Keras keeps the batch's own variance, PyTorch n / (n - 1) of it."
    ),
    Switch.LAYERNORM_EPSILON: SwitchWords("Layer norm's epsilon", "1e-3 in Keras, 1e-5 in PyTorch."),
    Switch.STRIDED_PADDING: SwitchWords(
        "Padding with a stride", "Keras pads more on the right and below; padding in PyTorch is the same on all sides."
    ),
    Switch.AVGPOOL_PADDING: SwitchWords(
        "Average over padding", "Keras leaves the padding out of an average, PyTorch counts it."
    ),
    Switch.LEAKYRELU_SLOPE: SwitchWords("Leaky ReLU's slope", "0.2 in Keras, 0.01 in PyTorch."),
}
"""Of each switch."""


@dataclass(frozen=True)
class Switches(Setting):
    """Several switches, or none: as a list, or as text with commas between them."""

    @property
    def allowed(self) -> str:
        return f"empty, or some of {', '.join(Switch)}"

    def why_not(self, value: object) -> str:
        names = self.read(value)
        if not isinstance(names, tuple):
            return f"{self.label} must be {self.allowed}, not {shown(value)}."
        for name in names:
            if name not in [*Switch]:
                return f"There is no default {shown(name)} to keep. Defaults: {', '.join(Switch)}."
        return "" if len(set(names)) == len(names) else f"{self.label} must differ: each is kept once."

    def read(self, value: Any) -> object:
        """In the order of `Switch`, so that what is the same run is called the same."""
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list | tuple):
            return value
        order = [*Switch]
        return tuple(sorted(value, key=lambda name: order.index(name) if name in order else len(order)))

    def typed(self, value: Any) -> str:
        return ",".join(value)

    def said(self, value: Any) -> str:
        return titles(value) if value else "nothing"

    def phrase(self, value: Any) -> str:
        return f"keeping {self.said(value)}"


PROPER = ("Adam's epsilon", "RMSprop's epsilon", "RMSprop's decay")
"""Titles that begin with a name."""


def titles(kept: Any) -> str:
    """The switches as they stand in a sentence: Adam's epsilon and weight decay."""
    words = [WORDS[switch].title for switch in map(Switch, kept)]
    return joined([word if word in PROPER else word[0].lower() + word[1:] for word in words])
