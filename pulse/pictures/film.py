"""Films: frames, one after the other, as MP4, GIF, WebP or animated PNG."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from itertools import repeat
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from pulse.pictures.animation import Animation, Apng, Gif, Webp, delays
from stylegan.common.console import printable
from stylegan.common.distribution import missing, software
from stylegan.common.files import whole_file
from stylegan.common.pixels import to_pil

ENDINGS = (".mp4", ".gif", ".webp", ".png")
FPS = 25.0
_ANIMATIONS: dict[str, type[Gif] | type[Webp] | type[Apng]] = {".gif": Gif, ".webp": Webp, ".png": Apng}
# Programs show GIFs of shorter delays slowly, some at ten frames a second.
_MOST = {".gif": 50.0}
_FASTEST = 240.0
# The largest picture that GIF and WebP can hold.
_LARGEST = 16383
# H.264 first, which every player and browser knows; what builds of FFmpeg have of it differs.
_CODECS = ("libx264", "libopenh264", "h264_videotoolbox", "mpeg4")
_CODEC_OPTIONS = {"libx264": {"crf": "16", "preset": "medium"}, "mpeg4": {"qscale": "2"}}
# By bits for each pixel and frame, where a codec has no constant quality.
_BITS = 0.4


def check_film(path: str | os.PathLike[str], fps: float = FPS) -> None:
    """Raises ValueError, in one sentence, if no film can be written to `path` with `fps` frames a second.

    The ending of the name has to be one of `ENDINGS`; an MP4 needs PyAV.
    """
    ending, name = Path(path).suffix.lower(), printable(path)
    if ending not in ENDINGS:
        raise ValueError(f"{name} does not end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}; name the film so.")
    most = _MOST.get(ending, _FASTEST)
    if isinstance(fps, bool) or not math.isfinite(fps) or not 0.1 <= fps <= most:
        raise ValueError(f"A {ending} film cannot have {fps:g} frames a second; give from 0.1 to {most:g}.")
    if ending == ".mp4":
        pyav()


def write_film(
    path: str | os.PathLike[str],
    frames: Iterable[Tensor | Image.Image],
    *,
    fps: float = FPS,
    seconds: Sequence[float] | None = None,
    text: Mapping[str, str] | None = None,
) -> int:
    """Writes frames as a film, whole or not at all; returns how many there were.

        frames = (image for image in images)
        write_film("walk.mp4", frames, fps=25)

    One frame is in memory at a time, so `frames` may be an iterator of any length. GIF, WebP and animated PNG repeat
    for ever. An MP4 holds H.264 in yuv420p (MPEG-4 Part 2 where FFmpeg was built without H.264), of even width and
    height: an odd row or column is doubled. The film says of itself that it is synthetic.

    Args:
        path: the file to make or replace, ending in .mp4, .gif, .webp or .png; missing folders are made.
        frames: (C, H, W) in [0, 1] or of uint8, or Pillow pictures; all of one size.
        fps: frames a second, from 0.1; at most 50 in a GIF and 240 in the others.
        seconds: how long each frame is shown, in place of `fps`; an MP4 repeats frames, at `fps` or more.
        text: more for the film's own text; `stylegan.common.ownership.file_text` reads it.

    Raises:
        ValueError: in one sentence, for a name, a speed or a frame that cannot be used, or where PyAV is missing.
        OSError: in one sentence, when the file cannot be written.
    """
    check_film(path, fps)
    if seconds is not None and not all(math.isfinite(each) and each > 0 for each in seconds):
        raise ValueError("A frame is shown for no time, or for ever; give seconds above 0.")
    path = Path(path)
    pictures = _pictures(frames)
    first = next(pictures, None)
    if first is None:
        raise ValueError("The film has no frames; give at least one.")
    told = {"Software": software(), "synthetic": "true", **(text or {})}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        if path.suffix.lower() == ".mp4":
            speed = Fraction(_fps_for(fps, seconds)).limit_denominator(1000)
            return _write_mp4(part, _chained(first, pictures), speed, _lengths(fps, seconds), told)
        with part.open("wb") as file:
            film: Animation = _ANIMATIONS[path.suffix.lower()](file, first.size, _lengths(fps, seconds), told)
            film.add(first)
            count = 1
            for picture in pictures:
                film.add(picture)
                count += 1
            film.end()
    return count


def _pictures(frames: Iterable[Tensor | Image.Image]) -> Iterator[Image.Image]:
    size = None
    for number, frame in enumerate(frames):
        picture = (to_pil(frame) if isinstance(frame, Tensor) else frame).convert("RGB")
        size = size or picture.size
        if picture.size != size:
            raise ValueError(
                f"Frame {number} is {picture.width}x{picture.height} pixels and the first {size[0]}x{size[1]}; give"
                " frames of one size."
            )
        if max(size) > _LARGEST:
            raise ValueError(f"The frames are {size[0]}x{size[1]} pixels; a film can have up to {_LARGEST} a side.")
        yield picture


def _lengths(fps: float, seconds: Sequence[float] | None) -> Iterator[Fraction]:
    """How long each frame is shown; for ever the same where nobody says."""
    if seconds is None:
        return repeat(1 / Fraction(fps).limit_denominator(1000))
    return iter([Fraction(each).limit_denominator(1000) for each in seconds])


def _fps_for(fps: float, seconds: Sequence[float] | None) -> float:
    """The speed of a film in which no frame is lost."""
    return fps if not seconds else min(max(fps, 1 / min(seconds)), _FASTEST)


def pyav() -> Any:
    """The module `av`; ValueError, in one sentence, where it is missing."""
    try:
        return import_module("av")
    except ImportError:
        raise ValueError(missing("film", "An MP4 film")) from None


def _write_mp4(
    part: Path, pictures: Iterator[Image.Image], fps: Fraction, lengths: Iterator[Fraction], text: Mapping[str, str]
) -> int:
    av = pyav()
    codec = next((name for name in _CODECS if name in av.codecs_available), None)
    if codec is None:
        raise ValueError(f"PyAV was built without any of {', '.join(_CODECS)}; write a .webp or .gif instead.")
    first = next(pictures)
    width, height = (side + side % 2 for side in first.size)
    times = delays(each * fps for each in lengths)
    try:
        # The index first, so that a browser can begin before it has the whole file.
        with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as file:
            file.metadata["comment"] = json.dumps(dict(text))
            stream = file.add_stream(codec, rate=fps, options=_CODEC_OPTIONS.get(codec, {}))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            if codec not in _CODEC_OPTIONS:
                stream.bit_rate = int(max(width * height * float(fps) * _BITS, 200_000))
            _tag_as_709(stream.codec_context)
            count = 0
            for picture in _chained(first, pictures):
                for _ in range(next(times)):
                    frame = av.VideoFrame.from_image(_even(picture))
                    file.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
                count += 1
            file.mux(stream.encode())
        return count
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror, str(part)) from error


def _tag_as_709(context: Any) -> None:
    """Says by which formula the colours became YCbCr: Rec. 709, limited range. Players guess if nothing is said."""
    context.colorspace = context.color_primaries = context.color_trc = 1
    context.color_range = 1


def _chained(first: Image.Image, rest: Iterator[Image.Image]) -> Iterator[Image.Image]:
    yield first
    yield from rest


def _even(picture: Image.Image) -> Image.Image:
    """The picture with an odd last row and column doubled."""
    width, height = picture.size
    if width % 2 == 0 and height % 2 == 0:
        return picture
    larger = Image.new("RGB", (width + width % 2, height + height % 2))
    for place in ((width % 2, height % 2), (0, height % 2), (width % 2, 0), (0, 0)):
        larger.paste(picture, place)
    return larger
