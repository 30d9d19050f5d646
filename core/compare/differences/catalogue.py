"""Every difference, those first that bite most people; how a row is found; which of them touch a network."""

from collections.abc import Sequence

from core.compare.differences import data, layer, loop, loss, normalisation, optimiser, run_time, start
from core.compare.differences.difference import ALL_LIMIT_S, EVERYTHING, PROBE, Difference, Part
from core.experiment.network import Network
from core.experiment.order import Order, Place
from core.experiment.settings import TrainSettings

_PARTS = (loss.ROWS, normalisation.ROWS, layer.ROWS, start.ROWS, loop.ROWS, optimiser.ROWS, data.ROWS, run_time.ROWS)
DIFFERENCES: tuple[Difference, ...] = tuple(
    sorted((row for rows in _PARTS for row in rows), key=lambda row: row.bites),
)


def find(name: str) -> Difference:
    """A row by its name. Raises `KeyError`, with a sentence."""
    for row in DIFFERENCES:
        if row.name == name:
            return row
    raise KeyError(f"There is no difference {name[:40]}: choose one of {', '.join(row.name for row in DIFFERENCES)}.")


def of_part(part: Part) -> list[Difference]:
    """The rows of a part, in the list's order."""
    return [row for row in DIFFERENCES if row.part == part]


def search(words: str) -> list[Difference]:
    """The rows that hold all of these words, in whatever case, in title, sentences or code; all rows for none."""
    wanted = words.casefold().split()
    return [row for row in DIFFERENCES if all(word in _text(row) for word in wanted)]


def _text(row: Difference) -> str:
    code = (row.keras, row.pytorch, row.align_keras, row.align_pytorch)
    return "\n".join((row.name, row.title, row.happens, *code)).casefold()


def touching(settings: TrainSettings, network: Network) -> list[tuple[Difference, list[str]]]:
    """The rows that a network with these settings is touched by, each with the names of the layers."""
    found = ((row, row.touches(settings, network)) for row in DIFFERENCES)
    return [(row, layers) for row, layers in found if layers]


def measure_all() -> Order:
    """What the Launcher takes to measure every row at once."""
    return measure_some([row for row in DIFFERENCES if row.measured])


def measure_some(rows: Sequence[Difference]) -> Order:
    """What the Launcher takes to measure these rows at once."""
    place = Place("Compare", {"view": "differences"}, "What really differs")
    return Order(EVERYTHING, PROBE, {"names": [row.name for row in rows]}, ALL_LIMIT_S, place=place)
