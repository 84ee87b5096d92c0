"""Malformed and huge pictures, animations and films, made on the spot."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
# A frame of 2x2 pixels in a GIF.
_GIF_FRAME = b"!\xf9\x04\0\1\0\0\0" + b",\0\0\0\0\2\0\2\0\0" + b"\x02\x02\x8c\x53\0"
_GIF_COLOURS = bytes([0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 0])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, colour: int = 2, before: bytes = b"", data: bytes | None = None) -> bytes:
    """A PNG of 8 bits whose pixels may be anything."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    pixels = zlib.compress(b"\0" * min(1 << 16, height * (1 + 3 * width))) if data is None else data
    return PNG + header + before + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif(width: int, height: int, frames: int = 1, frame: bytes = _GIF_FRAME) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + _GIF_COLOURS + frame * frames + b";"


def saved(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, kind, **options)
    return file.getvalue()


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(np.full((16, 16, 3), 40 * i, np.uint8)) for i in range(4)]
    return saved_frames(kind, frames)


def saved_frames(kind: str, frames: list[Image.Image]) -> bytes:
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


def _apng(frame: bytes) -> bytes:
    """A picture for programs that know no animations, and one frame."""
    whole = png(8, 8)
    at = whole.index(b"IDAT") - 4
    return whole[:at] + chunk(b"acTL", struct.pack(">II", 1, 0)) + whole[at:-12] + frame + whole[-12:]


def _control(number: int, width: int, height: int, delay: tuple[int, int] = (1, 10)) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, 0, 0, *delay, 0, 0))


def _jpeg_of_scans(count: int) -> bytes:
    whole = saved("JPEG", progressive=True)
    start = whole.rindex(b"\xff\xda")
    return whole[:start] + whole[start:-2] * count + whole[-2:]


def _webp(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + sizes
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff(entries: list[tuple[int, int, int, int]]) -> bytes:
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 8)


def _floats(value: float) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.float32)).save(file, "TIFF")
    return file.getvalue()


# Nothing can be made of these.
REFUSED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "one_byte": lambda: b"\x89",
    "words": lambda: b"This is a sentence and no picture.",
    "zeros": lambda: bytes(10_000),
    "page": lambda: b"<!DOCTYPE html><html><body>not found</body></html>",
    "drawing": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
    "document": lambda: b"%PDF-1.7\n1 0 obj",
    "archive": lambda: b"PK\x03\x04" + bytes(100),
    "packed": lambda: gzip.compress(bytes(1000)),
    "pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "metafile": lambda: b"\xd7\xcd\xc6\x9a" + bytes(60),
    "heic": lambda: b"\0\0\0\x18ftypheic" + bytes(60),
    "gif_header": lambda: b"GIF89a",
    "gif_bomb": lambda: gif(65535, 65535),
    "gif_far_frame": lambda: gif(2, 2, 1, b",\xff\xff\xff\xff\2\0\2\0\0\x02\x02\x8c\x53\0"),
    "gif_cut": lambda: gif(8, 8)[:-12],
    "gif_code_size": lambda: gif(8, 8, 1, b",\0\0\0\0\x08\0\x08\0\0\xff\x02\x8c\x53\0"),
    "png_header": lambda: PNG,
    "png_no_width": lambda: png(0, 8),
    "png_huge": lambda: png(100_000, 100_000),
    "png_wide": lambda: png(2_000_000_000, 2),
    "png_cut": lambda: saved("PNG")[:-900],
    "png_garbage": lambda: png(8, 8, data=b"no pixels at all"),
    "png_wrong_sum": lambda: saved("PNG").replace(b"IHDR\0", b"IHDR\1", 1),
    "png_no_palette_data": lambda: png(8, 8, colour=3, data=b"")[:60],
    "png_text_bomb": lambda: png(8, 8, before=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80_000_000)))),
    "png_one_pixel": lambda: saved("PNG", (1, 1)),
    "png_transparent": lambda: saved_frames("PNG", [Image.new("RGBA", (8, 8))]),
    "jpeg_header": lambda: b"\xff\xd8\xff",
    "jpeg_cut": lambda: saved("JPEG", (200, 200))[:900],
    "jpeg_huge": lambda: saved("JPEG").replace(struct.pack(">HH", 30, 40), b"\xff\xdc\xff\xdc", 1),
    "jpeg_scans": lambda: _jpeg_of_scans(200),
    "webp_header": lambda: b"RIFF\x20\0\0\0WEBPVP8 ",
    "webp_huge": lambda: _webp(1 << 24, 1 << 24),
    "webp_cut": lambda: saved("WEBP", (64, 64))[:120],
    "bmp_huge": lambda: (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 90_000, 90_000, 1, 24, 0, 0, 1, 1, 0, 0)
    ),
    "bmp_cut": lambda: saved("BMP")[:300],
    "ico_of_huge": lambda: b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, 60, 22) + png(90_000, 90_000),
    "tiff_no_pixels": lambda: _tiff([(256, 4, 1, 8), (257, 4, 1, 8)]),
    "tiff_huge_tile": lambda: _tiff(
        [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1), (322, 4, 1, 1 << 20), (323, 4, 1, 1 << 20)]
    ),
    "tiff_not_numbers": lambda: _floats(float("nan")),
    "tiff_infinite": lambda: _floats(float("inf")),
    "tiff_negative": lambda: _floats(-1.0),
    "ppm_huge": lambda: b"P6 99999999 99999999 255\n",
    "ppm_garbage": lambda: b"P6 x y z\n",
    "ppm_cut": lambda: b"P6 100 100 255\n" + bytes(99),
    "psd_cut": lambda: b"8BPS\0\1" + bytes(20),
    "dds_cut": lambda: b"DDS \x7c\0\0\0" + bytes(20),
    "qoi_huge": lambda: b"qoif" + struct.pack(">IIBB", 1 << 20, 1 << 20, 3, 0) + bytes(8),
    "film_garbage": lambda: b"\0\0\0\x18ftypisom" + bytes(range(256)) * 20,
    "film_header": lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "film_webm": lambda: b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 20,
    "film_playlist": lambda: b"#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/part.ts\n",
}

# A still picture can be read from these, and no animation.
NO_ANIMATION: dict[str, Callable[[], bytes]] = {
    "apng_large_frame": lambda: _apng(_control(0, 4000, 4000) + chunk(b"fdAT", struct.pack(">I", 1) + b"x")),
    "many_frames_declared": lambda: png(8, 8, before=chunk(b"acTL", struct.pack(">II", 1 << 31, 0))),
    "gif_of_100000_frames": lambda: gif(2, 2, 100_000),
    "gif_of_large_frames": lambda: gif(5000, 5000, 300),
    "gif_second_frame_cut": lambda: gif(2, 2, 3)[:-8],
}

# Odd, but pictures: none of these is an error.
READ: dict[str, Callable[[], bytes]] = {
    "gif_no_width": lambda: gif(0, 8),
    "gif_no_height": lambda: gif(8, 0),
    "line": lambda: saved("PNG", (60_000, 1)),
    "column": lambda: saved("PNG", (1, 20_000)),
    "cmyk": lambda: saved("JPEG", mode="CMYK"),
    "one_bit": lambda: saved("PNG", mode="1"),
    "sixteen_bits": lambda: saved_frames("PNG", [Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999)]),
    "no_duration": lambda: _apng(
        _control(0, 8, 8, (7, 0)) + chunk(b"fdAT", struct.pack(">I", 1) + zlib.compress(bytes(200)))
    ),
    "animated_webp": lambda: animated("WEBP"),
}


def write(folder: Path) -> dict[str, Path]:
    """Writes all of them, and what is no file, and returns the paths by name."""
    paths = {}
    for name, make in {**REFUSED, **NO_ANIMATION, **READ}.items():
        paths[name] = folder / f"{name}.png"
        paths[name].write_bytes(make())
    return paths
