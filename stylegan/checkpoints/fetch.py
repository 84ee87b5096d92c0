"""Fetching checkpoints: over HTTPS alone, resumed after a cut, whole or not at all, against the checksum of the first
fetch.

The cache has one folder for each URL. It holds the file, its record (`NAME.json`: URL, size, SHA-256 of the first
fetch) and, while the file is being fetched, `NAME.part` with a record of its own.

What a server may cost is bounded by `Limits`. A file beyond them can be fetched with `fetch(url, limits=Limits(...))`,
or with any other program: `stylegan.load` takes its path.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from cuda_ops.cache import cache_folder
from stylegan.checkpoints import cache_entry
from stylegan.checkpoints.bounded_http import (
    Limits,
    Response,
    TooMuchError,
    TryAgainError,
    check_url,
    open_url,
    shown_url,
)
from stylegan.checkpoints.errors import CheckpointError
from stylegan.common.console import printable, warn
from stylegan.common.files import megabytes, write_text
from stylegan.common.progress import progress

_CHUNK = 1 << 20
# This many bytes before a cut are fetched again and compared, to notice a file that has changed.
_OVERLAP = 1024
# An attempt that brings less than this counts as a failure; otherwise one byte each time would reset the count.
_FURTHER = 1 << 14
_MAX_ATTEMPTS = 100
_ELSEWHERE = "fetch it with another program and give the file's path"


def cached(url: str) -> Path | None:
    """The file of a URL if it has been fetched; `fetch` checks it, this does not."""
    path = _place(url)
    try:
        cache_entry.check_folder(path.parent)
        return path if path.is_file() and _record_of(path).is_file() else None
    except (CheckpointError, OSError):
        return None


def fetch(
    url: str,
    *,
    announce: str = "",
    sha256: str | None = None,
    timeout: float = 30.0,
    attempts: int = 5,
    pause: float = 1.0,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    allow_loopback_http: bool = False,
) -> Path:
    """The file of a URL, from the cache or fetched into it, checked against the SHA-256 of its first fetch.

    Args:
        url: https://...
        announce: printed on stderr before anything is fetched; not printed if the file is in the cache.
        sha256: what the file must have, 64 hexadecimal digits; None where it is not known.
        timeout: seconds without a byte after which a connection counts as stalled.
        attempts: how many times in a row a fetch may fail without getting any further.
        pause: seconds before the second attempt; doubled with each further one.
        limits: what the server may cost.
        allow_loopback_http: also take http:// from this machine itself, which is for tests.

    Raises:
        CheckpointError: in one sentence: no network, no such file, a redirect away from HTTPS, no space (this one is
            also a DiskFullError), a cache that may not be used, a checksum that changed, a server that keeps failing
            or goes beyond the limits. What was fetched so far is kept and resumed.
    """
    check_url(url, allow_loopback_http)
    path = _place(url)
    sha256 = sha256 and sha256.lower()
    try:
        # A read-only cache is enough for a file that it holds.
        if _kept(url, path, sha256):
            return path
        cache_entry.make_folder(path.parent, private="?" in url)
        with cache_entry.locked(path):
            if _kept(url, path, sha256):
                return path
            if announce:
                warn(announce)
            known = sha256 or _read_record(url, path)
            part = path.with_name(f"{path.name}.part")
            _download(url, part, timeout, attempts, pause, limits, allow_loopback_http)
            found = cache_entry.checksum(part)
            if known and found != known:
                _forget(part)
                raise CheckpointError(_changed(url, path, sha256, found, known))
            _write(_record_of(path), {"url": url, "size": part.stat().st_size, "sha256": found})
            os.replace(part, path)
            _state_of(part).unlink(missing_ok=True)
            return path
    except cache_entry.NoRoomError:
        raise
    except OSError as error:
        raise cache_entry.explained(error, path.parent) from error


def _place(url: str) -> Path:
    last = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rsplit("/", 1)[-1]
    name = re.sub(r"[^\w.-]", "_", last, flags=re.ASCII)[-100:].lstrip(".") or "checkpoint"
    # The whole hash, because a part of it could be forged.
    return cache_folder() / hashlib.sha256(url.encode()).hexdigest() / name


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _state_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _kept(url: str, path: Path, sha256: str | None) -> bool:
    """Whether the cache has the file of a URL; raises CheckpointError if what it has is not that file any more."""
    try:
        cache_entry.check_folder(path.parent)
        known = _read_record(url, path)
        found = known and cache_entry.checksum(path)
    except FileNotFoundError:
        return False
    if not known:
        return False
    if found != known or (sha256 and found != sha256):
        what = "what was fetched from" if found != known else "the file that is known under"
        raise CheckpointError(
            f"{printable(path)} is not {what} {shown_url(url)} (its SHA-256 is {found[:12]}..., not"
            f" {(known if found != known else sha256 or '')[:12]}...); delete its folder to fetch it again."
        )
    return True


def _changed(url: str, path: Path, sha256: str | None, found: str, known: str) -> str:
    differ = f"(SHA-256 {found[:12]}..., not {known[:12]}...)"
    if sha256:
        return f"{shown_url(url)} serves another file than the one known under its name {differ}; do not use it."
    return (
        f"{shown_url(url)} now serves a file other than the one fetched at first {differ}; if that is as it should be,"
        f" delete {printable(_record_of(path))} and fetch again."
    )


def _read_record(url: str, path: Path) -> str:
    """The SHA-256 of the first fetch; "" if there was none."""
    try:
        record = cache_entry.read_record(_record_of(path))
    except CheckpointError:
        raise
    except ValueError:
        record = {"sha256": "damaged"}
    checksum = record.get("sha256", "")
    if record and not (isinstance(checksum, str) and re.fullmatch("[0-9a-f]{64}", checksum) and "url" in record):
        raise CheckpointError(
            f"{printable(_record_of(path))} is damaged, so {path.name} cannot be checked; delete both to fetch it"
            " again."
        )
    if record and record["url"] != url:
        raise CheckpointError(
            f"{printable(path.parent)} holds the file of another URL, not of {shown_url(url)}; delete that folder to"
            " fetch it again."
        )
    return str(checksum)


def _read_state(part: Path, limits: Limits) -> dict[str, Any]:
    """The record of a partly fetched file; {} if it is unreliable, so that the fetch starts again."""
    try:
        state = cache_entry.read_record(_state_of(part))
    except (OSError, ValueError):
        return {}
    total, validator = state.get("total"), state.get("validator")
    sound = total is None or (type(total) is int and 0 < total <= limits.largest)
    return state if sound and isinstance(validator, str) and validator == _sendable(validator) else {}


def _write(path: Path, value: dict[str, Any]) -> None:
    write_text(path, json.dumps(value, indent=1))


def _download(
    url: str, part: Path, timeout: float, attempts: int, pause: float, limits: Limits, allow_loopback_http: bool
) -> None:
    failures = 0
    until = time.monotonic() + limits.seconds
    for _ in range(_MAX_ATTEMPTS):
        before = cache_entry.size_of(part)
        try:
            _attempt(url, part, timeout, until, limits, allow_loopback_http)
            return
        except TooMuchError as error:
            _forget(part)
            raise CheckpointError(f"{shown_url(url)} {error}; {_ELSEWHERE}, if you trust it.") from error
        except TryAgainError as error:
            after = cache_entry.size_of(part)
            failures = 1 if after >= before + _FURTHER else failures + 1
            if failures >= attempts:
                raise CheckpointError(
                    f"{shown_url(url)} could not be fetched ({error}, {failures} times in a row); {after} bytes of it"
                    " are kept, and fetching again goes on from there."
                ) from error
        wait = pause * 2 ** (failures - 1)
        if time.monotonic() + wait >= until:
            raise CheckpointError(
                f"{shown_url(url)} was not fetched within {limits.seconds:g} s; fetch again to go on, or {_ELSEWHERE}."
            )
        time.sleep(wait)
    raise CheckpointError(f"{shown_url(url)} was cut {_MAX_ATTEMPTS} times; fetch again to go on from there.")


def _attempt(url: str, part: Path, timeout: float, until: float, limits: Limits, allow_loopback_http: bool) -> None:
    state = _read_state(part, limits)
    offset = cache_entry.size_of(part) if state else 0
    start = max(offset - _OVERLAP, 0)
    headers = {"User-Agent": "pulse", "Accept-Encoding": "identity"}
    if start > 0:
        headers["Range"] = f"bytes={start}-"
        if state["validator"]:
            headers["If-Range"] = state["validator"]
    with open_url(url, headers, timeout, until, limits, allow_loopback_http) as response:
        if response.status == 416:
            _forget(part)
        _check_status(url, response)
        resumed = response.status == 206
        if resumed and not start:
            raise TryAgainError("the server sends a part that was not asked for")
        total = _total(url, response, start, limits)
        validator = _sendable(response.header("ETag")) or _sendable(response.header("Last-Modified"))
        if resumed and (total != state["total"] or (validator and validator != state["validator"])):
            _forget(part)
            raise TryAgainError("the file changed on the server")
        if not resumed:
            start = 0
            _forget(part)
        _check_space(url, part, (total or 0) - start)
        if not resumed:
            _write(_state_of(part), {"validator": validator, "total": total})
        flags = os.O_RDWR if resumed else os.O_RDWR | os.O_CREAT | os.O_EXCL
        with cache_entry.open_plain(part, flags) as file, progress(part.stem, total, start, data=True) as advance:
            _copy(url, response, file, start, total, limits, advance)


def _copy(
    url: str,
    response: Response,
    file: IO[bytes],
    start: int,
    total: int | None,
    limits: Limits,
    advance: Callable[[float], None],
) -> None:
    file.seek(start)
    known = file.read(_OVERLAP) if start else b""
    position = start
    mark, marked = time.monotonic(), position
    while total is None or position < total:
        most = len(known) or min(_CHUNK, limits.largest + 1 if total is None else total - position)
        chunk = response.read(most)
        if not chunk:
            break
        if known:
            if not known.startswith(chunk):
                file.truncate(0)
                raise TryAgainError("the file changed on the server")
            known = known[len(chunk) :]
        else:
            file.seek(position)
            file.write(chunk)
        position += len(chunk)
        advance(len(chunk))
        if position > limits.largest:
            raise TooMuchError(f"is larger than {megabytes(limits.largest)}, the most that is fetched")
        if time.monotonic() > mark + limits.slow_seconds:
            if position < marked + limits.slow_bytes:
                raise TryAgainError(f"{position - marked} bytes came in {limits.slow_seconds:g} s")
            mark, marked = time.monotonic(), position
    if total is not None and position != total:
        raise TryAgainError(f"the connection was cut at {position} of {total} bytes")
    if position == 0:
        raise CheckpointError(f"{shown_url(url)} is empty; find another source.")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _state_of(part).unlink(missing_ok=True)


def _check_status(url: str, response: Response) -> None:
    status = response.status
    if status in (200, 206):
        return
    if status in (408, 416, 429) or status >= 500:
        raise TryAgainError(f"the server answers {status} {response.reason}")
    what = "does not exist" if status in (404, 410) else "cannot be had"
    raise CheckpointError(f"{shown_url(url)} {what} (HTTP {status} {response.reason}); check the URL.")


def _total(url: str, response: Response, start: int, limits: Limits) -> int | None:
    """The whole file's length; None where the end is told in another way."""
    name = shown_url(url)
    if response.header("Content-Type").lower().startswith("text/html"):
        raise CheckpointError(f"{name} is a web page and not a checkpoint; give the address of the file itself.")
    chunked = response.header("Transfer-Encoding").lower()
    packed = response.header("Content-Encoding").lower()
    if packed not in ("", "identity") or chunked not in ("", "chunked"):
        raise CheckpointError(f"{name} comes compressed, which was not asked for; {_ELSEWHERE}.")
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", response.header("Content-Range"), re.ASCII)
        if match is None or int(match[1]) != start:
            raise TryAgainError("the server sends another part than was asked for")
        total = int(match[2])
    elif chunked:
        return None
    else:
        length = response.header("Content-Length")
        if not re.fullmatch("[0-9]+", length):
            raise CheckpointError(f"{name} comes without its length, so a cut would go unnoticed; {_ELSEWHERE}.")
        # A number of more digits is too large in any case, and Python refuses to read very long ones.
        total = int(length.lstrip("0")[:18] or "0")
    if total > limits.largest:
        raise CheckpointError(
            f"{name} is said to be larger than {megabytes(limits.largest)}, the most that is fetched; {_ELSEWHERE}."
        )
    return total


def _sendable(validator: str) -> str:
    """A validator if it can tell two files apart and be sent back in a header; else ""."""
    weak = validator.startswith("W/") or len(validator) > 1000
    return "" if weak or not validator.isascii() or not validator.isprintable() else validator


def _check_space(url: str, part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise cache_entry.NoRoomError(
            errno.ENOSPC,
            f"{shown_url(url)} needs {megabytes(needed)} in {printable(part.parent)}, where {megabytes(free)} are free;"
            " make room, or set PULSE_CACHE to another folder.",
        )
