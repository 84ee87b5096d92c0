"""Pictures at their native size: the true pixels of enlarged sprites, of one picture or of many frames."""

from collections.abc import Iterable

from pulse import pixel_grid
from pulse.pictures.read import PictureError, Source, load_picture, rgba
from pulse.pixel_grid import TruePixels


def true_pixels(picture: Source, grid: int | None = None) -> TruePixels:
    """The true pixels of an enlarged sprite, or a sentence that says why the picture is no such thing.

        sprite = pulse.true_pixels("screenshot.png")
        print(sprite.found, sprite.reason)  # True An enlarged sprite, read at 16x16 (cells of 6.38 px).
        sprite.to_pil().save("sprite.png")

    Recognised are whole and fractional scales from 2 on, also where the border cuts cells; pixels that were repeated or
    interpolated (bilinear, bicubic), JPEGs, soft edges, and cells that are not quite alike. A photograph, a gradient or
    a sprite of its native size has no grid; it comes back as it is, and `reason` says why.

    >>> import numpy as np
    >>> picture = np.kron(np.random.default_rng(0).integers(0, 256, (8, 8, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    >>> sprite = true_pixels(picture)
    >>> sprite.size, sprite.scale, sprite.reason
    ((8, 8), (6.0, 6.0), 'An enlarged sprite, read at 8x8 (cells of 6 px).')

    Args:
        picture: a path, a Pillow image, an array or a tensor, as `pulse.pictures.open_picture` takes them.
        grid: how many true pixels the longer side has, if you know better than the search.

    Raises:
        ValueError: the picture cannot be read, or it cannot have that many true pixels.
    """
    return pixel_grid.read(rgba(load_picture(picture)), grid)


def true_pixels_of_frames(frames: Iterable[Source], grid: int | None = None) -> list[TruePixels]:
    """The true pixels of each frame of an animation, or each sprite of a sheet, with one grid and one palette.

    Args:
        frames: pictures of one size, as `true_pixels` takes them.
        grid: as for `true_pixels`.

    Raises:
        ValueError: as for `true_pixels`; or there are no frames, or they differ in size.
    """
    read = [rgba(load_picture(frame)) for frame in frames]
    if any(frame.shape != read[0].shape for frame in read):
        raise PictureError("The frames differ in size; give frames of one size, or read each by itself.")
    return pixel_grid.read_frames(read, grid)
