"""A picture becomes the square target of a search."""

import torch
import torch.nn.functional as F

from pulse.operators import downsample
from pulse.pictures.read import PictureError

FITS = ("pad", "crop", "stretch")


def fit_target(
    image: torch.Tensor, resolution: int, size: int = 16, fit: str = "pad", kernel: str = "bicubic"
) -> torch.Tensor:
    """Makes a picture (1, 3, h, w) in [0, 1] a square target (1, 3, s, s) in [0, 1] for a generator of `resolution` px.

    A picture larger than `size` on its longer side is downsampled so that s = `size`; a smaller one (an 8x8 sprite)
    keeps its own pixels. Generators make squares, so another aspect ratio is

    - "pad": filled up to a square by repeating the outermost pixels. The default, because a sprite's outline must not
      be cut off, and because repeated pixels continue a plain background, where bars of one colour would have to be
      found in the face;
    - "crop": cut to the square in the middle, for photographs with the face there;
    - "stretch": squeezed to a square.

    `kernel` is the downsampling kernel, as in `pulse.downsample`.

    Raises:
        ValueError: `size` below 2 or above `resolution`, an unknown `fit`, or (PictureError) a target of one pixel.
    """
    check_fit(resolution, size, fit)
    h, w = image.shape[-2:]
    if fit == "crop" and h != w:
        s = min(h, w)
        top, left = (h - s) // 2, (w - s) // 2
        image = image[..., top : top + s, left : left + s]
    elif fit == "stretch" and h != w:
        # The shorter side decides, so that this too only ever makes pictures smaller.
        s = min(size, h, w)
        image = _reduced(image, (s, s), kernel)
    h, w = image.shape[-2:]
    if h * w == 1:
        raise PictureError("A picture one pixel wide or high makes a target of one pixel with this fit; use pad.")
    if max(h, w) > size:
        scale = size / max(h, w)
        image = _reduced(image, (max(1, round(h * scale)), max(1, round(w * scale))), kernel)
        h, w = image.shape[-2:]
    if h != w:
        s = max(h, w)
        left, top = (s - w) // 2, (s - h) // 2
        image = F.pad(image, (left, s - w - left, top, s - h - top), mode="replicate")
    return image.contiguous()


def check_fit(resolution: int, size: int, fit: str) -> None:
    """Raises the ValueErrors of `fit_target` that do not depend on the picture."""
    if fit not in FITS:
        raise ValueError(f"There is no fit {fit!r}; choose one of {', '.join(FITS)}.")
    if size < 2:
        raise ValueError(f"A target size of {size} pixels is too small; choose 2 or more.")
    if size > resolution:
        raise ValueError(
            f"A target of {size} pixels is larger than the generator's {resolution}; choose {resolution} or less."
        )


def _reduced(image: torch.Tensor, size: tuple[int, int], kernel: str) -> torch.Tensor:
    # A kernel with negative lobes overshoots at edges.
    return downsample(image, size=size, kernel=kernel).clamp(0, 1)
