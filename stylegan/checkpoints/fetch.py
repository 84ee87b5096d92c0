"""Fetching checkpoints: over HTTPS alone, resumed after a cut, whole or not at all, with a checksum that stays.

The cache has one folder for each URL with the file, its record (`NAME.json`: URL, size, SHA-256 of the first fetch)
and, while it is being fetched, `NAME.part`.
"""

import contextlib
import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from cuda_ops.cache import cache_folder
from stylegan.checkpoints.errors import CheckpointError
from stylegan.common.progress import progress

_CHUNK = 1 << 20
# So many bytes before a cut are fetched again and compared: a file that changed in between is noticed.
_OVERLAP = 1024
_MAX_ATTEMPTS = 100


class _TryAgain(Exception):
    """What may go away by itself: a cut, a stall, a server that is busy."""


def cached(url: str) -> Path | None:
    """The file of a URL if it has been fetched; it is checked by `fetch`, not here."""
    path = _place(url)
    return path if path.is_file() and _record_of(path).is_file() else None


def fetch(
    url: str,
    *,
    announce: str = "",
    timeout: float = 30.0,
    attempts: int = 5,
    pause: float = 1.0,
    allow_loopback_http: bool = False,
) -> Path:
    """The file of a URL, from the cache or fetched into it, checked against the SHA-256 of its first fetch.

    Args:
        url: https://...
        announce: a line for stderr before anything is fetched; none if the file is in the cache.
        timeout: seconds without a byte after which a connection counts as stalled.
        attempts: how many times in a row a fetch may fail without getting any further.
        pause: seconds before the second attempt; doubled with each further one.
        allow_loopback_http: also take http:// from this machine itself, which is for tests.

    Raises:
        CheckpointError: in one sentence: no network, no such file, a redirect away from HTTPS, no space, a checksum
            that changed, or a server that keeps failing. What was fetched so far is kept and resumed.
    """
    _check_url(url, allow_loopback_http)
    path = _place(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            known = _read_record(path)
            if known and path.is_file():
                if _checksum(path) != known:
                    raise CheckpointError(
                        f"{path} is not what was fetched from {url} at first (its SHA-256 has changed); delete it to"
                        " fetch it again."
                    )
                return path
            if announce:
                print(announce, file=sys.stderr, flush=True)
            part = path.with_name(f"{path.name}.part")
            _download(url, part, timeout, attempts, pause, allow_loopback_http)
            found = _checksum(part)
            if known and found != known:
                part.unlink()
                raise CheckpointError(
                    f"{url} now serves a file other than the one fetched at first (SHA-256 {found[:12]}..., not"
                    f" {known[:12]}...); if that is as it should be, delete {_record_of(path)} and fetch again."
                )
            _write(_record_of(path), {"url": url, "size": part.stat().st_size, "sha256": found})
            os.replace(part, path)
            _state_of(part).unlink(missing_ok=True)
            return path
    except OSError as error:
        _explain_disk(error, path.parent)


def _place(url: str) -> Path:
    name = re.sub(r"[^\w.-]", "_", urllib.parse.unquote(urllib.parse.urlsplit(url).path).rsplit("/", 1)[-1])[-100:]
    name = name.lstrip(".") or "checkpoint"
    return cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:12] / name


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _state_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _read_record(path: Path) -> str:
    record = _record_of(path)
    checksum = str(_read(record).get("sha256", ""))
    if record.exists() and not checksum:
        raise CheckpointError(f"{record} is damaged, so {path.name} cannot be checked; delete both to fetch it again.")
    return checksum


def _write(path: Path, value: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(json.dumps(value, indent=1), encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (path.parent / ".lock").open("w") as file:
        try:
            # Freed by the system when its holder ends, however that comes about.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointError(f"{path.name} is being fetched by another process; wait until it is done.") from error
        yield


def _check_url(url: str, allow_loopback_http: bool) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise CheckpointError(f"{url!r} is no URL; give one that begins with https://.") from None
    if not host or not url.isascii() or not url.isprintable() or " " in url or parts.username is not None:
        raise CheckpointError(f"{url!r} is no URL that can be fetched; give a plain one that begins with https://.")
    loopback = allow_loopback_http and parts.scheme == "http" and host in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not loopback:
        raise CheckpointError(f"{url} is not https, and files are fetched over https only; give an https:// URL.")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, allow_loopback_http: bool) -> None:
        self._allow_loopback_http = allow_loopback_http

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        try:
            _check_url(newurl, self._allow_loopback_http)
        except CheckpointError as error:
            raise CheckpointError(
                f"{req.full_url} redirects to {newurl[:200]!r}, which is not https, so it was not followed; find"
                " another source."
            ) from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, part: Path, timeout: float, attempts: int, pause: float, allow_loopback_http: bool) -> None:
    opener = urllib.request.build_opener(_Redirects(allow_loopback_http))
    failures = 0
    for _ in range(_MAX_ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            _attempt(url, part, opener, timeout)
            return
        except _TryAgain as error:
            after = part.stat().st_size if part.exists() else 0
            failures = 1 if after > before else failures + 1
            if failures >= attempts:
                raise CheckpointError(
                    f"{url} could not be fetched ({error}, {failures} times in a row); {after} bytes of it are kept,"
                    " and fetching again goes on from there."
                ) from error
        time.sleep(pause * 2 ** (failures - 1))
    raise CheckpointError(f"{url} was cut {_MAX_ATTEMPTS} times; fetch again to go on from there.")


def _attempt(url: str, part: Path, opener: urllib.request.OpenerDirector, timeout: float) -> None:
    state = _read(_state_of(part))
    offset = part.stat().st_size if part.exists() and state else 0
    start = max(offset - _OVERLAP, 0)
    request = urllib.request.Request(url, headers={"User-Agent": "pulse", "Accept-Encoding": "identity"})
    if start > 0:
        request.add_header("Range", f"bytes={start}-")
        if state.get("validator"):
            request.add_header("If-Range", state["validator"])
    try:
        response = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            part.unlink(missing_ok=True)
        if error.code in (408, 416, 429) or error.code >= 500:
            raise _TryAgain(f"the server answers {error.code} {error.reason}") from error
        what = "does not exist" if error.code in (404, 410) else "cannot be had"
        raise CheckpointError(f"{url} {what} (HTTP {error.code} {error.reason}); check the URL.") from error
    except urllib.error.URLError as error:
        _explain_connection(url, error.reason)
    except (http.client.HTTPException, OSError) as error:
        _explain_connection(url, error)
    with response:
        resumed = response.status == 206
        total = _total(url, response, start if resumed else 0)
        if resumed and total != state.get("total"):
            part.unlink(missing_ok=True)
            raise _TryAgain("the file changed on the server")
        if not resumed:
            start = 0
        _check_space(part, None if total is None else total - start, url)
        if not resumed:
            part.unlink(missing_ok=True)
            _write(_state_of(part), {"validator": _validator(response), "total": total})
        with part.open("r+b" if resumed else "xb") as file, progress(part.stem, total, start, data=True) as advance:
            _copy(response, file, start, total, advance)


def _copy(response: Any, file: IO[bytes], start: int, total: int | None, advance: Any) -> None:
    file.seek(start)
    known = file.read(_OVERLAP) if start else b""
    position = start
    while True:
        try:
            # `read1` gives what has come; `read` would lose it when the connection stalls.
            chunk = response.read1(len(known) or _CHUNK)
        except (http.client.HTTPException, OSError) as error:
            stalled = isinstance(error, TimeoutError)
            raise _TryAgain("the connection stalled" if stalled else "the connection was cut") from error
        if not chunk:
            break
        if known:
            if not known.startswith(chunk):
                file.truncate(0)
                raise _TryAgain("the file changed on the server")
            known = known[len(chunk) :]
        else:
            file.seek(position)
            file.write(chunk)
        position += len(chunk)
        advance(len(chunk))
    if total is not None and position != total:
        raise _TryAgain(f"the connection was cut at {position} of {total} bytes")


def _total(url: str, response: Any, start: int) -> int | None:
    """The whole file's length; None where the end is told in another way."""
    headers = response.headers
    if headers.get_content_type() == "text/html":
        raise CheckpointError(f"{url} is a web page and not a checkpoint; give the address of the file itself.")
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
        if match is None or int(match[1]) != start:
            raise _TryAgain("the server sends another part than was asked for")
        return int(match[2])
    length = headers.get("Content-Length", "")
    if length.isdecimal():
        return int(length)
    if "chunked" in headers.get("Transfer-Encoding", ""):
        return None
    raise CheckpointError(f"{url} comes without its length, so a cut would go unnoticed; find another source.")


def _validator(response: Any) -> str:
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _check_space(part: Path, needed: int | None, url: str) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed is not None and needed > free:
        raise CheckpointError(
            f"{url} needs {needed / 1e6:.0f} MB in {part.parent}, where {free / 1e6:.0f} MB are free; make room, or set"
            " PULSE_CACHE to another folder."
        )


def _explain_connection(url: str, reason: object) -> NoReturn:
    if isinstance(reason, ssl.SSLError):
        raise CheckpointError(
            f"{url} could not be fetched: the server did not prove who it is ({reason.reason}); check the URL and the"
            " clock."
        ) from reason
    if isinstance(reason, socket.gaierror):
        raise CheckpointError(
            f"{url} could not be fetched: there is no network, or no such server; connect and try again."
        ) from reason
    if isinstance(reason, TimeoutError):
        raise _TryAgain("the connection stalled") from reason
    raise _TryAgain(f"no connection: {getattr(reason, 'strerror', None) or type(reason).__name__}")


def _explain_disk(error: OSError, folder: Path) -> NoReturn:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise CheckpointError(
            f"{folder} is full; make room and fetch again to go on, or set PULSE_CACHE to another folder."
        ) from error
    raise CheckpointError(
        f"{folder} cannot be written ({error.strerror or type(error).__name__}); set PULSE_CACHE to another folder."
    ) from error
