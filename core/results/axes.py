"""The axes of figures that we draw ourselves: where each begins and ends, and which ticks it has in which words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.experiment.metrics import MINUS, power_of_ten

STEPS = (1, 2, 5)
MOST_TICKS = 6
MOST_EPOCH_TICKS = 10
MOST_DECADES = 3
"""Of a logarithmic axis that has two and five, too, between its powers of ten."""
MOST_PLAIN = 1e7
"""From here on a tick is a power of ten: its digits would need more room than an axis has."""


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with ticks as value and label; `logarithmic` where equal factors are equal ways."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a value lies: 0 at its low end, 1 at its high one."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def holds(self, value: float) -> bool:
        """Whether a value can be drawn on it at all."""
        return math.isfinite(value) and (value > 0 or not self.logarithmic)


def epochs(last: int, first: int = 1) -> Axis:
    """Whole epochs from `first`, 0 or 1, to `last`; one epoch is a point at the end of its way from 0 to 1."""
    last = max(last, 1)
    first = 0 if last == 1 else first
    step = int(next(step for step in _nice(1) if last / step <= MOST_EPOCH_TICKS))
    begin = first if step == 1 else step * math.ceil(first / step)
    pad = 0.03 * (last - first)
    ticks = [(float(tick), f"{tick:,}") for tick in range(begin, last + 1, step)]
    return Axis(first - pad, last + pad, ticks)


def linear(values: Iterable[float], unit: str = "", from_zero: bool = False, most: float = math.inf) -> Axis:
    """Round ticks, none above `most` and each followed by `unit`; a value that stands alone has room on both sides."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = (0.0 if from_zero else min(known)), max(known)
    pad = 0.06 * (high - low) or max(1.0, 0.01 * abs(high))
    low, high = (0.0 if from_zero else low - pad), high + pad
    ticks = [(tick, _written(tick, step) + unit) for tick, step in _round_ticks(low, high) if tick <= most]
    return Axis(low, high, ticks)


def logarithmic(values: Iterable[float]) -> Axis:
    """Ticks at powers of ten, twice and five times these where there is room, or round ones within a short way."""
    known = [value for value in values if math.isfinite(value) and value > 0] or [1.0]
    factor = (max(known) / min(known)) ** 0.06
    factor = factor if factor > 1 else 2.0
    low, high = min(known) / factor, max(known) * factor
    decades = math.log10(high / low)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = max(1, math.ceil(decades / MOST_TICKS))
    # Written as digits and then read: 10.0**-7 is not the nearest number to 1e-7.
    ticks = [
        float(f"{digit}e{power}")
        for power in powers
        if power % every == 0
        for digit in (STEPS if decades <= MOST_DECADES else STEPS[:1])
    ]
    ticks = [tick for tick in ticks if low <= tick <= high]
    written = [(tick, _loss(tick)) for tick in ticks]
    if len(ticks) < 3:
        written = [(tick, _written(tick, step)) for tick, step in _round_ticks(low, high) if tick > 0]
    return Axis(low, high, written, logarithmic=True)


def _nice(smallest: float) -> Iterable[float]:
    """1, 2, 5, 10, 20 and so on, times the power of ten at or below `smallest`."""
    power = math.floor(math.log10(smallest))
    while True:
        yield from (float(f"{digit}e{power}") for digit in STEPS)
        power += 1


def _round_ticks(low: float, high: float) -> list[tuple[float, float]]:
    """Round values between the two, each with the step from one to the next."""
    step = next(step for step in _nice((high - low) / MOST_TICKS) if (high - low) / step <= MOST_TICKS)
    first = math.ceil(low / step)
    return [(number * step, step) for number in range(first, first + MOST_TICKS + 1) if number * step <= high]


def _written(value: float, step: float) -> str:
    """A tick with as many decimals as its step has."""
    if abs(value) >= MOST_PLAIN or (value and step < 1e-6):
        return power_of_ten(value)
    decimals = max(0, -math.floor(math.log10(step)))
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def _loss(value: float) -> str:
    """A loss's tick: as it is where that is short, else as a power of ten."""
    return f"{value:.6g}" if 1e-4 <= value < 1e6 else power_of_ten(value)
