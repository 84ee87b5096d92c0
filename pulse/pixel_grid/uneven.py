"""The grid of a sprite whose cells are not quite alike, as painted by hand or by a generator of pictures.

No regular grid fits such a picture. Still each gap between neighbouring lines is about a whole number of cells.
"""

import numpy as np

from pulse.pixel_grid.axis import Axis, uneven

SMALLEST = 3.0
# Standard deviations, as shares of a cell: of a line from its place, and of cells that grow or shrink.
_OFF, _WANDER = 0.06, 0.05
ENOUGH = 12.0


def find(edges: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> tuple[Axis, Axis] | None:
    """The uneven grid whose lines the changes are; None if the gaps between them are of any size.

    Args:
        edges: the changes across and down: x, where column x differs from column x - 1, and y.
        shape: (width, height) of the picture.
    """
    if min(len(line) for line in edges) < 4:
        return None
    gaps = np.concatenate([np.diff(line) for line in edges]).astype(float)
    most = 1.5 * float(gaps.min()) + 1
    if most <= SMALLEST:
        return None
    scales = np.exp(np.arange(np.log(SMALLEST), np.log(most), 0.01))
    gain = _gains(gaps, scales)
    if gain.max() - np.log(len(scales)) < ENOUGH:
        return None
    scale = float(scales[gain.argmax()])
    across, down = (_axis(line.astype(float), length, scale) for line, length in zip(edges, shape, strict=True))
    return across, down


def _gains(gaps: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """By how many nats each scale makes the description of the gaps shorter than that of lines anywhere.

    Gaps between lines anywhere have an exponential distribution. Gaps of a grid are normal around whole numbers of
    cells, and these have a geometric distribution.
    """
    s = scales[:, None]
    mean = gaps.mean()
    cells = np.maximum(1, np.round(gaps / s))
    deviation = np.sqrt(2 * (_OFF * s) ** 2 + (_WANDER * cells * s) ** 2 + 0.2)
    off = (gaps - cells * s) / deviation
    seen = np.clip(s / mean, 0.05, 0.95)
    grid = np.log(seen) + (cells - 1) * np.log(1 - seen) - off**2 / 2 - np.log(deviation * np.sqrt(2 * np.pi))
    anywhere = -gaps / mean - np.log(mean)
    # One line in a hundred may be no line of the grid.
    return np.logaddexp(grid + np.log(0.99), anywhere + np.log(0.01)).sum(1) - anywhere.sum()


def _axis(lines: np.ndarray, length: int, scale: float) -> Axis:
    gaps = np.diff(lines)
    local = np.full(len(gaps), scale)
    weight = np.exp(-0.5 * (np.subtract.outer(np.arange(len(gaps)), np.arange(len(gaps))) / 3) ** 2)
    for _ in range(3):
        cells = np.maximum(1, np.round(gaps / local))
        # The scale wanders slowly.
        local = (weight @ gaps + 2 * scale) / (weight @ cells + 2)
    made = [lines[:1]]
    for start, end, count in zip(lines[:-1], lines[1:], cells.astype(int), strict=True):
        made.append(np.linspace(start, end, count + 1)[1:])
    before = _beyond(lines[0], local[0])
    after = _beyond(length - lines[-1], local[-1])
    inner = np.concatenate([lines[0] - before[::-1], *made, lines[-1] + after])
    return uneven(length, inner)


def _beyond(room: float, scale: float) -> np.ndarray:
    """Distances of further lines between the last change and the border."""
    count = room / scale
    whole = max(1, round(count))
    if abs(count - whole) <= 0.3:
        return np.arange(1, whole) * room / whole
    return np.arange(1, int(count) + 1) * scale
