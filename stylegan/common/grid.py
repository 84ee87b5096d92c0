"""Many images of one size side by side."""

from __future__ import annotations

import math

from torch import Tensor


def grid(images: Tensor, columns: int | None = None, gap: int = 0, background: float = 0) -> Tensor:
    """Images (N, C, H, W) as one (C, rows * H, columns * W), row by row, of the same type.

    Args:
        images: of any type.
        columns: images in a row; by default the sheet is as square as possible.
        gap: pixels between neighbours.
        background: value of gaps and of places without an image.
    """
    n, c, h, w = images.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = -(-n // columns)
    sheet = images.new_full((c, rows * (h + gap) - gap, columns * (w + gap) - gap), background)
    for index, image in enumerate(images):
        top, left = index // columns * (h + gap), index % columns * (w + gap)
        sheet[:, top : top + h, left : left + w] = image
    return sheet
