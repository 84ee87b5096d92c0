"""Making a picture the square target of a search."""

from functools import partial
from pathlib import Path

from torch import Tensor

from pulse.operators import downsample
from pulse.pictures.read import Picture, PictureError, Source, open_picture
from stylegan.common import framing as framings
from stylegan.common.framing import BACKGROUND, FRAMING, FRAMINGS, Colour

__all__ = ["FRAMINGS", "check_framing", "fit_target", "read_target"]

# A file may be reduced while it is read, as long as its longer side keeps this multiple of the target's; that changes
# the target by a fraction of a grey level. Framings other than "pad" use the shorter side of a long picture.
_HEADROOM = {"pad": 32, "crop": 128, "stretch": 128}


def read_target(
    source: Source,
    resolution: int,
    size: int = 16,
    *,
    framing: str = FRAMING,
    background: Colour = BACKGROUND,
    kernel: str = "bicubic",
    grid: str | int = "auto",
    notes: list[str] | None = None,
) -> Tensor:
    """Reads a picture as the target of a search, floats (1, 3, s, s) in [0, 1].

    Args:
        source, background, grid: as for `pulse.pictures.open_picture`. An enlarged sprite is read at its native size,
            and a note says so, unless the grid is "off".
        resolution, size, framing, kernel: as for `fit_target`.
        notes: gets a plain sentence for each thing about the picture that its owner may not expect.

    Raises:
        ValueError: as for `fit_target` and (PictureError) `open_picture`.
    """
    check_framing(resolution, size, framing)
    # "nearest" picks single pixels, so the file must not be reduced.
    largest = None if kernel == "nearest" else _HEADROOM[framing] * size
    picture = open_picture(source, background, largest=largest, grid=grid)
    if notes is not None:
        notes.extend(picture.notes)
    name = source if isinstance(source, (str, Path)) else "The picture"
    return fit_target(picture, resolution, size, framing, kernel, name=str(name))


def fit_target(
    image: Tensor | Picture,
    resolution: int,
    size: int = 16,
    framing: str = FRAMING,
    kernel: str = "bicubic",
    *,
    name: str = "The picture",
) -> Tensor:
    """Makes a picture the square target of a search with a generator of `resolution` px.

    Args:
        image: floats (1, 3, h, w) in [0, 1], or what `open_picture` returned, which also knows its transparency.
        resolution: of the generator.
        size: a picture whose longer side has more pixels than this is downsampled to it; a smaller one (an 8x8 sprite)
            keeps its size.
        framing: how a picture is made square. "pad" keeps all of it and continues its background:
            see `stylegan.common.framing.fills`. "crop" cuts to the square in the middle, for photographs with the face
            there. "stretch" changes the aspect ratio.
        kernel: of the downsampling, as in `pulse.downsample`.
        name: what errors call the picture.

    Returns:
        Floats (1, 3, s, s) in [0, 1].

    Raises:
        ValueError: `size` below 2 or above `resolution`, an unknown `framing`, or (PictureError) a target of one pixel.
    """
    check_framing(resolution, size, framing)
    picture = image if isinstance(image, Picture) else Picture(image, tuple(framings.fills(image)))
    if framing != "pad" and min(picture.image.shape[-2:]) == 1:
        raise PictureError(f'{name} is one pixel wide or high, of which {framing} leaves one pixel; use framing="pad".')
    return framings.square(picture.image, size, framing, partial(fit_resize, kernel=kernel), picture.beyond)


def fit_resize(pixels: Tensor, shape: tuple[int, int], kernel: str = "bicubic") -> Tensor:
    """Pixels (1, 3, h, w) in [0, 1] of another size."""
    # A kernel with negative lobes overshoots at edges.
    return downsample(pixels, size=shape, kernel=kernel).clamp(0, 1)


def check_framing(resolution: int, size: int, framing: str) -> None:
    """Raises the ValueErrors of `fit_target` that do not depend on the picture."""
    framings.check_framing(framing)
    if size < 2:
        raise ValueError(f"A target size of {size} pixels is too small; choose 2 or more.")
    if size > resolution:
        raise ValueError(
            f"A target of {size} pixels is larger than the generator's {resolution}; choose {resolution} or less."
        )
