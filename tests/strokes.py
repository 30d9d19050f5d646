"""Digits as a hand draws them: paths in a unit square, two manners each, and places on the pad."""

import math

from core.data.images import Drawing

Path = list[tuple[float, float]]


def arc(x: float, y: float, across: float, down: float, start: float, end: float) -> Path:
    """A piece of an ellipse around (x, y), from angle `start` to `end` in degrees, clockwise on the screen."""
    angles = [math.radians(start + (end - start) * step / 24) for step in range(25)]
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


PATHS: dict[int, list[Path]] = {
    0: [arc(0.5, 0.5, 0.38, 0.5, -90, 270)],
    1: [[(0.3, 0.2), (0.5, 0), (0.5, 1)]],
    2: [[*arc(0.5, 0.27, 0.32, 0.27, -170, 40), (0.18, 1), (0.85, 1)]],
    3: [arc(0.45, 0.25, 0.3, 0.25, -150, 90) + arc(0.45, 0.75, 0.35, 0.25, -90, 150)],
    4: [[(0.6, 0), (0.1, 0.65), (0.9, 0.65)], [(0.65, 0.3), (0.65, 1)]],
    5: [[(0.8, 0), (0.25, 0), (0.2, 0.42), *arc(0.45, 0.68, 0.35, 0.32, -120, 140)]],
    6: [[(0.7, 0), (0.4, 0.25), (0.2, 0.6), *arc(0.5, 0.72, 0.3, 0.28, 180, -180)]],
    7: [[(0.1, 0), (0.9, 0), (0.4, 1)]],
    8: [arc(0.5, 0.25, 0.25, 0.25, -90, -450), arc(0.5, 0.75, 0.32, 0.25, -90, 270)],
    9: [[*arc(0.5, 0.28, 0.28, 0.28, 0, -360), (0.76, 0.5), (0.7, 1)]],
}
OTHER_PATHS: dict[int, list[Path]] = {
    0: [arc(0.5, 0.5, 0.3, 0.48, -60, 300)],
    1: [[(0.5, 0), (0.45, 1)]],
    2: [[*arc(0.48, 0.25, 0.3, 0.25, -160, 60), (0.3, 0.75), (0.15, 0.98), (0.5, 0.93), (0.9, 0.98)]],
    3: [[(0.2, 0.02), (0.75, 0.02), (0.45, 0.42), *arc(0.45, 0.7, 0.33, 0.29, -80, 150)]],
    4: [[(0.25, 0), (0.2, 0.5), (0.8, 0.5)], [(0.78, 0), (0.7, 1)]],
    5: [[(0.3, 0.03), (0.25, 0.45), *arc(0.45, 0.7, 0.33, 0.29, -120, 150)], [(0.3, 0.03), (0.82, 0.0)]],
    6: [[(0.55, 0), (0.3, 0.35), (0.22, 0.7), *arc(0.48, 0.76, 0.26, 0.24, 180, -170)]],
    7: [[(0.12, 0.08), (0.85, 0.03), (0.6, 0.5), (0.45, 1)]],
    8: [[*arc(0.5, 0.26, 0.24, 0.24, 60, -240), *arc(0.48, 0.75, 0.28, 0.25, -70, 270)]],
    9: [[*arc(0.48, 0.27, 0.27, 0.27, -20, -350), (0.75, 0.2), (0.68, 0.6), (0.6, 1)]],
}
PLACES = {
    "large": (30, 20, 950),
    "middle": (330, 330, 350),
    "small": (450, 450, 90),
    "top left": (0, 0, 200),
    "top right": (800, 0, 200),
    "bottom left": (0, 800, 200),
    "bottom right": (800, 800, 200),
}
"""Left, top and size in thousandths of the pad."""


def drawn(digit: int, place: str) -> Drawing:
    """A digit's strokes as the pad gives them."""
    left, top, size = PLACES[place]
    return [[round(v) for x, y in path for v in (left + x * size, top + y * size)] for path in PATHS[digit]]
