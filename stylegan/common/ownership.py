"""What a file says about its origin, and the one rule for what a command may overwrite.

Every PNG that this program writes says so in its text chunks, every film in its comment, every safetensors file in its
metadata, and every table (JSON) in its first two fields, `software` and `request`. All are found without decoding a
pixel or a tensor, so a large or hostile file costs as little as a small one.
"""

import json
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from stylegan.common.console import printable
from stylegan.common.film_text import film_text, is_film

MAX_TEXT = 1 << 20
_MAX_HEADER = 4 << 20
_MAX_CHUNKS = 200_000
_PNG = b"\x89PNG\r\n\x1a\n"
# How our JSON files begin, as `json.dumps` writes it.
_JSON = re.compile(rb'\{"software": "([\w. +-]{1,80})", "request": "([0-9a-f]{0,64})"')
# The "format" of our safetensors files; older ones have no "software".
_FORMATS = ("pulse-stylegan", "pulse-result-1")


def file_text(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text of a PNG or a film, the metadata of a safetensors file, or the first two fields of one of our tables.

    Reads at most 1 MiB of text from a PNG, and nothing from a safetensors file with more than 4 MiB of header.

    Returns:
        The text by its key; empty for a file that is missing, unreadable, damaged, of another kind, or without text.
    """
    try:
        # Opening a pipe would wait for its other end.
        if not Path(path).is_file():
            return {}
        with open(path, "rb") as file:
            head = file.read(8)
            if head == _PNG:
                return _png_text(file)
            if is_film(head):
                return film_text(file, head)
            if head[:2] == b'{"':
                found = _JSON.match(head + file.read(256))
                return {} if found is None else {"software": found[1].decode(), "request": found[2].decode()}
            return _safetensors_metadata(file, head)
    except (OSError, ValueError, LookupError, struct.error, RecursionError):
        return {}


def check_replaceable(path: str | os.PathLike[str], *, overwrite: bool = False, request: str | None = None) -> None:
    """Raises ValueError, in one sentence, if a command may not write to `path`.

    A path with nothing there may be written. A file that this program wrote may be replaced if `overwrite` is set, or
    if its text says that it answers the same `request`. Any other file is never replaced.

    Args:
        path: where the command wants to write.
        overwrite: whether the user asked for results to be replaced.
        request: a fingerprint of what the user asks for, which the writer puts into the file as "request". None is the
            same as nothing.
    """
    path = Path(path)
    if not os.path.lexists(path):
        return
    name = printable(path)
    if path.is_dir():
        raise ValueError(f"{name} is a folder; give the name of a file.")
    text = file_text(path)
    if not _is_ours(text):
        raise ValueError(
            f"{name} was not made by this program and is not replaced; choose another name, or move it away first."
        )
    if not overwrite and (request is None or text.get("request") != request):
        raise ValueError(
            f"{name} is a result of another request; choose another name, or replace it with --overwrite (in Python,"
            " overwrite=True)."
        )


def _is_ours(text: dict[str, str]) -> bool:
    maker = text.get("Software", text.get("software", ""))
    return maker == "pulse" or maker.startswith("pulse ") or text.get("format") in _FORMATS


def _png_text(file: BinaryIO) -> dict[str, str]:
    found: dict[str, str] = {}
    budget = MAX_TEXT
    for kind, data in _text_chunks(file):
        pair = _pair(kind, data, budget)
        if pair is None:
            continue
        budget -= len(pair[0]) + len(pair[1])
        if budget < 0:
            break
        found[pair[0]] = pair[1]
    return found


def _text_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The text chunks up to the first damaged one, before the pixels or after."""
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or length > MAX_TEXT:
            file.seek(length + 4, os.SEEK_CUR)
            continue
        data, check = file.read(length), file.read(4)
        if len(check) < 4 or zlib.crc32(kind + data) != int.from_bytes(check, "big"):
            return
        yield kind, data


def _pair(kind: bytes, data: bytes, budget: int) -> tuple[str, str] | None:
    key, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        return key.decode("latin-1"), rest.decode("latin-1")
    if kind == b"zTXt":
        value = _inflated(rest[1:], budget)
        return None if value is None else (key.decode("latin-1"), value.decode("latin-1"))
    compressed, rest = rest[:1] == b"\1", rest[2:]
    # A language and a translated key come before the text.
    parts = rest.split(b"\0", 2)
    if len(parts) < 3:
        return None
    value = _inflated(parts[2], budget) if compressed else parts[2]
    return None if value is None else (key.decode("latin-1"), value.decode("utf-8", "replace"))


def _inflated(data: bytes, budget: int) -> bytes | None:
    inflater = zlib.decompressobj()
    try:
        value = inflater.decompress(data, max(budget, 1))
    except zlib.error:
        return None
    return value if inflater.eof else None


def _safetensors_metadata(file: BinaryIO, head: bytes) -> dict[str, str]:
    if len(head) < 8:
        return {}
    size = int.from_bytes(head, "little")
    if not 2 <= size <= _MAX_HEADER:
        return {}
    header = json.loads(file.read(size))
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        return {}
    return {key: value for key, value in metadata.items() if isinstance(value, str)}
