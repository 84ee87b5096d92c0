"""Coordinates that people think of in degrees and years, as the values from 0 to 1 that portraits have for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """How a coordinate is measured.

    Args:
        word: "degrees" or "years".
        least, most: what can be drawn.
        coordinate: the value from 0 to 1 of a measure from `least` to `most`.
    """

    word: str
    least: float
    most: float
    coordinate: Callable[[float], float]


def _turned(radians: float) -> Callable[[float], float]:
    """Even from minus to plus so many radians."""
    return lambda degrees: 0.5 + math.radians(degrees) / (2 * radians)


def _yaw(degrees: float) -> float:
    # The inverse of `coordinates.decode`, where s = 2 u - 1 turns a head by 0.45 s (0.35 + 0.65 |s|) radians.
    x = abs(math.radians(degrees)) / 0.45
    s = (math.sqrt(0.35**2 + 4 * 0.65 * x) - 0.35) / (2 * 0.65)
    return 0.5 + math.copysign(min(s, 1.0), degrees) / 2


# Yaw is positive where the face turns to the right of the picture, pitch where it looks down.
UNITS: dict[str, Unit] = {
    "yaw": Unit("degrees", -25, 25, _yaw),
    "pitch": Unit("degrees", -11, 11, _turned(0.2)),
    "roll": Unit("degrees", -11, 11, _turned(0.2)),
    "age": Unit("years", 4, 80, lambda years: (years - 4) / 76),
}
