"""Parts of a picture: the sprites of a sheet, the head of a figure, a rectangle."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pulse import pixel_grid
from pulse.depixelizer import heads, layouts
from pulse.depixelizer.layouts import Box
from pulse.pictures.read import PictureError, Source, from_rgba, load_picture, parse_grid, rgba
from stylegan.common.console import printable

__all__ = ["Box", "Head", "Piece", "crop_picture", "cut_sheet", "find_head", "parse_crop", "parse_layout"]

# Larger sheets are cut first, and the grid of their sprites is looked for in so many pixels.
_FOR_GRID = 1 << 20
_MOST_CELLS = 4096
# Looking for sprites takes a dozen bytes for each pixel.
_LARGEST = 1 << 24


@dataclass(frozen=True, eq=False)
class Piece:
    """One sprite of a sheet.

    Attributes:
        name: "2-3" in row 2, column 3; a number where sprites stand in no rows.
        box: x, y, width and height in the sheet, in its own pixels.
        picture: the sprite at its native size, "RGB" or "RGBA".
    """

    name: str
    box: Box
    picture: Image.Image


@dataclass(frozen=True)
class Head:
    """Where the head of a figure is.

    Attributes:
        box: x, y, width and height, in pixels of the picture.
        found: whether the head was found; otherwise `box` is a guess.
        reason: a sentence: how it was found, or why it was not.
    """

    box: Box
    found: bool
    reason: str


def cut_sheet(
    picture: Source, layout: str | tuple[int, int] = "auto", *, grid: str | int = "auto", notes: list[str] | None = None
) -> list[Piece]:
    """Cuts a sheet into its sprites, in reading order. Blank cells are left out.

        for piece in pulse.cut_sheet("heroes.png"):
            pulse.depixelize(piece.picture, grid="off").to_pil().save(f"{piece.name}.png")

    Sprites are found between gutters (transparent, or of one colour) or lines, in equal cells, in tiles that touch, or
    wherever they lie: pixels that hang together are one sprite, with the small parts beside it.

    >>> sheet = np.zeros((8, 24, 4), np.uint8)
    >>> sheet[1:7, 1:7] = sheet[1:7, 9:15] = sheet[1:7, 17:23] = (200, 80, 40, 255)
    >>> [(piece.name, piece.box) for piece in cut_sheet(sheet)]
    [('1-1', (0, 0, 8, 8)), ('1-2', (8, 0, 8, 8)), ('1-3', (16, 0, 8, 8))]

    Args:
        picture: a path, a Pillow image, an array or a tensor, as `pulse.pictures.open_picture` takes them.
        layout: "4x2" or (4, 2), four columns and two rows of equal cells; "auto" finds the sprites.
        grid: of an enlarged sheet, as for `pulse.depixelize`; all sprites share one grid.
        notes: gets a sentence for how the sheet was cut, and for what its owner may not expect.

    Raises:
        ValueError: the picture cannot be read, the layout is none, or no cell shows anything.
    """
    wanted = parse_layout(layout)
    chosen = parse_grid(grid)
    told: list[str] = []
    image = load_picture(picture, notes=told)
    if image.width * image.height > _LARGEST:
        name = str(picture) if isinstance(picture, (str, os.PathLike)) else "The sheet"
        raise PictureError(
            f"{printable(name)} has {image.width}x{image.height} pixels, more than the {_LARGEST:,} that are cut; make "
            "it smaller, or cut it in parts."
        )
    pixels = rgba(image)
    native = _native(pixels, chosen)
    seen = pixels if native is None else native.pixels
    if wanted is None:
        found = layouts.find(seen)
        if found is None:
            height, width = seen.shape[:2]
            found = layouts.Layout((layouts.Cell("1", (0, 0, width, height)),), "")
            told.append("No sheet shows in it, so it is taken as one picture; name its columns and rows, as 4x2.")
    else:
        columns, rows = wanted
        if columns > seen.shape[1] or rows > seen.shape[0]:
            raise PictureError(
                f"A sheet of {seen.shape[1]}x{seen.shape[0]} pixels cannot have {columns}x{rows} cells; give fewer."
            )
        found = layouts.divided(seen, columns, rows)
    if not found.cells:
        raise PictureError("No cell of the sheet shows anything; give another layout.")
    if found.words:
        left_out = f"; {found.blank} blank cells are left out" if found.blank else ""
        told.append(f"It is a sheet, cut {found.words}, into {len(found.cells)} sprites{left_out}.")
    parts = [part_of(seen, cell.box) for cell in found.cells]
    if native is None and chosen != "off":
        parts = _native_parts(parts, None if chosen == "auto" else int(chosen), told)
    elif native is not None:
        told.append(native.reason)
    if notes is not None:
        notes.extend(told)
    return [
        Piece(cell.name, _in_picture(cell.box, native), from_rgba(part))
        for cell, part in zip(found.cells, parts, strict=True)
    ]


def find_head(picture: Source, *, grid: str | int = "auto") -> Head:
    """Finds the head of a figure.

        head = pulse.find_head("dwarf.png")
        print(head.box, head.reason)
        pulse.depixelize("dwarf.png", crop=head.box)

    In a photograph dlib finds the face, where it is installed. Of a figure of pixels the head is what lies above the
    narrowest place, or the sharpest change of colours, at which it is about as high as wide. Where neither shows, the
    upper square is taken, or all of a picture that is no taller than a head.

    Args:
        picture, grid: as for `pulse.depixelize`.

    Raises:
        ValueError: the picture cannot be read.
    """
    chosen = parse_grid(grid)
    pixels = rgba(load_picture(picture))
    native = _native(pixels, chosen)
    box, found, reason = heads.find(pixels if native is None else native.pixels)
    return Head(_in_picture(box, native), found, reason)


def crop_picture(
    picture: Source,
    crop: str | Sequence[int] | None = None,
    head: bool = False,
    *,
    grid: str | int = "auto",
    notes: list[str] | None = None,
) -> Image.Image:
    """A rectangle of a picture, or the head of the figure in it, at its native size.

    Args:
        picture, grid: as for `pulse.depixelize`.
        crop: (x, y, width, height) in pixels of the picture, or "x,y,width,height"; all of it if None. Of an enlarged
            sprite whole cells are taken.
        head: whether to cut out the head of the figure that is there; see `find_head`.
        notes: gets a sentence for each surprise, and for how the head was found.

    Returns:
        A picture "RGB" or "RGBA".

    Raises:
        ValueError: the picture cannot be read, or the rectangle does not lie in it.
    """
    chosen = parse_grid(grid)
    told: list[str] = []
    image = load_picture(picture, notes=told)
    pixels = rgba(image)
    box = None if crop is None else parse_crop(crop, image.size)
    native = _native(pixels, chosen)
    if native is not None:
        pixels = part_of(native.pixels, cells_of(box, native)) if box is not None else native.pixels
        told.append(native.reason)
    elif box is not None:
        pixels = part_of(pixels, box)
        # A sprite may stand enlarged in a picture that is not.
        small = _native(pixels, chosen)
        if small is not None:
            pixels = small.pixels
            told.append(small.reason)
    if head:
        place, _, reason = heads.find(pixels)
        pixels = part_of(pixels, place)
        told.append(reason)
    if pixels.shape[0] * pixels.shape[1] < 2:
        raise PictureError("What is cut out is a single pixel, in which nothing can be seen; give a larger crop.")
    if pixels[..., 3].max() < 3:
        raise PictureError("What is cut out is fully transparent, so there is nothing to see in it; crop elsewhere.")
    if notes is not None:
        notes.extend(told)
    return from_rgba(pixels)


def parse_layout(layout: str | tuple[int, int]) -> tuple[int, int] | None:
    """Columns and rows of "4x2" or (4, 2); None for "auto".

    Raises:
        ValueError: it is none of these.

    >>> parse_layout("4x2")
    (4, 2)
    """
    if layout == "auto":
        return None
    if isinstance(layout, str):
        match = re.fullmatch(r"\s*(\d{1,4})\s*[xX×]\s*(\d{1,4})\s*", layout, re.ASCII)
        numbers: tuple[object, ...] = () if match is None else tuple(int(n) for n in match.groups())
    else:
        numbers = tuple(layout) if isinstance(layout, Sequence) else ()
    if len(numbers) == 2 and all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in numbers):
        columns, rows = (int(n) for n in numbers)  # type: ignore[call-overload]
        if columns * rows <= _MOST_CELLS:
            return columns, rows
    raise ValueError(
        f"The layout of a sheet is {layout!r}; give auto, or columns x rows as 4x2, {_MOST_CELLS} cells at most."
    )


def parse_crop(crop: str | Sequence[int], size: tuple[int, int] | None = None) -> Box:
    """The rectangle (x, y, width, height), also where it is given as text "x,y,width,height".

    Args:
        crop: the rectangle.
        size: width and height of the picture that it has to lie in, if they are known.

    Raises:
        ValueError: it is no rectangle, or does not lie in the picture.

    >>> parse_crop("8,0,16,16")
    (8, 0, 16, 16)
    """
    parts = crop.split(",") if isinstance(crop, str) else crop
    try:
        numbers = tuple(int(part) for part in parts)
        whole = all(isinstance(part, str) or part == number for part, number in zip(parts, numbers, strict=True))
    except (TypeError, ValueError, OverflowError):
        numbers, whole = (), False
    if len(numbers) != 4 or not whole or min(numbers[:2]) < 0 or min(numbers[2:]) < 1:
        raise ValueError(
            f"The crop is {crop!r}; give x, y, width and height in whole pixels, as 8,0,16,16, none of them negative."
        )
    x, y, width, height = numbers
    if size is not None and (x + width > size[0] or y + height > size[1]):
        raise ValueError(
            f"The crop {x},{y},{width},{height} reaches beyond the picture's {size[0]}x{size[1]} pixels; make it "
            "smaller."
        )
    return x, y, width, height


def _native(pixels: np.ndarray, grid: str | int) -> pixel_grid.TruePixels | None:
    """The picture's true pixels; None if it has none, or is too large to be looked at as a whole."""
    if grid == "off" or (grid == "auto" and pixels.shape[0] * pixels.shape[1] > _FOR_GRID):
        return None
    found = pixel_grid.read(pixels, None if grid == "auto" else int(grid))
    return found if found.found else None


def _native_parts(parts: list[np.ndarray], grid: int | None, told: list[str]) -> list[np.ndarray]:
    """The true pixels of the sprites of a sheet, which was cut before its grid was known."""
    if any(part.shape != parts[0].shape for part in parts):
        return [pixel_grid.read(part, grid).pixels for part in parts]
    made = pixel_grid.read_frames(parts, grid)
    if made[0].found:
        told.append(made[0].reason)
    return [one.pixels for one in made]


def part_of(pixels: np.ndarray, box: Box) -> np.ndarray:
    x, y, width, height = box
    return pixels[y : y + height, x : x + width]


def _in_picture(box: Box, native: pixel_grid.TruePixels | None) -> Box:
    """A box of true pixels as one of the picture's."""
    if native is None:
        return box
    x, y, width, height = box
    columns, rows = (np.rint(bounds).astype(int) for bounds in (native.columns, native.rows))
    left, right, top, bottom = (int(n) for n in (columns[x], columns[x + width], rows[y], rows[y + height]))
    return left, top, right - left, bottom - top


def cells_of(box: Box, native: pixel_grid.TruePixels) -> Box:
    """The true pixels of which a box of the picture shows more than half; at least one."""
    x, y, width, height = box
    spans = []
    for start, length, bounds in ((x, width, native.columns), (y, height, native.rows)):
        middles = (bounds[1:] + bounds[:-1]) / 2
        first, last = np.searchsorted(middles, [start, start + length])
        first = min(int(first), len(middles) - 1)
        spans.append((first, max(1, int(last) - first)))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]
