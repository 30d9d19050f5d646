"""What engines, data sets and choices are called on a page and in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from core.settings import Alignment, Device, Schedule, TrainSettings

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


def is_variant(engine: str) -> bool:
    """Whether a lane wears its framework's colour thin and open: every engine but the two frameworks as shipped."""
    return framework(engine) != "other" and engine != framework(engine)


def joined(words: Sequence[str]) -> str:
    """Keras; Keras and PyTorch; a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


SETTING_WORDS = {
    "batch_size": "batch size",
    "learning_rate": "learning rate",
    "dataset": "data set",
    "patience": "early stopping after",
    "schedule": "lanes",
}
"""Settings whose name in a sentence is not their name in code."""
TITLE_LETTERS = 60


def setting_value(value: object) -> str:
    """A setting's value in a sentence."""
    if isinstance(value, list | tuple):
        return joined([engine_title(str(part)) for part in value])
    if isinstance(value, float):
        return f"{value:g}"
    titles = ALIGNMENT_TITLES | SCHEDULE_TITLES | DEVICE_TITLES
    return titles[value].lower() if isinstance(value, str) and value in titles else str(value)


def run_title(name: str, settings: Mapping[str, Any]) -> str:
    """What a run is called: its own name, cut at 60 letters, else what sets its settings apart; plain text."""
    if name:
        return name if len(name) <= TITLE_LETTERS else name[: TITLE_LETTERS - 1] + "…"
    usual = TrainSettings().as_json()
    apart = [
        f"{SETTING_WORDS.get(field, field)} {setting_value(value)}"
        for field, value in settings.items()
        if field in usual and field not in ("engines", "alignment", "dataset") and value != usual[field]
    ]
    if list(settings["engines"]) != usual["engines"]:
        apart.insert(0, setting_value(settings["engines"]))
    if settings["alignment"] != usual["alignment"] or not apart:
        apart.insert(0, ALIGNMENT_TITLES[settings["alignment"]])
    title = ", ".join(apart)
    title = title[:1].upper() + title[1:]
    return title if len(title) <= TITLE_LETTERS else title[: TITLE_LETTERS - 1] + "…"
