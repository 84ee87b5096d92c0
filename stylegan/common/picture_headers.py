"""The cost of decoding a picture, from its headers, including sizes that its first header does not give."""

import io
import struct
from typing import Any, BinaryIO

from PIL import Image

# How many times the memory of a PNG's pixels (4 bytes each) decoders of other formats take, as measured.
_WEIGHTS = {"JPEG2000": 4, "WEBP": 3, "AVIF": 2, "GIF": 2, "QOI": 2}
# Each scan of a progressive JPEG is a pass over all of its pixels; encoders write about ten.
_MOST_SCANS = 100
_MOST_SEGMENTS = 10_000
_FRAME_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

Size = tuple[int, int]


def sizes_before_opening(file: BinaryIO, head: bytes) -> tuple[list[Size], int]:
    """Sizes in a WebP or an ICO, which Pillow takes memory for, or decodes, as soon as it opens them.

    Returns:
        The (width, height) found, and the weight of their pixels.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return [_webp_size(head)], _WEIGHTS["WEBP"]
    if head[:4] != b"\0\0\1\0":
        return [], 1
    file.seek(6)
    entries = file.read(16 * int.from_bytes(head[4:6], "little"))
    starts = [start for (start,) in struct.iter_unpack("<12xI", entries[: len(entries) & ~15])]
    return [_embedded_size(file, start) for start in starts], 1


def sizes_before_decoding(image: Any, file: BinaryIO) -> list[Size]:
    """Sizes that an open picture hides: of the pictures in an icon, of tiles larger than their TIFF."""
    if image.format == "ICNS":
        known = {code for parts in image.icns.SIZES.values() for code, _ in parts}
        return [_embedded_size(file, start) for code, (start, _) in image.icns.dct.items() if code in known]
    if image.format == "TIFF":
        tile = image.tag_v2.get(322, 0), image.tag_v2.get(323, 0)
        return [tile] if all(isinstance(side, int) for side in tile) else []
    return []


def is_packed(image: Image.Image) -> bool:
    """Whether an open picture holds packed data that may be of any size."""
    # Pillow 10.3 gives None for an icon.
    decoders = [tile[0] for tile in getattr(image, "tile", None) or []]
    # A BLP of the first kind is a JPEG behind a header.
    return "fits_gzip" in decoders or "BLP1" in decoders


def weight(image: Image.Image, file: BinaryIO) -> int:
    """How many times the memory of a PNG's pixels an open picture takes; 0 for one that takes unreasonable time."""
    if image.format not in ("JPEG", "MPO"):
        return _WEIGHTS.get(image.format or "", 1)
    scans = _jpeg_scans(file)
    return 0 if scans > _MOST_SCANS else 2 if scans > 1 else 1


def gif_canvas(file: BinaryIO, frames: int) -> Size:
    """The size that a GIF's canvas grows to within its first frames, which may reach beyond it."""
    position = file.tell()
    try:
        file.seek(6)
        width, height, flags = struct.unpack("<HHB2x", file.read(7))
        _skip_colours(file, flags)
        while frames and (kind := file.read(1)) in (b"!", b","):
            if kind == b"!":
                file.seek(1, 1)
            else:
                left, top, right, bottom, flags = struct.unpack("<HHHHB", file.read(9))
                width, height = max(width, left + right), max(height, top + bottom)
                _skip_colours(file, flags)
                file.seek(1, 1)
                frames -= 1
            while length := file.read(1):
                if length == b"\0":
                    break
                file.seek(length[0], 1)
        return width, height
    finally:
        file.seek(position)


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, 1)


def _jpeg_scans(file: BinaryIO) -> int:
    """The number of scans of a JPEG; 1 if the first one holds all components, so that nothing is kept for later
    ones."""
    position, colours, is_progressive = file.tell(), 0, False
    try:
        file.seek(2)
        for _ in range(_MOST_SEGMENTS):
            while (byte := file.read(1)) == b"\xff":
                marker = file.read(1)
                if marker != b"\xff":
                    break
                file.seek(-1, 1)
            if byte != b"\xff" or not marker:
                return 1
            length = int.from_bytes(file.read(2), "big")
            if marker[0] in _FRAME_SIZES:
                colours, is_progressive = file.read(6)[5], marker[0] & 3 == 2
                file.seek(-6, 1)
            elif marker == b"\xda":
                if file.read(1)[0] >= colours and not is_progressive:
                    return 1
                return 1 + _count(file, b"\xff\xda")
            file.seek(max(length - 2, 0), 1)
        return _MOST_SCANS + 1
    except IndexError:
        # The file ends before its pixels; the decoder's error says so better.
        return 1
    finally:
        file.seek(position)


def _count(file: BinaryIO, mark: bytes) -> int:
    found, last = 0, b""
    while block := file.read(1 << 20):
        found += (last + block).count(mark)
        last = block[-1:]
    return found


def _webp_size(head: bytes) -> Size:
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


def _embedded_size(file: BinaryIO, start: int) -> Size:
    position = file.tell()
    try:
        file.seek(start)
        head = file.read(64)
        if head.startswith(b"\x89PNG") and len(head) >= 24:
            return struct.unpack(">II", head[16:24])
        if head[4:8] == b"jP  " or head.startswith(b"\xff\x4f\xff\x51"):
            file.seek(start)
            with Image.open(io.BytesIO(file.read(1 << 20)), formats=["JPEG2000"]) as image:
                return image.width, image.height * _WEIGHTS["JPEG2000"]
        if len(head) >= 12 and head[:4] == b"\x28\0\0\0":
            width, height = struct.unpack("<ii", head[4:12])
            return abs(width), abs(height) // 2
        return 0, 0
    finally:
        file.seek(position)
