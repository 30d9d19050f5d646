"""Text from elsewhere (a link, a stored run, an error) as Markdown that shows it and does nothing else."""

import re

SPECIAL = re.compile(r"[\\`*_\[\]<>#$~:&|]")
# Bare addresses become links even where their letters are escaped: a word joiner inside keeps them text.
ADDRESS = re.compile(r"(?=\\://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)


def literal(text: object) -> str:
    """The text with every letter that Markdown would take for more than a letter escaped."""
    return ADDRESS.sub("\u2060", SPECIAL.sub(r"\\\g<0>", str(text)))
