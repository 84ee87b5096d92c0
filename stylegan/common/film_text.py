"""What a film says about its origin: the text that `pulse.pictures.film` writes into GIF, WebP and MP4 files.

The text is one JSON object of strings: in a GIF its comment, in a WebP the description of its XMP packet, in an MP4 the
tag "comment". An animated PNG has text chunks, as any other PNG.
"""

import html
import json
import os
import re
import struct
from typing import BinaryIO

_LONGEST = 1 << 20
# Of one level of an MP4 or WebP. A long film has as many chunks as frames, and each takes one seek.
_MAX_CHUNKS = 200_000
_GIF = (b"GIF89a", b"GIF87a")
_DESCRIPTION = re.compile(rb'<rdf:li xml:lang="x-default">(.*?)</rdf:li>', re.DOTALL)
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
    '<rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>'
)
# The way to the tag "comment" of an MP4 (ISO/IEC 14496-12, and the metadata of QuickTime).
_MP4_PATH = (b"moov", b"udta", b"meta", b"ilst", b"\xa9cmt", b"data")


def is_film(head: bytes) -> bool:
    """Whether a file that begins with these 8 bytes may be a GIF, a WebP or an MP4."""
    return head[:6] in _GIF or head[:4] == b"RIFF" or head[4:8] == b"ftyp"


def film_text(file: BinaryIO, head: bytes) -> dict[str, str]:
    """The text of a film, of which the first 8 bytes have been read; empty where there is none.

    Raises:
        ValueError: the file is damaged.
    """
    if head[:6] in _GIF:
        raw = _gif_comment(file)
    elif head[:4] == b"RIFF":
        raw = _webp_description(file)
    else:
        file.seek(0)
        raw = _mp4_comment(file)
    if not raw:
        return {}
    told = json.loads(raw)
    return {key: value for key, value in told.items() if isinstance(value, str)} if isinstance(told, dict) else {}


def xmp_packet(text: str) -> bytes:
    """An XMP packet with `text` as its description, as a WebP holds it."""
    return _XMP.format(html.escape(text, quote=False)).encode()


def _gif_comment(file: BinaryIO) -> bytes:
    """The first comment before the first frame."""
    file.seek(10)
    flags = file.read(3)[0]
    if flags & 0x80:
        file.seek(3 << ((flags & 7) + 1), os.SEEK_CUR)
    for _ in range(_MAX_CHUNKS):
        mark = file.read(2)
        if mark[:1] != b"!":
            return b""
        parts = []
        while size := file.read(1)[0]:
            parts.append(file.read(size))
            if len(parts) > _LONGEST // 255:
                return b""
        if mark[1:] == b"\xfe":
            return b"".join(parts)
    return b""


def _webp_description(file: BinaryIO) -> bytes:
    file.seek(12)
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return b""
        name, size = struct.unpack("<4sI", head)
        if name == b"XMP " and size <= _LONGEST:
            found = _DESCRIPTION.search(file.read(size))
            return html.unescape(found[1].decode("utf-8", "replace")).encode() if found else b""
        file.seek(size + size % 2, os.SEEK_CUR)
    return b""


def _mp4_comment(file: BinaryIO) -> bytes:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    for name in _MP4_PATH:
        end = _enter_box(file, name, end)
        if end == 0:
            return b""
        if name == b"meta":
            # Version and flags come before the boxes in it.
            file.seek(4, os.SEEK_CUR)
    # The type of the value and its language come before the text.
    file.seek(8, os.SEEK_CUR)
    return file.read(min(end - file.tell(), _LONGEST)) if end > file.tell() else b""


def _enter_box(file: BinaryIO, wanted: bytes, end: int) -> int:
    """Moves to what the first box `wanted` before `end` holds; returns where that box ends, 0 if there is none."""
    for _ in range(_MAX_CHUNKS):
        start = file.tell()
        head = file.read(8)
        if start + 8 > end or len(head) < 8:
            return 0
        size, name = struct.unpack(">I4s", head)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < 8:
            return 0
        if name == wanted:
            return min(start + size, end)
        file.seek(start + size)
    return 0
