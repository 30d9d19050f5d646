"""What engines are called on a page and in sentences, and how words are counted and joined there."""

from collections.abc import Sequence
from typing import Literal

ENGINE_TITLES = {
    "keras": "Keras",
    "torch": "PyTorch",
    "keras-eager": "Keras eager",
    "keras-on-torch": "Keras on PyTorch",
    "keras-on-jax": "Keras on JAX",
    "keras-tuned": "Keras tuned",
    "torch-compile": "PyTorch compiled",
    "torch-tuned": "PyTorch tuned",
}
NUMBER_WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def engine_title(engine: str) -> str:
    """The engine's name in sentences; an engine without one is called by its own."""
    return ENGINE_TITLES.get(engine, engine)


def framework(engine: str) -> Literal["keras", "torch", "other"]:
    """The framework in whose colour a lane is drawn: `keras-...` Keras'."""
    first = engine.partition("-")[0]
    return "keras" if first == "keras" else "torch" if first == "torch" else "other"


def is_variant(engine: str) -> bool:
    """Whether an engine's lane is drawn thin and open: all but the two frameworks as shipped."""
    return framework(engine) != "other" and engine != framework(engine)


def joined(words: Sequence[str], last: str = "and") -> str:
    """Keras; Keras and PyTorch; a, b and c."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))
