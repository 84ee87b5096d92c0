"""The grid of a sprite that was enlarged by repeating pixels, from the places where colours change.

Such a picture changes at lines of the grid and nowhere else. A grid explains the changes if each lies on one of its
lines, rounded to a pixel. Many grids do that; the best is the one that is the shortest description of the changes
(Rissanen 1978): K changes among n lines cost n H(K/n), with the
entropy H, and the grid itself costs what it takes to name it among all
that were tried. Coarse grids win unless they are far-fetched.
"""

from dataclasses import dataclass

import numpy as np

# Nats by which a grid has to be shorter than naming each change by itself.
ENOUGH = 9.0
# Grids of cells that are no squares are rarer.
_NO_SQUARE = 4.0
# Enlarged less, some pixels are not repeated.
SMALLEST = 1.99
_LOOKED_AT = 100
# The share of lines at which something changes, at least: small cells of a fractional scale, and others.
_SEEN_ODD, _SEEN = 0.4, 0.12


@dataclass(frozen=True)
class Lattice:
    """A regular grid: (scale, offset) across and down, and by how many nats it is shorter than no grid."""

    across: tuple[float, float]
    down: tuple[float, float]
    gain: float


def find(edges: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> Lattice | None:
    """The best grid on whose lines all changes lie.

    Args:
        edges: the changes across and down: x, where column x differs from column x - 1, and y.
        shape: (width, height) of the picture.
    """
    if any(len(line) and np.diff(line, prepend=-2).min() < 2 for line in edges):
        return None
    found = [_whole(edges, shape), _whole_oblong(edges, shape), _shared(edges, shape), _nearly_shared(edges, shape)]
    best = max((each for each in found if each is not None), key=lambda lattice: lattice.gain, default=None)
    if best is None or best.gain < ENOUGH:
        return None
    # Sprites that stand in rows change at few places, over and over, which is no proof of small cells between them.
    lines = shape[0] / best.across[0] + shape[1] / best.down[0]
    seen = (len(edges[0]) + len(edges[1])) / lines
    scale = best.across[0]
    is_odd = scale < 4 and abs(scale - round(scale)) > 0.02
    return best if seen >= (_SEEN_ODD if is_odd else _SEEN) else None


def _shorter(edges: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], scales: tuple[float, float]) -> float:
    """By how many nats it is shorter to name the changes among lines of a grid than among all pixels."""
    gain = 0.0
    for line, length, scale in zip(edges, shape, scales, strict=True):
        gain += _nats(len(line), length - 1) - _nats(len(line), max(len(line), length / scale - 1))
    return gain


def _nats(some: int, of: float) -> float:
    share = min(max(some / of, 1e-9), 1 - 1e-9) if of > 0 else 0.5
    return -of * (share * np.log(share) + (1 - share) * np.log(1 - share))


def _counts(length: int) -> np.ndarray:
    return np.arange(2, int(length / SMALLEST) + 1)


def _explained(edges: np.ndarray, length: int) -> np.ndarray:
    """Of each number of whole cells in `_counts`, whether all changes lie on its lines."""
    scales = length / _counts(length)[:, None]
    off = edges[None] - np.round(edges[None] / scales) * scales
    return np.all(np.abs(off) <= 0.5 + 1e-6, axis=1)


def _whole(edges: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> Lattice | None:
    """Square cells, all of them whole."""
    (x, y), (width, height) = edges, shape
    down = _explained(y, height)
    best = None
    for n in _counts(width)[_explained(x, width)]:
        # The sides are rounded to pixels, so that scales differ a little.
        for m in {int(height * n / width), round(height * n / width), -int(-height * n // width)}:
            if not 2 <= m < len(down) + 2 or not down[m - 2] or abs(width / n - height / m) > 0.6 / min(n, m) + 1e-9:
                continue
            scale = min(width / n, height / m)
            gain = _shorter(edges, shape, (scale, scale)) - np.log(width / 2)
            if best is None or gain > best.gain:
                best = Lattice((width / n, 0.0), (height / m, 0.0), float(gain))
    return best


def _whole_oblong(edges: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> Lattice | None:
    """Cells of any proportion, all of them whole."""
    axes, gain = [], -_NO_SQUARE
    for line, length in zip(edges, shape, strict=True):
        counts = _counts(length)[_explained(line, length)]
        if not len(counts):
            return None
        axes.append((length / counts[0], 0.0))
        gain -= np.log(length / 2)
    gain += _shorter(edges, shape, (axes[0][0], axes[1][0]))
    return Lattice(axes[0], axes[1], float(gain))


def _shared(edges: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> Lattice | None:
    """Square cells, cut anywhere by the border: whole scales, and any scale."""
    most = max(2.0, min(shape) / 3)
    whole = np.arange(2, int(most) + 1, dtype=float)
    # From one scale to the next the last line moves by less than a fifth of a pixel.
    step = 0.15 / max(shape)
    real = np.exp(np.arange(np.log(SMALLEST), np.log(most), step))
    best = None
    for scales, known, finer in ((whole, 2, 0.0), (real, 3, step)):
        exactly = _coarsest(edges, scales, finer)
        if exactly is None:
            continue
        gain = float(_shorter(edges, shape, (exactly, exactly)) - known * np.log(exactly) - np.log(len(scales) + 1))
        if best is None or gain > best.gain:
            axes = []
            for line, length in zip(edges, shape, strict=True):
                low, high = _offsets(line, np.array([exactly]))
                axes.append((exactly, _snapped(low[0], high[0], exactly, length)))
            best = Lattice(axes[0], axes[1], gain)
    return best


def _nearly_shared(edges: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> Lattice | None:
    """Cells cut anywhere by the border, which are squares but for the rounding of the sides of the whole picture."""
    step = 0.15 / max(shape)
    scales = np.exp(np.arange(np.log(SMALLEST), np.log(max(2.0, min(shape) / 3)), step))
    # The side with more changes says more.
    first = int(len(edges[1]) > len(edges[0]))
    one = _coarsest((edges[first],), scales, step)
    if one is None:
        return None
    near = scales[np.abs(scales - one) <= 0.6 * one / min(shape)]
    other = _coarsest((edges[1 - first],), near, step) if len(near) else None
    if other is None:
        return None
    axes = []
    for scale, line, length in zip(
        (one, other), (edges[first], edges[1 - first]), (shape[first], shape[1 - first]), strict=True
    ):
        low, high = _offsets(line, np.array([scale]))
        axes.append((scale, _snapped(low[0], high[0], scale, length)))
    gain = float(_shorter(edges, shape, (one, one)) - 4 * np.log(one) - np.log(len(scales)) - np.log(len(near) + 1))
    return Lattice(axes[first], axes[1 - first], gain)


def _coarsest(edges: tuple[np.ndarray, ...], scales: np.ndarray, step: float) -> float | None:
    """The largest of the scales, or of those between them, on whose lines all changes lie.

    Args:
        edges: the changes across and down.
        scales: sorted.
        step: the logarithm of the ratio of neighbouring scales; 0 if there is nothing between them.
    """
    room = _room(edges, scales)
    if step == 0:
        return float(scales[room > 0.5].max()) if (room > 0.5).any() else None
    # Nearly right scales may have right ones beside them.
    peak = (room >= np.append(room[1:], -np.inf)) & (room >= np.append(-np.inf, room[:-1]))
    for i in np.flatnonzero((room > -0.3) & peak)[::-1][:_LOOKED_AT]:
        between = scales[i] * np.exp(np.linspace(-step, step, 41))
        # Halves may be rounded up and down in one picture. Small cells have no room for that.
        fits = between[_room(edges, between) > np.where(between > 3, -0.02, 0)]
        if len(fits):
            # All of these explain the changes; the middle is the likeliest.
            return float(fits[len(fits) // 2])
    return None


def _room(edges: tuple[np.ndarray, ...], scales: np.ndarray) -> np.ndarray:
    """Of each scale, by how many pixels the offsets may vary for all changes to lie on lines; below 0, they do
    not."""
    return np.min([np.subtract(*_offsets(line, scales)[::-1]) for line in edges], axis=0)


def _offsets(edges: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each scale, from where to where the offset may be for all changes to lie on lines; nowhere if low >= high."""
    low, high = np.full(len(scales), np.inf), np.full(len(scales), -np.inf)
    if not len(edges):
        return np.zeros(len(scales)), scales.copy()
    for anchor in (-0.4, -0.2, 0.0, 0.2, 0.4):
        start = edges[0] + anchor
        off = edges[None] - np.round((edges[None] - start) / scales[:, None]) * scales[:, None]
        a, b = off.max(1) - 0.5, off.min(1) + 0.5
        better = (b - a) > (high - low)
        low, high = np.where(better, a, low), np.where(better, b, high)
    return low, high


def _snapped(low: float, high: float, scale: float, length: int) -> float:
    """The offset between low and high for which the picture's borders lie on lines, or else the middle."""
    for line in (0.0, float(length)):
        offset = line + np.round(((low + high) / 2 - line) / scale) * scale
        if low <= offset <= high:
            return float(offset)
    return float(low + high) / 2
