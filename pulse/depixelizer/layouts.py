"""Where the sprites of a sheet lie: between gutters or lines, in equal cells, or anywhere, packed as they fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pulse.pictures.ground import ground, runs, shown

Box = tuple[int, int, int, int]
"""x and y of the top left pixel, width and height."""

# Levels by which the pixels of a gutter may differ from their middle; JPEGs are not quite even.
_EVEN = 24
# Levels by which neighbouring pixels differ at the edge of a tile.
_EDGE = 8
# Sides of the smallest sprite, and how many times as wide as high, or the reverse, cells may be.
_SMALLEST, _LONGEST = 6, 2.5
# The share of an edge between tiles along which pixels differ, and how much more than along any line inside them.
_ALONG, _MORE = 0.6, 1.3
# Pieces below this share of the usual sprite's side belong to a sprite near by, within this share of its side.
_PART, _NEAR = 0.4, 0.3
# Boxes that cover each other by this share of the smaller one are one sprite.
_COVERED = 0.25
# The share of cells that show something, at least.
_FILLED = 0.5


@dataclass(frozen=True)
class Cell:
    """A piece of a sheet: its name and its box in pixels."""

    name: str
    box: Box


@dataclass(frozen=True)
class Layout:
    """How a sheet is cut.

    Attributes:
        cells: what shows something, in reading order.
        words: where it is cut: "in equal cells, 4x2".
        blank: how many cells show nothing.
    """

    cells: tuple[Cell, ...]
    words: str
    blank: int = 0


def divided(pixels: np.ndarray, columns: int, rows: int) -> Layout:
    """A picture (h, w, 4) of uint8 cut into columns x rows equal cells."""
    height, width = pixels.shape[:2]
    return _of_lines(
        pixels, _even_spans(width, columns), _even_spans(height, rows), f"in equal cells, {columns}x{rows}"
    )


def find(pixels: np.ndarray) -> Layout | None:
    """How the sprites of a sheet (h, w, 4) of uint8 lie; None if it looks like one picture."""
    quiet_columns, quiet_rows = _quiet_lines(pixels)
    found = _equal_cells(pixels, quiet_columns, quiet_rows)
    if found is not None:
        return found
    found = _between_lines(pixels, quiet_columns, quiet_rows) or _tiles(pixels)
    packed = _packed(pixels)
    # Gutters may part groups of sprites that are packed.
    return packed if packed is not None and (found is None or len(packed.cells) > len(found.cells)) else found


def _quiet_lines(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which columns and rows are of one colour from end to end: gutters, and lines drawn between sprites.

    Lines down interrupt gutters across, and the reverse, so gutters are looked for once more without the lines.
    """
    seen = pixels.astype(np.int16)
    seen[seen[..., 3] == 0] = 0
    plain = ground(pixels)
    columns, rows = _is_even(seen, 0), _is_even(seen, 1)
    if columns.all() or rows.all():
        return columns, rows
    between = seen[~rows], seen[:, ~columns]
    for axis, (lines, part) in enumerate(zip((columns, rows), between, strict=True)):
        gutters = _is_even(part, axis)
        if plain is not None:
            gutters &= np.abs(np.take(part, 0, axis) - plain).max(-1) <= _EVEN
        lines |= gutters
    return columns, rows


def _is_even(seen: np.ndarray, axis: int) -> np.ndarray:
    return np.ptp(seen, axis=axis).max(-1) <= _EVEN


def _equal_cells(pixels: np.ndarray, quiet_columns: np.ndarray, quiet_rows: np.ndarray) -> Layout | None:
    """The finest division into equal cells whose borders all lie in gutters."""
    (height, width), best = pixels.shape[:2], None
    across = [n for n in _divisors(width) if _lies_between(quiet_columns, n)]
    down = [n for n in _divisors(height) if _lies_between(quiet_rows, n)]
    for columns in across:
        for rows in down:
            aspect = (width / columns) / (height / rows)
            if columns * rows == 1 or not 1 / _LONGEST <= aspect <= _LONGEST:
                continue
            if best is None or columns * rows > best[0] * best[1]:
                best = columns, rows
    if best is None:
        return None
    layout = divided(pixels, *best)
    return layout if len(layout.cells) >= max(2, _FILLED * best[0] * best[1]) else None


def _divisors(length: int) -> list[int]:
    return [n for n in range(1, length // _SMALLEST + 1) if length % n == 0]


def _lies_between(quiet: np.ndarray, count: int) -> bool:
    """Whether all borders between `count` equal cells touch a quiet line, and hardly a cell is quiet throughout."""
    step = len(quiet) // count
    borders = np.arange(1, count) * step
    if not (quiet[borders] | quiet[borders - 1]).all():
        return False
    filled = ~quiet.reshape(count, step).all(1)
    # Finer cells would cut each sprite in two where all sprites have a gap in the same place.
    return bool(filled.mean() >= 0.75)


def _between_lines(pixels: np.ndarray, quiet_columns: np.ndarray, quiet_rows: np.ndarray) -> Layout | None:
    """Rows and columns of sprites of about one size, with gutters or lines between them."""
    across, down = runs(~quiet_columns), runs(~quiet_rows)
    if len(across) * len(down) < 2 or not (_alike(across) and _alike(down)):
        return None
    aspect = np.median([b - a for a, b in across]) / np.median([b - a for a, b in down])
    if not 1 / _LONGEST <= aspect <= _LONGEST:
        return None
    layout = _of_lines(pixels, across, down, f"between gutters, {len(across)}x{len(down)}")
    return layout if len(layout.cells) >= max(2, _FILLED * len(across) * len(down)) else None


def _alike(spans: list[tuple[int, int]]) -> bool:
    lengths = np.array([end - start for start, end in spans])
    return (
        lengths.min() >= _SMALLEST
        and lengths.max() <= 1.6 * np.median(lengths)
        and lengths.min() >= np.median(lengths) / 1.6
    )


def _tiles(pixels: np.ndarray) -> Layout | None:
    """Tiles that touch: at their edges nearly all pixels change, elsewhere fewer do."""
    seen = pixels.astype(np.int16)
    counts = []
    for axis in (1, 0):
        changes = (np.abs(np.diff(seen, axis=axis)).max(-1) > _EDGE).mean(1 - axis)
        counts.append(_tile_count(changes))
    columns, rows = counts
    if columns * rows == 1:
        return None
    layout = divided(pixels, columns, rows)
    return layout if len(layout.cells) >= 2 else None


def _tile_count(changes: np.ndarray) -> int:
    """The most equal tiles of a line whose neighbouring pixels differ in the shares `changes` (n - 1,)."""
    length = len(changes) + 1
    for count in reversed(_divisors(length)[1:]):
        borders = np.arange(1, count) * (length // count) - 1
        inside = np.delete(changes, borders)
        if changes[borders].min() >= max(_ALONG, _MORE * float(inside.max(initial=0))):
            return count
    return 1


def _packed(pixels: np.ndarray) -> Layout | None:
    """Sprites that lie anywhere: what hangs together, with the small parts near it."""
    mask = shown(pixels)
    if mask.all():
        return None
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if count < 2:
        return None
    found = np.array([(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in ndimage.find_objects(labels)])
    sides = (found[:, 2:] - found[:, :2]).max(1)
    # Half of the area belongs to sprites of at least this side, however many specks there are.
    order = np.argsort(sides)[::-1]
    area = np.cumsum(sides[order].astype(float) ** 2)
    usual = float(sides[order][np.searchsorted(area, area[-1] / 2)])
    large = [tuple(box) for box in found[sides >= max(_PART * usual, _SMALLEST)].tolist()]
    if not large:
        return None
    merged = _merged(large)
    for box in found[sides < max(_PART * usual, _SMALLEST)].tolist():
        distances = [_distance(box, other) for other in merged]
        nearest = int(np.argmin(distances))
        if distances[nearest] <= _NEAR * usual:
            merged[nearest] = _union(box, merged[nearest])
        elif max(box[2] - box[0], box[3] - box[1]) >= _SMALLEST:
            merged.append(tuple(box))
    merged = _merged(merged)
    if len(merged) < 2:
        return None
    boxes = _reading_order([(x, y, right - x, bottom - y) for x, y, right, bottom in merged])
    digits = len(str(len(boxes)))
    cells = tuple(Cell(f"{number:0{digits}d}", box) for number, box in enumerate(boxes, 1))
    return Layout(cells, "where something stands apart")


Corners = tuple[int, ...]


def _merged(boxes: Iterable[Corners]) -> list[Corners]:
    """Boxes (left, top, right, bottom), those that cover each other as one."""
    left = list(boxes)
    merged: list[Corners] = []
    while left:
        box = left.pop()
        others = [other for other in left if _covers(box, other)] + [other for other in merged if _covers(box, other)]
        if others:
            left = [other for other in left if other not in others]
            merged = [other for other in merged if other not in others]
            for other in others:
                box = _union(box, other)
            # What has grown may cover more.
            left.append(box)
        else:
            merged.append(box)
    return merged


def _covers(one: Corners, other: Corners) -> bool:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width > 0 and height > 0 and width * height >= _COVERED * smaller


def _union(one: Corners, other: Corners) -> Corners:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _distance(one: Corners, other: Corners) -> float:
    across = max(other[0] - one[2], one[0] - other[2], 0)
    down = max(other[1] - one[3], one[1] - other[3], 0)
    return float(np.hypot(across, down))


def _reading_order(boxes: list[Box]) -> list[Box]:
    """Boxes row by row: a box belongs to a row if its middle is beside the row's first box."""
    left, ordered = sorted(boxes, key=lambda box: box[1]), []
    while left:
        bottom = left[0][1] + left[0][3]
        row = [box for box in left if box[1] + box[3] / 2 < bottom]
        ordered += sorted(row)
        left = [box for box in left if box not in row]
    return ordered


def _even_spans(length: int, count: int) -> list[tuple[int, int]]:
    bounds = [round(i * length / count) for i in range(count + 1)]
    return list(pairwise(bounds))


def _of_lines(pixels: np.ndarray, across: list[tuple[int, int]], down: list[tuple[int, int]], words: str) -> Layout:
    """The cells of rows and columns; those of one colour are left out."""
    cells, blank = [], 0
    digits = len(str(len(down))), len(str(len(across)))
    for row, (top, bottom) in enumerate(down, 1):
        for column, (left, right) in enumerate(across, 1):
            if _is_blank(pixels[top:bottom, left:right]):
                blank += 1
                continue
            name = f"{row:0{digits[0]}d}-{column:0{digits[1]}d}"
            cells.append(Cell(name, (left, top, right - left, bottom - top)))
    return Layout(tuple(cells), words, blank)


def _is_blank(pixels: np.ndarray) -> bool:
    if pixels[..., 3].max() < 8:
        return True
    return int(np.ptp(pixels.reshape(-1, 4).astype(np.int16), axis=0).max()) <= _EVEN // 3
