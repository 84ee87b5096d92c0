"""Animated GIF, WebP and PNG files, written frame by frame.

Pillow collects all frames of an animation before it writes the first, and a long film does not fit into memory. Here
Pillow compresses each frame as a picture of its own, and its data go into the container at once.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import BinaryIO, Protocol

from PIL import Image

from stylegan.common.film_text import xmp_packet

_PNG = b"\x89PNG\r\n\x1a\n"
# Of WebP's lossy frames: no fault can be seen, at a tenth of the bytes of lossless ones.
_QUALITY = 92
_COMMENT = b"!\xfe"
# Endless repetition, as Netscape 2.0 introduced it and every program since reads it.
_REPEATED = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"


Size = tuple[int, int]


class Animation(Protocol):
    """A file that frames are added to; it is whole after `end`. It repeats for ever."""

    def add(self, picture: Image.Image) -> None: ...

    def end(self) -> None: ...


class Gif:
    """A GIF (CompuServe, Graphics Interchange Format 89a). Each frame has a palette of its own.

    Args:
        file: open for writing, seekable.
        size: width and height.
        seconds: how long each frame is shown; the delays, whole hundredths of a second, keep it on average.
        text: for its comment, as JSON.
    """

    def __init__(
        self, file: BinaryIO, size: tuple[int, int], seconds: Iterator[Fraction], text: Mapping[str, str]
    ) -> None:
        self._file = file
        self._delays = delays(100 * each for each in seconds)
        # No palette for all frames; 8 bits a channel.
        file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0) + _REPEATED)
        # Pure ASCII: JSON escapes everything else.
        file.write(_COMMENT + _in_blocks(json.dumps(dict(text)).encode()))

    def add(self, picture: Image.Image) -> None:
        palette = picture.quantize(256, Image.Quantize.MEDIANCUT, kmeans=2)
        reduced = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        buffer = io.BytesIO()
        reduced.save(buffer, "GIF", interlace=0)
        data = buffer.getvalue()
        flags = data[10]
        table = 3 << ((flags & 7) + 1)
        colours, rest = data[13 : 13 + table], data[13 + table :]
        while rest[:1] == b"!":
            rest = _after_blocks(rest[2:])
        # The palette of the one picture becomes that of the frame.
        descriptor = rest[:9] + bytes([0x80 | (flags & 7)])
        control = struct.pack("<2sBBHBB", b"!\xf9", 4, 4, next(self._delays), 0, 0)
        # Without the end mark of the one picture.
        self._file.write(control + descriptor + colours + rest[10:-1])

    def end(self) -> None:
        self._file.write(b";")


class Webp:
    """An animated WebP (Google, WebP Container Specification, "Animation"); arguments as of `Gif`."""

    def __init__(
        self, file: BinaryIO, size: tuple[int, int], seconds: Iterator[Fraction], text: Mapping[str, str]
    ) -> None:
        self._file = file
        self._size = b"".join((each - 1).to_bytes(3, "little") for each in size)
        self._delays = delays(1000 * each for each in seconds)
        self._packet = xmp_packet(json.dumps(dict(text)))
        file.write(b"RIFF\0\0\0\0WEBP")
        # Animated, with XMP.
        file.write(_riff(b"VP8X", b"\x06\0\0\0" + self._size))
        file.write(_riff(b"ANIM", struct.pack("<IH", 0xFFFFFFFF, 0)))

    def add(self, picture: Image.Image) -> None:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=_QUALITY, method=4)
        delay = next(self._delays).to_bytes(3, "little")
        # At the corner, over the whole canvas, and not blended with the frame before.
        place = b"\0" * 6 + self._size + delay + b"\x02"
        self._file.write(_riff(b"ANMF", place + buffer.getvalue()[12:]))

    def end(self) -> None:
        self._file.write(_riff(b"XMP ", self._packet))
        size = self._file.tell() - 8
        self._file.seek(4)
        self._file.write(size.to_bytes(4, "little"))


class Apng:
    """An animated PNG (W3C, Portable Network Graphics, third edition, section 11.3.6); arguments as of `Gif`."""

    def __init__(
        self, file: BinaryIO, size: tuple[int, int], seconds: Iterator[Fraction], text: Mapping[str, str]
    ) -> None:
        self._file = file
        self._size = size
        self._seconds = seconds
        self._frames = self._sequence = 0
        file.write(_PNG + _png(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)))
        for key, value in text.items():
            plain = value.encode("ascii", "backslashreplace").replace(b"\0", b"")
            file.write(_png(b"tEXt", key.encode("latin-1") + b"\0" + plain))
        self._count_at = file.tell()
        self._write_count()

    def add(self, picture: Image.Image) -> None:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        # Beyond 65 s the numerator would not fit.
        length = min(next(self._seconds), Fraction(65)).limit_denominator(1000)
        delay = (length.numerator, length.denominator)
        # At the corner, over the whole canvas, replacing what was there.
        control = struct.pack(">IIIIIHHBB", self._next(), *self._size, 0, 0, *delay, 0, 0)
        self._file.write(_png(b"fcTL", control))
        data = b"".join(body for kind, body in _png_chunks(buffer.getvalue()) if kind == b"IDAT")
        # Programs that know no animations show the first frame.
        first = self._frames == 0
        self._file.write(_png(b"IDAT", data) if first else _png(b"fdAT", self._next().to_bytes(4, "big") + data))
        self._frames += 1

    def end(self) -> None:
        self._file.write(_png(b"IEND", b""))
        self._file.seek(self._count_at)
        self._write_count()

    def _write_count(self) -> None:
        self._file.write(_png(b"acTL", struct.pack(">II", self._frames, 0)))

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1


def delays(lengths: Iterable[Fraction]) -> Iterator[int]:
    """Whole delays that keep the mean of the lengths, however they fall between two whole numbers.

    >>> from itertools import islice, repeat
    >>> list(islice(delays(repeat(Fraction(100, 30))), 6))
    [3, 4, 3, 3, 4, 3]
    """
    told, due = 0, Fraction(0)
    for length in lengths:
        due += length
        now = math.floor(due + Fraction(1, 2))
        yield now - told
        told = now


def _in_blocks(data: bytes) -> bytes:
    """Data as a GIF's blocks of at most 255 bytes, and the empty one that ends them."""
    parts = [data[first : first + 255] for first in range(0, len(data), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _after_blocks(data: bytes) -> bytes:
    place = 0
    while data[place]:
        place += data[place] + 1
    return data[place + 1 :]


def _riff(name: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)


def _png(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_PNG)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += length + 12
