"""Reading the frames of an animation that may come from anybody: GIF, WebP, animated PNG, AVIF, FLI."""

from __future__ import annotations

import math
import os
from typing import Any, BinaryIO

from PIL import Image

from stylegan.common import picture_headers as headers
from stylegan.common.console import printable
from stylegan.common.pictures import FRAMES, PictureError, check_sizes, checked, decoded, opened, pixel_limit

# The frames that are decoded, of which the reduced ones are kept, may have so many times the pixels of one picture.
_ALL_FRAMES = 8


class Kept:
    """Frames of one size, kept with at most `limit` pixels in all.

    When there are more, all frames are reduced by a factor of two, and so are those that follow.

    Args:
        name: what errors call the animation.
        most: how many frames there may be.
        limit: how many pixels are kept, and an eighth of how many may be decoded.
    """

    def __init__(self, name: str, most: int, limit: int) -> None:
        self.name, self.most, self.limit = name, most, limit
        self.frames: list[Image.Image] = []
        self.seconds: list[float] = []
        self.factor = 1
        self._decoded = 0
        self._size: tuple[int, int] | None = None

    def add(self, frame: Image.Image, seconds: float) -> None:
        """Keeps a frame, "RGB" or "RGBA", and how long it is shown.

        Raises:
            PictureError: there are too many frames or pixels, or the frame is of another size.
        """
        self._size = self._size or frame.size
        if frame.size != self._size:
            raise PictureError(f"{self.name} changes its size in the middle; export it again.")
        if len(self.frames) == self.most:
            raise PictureError(f"{self.name} has more than {self.most} frames; cut it shorter first.")
        self._decoded += frame.width * frame.height
        if self._decoded > _ALL_FRAMES * self.limit:
            raise PictureError(f"{self.name} has too many pixels in all its frames; make it smaller or shorter first.")
        self.frames.append(_reduced(frame, self.factor))
        self.seconds.append(seconds)
        while sum(one.width * one.height for one in self.frames) > self.limit and max(self.frames[0].size) > 1:
            self.factor *= 2
            self.frames = [_reduced(one, 2) for one in self.frames]


def read_frames(
    source: str | os.PathLike[str] | BinaryIO, *, most: int, name: str | None = None, limit: int | None = None
) -> Kept:
    """Reads the frames of an animation as they are to be seen; other files have one frame.

    What a frame leaves behind for the next (disposal, blending) is seen to. Frames may be fully transparent. How long
    they are shown is what the file says, and 0 where it says nothing.

    Args:
        source: a path, or a binary file that can seek.
        most: how many frames there may be.
        name: what errors call the picture; the path by default.
        limit: the most pixels that are kept, by default `stylegan.common.pictures.pixel_limit()`; of larger animations
            each frame is reduced.

    Raises:
        PictureError: as for `stylegan.common.pictures.read`, or there are too many frames.
    """
    limit = pixel_limit() if limit is None else limit
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        with opened(path) as file:
            return read_frames(file, most=most, name=name or path, limit=limit)
    name = printable(str(name or "The picture"))
    kept = Kept(name, most, limit)
    with checked(source, name, limit) as image:
        weight = headers.weight(image, source)
        if weight == 0:
            raise PictureError(f"{name} is a JPEG of more than a hundred scans; export it again.")
        canvas = headers.gif_canvas(source, most) if image.format == "GIF" else image.size
        check_sizes([canvas], name, limit // weight)
        _read(image, limit // weight, kept)
    if not kept.frames:
        raise PictureError(f"{name} is cut off before its end; copy or download it again.")
    return kept


def _read(image: Any, limit: int, kept: Kept) -> None:
    moves = FRAMES.get(image.format) == "frames" and bool(getattr(image, "is_animated", False))
    # A picture for programs that know no animations is none of the frames.
    index = 1 if moves and image.info.get("default_image") else 0
    while True:
        if index:
            try:
                image.seek(index)
            except EOFError:
                return
        # Pillow draws a frame over the picture that it keeps of the frame before, and then takes it for that picture:
        # what the frame should leave behind when it is disposed of would be the frame itself.
        before = getattr(image, "_prev_im", None)
        before = None if before is None else before.copy()
        kept.add(decoded(image, kept.name, limit), _seconds(image.info.get("duration")))
        if before is not None:
            image._prev_im = before
        if not moves:
            return
        index += 1


def _seconds(milliseconds: Any) -> float:
    known = isinstance(milliseconds, (int, float)) and math.isfinite(milliseconds)
    return max(0.0, float(milliseconds) / 1000) if known else 0.0


def _reduced(frame: Image.Image, factor: int) -> Image.Image:
    return frame.reduce(factor) if factor > 1 else frame
