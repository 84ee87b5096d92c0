"""Which pixels of a picture show something, and which are its background."""

import numpy as np

# Less opaque pixels are not seen.
_SEEN = 8
# Levels by which a pixel differs from a plain background, and by which pixels of the background differ from each other.
_UNLIKE, _ALIKE = 24, 8
# The share of the border that a plain background has at least.
_SHARE = 0.6


def shown(pixels: np.ndarray) -> np.ndarray:
    """Where a picture shows something, (h, w) of bool.

    Of a picture with transparency: its pixels that are not transparent. Of an opaque one: pixels unlike its background,
    which is the commonest colour of its border, and all pixels if no colour has most of the border.

    Args:
        pixels: (h, w, 3 or 4) of uint8.
    """
    if pixels.shape[2] == 4 and pixels[..., 3].min() < _SEEN:
        return pixels[..., 3] >= _SEEN
    plain = ground(pixels)
    if plain is None:
        return np.ones(pixels.shape[:2], bool)
    return np.abs(pixels[..., :3].astype(np.int16) - plain[:3]).max(-1) > _UNLIKE


def ground(pixels: np.ndarray) -> np.ndarray | None:
    """The colour of a picture's plain background, (3 or 4,) of int16; all 0 in one with transparency, None without.

    Args:
        pixels: (h, w, 3 or 4) of uint8.
    """
    if pixels.shape[2] == 4 and pixels[..., 3].min() < _SEEN:
        return np.zeros(4, np.int16)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.int16)
    colours, counts = np.unique(border, axis=0, return_counts=True)
    commonest = colours[counts.argmax()]
    near = np.abs(border - commonest).max(1) <= _ALIKE
    return commonest if near.mean() >= _SHARE else None


def runs(line: np.ndarray) -> list[tuple[int, int]]:
    """Where a line of booleans is true: (start, end) of each stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
