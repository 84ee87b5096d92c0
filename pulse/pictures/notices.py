"""Warnings about a picture in which no face, or not the intended one, will be found."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from pulse.pictures.ground import runs, shown

# At this size gaps between sprites are still visible, and the test costs nothing.
_LOOK = 1024


def cut_margins(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Cuts transparent margins where what shows is at most half as large as the canvas; with a note on it.

    Narrower margins stay: a figure may be meant to stand in its frame, and a generator trained on such frames knows
    them so.

    Args:
        image: "RGB" or "RGBA", not empty.
    """
    if image.mode != "RGBA":
        return image, []
    box = narrow_box(image.getchannel("A"))
    if box is None:
        return image, []
    width, height = box[2] - box[0], box[3] - box[1]
    note = f"Its transparent margins are cut: of {image.width}x{image.height} pixels, {width}x{height} show something."
    return image.crop(box), [note]


def narrow_box(alpha: Image.Image) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what shows, if it is at most half as large as the canvas; else None.

    Args:
        alpha: the opacity, "L".
    """
    box = alpha.getbbox()
    if box is None:
        return None
    width, height = box[2] - box[0], box[3] - box[1]
    return None if 2 * max(width, height) > max(alpha.size) or width * height < 2 else box


def notices(image: Image.Image) -> list[str]:
    """Plain sentences about a picture, "RGB" or "RGBA", for which a face would say little."""
    width, height = image.size
    long, short = max(width, height), min(width, height)
    ranges: list[tuple[int, int]] = list(image.getextrema())  # type: ignore[arg-type]
    if all(low == high for low, high in ranges):
        return ["It is of one colour, which any plain face fits; the answer says nothing."]
    if short == 1:
        return [f"It is a line of {width}x{height} pixels, of which a square shows next to nothing."]
    cells = _cells(image)
    if cells:
        return [f"It looks like a sheet of {cells} sprites, which are searched as one; cut it first."]
    if long >= 4 * short:
        return [f"It is {long / short:.0f} times as long as it is wide, so a square shows little of it; crop it first."]
    return []


def _cells(image: Image.Image) -> int:
    """How many sprites of about one size stand apart in rows and columns; 0 if this looks like one picture."""
    if max(image.size) > _LOOK:
        image = image.reduce(-(-max(image.size) // _LOOK))
    seen = shown(np.asarray(image))
    across, down = runs(np.any(seen, 0)), runs(np.any(seen, 1))
    count = len(across) * len(down)
    if count < 3 or not _alike(across) or not _alike(down):
        return 0
    filled = sum(bool(seen[top:bottom, left:right].any()) for top, bottom in down for left, right in across)
    # Two figures side by side, or the dots of a face, are not a sheet: in a sheet nearly every cell of the grid is
    # filled, and sprites are about as high as they are wide.
    aspect = np.median([b - a for a, b in across]) / np.median([b - a for a, b in down])
    return filled if filled >= 3 and filled >= 0.75 * count and 0.4 < aspect < 2.5 else 0


def _alike(stretches: Sequence[tuple[int, int]]) -> bool:
    lengths = np.array([end - start for start, end in stretches])
    middle = float(np.median(lengths))
    # A sprite of a sheet has a few pixels at least.
    return middle >= 6 and bool((np.abs(lengths - middle) <= 0.4 * middle).mean() >= 0.75)
