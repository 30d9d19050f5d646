"""What runs are called, and their settings in words: in a title, a line, a table, and where runs differ."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, Protocol

from core.data.dataset import Dataset
from core.experiment.dates import day_and_time
from core.experiment.settings import DEFAULTS, SETTINGS, TrainSettings, in_order

TITLE_LETTERS = 60
TITLE_ORDER = in_order("network", "engines", last=("alignment", "dataset"))
"""A list cuts a title at its end: networks, which differ most, stand first; how the lanes began, and the data, last."""
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


def cut_apart(texts: Sequence[str], letters: int) -> list[str]:
    """Each text cut, no two alike: at its end, else in its middle, else with its number, from 1, at the end."""
    forms = []
    for number, text in enumerate(texts, start=1):
        ending = text[-(letters // 2) :] if len(text) > letters else ""
        while ending and (_joins(ending[0]) or ending[0] == JOINER):
            ending = ending[1:]
        middle = cut(text, letters - len(ending)) + ending if ending else text
        forms.append((cut(text, letters), middle, f"{cut(text, letters - len(f' {number}'))} {number}"))
    return _distinct(forms)


def _distinct(forms: Sequence[Sequence[str]]) -> list[str]:
    """Of each the first form that no other has; forms go from the shortest to the one that is anyone's own."""
    steps = [0] * len(forms)
    while True:
        shown = [form[step] for form, step in zip(forms, steps, strict=True)]
        often = Counter(shown)
        same = [i for i, text in enumerate(shown) if often[text] > 1 and steps[i] < len(forms[i]) - 1]
        if not same:
            return shown
        for i in same:
            steps[i] += 1


def _joins(letter: str) -> bool:
    """Whether it changes the letter before it rather than being one."""
    return letter == JOINER or ord(letter) in SKIN_TONES or unicodedata.category(letter) in ("Mn", "Mc", "Me")


class Titled(Protocol):
    """What a run has that its title is made of, and its settings' words: its data set says itself what it is called."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> TrainSettings: ...
    @property
    def dataset(self) -> Dataset: ...
    @property
    def created_at(self) -> str: ...


def run_title(run: Titled) -> str:
    """What a run is called: its owner's name for it, else what sets its settings apart; plain text, cut."""
    return cut(run.name) or cut(automatic_title(run))


def automatic_title(run: Titled) -> str:
    """What a run is, by its settings: which differ from the usual ones, and how alike its lanes began."""
    said = {"alignment", *run.settings.changed()}
    return sentence_case(", ".join(phrases(run, [name for name in TITLE_ORDER if name in said])))


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


def brief(run: Titled) -> str:
    """A run's settings in one line, as a sentence; its engines are seen in its lanes."""
    others = [name for name in run.settings.changed() if name not in (*ALWAYS_SAID, "engines")]
    return sentence_case(", ".join(phrases(run, [*ALWAYS_SAID, *others]))) + "."


def table(run: Titled) -> dict[str, str]:
    """Every setting by its name on the page, with its value in words."""
    order = in_order("engines", "dataset", "alignment")
    return {SETTINGS[name].title: _worded(run, name, "cell") for name in order}


def in_full(run: Titled) -> str:
    """Every setting with its value, as a sentence."""
    words = [f"{setting.word} {_worded(run, name, 'said')}" for name, setting in SETTINGS.items()]
    return sentence_case("; ".join(words)) + "."


def differences(several: Sequence[Titled]) -> str:
    """Which settings of the runs differ, with each run's value: `batch size 126, 512`."""
    parts = []
    for name, setting in SETTINGS.items():
        said = [_worded(run, name, "said") for run in several]
        if len(set(said)) > 1:
            parts.append(f"{setting.word} {', '.join(f'“{one}”' if ',' in one else one for one in said)}")
    return f"They differ in: {'; '.join(parts)}." if parts else "Their settings are the same."


def phrases(run: Titled, names: Sequence[str]) -> list[str]:
    """These settings as one says them."""
    return [_worded(run, name, "phrase") for name in names]


def _worded(run: Titled, name: str, form: Literal["phrase", "said", "cell"]) -> str:
    """A setting's value in words; of its data set the title, which one's own images alone know."""
    if name == "dataset":
        return run.dataset.title
    words: str = getattr(SETTINGS[name], form)(getattr(run.settings, name))
    return words


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


def distinct_titles(runs: Sequence[Titled]) -> dict[str, str]:
    """Each run's title by its id, no two the same: those that would be get their time, then their id's end, or all."""
    forms = []
    for run in runs:
        title = run_title(run)
        timed = f"{title}, {day_and_time(run.created_at)}"
        forms.append((title, timed, f"{timed} ({run.id[-4:]})", f"{timed} ({run.id})"))
    return dict(zip((run.id for run in runs), _distinct(forms), strict=True))
