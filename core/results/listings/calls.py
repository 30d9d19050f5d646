"""A call as a line of a script, or as several where one would be too long for a narrow screen."""

import json
from dataclasses import dataclass
from typing import Self

from core.experiment.settings import Optimizer

LINE_LETTERS = 76
"""Of a line of a script."""
OPTIMIZERS = {
    Optimizer.ADAM: "Adam",
    Optimizer.ADAMW: "AdamW",
    Optimizer.SGD: "SGD",
    Optimizer.NESTEROV: "SGD",
    Optimizer.RMSPROP: "RMSprop",
}
"""What both frameworks call them."""


@dataclass(frozen=True)
class Call:
    """One layer or optimiser as code: `layers.Conv2D(30, 3, activation="relu")`."""

    function: str
    arguments: tuple[str, ...] = ()
    comment: str = ""
    name: str = ""
    """What the layer is called in the lane's network."""

    @classmethod
    def of(cls, function: str, *arguments: object, comment: str = "", name: str = "", **options: object) -> Self:
        """Arguments stand as `str` gives them; options that are None are left out, and those that are text quoted."""
        named = [
            f"{key}={json.dumps(value) if isinstance(value, str) else value}"
            for key, value in options.items()
            if value is not None
        ]
        return cls(function, (*map(str, arguments), *named), comment, name)

    def written(self, indent: int = 0, prefix: str = "", end: str = ",") -> str:
        """The call as lines that many spaces in, without the last line's end."""
        margin = " " * indent
        note = f"  # {self.comment}" if self.comment else ""
        line = f"{margin}{prefix}{self.function}({', '.join(self.arguments)}){end}"
        if len(line + note) <= LINE_LETTERS:
            return line + note
        above = f"{margin}# {self.comment}\n" if self.comment else ""
        if len(line) <= LINE_LETTERS:
            return above + line
        inner = "".join(f"{margin}    {argument},\n" for argument in self.arguments)
        return f"{above}{margin}{prefix}{self.function}(\n{inner}{margin}){end}"


def same_after_pool(stride: int) -> str:
    """What is said of a ReLU that comes after its max-pool."""
    return "the same after the pool" + (", on a quarter" if stride == 2 else "")
