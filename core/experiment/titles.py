"""What runs are called, and their settings in words: in a title, a line, a table, and where runs differ."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from core.experiment.dates import day_and_time
from core.experiment.settings import DEFAULTS, SETTINGS, TrainSettings, in_order

TITLE_LETTERS = 60
TITLE_ORDER = in_order("engines", last=("alignment", "dataset"))
"""What stands last in a title: how alike the lanes began, and on what they trained."""
ARTICLES = {"network": "article", "dataset": "mnist"}
"""On what the article trains what."""
ALWAYS_SAID = ("batch_size", "epochs", "dropout", "alignment", "schedule", "dataset")
"""Settings that are worth saying where they have their default, in this order."""
ALWAYS_FOUND = ("batch_size", "epochs", "dropout", "learning_rate", "engines", "alignment", "dataset")
"""Settings by whose default a search finds a run; any other one is found where a title says it."""
JOINER = "\u200d"
SKIN_TONES = range(0x1F3FB, 0x1F400)
BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Letters that change the writing direction of all that follows."""


def cut(text: str, letters: int = TITLE_LETTERS) -> str:
    """The text on one line, visibly cut where it has more than so many letters, never within an emoji or an accent."""
    text = BIDI_CONTROLS.sub("", " ".join(text.split()))
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
    said = {"alignment", *settings.changed()}
    return sentence_case(", ".join(phrases(settings, [name for name in TITLE_ORDER if name in said])))


def apart_by(settings: TrainSettings) -> str:
    """The name of the setting that tells a recorded duel from the others.

    That is data or a network which are not the article's, else how alike the lanes began.
    """
    others = [name for name, usual in ARTICLES.items() if getattr(settings, name) != usual]
    return others[-1] if others else "alignment"


def duel_title(settings: TrainSettings) -> str:
    """What a recorded duel is called beside the others."""
    name = apart_by(settings)
    return SETTINGS[name].cell(getattr(settings, name))


def brief(settings: TrainSettings) -> str:
    """A run's settings in one line, as a sentence; its engines are seen in its lanes."""
    others = [name for name in settings.changed() if name not in (*ALWAYS_SAID, "engines")]
    return sentence_case(", ".join(phrases(settings, [*ALWAYS_SAID, *others]))) + "."


def table(settings: TrainSettings) -> dict[str, str]:
    """Every setting by its name on the page, with its value in words."""
    order = in_order("engines", "dataset", "alignment")
    return {SETTINGS[name].title: SETTINGS[name].cell(getattr(settings, name)) for name in order}


def in_full(settings: TrainSettings) -> str:
    """Every setting with its value, as a sentence."""
    words = [f"{setting.word} {setting.said(getattr(settings, name))}" for name, setting in SETTINGS.items()]
    return sentence_case("; ".join(words)) + "."


def differences(several: Sequence[TrainSettings]) -> str:
    """Which settings of the runs differ, with each run's value: `batch size 126, 512`."""
    parts = []
    for name, setting in SETTINGS.items():
        said = [setting.said(getattr(settings, name)) for settings in several]
        if len(set(said)) > 1:
            parts.append(f"{setting.word} {', '.join(f'“{one}”' if ',' in one else one for one in said)}")
    return f"They differ in: {'; '.join(parts)}." if parts else "Their settings are the same."


def phrases(settings: TrainSettings, names: Sequence[str]) -> list[str]:
    """These settings as one says them."""
    return [SETTINGS[name].phrase(getattr(settings, name)) for name in names]


def sentence_case(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


@lru_cache(maxsize=20_000)
def searchable_settings(text: str) -> str:
    """Where a search looks for a run by its settings (as JSON): titles and codes, case-folded, a line each.

    The stored values are taken as they are: to check those of 10,000 runs would take half a second.
    """
    try:
        stored = {name: value for name, value in json.loads(text).items() if name in SETTINGS}
        words: list[str] = []
        for name, default in DEFAULTS.items():
            value = stored.get(name, default)
            if name in ALWAYS_FOUND or value != default:
                words.append(SETTINGS[name].phrase(value))
                words += value if isinstance(value, list) else [str(value)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # damaged: by its name, then
        return ""
    return "\n".join(words).casefold()


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
        timed = f"{title}, {day_and_time(run.created_at)}"
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
