"""The square that FFHQ cuts around a face (Karras, Laine, Aila 2019, section 4 and appendix A), and cutting it out."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

# Landmarks of the eyes, and the corners of the mouth, in iBUG's order.
_LEFT_EYE, _RIGHT_EYE, _MOUTH_CORNERS = slice(36, 42), slice(42, 48), [48, 54]
# The pixels of the square are taken this many times as densely as they are returned, and reduced.
_DENSITY = 4
_DENSEST = 4096


@dataclass(frozen=True, eq=False)
class Square:
    """A square that may be tilted, in pixels of the photograph; (0, 0) is the centre of the top left pixel.

    Args:
        centre: (2,) its middle: x to the right, y down.
        across: (2,) from the middle to the middle of its right side.
    """

    centre: np.ndarray
    across: np.ndarray

    @property
    def down(self) -> np.ndarray:
        """(2,) from the middle to the middle of the lower side."""
        return np.array([-self.across[1], self.across[0]])

    @property
    def side(self) -> float:
        """Its side length in pixels."""
        return 2 * float(np.hypot(*self.across))

    @property
    def corners(self) -> np.ndarray:
        """(4, 2) top left, bottom left, bottom right and top right."""
        signs = ((-1, -1), (-1, 1), (1, 1), (1, -1))
        return np.stack([self.centre + a * self.across + d * self.down for a, d in signs])


def face_square(landmarks: np.ndarray) -> Square:
    """The square around a face with the 68 landmarks (68, 2).

    It lies along the eyes and square to the line from the eyes to the mouth, half and half. Its side is four times the
    distance between the eyes or 3.6 times that from eyes to mouth, whichever is more. Its middle is a tenth of the
    way from the eyes to the mouth.
    """
    left, right = landmarks[_LEFT_EYE].mean(0), landmarks[_RIGHT_EYE].mean(0)
    eyes, mouth = (left + right) / 2, landmarks[_MOUTH_CORNERS].mean(0)
    between, down = right - left, mouth - eyes
    along = between + np.array([down[1], -down[0]])
    length = float(np.hypot(*along))
    if length < 1e-6:
        # Eyes and mouth say opposite things; a face is upright then.
        along, length = np.array([1.0, 0.0]), 1.0
    half = max(2 * float(np.hypot(*between)), 1.8 * float(np.hypot(*down)), 1.0)
    return Square(eyes + 0.1 * down, along / length * half)


def cut(photograph: np.ndarray, square: Square, size: int) -> Image.Image:
    """What a photograph (h, w, 3) of uint8 shows in the square, as an RGB picture of `size` px.

    Where the square reaches beyond the photograph, the photograph is mirrored, and fades into its blurred self and
    then into its median colour, as in FFHQ: no black wedges.
    """
    pixels, square = _shrunk(photograph, square, size)
    pixels, square = _with_surroundings(pixels, square)
    dense = max(size, min(_DENSEST, size * _DENSITY))
    corner, right, down = square.corners[0], 2 * square.across / dense, 2 * square.down / dense
    # Pillow maps the centre of each pixel, and counts positions from the corner of the top left one.
    origin = corner + 0.5
    matrix = (right[0], down[0], origin[0], right[1], down[1], origin[1])
    made = Image.fromarray(pixels).transform((dense, dense), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return made if dense == size else made.resize((size, size), Image.Resampling.LANCZOS)


def paste(photograph: np.ndarray, square: Square, face: Image.Image, feather: float = 0.1) -> Image.Image:
    """The photograph (h, w, 3) of uint8 with a face put back into the square that it was cut from.

    Args:
        photograph, square: as for `cut`.
        face: a square RGB picture.
        feather: the share of the square's side over which the face fades in from the square's border.
    """
    height, width = photograph.shape[:2]
    # Reduced first where the square is small, because the transform takes single pixels.
    factor = max(1, int(face.width / square.side))
    face = face.reduce(factor) if factor > 1 else face
    n = face.width
    inner = np.minimum(np.arange(n), np.arange(n)[::-1])
    fade = np.clip((np.minimum(inner[:, None], inner[None]) + 0.5) / max(feather * n, 0.5), 0, 1)
    weight = np.round(255 * fade * fade * (3 - 2 * fade)).astype(np.uint8)
    layer = Image.merge("RGBA", (*face.convert("RGB").split(), Image.fromarray(weight)))
    inverse = np.linalg.inv(np.stack([2 * square.across / n, 2 * square.down / n], axis=1))
    offset = inverse @ (-square.corners[0] - 0.5)
    matrix = (inverse[0, 0], inverse[0, 1], offset[0], inverse[1, 0], inverse[1, 1], offset[1])
    # Bilinear, so that colours beyond the face, which have no weight, do not matter.
    placed = layer.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return Image.composite(placed.convert("RGB"), Image.fromarray(photograph), placed.getchannel("A"))


def _shrunk(photograph: np.ndarray, square: Square, size: int) -> tuple[np.ndarray, Square]:
    """The photograph reduced as far as the square keeps about twice the pixels that are asked for."""
    factor = int(square.side / size / 2)
    if factor <= 1:
        return photograph, square
    height, width = photograph.shape[:2]
    shape = max(1, round(width / factor)), max(1, round(height / factor))
    small = np.asarray(Image.fromarray(photograph).resize(shape, Image.Resampling.LANCZOS))
    scale = np.array(shape) / (width, height)
    return small, Square((square.centre + 0.5) * scale - 0.5, square.across * float(scale.mean()))


def _with_surroundings(pixels: np.ndarray, square: Square) -> tuple[np.ndarray, Square]:
    """The part of the picture around the square, continued where the square reaches beyond the picture."""
    height, width = pixels.shape[:2]
    margin = max(round(0.1 * square.side), 3)
    low = np.floor(square.corners.min(0)).astype(int)
    high = np.ceil(square.corners.max(0)).astype(int)
    left, top = np.maximum(low - margin, 0)
    right, bottom = np.minimum(high + margin, (width, height))
    if right - left < 1 or bottom - top < 1:
        left, top, right, bottom = 0, 0, width, height
    part = pixels[top:bottom, left:right]
    square = Square(square.centre - (left, top), square.across)
    beyond = np.maximum(
        np.concatenate([-np.floor(square.corners.min(0)), np.ceil(square.corners.max(0)) - part.shape[1::-1]]) + margin,
        0,
    ).astype(int)
    if beyond.max() <= margin - 4:
        return part, square
    beyond = np.maximum(beyond, round(0.3 * square.side))
    return _continued(part, beyond, 0.02 * square.side), Square(square.centre + beyond[:2], square.across)


def _continued(part: np.ndarray, beyond: np.ndarray, blur: float) -> np.ndarray:
    """A picture mirrored at its borders by `beyond` pixels (left, top, right, bottom), and faded out there."""
    left, top, right, bottom = (int(n) for n in beyond)
    wide = np.pad(part.astype(np.float32), ((top, bottom), (left, right), (0, 0)), mode="reflect")
    height, width = wide.shape[:2]
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
    # 0 at the picture's border, 1 at the end of what was added.
    away_x = 1 - np.minimum(x / left, (width - 1 - x) / right)
    away_y = 1 - np.minimum(y / top, (height - 1 - y) / bottom)
    away = np.maximum(away_x, away_y)[..., None]
    wide += (gaussian_filter(wide, (blur, blur, 0)) - wide) * np.clip(3 * away + 1, 0, 1)
    wide += (np.median(wide, axis=(0, 1)) - wide) * np.clip(away, 0, 1)
    return np.clip(np.rint(wide), 0, 255).astype(np.uint8)
