"""The colours of cells, once the grid is known."""

import numpy as np

from pulse.pixel_grid.axis import Axis

# Colours nearer than this many levels are one colour that a JPEG, or rounding, made several.
_ONE_COLOUR = 8.0


def of_centres(pixels: np.ndarray, axes: tuple[Axis, Axis]) -> np.ndarray:
    """The pixel (m, n, 4) in the middle of each cell, for pictures whose cells are flat. Hidden colours are 0."""
    columns, rows = ((axis.ends[1:] + axis.ends[:-1]) // 2 for axis in axes)
    made = pixels[rows][:, columns].copy()
    made[made[..., 3] == 0] = 0
    return made


def of_middles(seen: np.ndarray, axes: tuple[Axis, Axis]) -> np.ndarray:
    """The mean (m, n, c) of the middle of each cell of a picture (h, w, c): a quarter is left out on each side."""
    for axis, cells in ((1, axes[0]), (0, axes[1])):
        sums = np.concatenate([np.zeros_like(np.take(seen, [0], axis)), np.cumsum(seen, axis, dtype=np.float64)], axis)
        ends = cells.ends
        margin = np.maximum(0, (np.diff(ends) - 1) // 4)
        start, end = ends[:-1] + margin, np.maximum(ends[1:] - margin, ends[:-1] + margin + 1)
        shape = [1, 1, 1]
        shape[axis] = -1
        seen = (np.take(sums, end, axis) - np.take(sums, start, axis)) / (end - start).reshape(shape)
    return seen


def to_bytes(seen: np.ndarray) -> np.ndarray:
    """Cells (m, n, 3 or 4) as `picture.visible` has pixels, as uint8 (m, n, 4)."""
    values = np.asarray(seen, np.float64)
    if values.shape[2] == 3:
        alpha = np.full(values.shape[:2], 255.0)
        colour = values
    else:
        alpha = np.clip(values[..., 3], 0, 255)
        # Of edges that were sharp before the picture was interpolated, a trace of opacity is left.
        alpha = np.where(alpha < 8, 0, np.where(alpha > 247, 255, alpha))
        colour = values[..., :3] * (255 / np.maximum(alpha, 1))[..., None] * (alpha > 0)[..., None]
    return np.clip(np.rint(np.dstack([colour, alpha])), 0, 255).astype(np.uint8)


def with_one_palette(sprites: list[np.ndarray]) -> list[np.ndarray]:
    """Sprites (m, n, 4) of uint8 in which nearly equal colours are equal, the same in all of them.

    The commonest colours come first; each takes those near to it, and their mean stands for all.
    """
    pixels = np.concatenate([one.reshape(-1, 4) for one in sprites])
    colours, index, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    values = colours.astype(np.float64)
    leader = np.full(len(colours), -1)
    for i in np.argsort(-counts, kind="stable"):
        if leader[i] >= 0:
            continue
        near = (leader < 0) & (np.abs(values - values[i]).max(axis=1) <= _ONE_COLOUR)
        # What is transparent, opaque or neither stays so.
        near &= (values[:, 3] == values[i, 3]) | ((values[:, 3] % 255 > 0) & (values[i, 3] % 255 > 0))
        leader[near] = i
    means = np.zeros_like(values)
    total = np.bincount(leader, weights=counts, minlength=len(colours))
    for channel in range(4):
        means[:, channel] = np.bincount(leader, values[:, channel] * counts, len(colours)) / np.maximum(total, 1)
    merged = np.rint(means[leader]).astype(np.uint8)[np.ravel(index)]
    made, start = [], 0
    for one in sprites:
        count = one.shape[0] * one.shape[1]
        made.append(merged[start : start + count].reshape(one.shape))
        start += count
    return made
