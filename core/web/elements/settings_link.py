"""Settings as the parameters of a link: every one that differs from its default, under the field's own name."""

from collections.abc import Mapping
from typing import Any

from core.experiment.kinds import Number
from core.experiment.network_text import NetworkText
from core.experiment.settings import DEFAULTS, SETTINGS

MOST_LINK_LETTERS = 1000
"""Of a text that is no number, in a link."""
MOST_LINK_NETWORK_LETTERS = 3000
"""Of a network's; one more than a network may have is as wrong as all of them."""
TOUCHING = ("network", "dataset", "optimizer", "momentum", "weight_decay", "dropout")
"""The settings on which it depends which differences touch a run."""


def most_letters(name: str) -> int:
    """How much of what was typed into a field goes into a link."""
    return MOST_LINK_NETWORK_LETTERS if isinstance(SETTINGS[name], NetworkText) else MOST_LINK_LETTERS


def keeps_any_text(name: str) -> bool:
    """Whether a field holds whatever was typed, right or wrong."""
    return isinstance(SETTINGS[name], Number | NetworkText)


def link_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a link to settings: every field that differs from its default."""
    texts = {name: as_text(name, values[name]) for name in SETTINGS}
    return {name: text for name, text in texts.items() if text != as_text(name, DEFAULTS[name])}


def link_to(values: Mapping[str, Any]) -> dict[str, str]:
    """The same, never empty: a link without a setting leaves the fields as they are."""
    return {"epochs": as_text("epochs", values["epochs"]), **link_of(values)}


def as_text(name: str, value: Any) -> str:
    """A value as a link holds it: a number or a network in its plain form, what is none as it was typed."""
    setting = SETTINGS[name]
    if keeps_any_text(name):
        return str(value)[: most_letters(name)] if setting.why_not(value) else setting.typed(setting.read(value))
    return setting.typed(value)


def porting_link(values: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a link to the differences that touch a run with these settings."""
    touching = {name: text for name, text in link_of(values).items() if name in TOUCHING}
    return {"view": "differences", "network": as_text("network", values["network"]), **touching}
