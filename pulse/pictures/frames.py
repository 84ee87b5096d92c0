"""Reading every frame of an animation or a film."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

from PIL import Image

from pulse.pictures.film import pyav
from pulse.pictures.read import PictureError, Source, load_picture
from stylegan.common.animations import Kept, read_frames
from stylegan.common.console import printable
from stylegan.common.no_picture import HEAD, is_film
from stylegan.common.pictures import check_sizes, opened, pixel_limit

__all__ = ["MOST_FRAMES", "Frames", "open_frames"]

MOST_FRAMES = 600
# Browsers show frames that are shorter than this, in seconds, or of no known length for so long.
_SHORTEST, _USUAL = 0.0145, 0.1
_LONGEST = 60.0
# Of the decoders in FFmpeg only these are run on files that may come from anybody.
_CODECS = frozenset({"h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9", "mjpeg"})


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of an animation, as they are to be seen.

    Attributes:
        pictures: all of one size, "RGB" or "RGBA".
        seconds: how long each is shown.
        notes: a plain sentence for each thing that its owner may not expect.
    """

    pictures: tuple[Image.Image, ...]
    seconds: tuple[float, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)


def open_frames(source: Source | Sequence[Source] | Frames, *, most: int = MOST_FRAMES) -> Frames:
    """Reads all frames of an animation (GIF, WebP, animated PNG, AVIF) or a film (MP4, QuickTime, WebM, Matroska).

    Frames are kept with 8 bits; if they have more pixels in all than one picture may have
    (`stylegan.common.pictures.pixel_limit`), they are reduced, and a note says so. Films need PyAV.

    Args:
        source: a path; a still picture as `pulse.pictures.open_picture` takes it, which has one frame; or a list of
            pictures of one size, each shown for a tenth of a second.
        most: how many frames there may be.

    Raises:
        PictureError: in one sentence, for a file that cannot be read, or has too many frames or pixels.
        ValueError: a film is read without PyAV.
    """
    if isinstance(source, Frames):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _of_file(os.fspath(source), most)
    if isinstance(source, Sequence):
        return _of_pictures(source, most)
    return Frames((load_picture(source),), (_USUAL,))


def _of_pictures(pictures: Sequence[Source], most: int) -> Frames:
    kept = Kept("The list of frames", most, pixel_limit())
    for one in pictures:
        kept.add(load_picture(one), _USUAL)
    if not kept.frames:
        raise PictureError("The list of frames is empty; give at least one picture.")
    return _frames(kept)


def _of_file(path: str, most: int) -> Frames:
    name = printable(path)
    with opened(path) as file:
        if is_film(file.read(HEAD)):
            return _frames(_read_film(file, name, most, pixel_limit()))
        return _frames(read_frames(file, most=most, name=name))


def _frames(kept: Kept) -> Frames:
    seconds = [_USUAL if each < _SHORTEST else min(each, _LONGEST) for each in kept.seconds]
    note = f"Its frames have too many pixels in all, so each is reduced by a factor of {kept.factor}."
    return Frames(tuple(kept.frames), tuple(seconds), (note,) if kept.factor > 1 else ())


def _read_film(file: BinaryIO, name: str, most: int, limit: int) -> Kept:
    av = pyav()
    file.seek(0)
    # Named, so that no playlist or other container is recognised, which may name further files.
    container = "matroska,webm" if file.read(4) == b"\x1a\x45\xdf\xa3" else "mov,mp4,m4a,3gp,3g2,mj2"
    if file.seek(0, os.SEEK_END) > 16 * limit:
        raise PictureError(f"{name} is a film of more than {16 * limit // 1_000_000} megabytes; cut it shorter first.")
    file.seek(0)
    kept = Kept(name, most, limit)
    times: list[float] = []
    try:
        with av.open(file, format=container, metadata_errors="ignore") as film:
            for picture, time in _film_frames(film, name, limit):
                kept.add(picture, 0.0)
                times.append(time)
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError(f"{name} does not fit into memory; make it smaller first.") from error
    # FFmpeg meets damaged files with errors of many types.
    except (av.FFmpegError, ValueError, RuntimeError, OSError, ArithmeticError, AttributeError) as error:
        raise PictureError(f"{name} is a damaged film and cannot be decoded; copy or export it again.") from error
    if not kept.frames:
        raise PictureError(f"{name} is a film without a picture; copy or export it again.")
    kept.seconds = _lengths(times)
    return kept


def _film_frames(film: Any, name: str, limit: int) -> Iterator[tuple[Image.Image, float]]:
    """The frames of an open film, upright, and when each begins, in seconds, NaN where that is not known."""
    if not film.streams.video:
        raise PictureError(f"{name} is a film without pictures; give another.")
    stream = film.streams.video[0]
    context = stream.codec_context
    if context is None or context.name not in _CODECS:
        known = "an unknown codec" if context is None else f"the codec {printable(context.name, 40)}"
        raise PictureError(f"{name} is a film in {known}, which is not read here; export it as H.264 first.")
    context.thread_count = 1
    for frame in film.decode(stream):
        check_sizes([(frame.width, frame.height)], name, limit)
        picture = frame.to_image()
        turned = getattr(frame, "rotation", 0)
        # Telephones say how they were held.
        picture = picture.rotate(turned, expand=True) if turned else picture
        time = frame.time
        yield picture, math.nan if time is None else float(time)


def _lengths(times: list[float]) -> list[float]:
    """How long each frame is shown, of when it begins; 0 where that is not known."""
    lengths = [after - before for before, after in pairwise(times)]
    known = [length if math.isfinite(length) and length > 0 else 0.0 for length in lengths]
    usual = sorted(known)[len(known) // 2] if known else 0.0
    return [length or usual for length in known] + [usual]
