"""The head of a figure: by dlib in photographs, by shape and colours in figures of pixels."""

from __future__ import annotations

import numpy as np

from pulse.depixelizer.layouts import Box
from pulse.pictures.ground import shown

# Pictures with a longer side than this may be photographs.
_PHOTOGRAPH = 100
# Figures are looked at with about so many rows.
_LOOK = 96
# Arms, weapons and horns are thinner than this share of a figure's height.
_THIN = 0.045
# Of the figure's height, the share that a head has.
_LEAST, _MOST = 0.1, 0.75
# A figure that is taller than this, in widths, may be more than a head; beyond the second number it is.
_TALL, _TALLER = 1.15, 1.4
# Of what is no taller, a head is this share of the height.
_SMALL, _HALF = 0.25, 0.6
# Raised hands end above the head by no more than this share of the height.
_HANDS = 0.4
# The share of a figure's area that its head has at least; feathers and bulbs of antennas have less.
_AREA = 0.025
# Room around a head, as in portraits, in shares of its longer side.
_AROUND, _ABOVE = 0.16, 0.07
# How much the narrowing at the neck, the change of colours and the shoulders count, and from which sum on they are a
# head's.
_NARROW, _COLOUR, _SHOULDERS, _ENOUGH = 1.5, 0.8, 0.5, 0.2


def find(pixels: np.ndarray) -> tuple[Box, bool, str]:
    """The box of the head in a picture (h, w, 4) of uint8, whether it was found, and a sentence on how."""
    height, width = pixels.shape[:2]
    if max(height, width) > _PHOTOGRAPH:
        face = _face(pixels)
        if face is not None:
            return face, True, "The head was found by its face."
    mask = shown(pixels)
    if mask.all() or not mask.any():
        return _upper(height, width)
    figure = _figure(mask)
    top, left, bottom, right = figure
    box, tall = _above_neck(pixels, mask, figure)
    # A bust or a face ends in something narrow as well, but never above its upper half.
    if box is not None and (tall > _TALL or _SMALL * (bottom - top) < box[3] < _HALF * (bottom - top)):
        return box, True, "The head was found above the neck of the figure."
    if tall <= _TALLER:
        return (0, 0, width, height), False, "It is no taller than a head, so all of it is used."
    return _upper(bottom - top, right - left, top, left)


def _upper(height: int, width: int, top: int = 0, left: int = 0) -> tuple[Box, bool, str]:
    side = min(height, width)
    why = "No head shows in it, so the upper square is used."
    return (left + (width - side) // 2, top, side, side), False, why


def _face(pixels: np.ndarray) -> Box | None:
    """The upright square around the face that dlib is surest of; None without a face, and without dlib."""
    from pulse.faces.detect import FaceError, find_landmarks
    from pulse.faces.square import face_square

    alpha = pixels[..., 3:].astype(np.float32) / 255
    seen = np.rint(pixels[..., :3] * alpha + 128 * (1 - alpha)).astype(np.uint8)
    try:
        found = find_landmarks(seen, turn=False)
    except FaceError:
        # Faces in photographs are a help that not every computer has; figures need none.
        return None
    if not found:
        return None
    square = face_square(found[0])
    return _square_around(square.centre[0] + 0.5, square.centre[1] + 0.5 - square.side / 2, square.side, pixels.shape)


def _figure(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of the largest thing that hangs together."""
    from scipy import ndimage

    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    rows, columns = ndimage.find_objects(labels)[int(sizes.argmax()) - 1]
    return rows.start, columns.start, rows.stop, columns.stop


def _above_neck(pixels: np.ndarray, mask: np.ndarray, figure: tuple[int, int, int, int]) -> tuple[Box | None, float]:
    """The box of a head above a neck, None where nothing looks like one; and the figure's height in widths."""
    top, left, bottom, right = figure
    factor = max(1, (bottom - top) // _LOOK)
    part, body = pixels[top:bottom:factor, left:right:factor], mask[top:bottom:factor, left:right:factor]
    body = _without_thin(body)
    height = len(body)
    tall = float(np.ptp(np.flatnonzero(body.any(1))) + 1) / float(np.ptp(np.flatnonzero(body.any(0))) + 1)
    if height < 8:
        return None, tall
    axis = _axis(body)
    spans = _without_hands([_span(row, axis) for row in body], axis)
    widths = np.array([b - a for a, b in spans], float)
    filled = np.flatnonzero(widths)
    first = int(filled[0])
    best, best_score = None, _ENOUGH
    for neck in range(first + max(3, round(_LEAST * height)), min(height - 1, first + round(_MOST * height)) + 1):
        score = _score(part, spans, widths, first, neck)
        if score > best_score and widths[first:neck].sum() >= _AREA * body.sum():
            best, best_score = neck, score
    if best is None:
        return None, tall
    above = [span for span in spans[first:best] if span[1] > span[0]]
    head_left, head_right = (float(np.quantile([span[i] for span in above], q)) for i, q in ((0, 0.1), (1, 0.9)))
    side = max(best - first, head_right - head_left) * (1 + _AROUND) * factor
    middle = left + (head_left + head_right) / 2 * factor
    return _square_around(middle, top + first * factor - _ABOVE * side, side, pixels.shape), tall


def _without_thin(body: np.ndarray) -> np.ndarray:
    """The silhouette without what is thin, unless nothing else is left."""
    radius = round(_THIN * len(body))
    if radius < 1:
        return body
    from scipy import ndimage

    wide = np.pad(body, radius)
    disc = np.hypot(*np.ogrid[-radius : radius + 1, -radius : radius + 1]) <= radius + 0.5
    opened = ndimage.binary_opening(wide, disc)[radius:-radius, radius:-radius]
    return opened if opened.sum() > 0.5 * body.sum() else body


def _axis(body: np.ndarray) -> float:
    """The column about which the upper half of a figure lies; outer parts, such as arms, count little."""
    upper = body[: max(1, len(body) * 2 // 3)]
    columns = np.arange(body.shape[1])
    return float(np.median(np.concatenate([columns[row] for row in upper] or [columns])))


def _span(row: np.ndarray, axis: float) -> tuple[int, int]:
    """Start and end of the stretch of a row that holds the axis, or else of the nearest one; (0, 0) for none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    best, nearest = (0, 0), np.inf
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        distance = max(start - axis, axis - (end - 1), 0)
        if distance < nearest:
            best, nearest = (int(start), int(end)), distance
    return best


def _without_hands(spans: list[tuple[int, int]], axis: float) -> list[tuple[int, int]]:
    """The stretches without those of raised hands and weapons above the head, which lie beside the axis."""
    first = next((i for i, (start, end) in enumerate(spans) if start - 1 <= axis <= end), 0)
    # A head that leans far to a side is no hand.
    return [(0, 0)] * first + spans[first:] if first <= _HANDS * len(spans) else spans


def _score(part: np.ndarray, spans: list[tuple[int, int]], widths: np.ndarray, first: int, neck: int) -> float:
    """How much the rows from `first` to before `neck` look like a head, and the row `neck` like the place below."""
    above = widths[first:neck]
    wide = float(np.quantile(above, 0.9))
    tall = neck - first
    reach = max(2, round(0.5 * tall))
    below = widths[neck : neck + reach]
    if wide < 2 or not len(below):
        return 0.0
    # A head is about as high as wide.
    shape = float(np.exp(-((np.log(tall / wide) / 0.45) ** 2)))
    narrow = float(np.clip((min(wide, below.max()) - widths[neck]) / wide, 0, 0.6))
    shoulders = float(np.clip((np.median(below) - widths[max(neck - 2, first) : neck].mean()) / wide, 0, 0.6))
    rows = max(1, round(0.25 * tall))
    change = _colour(part, spans, neck - rows, neck) - _colour(part, spans, neck, neck + rows)
    colour = float(np.clip(np.abs(change).max() / 255, 0, 0.5))
    return shape * (_NARROW * narrow + _COLOUR * colour + _SHOULDERS * shoulders)


def _colour(part: np.ndarray, spans: list[tuple[int, int]], start: int, end: int) -> np.ndarray:
    """The mean colour (3,) of the middle of some rows of a figure."""
    seen = []
    for row in range(start, min(end, len(spans))):
        left, right = spans[row]
        margin = (right - left) // 4
        seen.append(part[row, left + margin : right - margin, :3].reshape(-1, 3).astype(float))
    together = np.concatenate(seen) if seen else np.zeros((0, 3))
    return together.mean(0) if len(together) else np.zeros(3)


def _square_around(middle: float, top: float, side: float, shape: tuple[int, ...]) -> Box:
    """The square in whole pixels, moved into the picture, and cut where it is larger than the picture."""
    height, width = shape[:2]
    whole = max(2, round(side))
    across, down = min(whole, width), min(whole, height)
    x = int(np.clip(round(middle - across / 2), 0, width - across))
    y = int(np.clip(round(top), 0, height - down))
    return x, y, across, down
