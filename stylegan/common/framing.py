"""Making a picture square, in the same way for training and for searching."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageColor
from torch import Tensor

from stylegan.common.pixels import to_bytes

Colour = str | tuple[float, float, float]
FRAMINGS = ("pad", "crop", "stretch")
FRAMING = "pad"
# Middle grey: both the dark outline and the white parts of a sprite stay visible on it.
BACKGROUND = "#808080"

_LONGEST = 8
_Resize = Callable[[Tensor, tuple[int, int]], Tensor]


def parse_colour(colour: Colour) -> np.ndarray:
    """A colour name, "#rrggbb" or three floats in [0, 1], as float32 (3,); ValueError for anything else."""
    if isinstance(colour, str):
        try:
            return np.array(ImageColor.getrgb(colour)[:3], dtype=np.float32) / 255
        except ValueError as error:
            raise ValueError(f"There is no colour {colour!r}; write a name such as white, or #rrggbb.") from error
    try:
        ground = np.asarray(colour, dtype=np.float32)
    except (TypeError, ValueError):
        ground = np.zeros(0, np.float32)
    if ground.shape != (3,) or not ((ground >= 0) & (ground <= 1)).all():
        raise ValueError(f"{colour!r} is not a colour; give a name, #rrggbb, or three numbers from 0 to 1.")
    return ground


def check_framing(framing: str) -> None:
    """Raises ValueError if there is no such framing."""
    if framing not in FRAMINGS:
        raise ValueError(f"There is no framing {framing!r}; choose one of {', '.join(FRAMINGS)}.")


def composited(image: Image.Image, background: Colour = BACKGROUND) -> Tensor:
    """A picture "RGB" or "RGBA" over a background, as floats (1, 3, h, w) in [0, 1]."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*_levels(background), 255)), image)
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return pixels.permute(2, 0, 1).unsqueeze(0).float() / 255


def fills(image: Tensor, alpha: Image.Image | None = None, background: Colour = BACKGROUND) -> list[Tensor | None]:
    """What fills the padding beyond a picture's left, top, right and bottom border.

    A border with a transparent pixel is continued by the background. A border of which more than half has one colour is
    continued by that colour, because what interrupts it (an ear, a hat) ends there. Any other border's pixels are
    repeated.

    Args:
        image: floats (1, 3, h, w) in [0, 1], over the background.
        alpha: the picture's opacity, mode "L"; None for an opaque picture.
        background: as for `composited`.

    Returns:
        For each side a colour (3,), or None where pixels are repeated.
    """
    opacity = None if alpha is None else np.asarray(alpha)
    found: list[Tensor | None] = []
    for side in ((..., slice(None), 0), (..., 0, slice(None)), (..., slice(None), -1), (..., -1, slice(None))):
        if opacity is not None and (opacity[side] < 128).any():
            found.append(torch.tensor(_levels(background)) / 255)
            continue
        border = image[0][side]
        colour = border.median(1).values
        near = ((border - colour[:, None]).abs() <= 4 / 255).all(0)
        found.append(colour if near.float().mean() > 0.5 else None)
    return found


def square(
    image: Tensor, side: int, framing: str, resize: _Resize, beyond: Sequence[Tensor | None], *, enlarge: bool = False
) -> Tensor:
    """Makes a picture a square.

    Args:
        image: floats (1, 3, h, w) in [0, 1].
        side: side length of the square in pixels. A picture whose longer side (for "crop" and "stretch": shorter side)
            is smaller keeps its size, unless `enlarge` is set.
        framing: "pad" keeps everything and fills the rest with `beyond`; "crop" keeps the square in the middle;
            "stretch" changes the aspect ratio.
        resize: resizes floats (1, 3, h, w) to a size (h, w).
        beyond: what `fills` returns.
        enlarge: whether smaller pictures are made `side` pixels too.

    Returns:
        Floats (1, 3, s, s) with s = `side`, or less without `enlarge`.
    """
    check_framing(framing)
    height, width = image.shape[-2:]
    if framing == "crop" and height != width:
        s = min(height, width)
        top, left = (height - s) // 2, (width - s) // 2
        image = image[..., top : top + s, left : left + s]
    elif framing == "stretch" and height != width:
        # The shorter side decides, so that nothing is enlarged on the way.
        s = min(height, width) if enlarge else min(side, height, width)
        image = resize(image, (s, s))
    height, width = image.shape[-2:]
    # Padding comes first, so that the content lands at the same place, to a fraction of a pixel, whatever the picture's
    # size. Not for a long line, whose square would not fit into memory.
    if max(height, width) <= _LONGEST * min(height, width):
        image = _padded(image, beyond)
        height, width = image.shape[-2:]
    if max(height, width) > side or (enlarge and max(height, width) < side):
        scale = side / max(height, width)
        image = resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))
    return _padded(image, beyond)


def square_picture(picture: Image.Image, side: int, framing: str = FRAMING, background: Colour = BACKGROUND) -> Tensor:
    """A picture of `stylegan.common.pictures.read` as a training picture, uint8 (3, side, side).

    A search with the same file, framing and background looks for this picture made small.
    """
    image = composited(picture, background)
    beyond = fills(image, picture.getchannel("A") if picture.mode == "RGBA" else None, background)
    return to_bytes(square(image, side, framing, _resized, beyond, enlarge=True)[0])


def _levels(colour: Colour) -> tuple[int, ...]:
    return tuple(int(level) for level in (parse_colour(colour) * 255).round())


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    # Bicubic overshoots at edges.
    return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _padded(image: Tensor, beyond: Sequence[Tensor | None]) -> Tensor:
    height, width = image.shape[-2:]
    s = max(height, width)
    left, top = (s - width) // 2, (s - height) // 2
    right, bottom = s - width - left, s - height - top
    image = F.pad(image, (left, right, top, bottom), mode="replicate") if height != width else image.clone()
    places = (
        (..., slice(0, left)),
        (..., slice(0, top), slice(None)),
        (..., slice(s - right, s)),
        (..., slice(s - bottom, s), slice(None)),
    )
    for place, colour in zip(places, beyond, strict=True):
        if colour is not None:
            image[place] = colour.to(image)[:, None, None]
    return image.contiguous()
