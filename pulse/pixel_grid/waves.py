"""Guesses of the scale of a picture's grid, from how regularly its lines come.

Repeated pixels change at lines of the grid; bilinear interpolation has kinks at the centres of cells, so that its
second differences are large there; bicubic interpolation has jumps of its second derivative there, so that its third
differences are. Along a side, the energy of these differences is a comb, and its spectrum peaks at one over the scale
(Gallagher 2005; Kirchner 2008).
"""

from dataclasses import dataclass

import numpy as np

_FINER = 8
# Cells of a picture along its side; fewer are no grid.
_FEWEST = 4
_PEAKS = 4
_WEAKEST = 0.12


@dataclass(frozen=True)
class Guess:
    """A grid along one side: scale, offset of a line, the kernel it speaks for, and how regular its comb is, 0 to 1."""

    scale: float
    offset: float
    kernel: str
    regular: float


def guesses(lines: np.ndarray, smallest: float) -> list[Guess]:
    """The likeliest grids along a side of a picture, for every kernel.

    Args:
        lines: (length, many) of floats, pixels along the side.
        smallest: scale.
    """
    # A scale of 2 is at the end of the spectrum, where no peak shows.
    found = [Guess(2.0, offset, kernel, 0.0) for kernel in ("repeat", "bilinear") for offset in (0.0, 1.0)]
    for kernel, order, step in (
        ("repeat", 1, 1),
        *(("bilinear", 2, 1), ("bilinear", 2, 3)),
        *(("bicubic", 3, 1), ("bicubic", 3, 3), ("bicubic", 3, 6)),
    ):
        if len(lines) < order * step + 8:
            continue
        energy, start = _energy(lines, order, step)
        found += _peaks(energy, start, kernel, max(smallest, 1.5 * step if step > 1 else 0), len(lines))
    return found


def _energy(lines: np.ndarray, order: int, step: int) -> tuple[np.ndarray, float]:
    """The energy of differences along the side, and the position of the first, in pixels from the border."""
    values = lines
    for _ in range(order):
        values = values[step:] - values[:-step]
    energy = (values**2).mean(1)
    # The least energy is noise.
    energy = np.maximum(energy - np.quantile(energy, 0.2), 0)
    # The strongest lines count no more than many weaker ones.
    strong = np.quantile(energy, 0.9) if len(energy) > 10 else energy.max()
    top = max(float(strong), 1e-6, float(energy.max()) * 0.1)
    return np.minimum(energy, top), 0.5 + order * step / 2


def _peaks(energy: np.ndarray, start: float, kernel: str, smallest: float, length: int) -> list[Guess]:
    total = float(energy.sum())
    if total <= 0:
        return []
    # Slow changes of the energy are the picture's, not the grid's.
    count = _FINER * (1 << (len(energy) - 1).bit_length())
    spectrum = np.fft.rfft(energy, count)
    size = np.abs(spectrum) / total
    low, high = int(np.ceil(_FEWEST * count / length)), min(len(size) - 2, int(count / smallest))
    if high <= low:
        return []
    inside = np.arange(low, high + 1)
    tops = inside[(size[inside] >= size[inside - 1]) & (size[inside] >= size[inside + 1]) & (size[inside] > _WEAKEST)]
    found = []
    for top in tops[np.argsort(-size[tops])][:_PEAKS]:
        a, b, c = size[top - 1 : top + 2]
        curve = a - 2 * b + c
        exact = top + (0.5 * (a - c) / curve if curve < 0 else 0)
        scale = count / exact
        angle = np.angle(np.sum(energy * np.exp(-2j * np.pi * np.arange(len(energy)) / scale)))
        line = start - angle / (2 * np.pi) * scale
        # Lines between cells, or centres of cells.
        offset = line if kernel == "repeat" else line - scale / 2
        found.append(Guess(float(scale), float(offset % scale), kernel, float(size[top])))
    return found
