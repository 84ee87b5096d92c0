"""Pictures on a grid as tiles of a pyramid: each level shows the map at half the size of the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

TILE = 512
_PAPER = (244, 243, 239)
_QUALITY = 90


def levels(width: int, height: int) -> tuple[int, int]:
    """The lowest and the highest level of a map of so many pixels: one tile shows it all, and every pixel shows.

    >>> levels(6400, 6400)
    (9, 13)
    """
    highest = max(math.ceil(math.log2(max(width, height))), 0)
    return min(highest, int(math.log2(TILE))), highest


def write_tiles(
    folder: Path,
    pictures: np.ndarray,
    order: np.ndarray,
    columns: int,
    on_tile: Callable[[int], object] = lambda count: None,
) -> None:
    """Writes FOLDER/LEVEL/X_Y.webp for all tiles, as OpenSeadragon asks for them.

    Only one tile of each level is in memory at a time.

    Args:
        folder: made if it is missing.
        pictures: (N, 3, S, S) of uint8; S divides 512.
        order: (N,), which picture is at each place.
        columns: of the grid.
        on_tile: called with 1 after each tile of the highest level.
    """
    side = pictures.shape[-1]
    rows = -(-len(order) // columns)
    size = (columns * side, rows * side)
    lowest, highest = levels(*size)
    each = TILE // side

    def lowest_tile(x: int, y: int) -> Image.Image:
        tile = Image.new("RGB", (TILE, TILE), _PAPER)
        for row in range(y * each, min((y + 1) * each, rows)):
            for column in range(x * each, min((x + 1) * each, columns)):
                place = row * columns + column
                if place < len(order):
                    picture = Image.fromarray(np.ascontiguousarray(pictures[order[place]].transpose(1, 2, 0)))
                    tile.paste(picture, ((column - x * each) * side, (row - y * each) * side))
        on_tile(1)
        return tile

    def tile_of(level: int, x: int, y: int) -> Image.Image:
        shrunk = 1 << (highest - level)
        if level == highest:
            tile = lowest_tile(x, y)
        else:
            tile = Image.new("RGB", (TILE, TILE), _PAPER)
            for right in (0, 1):
                for down in (0, 1):
                    if (2 * x + right) * TILE * shrunk < 2 * size[0] and (2 * y + down) * TILE * shrunk < 2 * size[1]:
                        part = tile_of(level + 1, 2 * x + right, 2 * y + down)
                        tile.paste(part.reduce(2), (right * TILE // 2, down * TILE // 2))
        # At the edge only what the map has.
        wide, high = (min(TILE, -(-side // shrunk) - place * TILE) for side, place in zip(size, (x, y), strict=True))
        path = folder / str(level) / f"{x}_{y}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        tile.crop((0, 0, wide, high)).save(path, "WEBP", quality=_QUALITY, method=4)
        return tile

    # At the lowest level one tile shows all.
    tile_of(lowest, 0, 0)
