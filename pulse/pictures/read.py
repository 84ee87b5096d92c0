"""Reading a file, Pillow image, array or tensor as a float tensor, with notes on what its owner may not expect."""

import os
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pulse import pixel_grid
from pulse.pictures.notices import cut_margins, notices
from stylegan.common import pictures
from stylegan.common.framing import BACKGROUND, Colour, composited, fills, parse_colour
from stylegan.common.pictures import PictureError
from stylegan.common.pixels import to_pil

__all__ = [
    "BACKGROUND",
    "Colour",
    "Picture",
    "PictureError",
    "Source",
    "load_picture",
    "open_picture",
    "parse_colour",
    "parse_grid",
    "read_picture",
]

# A file of twice as many pixels along a side is reduced before a grid is looked for, which takes memory for each pixel.
_FOR_GRIDS = 1536

Source = str | os.PathLike[str] | Image.Image | np.ndarray | Tensor


@dataclass(frozen=True)
class Picture:
    """A picture as it was read.

    Args:
        image: floats (1, 3, h, w) in [0, 1], over the background.
        beyond: what continues it on the left, at the top, on the right and at the bottom when it is padded to a square:
            a colour (3,), or None where its border pixels are repeated (`stylegan.common.framing.fills`).
        notes: a plain sentence for each thing that its owner may not expect.
    """

    image: Tensor
    beyond: tuple[Tensor | None, ...]
    notes: tuple[str, ...] = ()


def read_picture(
    source: Source,
    background: Colour = BACKGROUND,
    *,
    largest: int | None = None,
    notes: list[str] | None = None,
) -> Tensor:
    """Reads a picture of any mode as floats (1, 3, h, w) in [0, 1], RGB, upright; same arguments as `open_picture`.

    Args:
        notes: gets the sentences of `Picture.notes`.
    """
    picture = open_picture(source, background, largest=largest)
    if notes is not None:
        notes.extend(picture.notes)
    return picture.image


def open_picture(
    source: Source,
    background: Colour = BACKGROUND,
    *,
    largest: int | None = None,
    grid: str | int = "off",
) -> Picture:
    """Reads a picture and checks whether a face can be found for it.

    A sprite that lies small on a large transparent canvas is cut out of it, and a note says so.

    Args:
        source: a path; a Pillow image; an array (h, w) or (h, w, 1 to 4) of uint8, uint16, or floats in [0, 1]; or a
            tensor (3, h, w) or (1, 3, h, w) of floats in [0, 1]. Of an animation the first frame that shows something
            is read. EXIF rotation is applied.
        background: what shows through transparent pixels: a colour name, "#rrggbb", or three floats in [0, 1].
        largest: see `stylegan.common.pictures.read`; for files only.
        grid: of an enlarged sprite: "auto" looks for one and reads what has one at its native size
            (`pulse.true_pixels`); a number is how many true pixels the longer side has; "off" reads pixels as they are.

    Raises:
        ValueError: the grid is none of these.
        PictureError: there is no such file, it cannot be read (see `stylegan.common.pictures.read`), it is fully
            transparent, has fewer than two pixels or too many, or an array has another shape or type.
    """
    parse_colour(background)
    chosen = parse_grid(grid)
    notes: list[str] = []
    floats = _floats(source)
    if floats is not None and chosen == "off":
        return _of_tensor(floats)
    # Reducing a file while it is read blurs its grid, which large cells alone survive.
    read_as = largest if chosen == "off" or largest is None else max(largest, _FOR_GRIDS)
    image = load_picture(source, largest=read_as, notes=notes)
    image, note = cut_margins(image)
    if chosen != "off":
        found = pixel_grid.read(rgba(image), None if chosen == "auto" else int(chosen))
        if found.found:
            image = from_rgba(found.pixels)
            note.append(found.reason)
        elif floats is not None:
            return _of_tensor(floats)
        elif isinstance(source, (str, os.PathLike)) and largest is not None and max(image.size) >= 2 * largest:
            image = image.reduce(max(image.size) // largest)
    notes += note + notices(image)
    over = composited(image, background)
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    return Picture(over, tuple(fills(over, alpha, background)), tuple(notes))


def load_picture(source: Source, *, largest: int | None = None, notes: list[str] | None = None) -> Image.Image:
    """A picture of any source as 8 bits, "RGB" or "RGBA", with nothing cut or composited.

    Args:
        source, largest: as for `open_picture`.
        notes: gets a plain sentence for each thing about the file that its owner may not expect.

    Raises:
        PictureError: as for `open_picture`.
    """
    floats = _floats(source)
    if floats is not None:
        return to_pil(floats[0])
    if isinstance(source, np.ndarray):
        source = _from_array(source)
    if isinstance(source, Image.Image):
        return pictures.from_pillow(source)
    if isinstance(source, (str, os.PathLike)):
        return pictures.read(source, largest=largest, notes=notes)
    raise PictureError(
        f"A {type(source).__name__} is not a picture; give a path, a Pillow image, an array or a tensor."
    )


def rgba(image: Image.Image) -> np.ndarray:
    """A picture as (h, w, 4) of uint8."""
    return np.asarray(image.convert("RGBA"))


def from_rgba(pixels: np.ndarray) -> Image.Image:
    """Pixels (h, w, 4) of uint8 as a picture, "RGB" if all of them are opaque."""
    made = Image.fromarray(np.ascontiguousarray(pixels))
    return made.convert("RGB") if pixels[..., 3].min() == 255 else made


def parse_grid(grid: str | int) -> str | int:
    """ "auto", "off", or a whole number of at least 2, also where it is given as text.

    Raises:
        ValueError: it is none of these.
    """
    if grid in ("auto", "off"):
        return grid
    if isinstance(grid, str) and grid.isascii() and grid.isdigit():
        grid = int(grid)
    if isinstance(grid, int) and not isinstance(grid, bool) and grid >= 2:
        return grid
    raise ValueError(f"The grid is {grid!r}; give auto, off, or how many true pixels the longer side has.")


def _floats(source: Source) -> Tensor | None:
    """The floats (1, 3, h, w) of a tensor, or of an array that is not of 8 bits with opacity; None for others."""
    if isinstance(source, Tensor):
        return _checked(_from_tensor(source), "The tensor")
    if isinstance(source, np.ndarray):
        made = _from_array(source)
        return _checked(made, "The array") if isinstance(made, Tensor) else None
    return None


def _of_tensor(image: Tensor) -> Picture:
    return Picture(image, tuple(fills(image)), tuple(notices(to_pil(image[0]))))


def _from_array(array: np.ndarray) -> Image.Image | Tensor:
    """A Pillow image where the array has 8 bits or transparency, else floats (1, 3, h, w)."""
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise PictureError(f"An array of shape {array.shape} is not a picture; give (h, w) or (h, w, 1 to 4).")
    _check_size(array.shape[1], array.shape[0], "The array")
    white = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(bool): 1}.get(array.dtype)
    if white is None and not np.issubdtype(array.dtype, np.floating):
        raise PictureError(f"An array of {array.dtype} is not a picture; give uint8, uint16 or floats in [0, 1].")
    values = torch.from_numpy(array.astype(np.float32) / (white or 1)).permute(2, 0, 1).unsqueeze(0)
    channels = values.shape[1]
    if channels in (2, 4):
        return to_pil(
            _checked(values.expand(-1, -1, -1, -1) if channels == 4 else values[:, [0, 0, 0, 1]], "The array")[0]
        )
    return values.expand(-1, 3, -1, -1).contiguous()


def _from_tensor(tensor: Tensor) -> Tensor:
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 4 or tensor.shape[:2] != (1, 3) or not tensor.is_floating_point():
        raise PictureError(
            f"A {tensor.dtype} tensor of shape {tuple(tensor.shape)} is not a picture; give floats (3, h, w) in [0, 1]."
        )
    return tensor.detach().float().cpu()


def _checked(image: Tensor, name: str) -> Tensor:
    _check_size(image.shape[3], image.shape[2], name)
    low, high = image.aminmax()
    # Also false for NaN.
    if not (low >= 0 and high <= 1):
        raise PictureError(f"{name} has values outside [0, 1], or NaN; scale them first.")
    return image


def _check_size(width: int, height: int, name: str) -> None:
    if width * height < 2:
        raise PictureError(f"{name} has {width}x{height} pixels, in which nothing can be seen; give at least two.")
    limit = pictures.pixel_limit()
    if width * height > limit:
        raise PictureError(f"{name} has {width}x{height} pixels, more than {limit:,}; make it smaller first.")
