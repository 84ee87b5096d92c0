"""The grid of a sprite that was interpolated, has soft edges, or was a JPEG: no line is sharp, no cell is flat.

Guesses come from the spectrum of each side (`waves`). Each is tried: what of the picture does it not explain
(`kernels`)? A true grid explains nearly all, and the same grid half a cell further on explains much less. In a
photograph or a smooth picture both explain the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pulse.pixel_grid import kernels, waves

SMALLEST = 1.9
_LINES = 40
# What a grid leaves, as a share of what it leaves when it is shifted, for it to be looked at closely.
_LIKELY = 0.6
_SAME = 0.03
_TRIED = 6
# Larger pictures are looked at in parts, or made small.
_LONGEST = 1024
_FRAMES = 4
# A grid of fewer cells could be anything.
FEWEST = 6
# For a grid to count: by how much the shifted one has to be worse, along each side and in all; and what share of the
# picture's variance it may leave.
_CONTRAST, _CONTRASTS, _LEFT = 1.1, 3.2, 0.15


@dataclass(frozen=True)
class Side:
    """A grid along one side, tried.

    Attributes:
        scale, offset, kernel: of the grid.
        leftover: the variance that it does not explain.
        shifted: the variance that the same grid half a cell further on does not explain.
        variance: of the lines themselves.
    """

    scale: float
    offset: float
    kernel: str
    leftover: float
    shifted: float
    variance: float

    @property
    def contrast(self) -> float:
        """The logarithm of how many times more the shifted grid leaves."""
        # Rounding to whole levels has a variance of 1/12.
        return math.log((self.shifted + 0.1) / (self.leftover + 0.1))


def brightness_first(seen: np.ndarray) -> np.ndarray:
    """A picture (h, w, 3 or 4) as brightness and, weaker, colour, because a JPEG blurs colour in a grid of 2 px.

    The weights are those of JPEG (ITU-T T.871), with colour at 0.4 of its strength.
    """
    weights = np.array([[0.299, 0.587, 0.114], [-0.068, -0.132, 0.2], [0.2, -0.168, -0.032]], np.float32)
    return np.concatenate([seen[..., :3] @ weights.T, seen[..., 3:]], axis=2)


def lines_of(seen: np.ndarray, axis: int) -> np.ndarray:
    """Some lines of a picture (h, w, c) along an axis, those with the most in them: (length, many)."""
    lines = np.moveaxis(seen, axis, 0)
    length, across = lines.shape[:2]
    if across > _LINES:
        # From every part of the picture the line that varies most.
        energy = np.square(np.diff(lines, axis=0)).sum(axis=(0, 2))
        parts = np.array_split(np.arange(across), _LINES)
        lines = lines[:, [part[energy[part].argmax()] for part in parts]]
    return np.ascontiguousarray(lines.reshape(length, -1), np.float32)


def tried(lines: np.ndarray, kernel: str, scale: float, offset: float) -> Side:
    """A grid and how well it explains lines (length, many)."""
    return Side(
        scale,
        offset % scale,
        kernel,
        kernels.leftover(lines, kernel, scale, offset),
        kernels.leftover(lines, kernel, scale, offset + scale / 2),
        float(lines.var(axis=0).mean()),
    )


def find(frames: Sequence[np.ndarray]) -> tuple[Side, Side] | None:
    """The grid, across and down, that explains pictures best beside the same grid shifted, if there is one.

    A finer grid explains as much, and also does so shifted; a coarser one explains less.

    Args:
        frames: pictures (h, w, c) of one size, as `picture.visible` makes them, with one grid.
    """
    # Some frames say as much as all.
    some = [brightness_first(frames[i]) for i in np.unique(np.linspace(0, len(frames) - 1, _FRAMES).astype(int))]
    whole = np.concatenate(some, axis=2)
    height, width = whole.shape[:2]
    factor = -(-max(height, width) // _LONGEST)
    if factor <= 1:
        return _counting(_found(whole), (width, height))
    # Made small first, which keeps large cells; then, for small cells, the middle alone.
    found = _counting(_found(_reduced(whole, factor)), (width // factor, height // factor))
    if found is not None:
        across, down = (replace(side, scale=side.scale * factor, offset=side.offset * factor) for side in found)
        return across, down
    top, left = max(0, (height - _LONGEST) // 2), max(0, (width - _LONGEST) // 2)
    middle = whole[top : top + _LONGEST, left : left + _LONGEST]
    found = _counting(_found(middle), (middle.shape[1], middle.shape[0]))
    if found is None:
        return None
    moved = [replace(side, offset=side.offset + by) for side, by in zip(found, (left, top), strict=True)]
    across, down = (refined(lines_of(whole, axis), side) for axis, side in zip((1, 0), moved, strict=True))
    return _counting((across, down), (width, height))


def _reduced(seen: np.ndarray, factor: int) -> np.ndarray:
    """The means of blocks of `factor` x `factor` pixels of (h, w, c); what does not fill a block is left out."""
    height, width = (side // factor * factor for side in seen.shape[:2])
    blocks = seen[:height, :width].reshape(height // factor, factor, width // factor, factor, -1)
    return blocks.mean(axis=(1, 3))


def _counting(pair: tuple[Side, Side] | None, shape: tuple[int, int]) -> tuple[Side, Side] | None:
    """The pair if it counts as a grid of a picture with this width and height."""
    if pair is None or any(length < (FEWEST - 0.5) * side.scale for length, side in zip(shape, pair, strict=True)):
        return None
    contrasts = [side.contrast for side in pair]
    left = max(side.leftover / max(side.variance, 1e-6) for side in pair)
    return pair if min(contrasts) >= _CONTRAST and sum(contrasts) >= _CONTRASTS and left <= _LEFT else None


def _found(seen: np.ndarray) -> tuple[Side, Side] | None:
    lines = lines_of(seen, 1), lines_of(seen, 0)
    each = [_likely(one) for one in lines]
    if not each[0] and not each[1]:
        return None
    # Cells are squares nearly always: scales that one side suggests are tried on the other, too.
    pairs = []
    for scale in _distinct([side.scale for sides in each for side in sides]):
        pair = [_near(sides, scale, one) for sides, one in zip(each, lines, strict=True)]
        if pair[0] is not None and pair[1] is not None:
            pairs.append((pair[0], pair[1]))
    if not pairs:
        pairs = [(x, y) for x in each[0] for y in each[1]]
    return max(pairs, key=lambda pair: pair[0].contrast + pair[1].contrast, default=None)


def _likely(lines: np.ndarray) -> list[Side]:
    """The grids of one side that explain it much better than the same grids shifted, one for each scale."""
    kept: list[Side] = []
    for guess in waves.guesses(lines, SMALLEST):
        for kernel in ("repeat", "area") if guess.kernel == "repeat" else ("bilinear", "bicubic"):
            side = tried(lines, kernel, guess.scale, guess.offset)
            if side.leftover < _LIKELY * side.shifted and side.leftover < 0.4 * side.variance:
                kept.append(side)
    found = []
    for scale in _distinct([side.scale for side in sorted(kept, key=lambda side: -side.contrast)])[:_TRIED]:
        near = [side for side in kept if abs(side.scale / scale - 1) < _SAME]
        found.append(refined(lines, max(near, key=lambda side: side.contrast)))
    return found


def _distinct(scales: list[float]) -> list[float]:
    """The scales without those that are nearly the same as one before."""
    kept: list[float] = []
    for scale in scales:
        if all(abs(scale / other - 1) >= _SAME for other in kept):
            kept.append(scale)
    return kept


def _near(sides: list[Side], scale: float, lines: np.ndarray) -> Side | None:
    """A side's grid of about this scale; where its spectrum did not show it, the best offset of all."""
    near = [side for side in sides if abs(side.scale / scale - 1) < _SAME]
    if near:
        return max(near, key=lambda side: side.contrast)
    best = None
    for kernel in kernels.KERNELS:
        for offset in np.arange(0, scale, max(0.5, scale / 8)):
            left = kernels.leftover(lines, kernel, scale, offset)
            if best is None or left < best[0]:
                best = left, kernel, offset
    assert best is not None
    return refined(lines, tried(lines, best[1], scale, best[2]))


def refined(lines: np.ndarray, guess: Side) -> Side:
    """The guess, moved to where it explains most; or a simpler grid nearby that is about as good."""
    length = len(lines)
    whole = tried(lines, guess.kernel, length / max(2, round(length / guess.scale)), 0.0)
    if whole.leftover <= guess.leftover and whole.leftover < 0.01 * whole.shifted:
        return whole
    scale, offset, best = guess.scale, guess.offset, guess.leftover
    for step in (0.4, 0.15, 0.05):
        for _ in range(6):
            moved = False
            # The last line of the grid moves by so many pixels, or all lines do.
            for stretch, shift in ((step, 0), (-step, 0), (0, step), (0, -step)):
                s, o = scale + stretch * scale / length, offset + shift
                left = kernels.leftover(lines, guess.kernel, s, o)
                if left < best * 0.9999:
                    best, scale, offset, moved = left, s, o, True
            if not moved:
                break
    simple = [whole]
    if abs(scale - round(scale)) * length / scale < 1:
        simple += [tried(lines, guess.kernel, round(scale), offset + d) for d in (-0.25, 0, 0.25)]
        simple.append(tried(lines, guess.kernel, round(scale), round(offset)))
    # Enlargements by different programs differ at the border, so that a shifted grid may seem a little better.
    if abs(length / scale - round(length / scale)) < 0.2 and whole.leftover < min(
        1.6 * best + 0.3, 0.01 * whole.variance
    ):
        return whole
    for side in simple:
        if side.leftover <= 1.05 * best + 0.02:
            return side
    return tried(lines, guess.kernel, scale, offset)
