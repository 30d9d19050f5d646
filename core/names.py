"""What engines, data sets and choices are called on a page and in sentences."""

from collections.abc import Sequence
from typing import Literal

from core.settings import Alignment, Device, Schedule

ENGINE_TITLES = {"keras": "Keras", "torch": "PyTorch"}

ALIGNMENT_TITLES: dict[str, str] = {
    Alignment.AS_SHIPPED: "As shipped",
    Alignment.SAME_START: "Same start",
    Alignment.EXACT_TWIN: "Exact twin",
}
SCHEDULE_TITLES: dict[str, str] = {Schedule.TURNS: "In turns", Schedule.TOGETHER: "Together"}
DEVICE_TITLES: dict[str, str] = {
    Device.AUTO: "GPU where both see one, else CPU",
    Device.CPU: "CPU",
    Device.BEST: "Each its best",
}


def engine_title(engine: str) -> str:
    """The engine's name in sentences; an engine without one is called by its own."""
    return ENGINE_TITLES.get(engine, engine)


def framework(engine: str) -> Literal["keras", "torch", "other"]:
    """Whose colour a lane wears: `keras-...` is Keras', `torch-...` PyTorch's."""
    first = engine.partition("-")[0]
    return "keras" if first == "keras" else "torch" if first == "torch" else "other"


def joined(words: Sequence[str]) -> str:
    """Keras; Keras and PyTorch; a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))
