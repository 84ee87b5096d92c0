"""What the search for a grid looks at."""

import numpy as np

# Steps of one or two levels are the bands of smooth gradients, not edges.
_LEVELS = 2
_STRIP = 256


def visible(pixels: np.ndarray) -> np.ndarray:
    """Pixels (h, w, 4) of uint8 as floats (h, w, 3 or 4) that do not tell the colours of transparent pixels.

    Colours are multiplied by their opacity. Opacity is the fourth channel, unless all is opaque.
    """
    alpha = pixels[..., 3:].astype(np.float32)
    if alpha.min() == 255:
        return pixels[..., :3].astype(np.float32)
    return np.concatenate([pixels[..., :3] * (alpha / 255), alpha], axis=2)


def changes(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a picture (h, w, c) changes across and down: x, where any pixel of column x differs from x - 1; and y."""
    height, width = seen.shape[:2]
    across, down = np.zeros(width - 1, np.float32), np.zeros(height - 1, np.float32)
    # In strips, because differences take as much memory as the picture.
    for top in range(0, height, _STRIP):
        strip = seen[top : top + _STRIP + 1]
        across = np.maximum(across, np.abs(np.diff(strip, axis=1)).max(axis=(0, 2)))
        down[top : top + len(strip) - 1] = np.abs(np.diff(strip, axis=0)).max(axis=(1, 2))
    return np.flatnonzero(across > _LEVELS) + 1, np.flatnonzero(down > _LEVELS) + 1
