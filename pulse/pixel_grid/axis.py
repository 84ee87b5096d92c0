"""The cells of a grid along one side of a picture."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Axis:
    """Cells along one side of a picture.

    Args:
        scale: pixels of the picture in a cell, on average.
        offset: where the first cell begins, in pixels; negative where the border cuts it.
        bounds: (n + 1,) where the n cells begin and end, from 0 to the length of the side.
    """

    scale: float
    offset: float
    bounds: np.ndarray

    @property
    def cells(self) -> int:
        return len(self.bounds) - 1

    @property
    def ends(self) -> np.ndarray:
        """The bounds in whole pixels, as an enlargement that repeats pixels has them."""
        return np.ceil(self.bounds - 0.5).astype(int)


def regular(length: int, scale: float, offset: float) -> Axis:
    """The axis of cells that all have one size. Slivers of less than half a pixel at the border are no cells."""
    offset = offset % scale
    # The line nearest to the border is the border, and the cell before it is beyond the picture.
    first = offset if offset <= 0.5 else offset - scale
    count = max(1, round((length - first) / scale))
    if length - (first + count * scale) > 0.5:
        count += 1
    elif first + (count - 1) * scale > length - 0.5 and count > 1:
        count -= 1
    bounds = first + scale * np.arange(count + 1)
    bounds[0], bounds[-1] = 0, length
    return Axis(float(scale), float(first if abs(first) > 1e-6 else 0.0), bounds)


def uneven(length: int, inner: np.ndarray) -> Axis:
    """The axis of cells between the given lines, which lie inside of the picture."""
    bounds = np.concatenate([[0], inner, [length]]).astype(float)
    widths = np.diff(inner)
    scale = float(widths.mean()) if len(widths) else length / 2
    return Axis(scale, float(inner[0] - scale) if inner[0] < scale - 0.5 else 0.0, bounds)
