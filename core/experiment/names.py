"""What engines, data sets and choices are called on a page and in sentences."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, Protocol

from core.data.datasets import DATASETS
from core.experiment.settings import Alignment, Device, Schedule, TrainSettings

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
ALIGNMENT_MEANINGS: dict[str, str] = {
    Alignment.AS_SHIPPED: "Each framework's own initial weights, shuffling and Adam.",
    Alignment.SAME_START: "The same initial weights, batches and Adam in both.",
    Alignment.EXACT_TWIN: "Same start, in float64 and with the same dropout: both compute the same numbers.",
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
_TITLES = ALIGNMENT_TITLES | SCHEDULE_TITLES | DEVICE_TITLES
USUAL = TrainSettings().as_json()
_LAST = ("alignment", "dataset")
TITLE_ORDER = ("engines", *(field for field in USUAL if field not in ("engines", *_LAST)), *_LAST)
"""What stands last in a title: how alike the lanes began, and on what they trained."""
JOINER = "\u200d"
SKIN_TONES = range(0x1F3FB, 0x1F400)
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""What turns the direction of all that follows it."""


def setting_value(value: object) -> str:
    """A setting's value in a sentence."""
    if isinstance(value, list | tuple):
        return joined([engine_title(str(part)) for part in value])
    if isinstance(value, float):
        return f"{value:g}"
    if not isinstance(value, str) or value not in _TITLES:
        return str(value)
    title = _TITLES[value]
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def setting_phrase(field: str, value: Any) -> str:
    """A setting with its value as one says them: 2 epochs, batch size 512, as shipped."""
    if field == "epochs":
        return f"{value} epoch{'' if value == 1 else 's'}"
    if field == "engines":
        return setting_value(value) + (" alone" if len(value) == 1 else "")
    if field == "dataset":
        return DATASETS[value].title if value in DATASETS else str(value)
    if field == "alignment":
        return setting_value(value)
    if field == "dropout" and not value:
        return "no dropout"
    if field == "device":
        return {Device.CPU: "on the CPU", Device.BEST: "each on its best device"}.get(value, setting_value(value))
    return f"{SETTING_WORDS.get(field, field)} {setting_value(value)}"


def cut(text: str, letters: int = TITLE_LETTERS) -> str:
    """The text on one line, visibly cut where it has more than so many letters, never within an emoji or an accent."""
    text = TURNS.sub("", " ".join(text.split()))
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cc")  # a terminal obeys them
    if len(text) <= letters:
        return text
    end = letters - 1
    while end and (_joins(text[end]) or text[end - 1] == JOINER):
        end -= 1
    return text[:end].rstrip() + "…"


def _joins(letter: str) -> bool:
    """Whether it changes the letter before it rather than being one."""
    return letter == JOINER or ord(letter) in SKIN_TONES or unicodedata.category(letter) in ("Mn", "Mc", "Me")


def run_title(name: str, settings: TrainSettings) -> str:
    """What a run is called: its owner's name for it, else what sets its settings apart; plain text, cut."""
    return cut(name) or cut(automatic_title(settings))


def automatic_title(settings: TrainSettings) -> str:
    """What a run is, by its settings: which differ from the usual ones, and how alike its lanes began."""
    values = settings.as_json()
    phrases = [
        setting_phrase(field, values[field])
        for field in TITLE_ORDER
        if field == "alignment" or values[field] != USUAL[field]
    ]
    title = ", ".join(phrases)
    return title[:1].upper() + title[1:]


ALWAYS_SAID = ("batch_size", "epochs", "dropout", "learning_rate", "engines", "alignment", "dataset")
"""Settings that a run's page shows whether they are the usual ones or not."""


@lru_cache(maxsize=20_000)
def sought_in_settings(text: str) -> str:
    """Where a search looks for a run by its settings (as JSON): title, titles and codes, case-folded, a line each."""
    try:
        settings = TrainSettings.of_store(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError):  # damaged: by its name, then
        return ""
    words, values = [automatic_title(settings)], settings.as_json()
    for field in ALWAYS_SAID:
        codes = values[field]
        words += [setting_phrase(field, codes), *map(str, codes if isinstance(codes, list) else [codes])]
    return "\n".join(words).casefold()


def moment(created_at: str) -> str:
    """24 Nov, 07:01 here; the year where it is another one. What is no time stands as it is."""
    try:
        when = datetime.fromisoformat(created_at).astimezone()
    except (ValueError, OverflowError):
        return cut(created_at, 20)
    year = "" if when.year == datetime.now().year else f" {when.year}"
    return f"{when.day} {when:%b}{year}, {when:%H:%M}"


class Titled(Protocol):
    """What a run has that its title is made of."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> TrainSettings: ...
    @property
    def created_at(self) -> str: ...


def distinct_titles(runs: Sequence[Titled]) -> dict[str, str]:
    """Each run's title by its id, no two the same: those that would be get their time, then their id's end, or all."""
    forms = []
    for run in runs:
        title = run_title(run.name, run.settings)
        timed = f"{title}, {moment(run.created_at)}"
        forms.append((title, timed, f"{timed} ({run.id[-4:]})", f"{timed} ({run.id})"))
    steps = [0] * len(forms)
    while True:
        shown = [form[step] for form, step in zip(forms, steps, strict=True)]
        often = Counter(shown)
        same = [i for i, title in enumerate(shown) if often[title] > 1 and steps[i] < 3]
        if not same:
            return {run.id: title for run, title in zip(runs, shown, strict=True)}
        for i in same:
            steps[i] += 1
