"""Which of a study's pairs have a mark in its figures, and where most of them lie: thousands of marks take a browser
seconds.

The figures that a verdict rests on are of all pairs, whichever of them are drawn.
"""

from collections.abc import Sequence

import numpy as np

from core.experiment.metrics import NO_BREAK

LOW, HIGH = 10, 90
"""Percentiles between which most of many lie."""
MOST_MARKS = 200
"""Of a figure, besides the newest pair and those that lie farthest out."""


def marked(*drawn: Sequence[float]) -> list[int]:
    """The places that have a mark, of sequences that are drawn together, one value a pair each.

    All of up to `MOST_MARKS`; of more every second, fourth and so on, with the newest, and the smallest and largest of
    each sequence. While a study grows a mark stays, until half of them go at once. Raises `ValueError` for no pairs.
    """
    count, every = len(drawn[0]), 1
    while count > MOST_MARKS * every:
        every *= 2
    ends = [end(range(count), key=values.__getitem__) for values in drawn for end in (min, max)]
    return sorted({*range(0, count, every), count - 1, *ends})


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """The low and high end between which most values lie, the median between the two."""
    low, median, high = np.percentile(values, [LOW, 50, HIGH]).tolist()
    return low, median, high


def drawn_words(marks: int, pairs: int, most: str) -> str:
    """How many of the pairs have a mark, as a sentence, and where `most` of all lie; nothing where each has one."""
    if marks == pairs:
        return ""
    all_of_them = f"the middle {HIGH - LOW}{NO_BREAK}% of all lie {most}"
    return f"{marks:,} of {pairs:,} are drawn, the farthest out among them; {all_of_them}."
