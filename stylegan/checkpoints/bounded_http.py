"""One HTTPS request to a server that is not trusted: every byte and second that its answer may cost is counted.

Why not a library: requests 2.34, urllib3 2.8, httpx 0.28, pooch 1.9 and huggingface_hub 2.4 were tried against a
hostile server. All five read for as long as it sends: a redirect's body, "100 Continue", a chunked body without an end,
a byte every half second; all but httpx also chunk trailers. None bounds the whole time. A `Location` of `https://[` or
`https://a..b/` leaves them as a ValueError or UnicodeError, or is retried for ever. So this is the standard library's
client, with one counter between it and the socket.
"""

import http.client
import io
import ipaddress
import re
import socket
import ssl
import string
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

from stylegan.checkpoints.errors import CheckpointError
from stylegan.common.console import printable

# How many bytes the framing of a chunked body may take per read; http.client allows 64 KiB a line.
_FRAMING = 1 << 17
_REDIRECTS = (301, 302, 303, 307, 308)
_LABEL = r"[a-z0-9_-]{1,63}"


@dataclass(frozen=True)
class Limits:
    """What a server may cost a fetch; pass another one to `fetch` to raise them.

    Args:
        largest: bytes of the file.
        seconds: of the whole fetch, with its repeated attempts.
        slow_seconds: a connection that brings fewer than `slow_bytes` in this time counts as stalled.
        slow_bytes: see `slow_seconds`.
        head_seconds: until the headers of an answer, redirects included, are complete.
        head_bytes: of the headers of each answer, with all that a server sends before them ("100 Continue").
        redirects: in a row.
    """

    largest: int = 16 << 30
    seconds: float = 12 * 3600
    slow_seconds: float = 60
    slow_bytes: int = 60_000
    head_seconds: float = 60
    head_bytes: int = 1 << 18
    redirects: int = 10


class TryAgainError(Exception):
    """A failure that may be temporary: a cut, a stall, a busy server; the text says which."""


class TooMuchError(Exception):
    """The server sent more than an answer needs; the text says what, and the URL is its subject."""


@dataclass
class _Allowance:
    """What may still be read from a connection: bytes, until a time, with pauses of at most `idle` seconds."""

    bytes: int
    until: float
    idle: float


class _CountedSocket(io.RawIOBase):
    """A socket's reading side that stops when its allowance is used up.

    It lies below http.client, which itself reads without end: "100 Continue", trailers, a proxy's headers.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, allowance: _Allowance) -> None:
        self._raw, self._sock, self._allowance = raw, sock, allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._allowance.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("too slow")
        if self._allowance.bytes <= 0:
            raise TooMuchError("goes on after the end of its file")
        self._sock.settimeout(min(left, self._allowance.idle))
        count = self._raw.readinto(memoryview(buffer)[: self._allowance.bytes])
        self._allowance.bytes -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _CountedResponse(http.client.HTTPResponse):
    def __init__(self, allowance: _Allowance, sock: socket.socket, **options: Any) -> None:
        super().__init__(sock, **options)
        self.fp: Any = io.BufferedReader(_CountedSocket(self.fp.detach(), sock, allowance))


def _connection(kind: type[http.client.HTTPConnection], allowance: _Allowance, host: str, **options: Any) -> Any:
    connection: Any = kind(host, **options)
    connection.response_class = partial(_CountedResponse, allowance)
    return connection


class _Http(urllib.request.HTTPHandler):
    def __init__(self, allowance: _Allowance) -> None:
        super().__init__()
        self._allowance = allowance

    def http_open(self, req: Any) -> Any:
        return self.do_open(partial(_connection, http.client.HTTPConnection, self._allowance), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, allowance: _Allowance) -> None:
        super().__init__()
        self._allowance = allowance

    def https_open(self, req: Any) -> Any:
        return self.do_open(partial(_connection, http.client.HTTPSConnection, self._allowance), req)


class Response:
    """An answer whose headers have come and whose body is read piece by piece; closes when its block ends."""

    def __init__(self, answer: Any, allowance: _Allowance) -> None:
        self._answer, self._allowance = answer, allowance
        # Of the body: what it holds, and what came beside it (sizes of chunks, trailers).
        self._held, self._framing = 0, 0
        self.status: int = answer.status
        self.reason = printable(answer.reason, 100)

    def __enter__(self) -> "Response":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.close()

    def header(self, name: str) -> str:
        """A header's value; empty where it is missing."""
        return str(self._answer.headers.get(name, "")).strip()

    def read(self, most: int) -> bytes:
        """The bytes of the body that have arrived, up to a limit; empty at its end.

        Raises:
            TryAgainError: if the connection is cut, stalls, or sends what is not HTTP.
            TooMuchError: if the body's framing is larger than a body of this size needs.
        """
        # Chunks of a byte may have lines of 64 KiB; a good server's framing is a small part of the body.
        allowed = most + min(_FRAMING, _FRAMING + self._held - self._framing)
        self._allowance.bytes = allowed
        try:
            # `read1` gives what has come; `read` would lose it when the connection stalls.
            data = bytes(self._answer.read1(most))
        except (http.client.HTTPException, OSError, ValueError, OverflowError) as error:
            stalled = isinstance(error, TimeoutError)
            raise TryAgainError("the connection stalled" if stalled else "the connection was cut") from error
        self._held += len(data)
        self._framing += allowed - self._allowance.bytes - len(data)
        return data


def open_url(
    url: str, headers: Mapping[str, str], idle: float, until: float, limits: Limits, allow_loopback_http: bool
) -> Response:
    """Asks for a URL and follows redirects, without reading their bodies, to other https URLs only.

    Args:
        url: as `check_url` allows it.
        headers: of the request.
        idle: seconds without a byte after which the connection counts as stalled.
        until: `time.monotonic()` at which all of it must have ended.
        limits: what the server may cost.
        allow_loopback_http: see `check_url`.

    Raises:
        CheckpointError: if asking again would not help.
        TryAgainError: if it may.
    """
    current = url
    head_until = min(until, time.monotonic() + limits.head_seconds)
    for _ in range(limits.redirects + 1):
        response = _ask(url, current, headers, _Allowance(limits.head_bytes, head_until, idle))
        if response.status not in _REDIRECTS:
            response._allowance.until = until
            return response
        with response:
            target = response.header("Location")
        fault, current = _follow(current, target, allow_loopback_http)
        if fault:
            raise CheckpointError(
                f"{shown_url(url)} redirects to {shown_url(current)!r}, which {fault}, so it was not followed; find"
                " another source."
            )
    raise CheckpointError(f"{shown_url(url)} redirects more than {limits.redirects} times; find another source.")


def _ask(url: str, current: str, headers: Mapping[str, str], allowance: _Allowance) -> Response:
    opener = urllib.request.OpenerDirector()
    # No handler for redirects, files or FTP: nothing is followed or opened but what `check_url` has seen.
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _Http(allowance),
        _Https(allowance),
    ):
        opener.add_handler(handler)
    try:
        answer = opener.open(urllib.request.Request(current, headers=dict(headers)), timeout=allowance.idle)
        return Response(answer, allowance)
    except TooMuchError as error:
        raise CheckpointError(f"{shown_url(url)} answers with headers that do not end; find another source.") from error
    except urllib.error.URLError as error:
        raise _explained(url, error.reason) from error
    except (http.client.HTTPException, OSError, ValueError, OverflowError) as error:
        raise _explained(url, error) from error


def _follow(current: str, target: str, allow_loopback_http: bool) -> tuple[str, str]:
    """What is wrong with a redirect's target ("" if nothing), and the target."""
    try:
        # Servers also send characters that a URL must have as escapes.
        joined = urllib.parse.urljoin(current, urllib.parse.quote(target, string.punctuation, "iso-8859-1"))
    except ValueError:
        return "is no URL", target
    joined = joined.partition("#")[0]
    return _fault(joined, allow_loopback_http), joined


def check_url(url: str, allow_loopback_http: bool = False) -> None:
    """Raises CheckpointError unless a URL is a plain https one.

    Args:
        url: any text.
        allow_loopback_http: also take http:// from this machine itself, which is for tests.
    """
    if fault := _fault(url, allow_loopback_http):
        raise CheckpointError(f"{shown_url(url)!r} {fault}; give a URL that begins with https://.")


def _fault(url: str, allow_loopback_http: bool) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme and parts.scheme != "https":
        loopback = parts.scheme == "http" and host in ("127.0.0.1", "localhost", "::1")
        if not (allow_loopback_http and loopback):
            return "is not https, and files are fetched over https only"
    if parts.username is not None:
        return "holds a password, which would be kept in the cache and in messages"
    if len(url) > 8000 or not url.isascii() or not url.isprintable() or " " in url or not _is_host(host):
        return "is no URL that can be fetched"
    return "" if parts.scheme else "is no URL"


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return "%" not in host
    return len(host) <= 253 and re.fullmatch(rf"{_LABEL}(\.{_LABEL})*\.?", host) is not None


def shown_url(url: str) -> str:
    """A URL for a message: without what may be secret (user, password, query) and printable.

    >>> shown_url("https://me:word@example.org/net.pkl?token=123")
    'https://example.org/net.pkl?...'
    """
    plain, mark, _ = url.partition("#")[0].partition("?")
    # The second form is a password with a slash in it, which is no URL any more.
    plain = re.sub(r"^((?:\w+:)?/*)([^/]*:[^/]*/.*@|[^/]*@)", r"\1", plain, flags=re.DOTALL)
    return printable(plain + (mark and "?..."), 300)


def _explained(url: str, reason: object) -> Exception:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return CheckpointError(
            f"{shown_url(url)} could not be fetched: the server did not prove who it is"
            f" ({printable(reason.verify_message, 100)}); check the URL and the clock."
        )
    if isinstance(reason, socket.gaierror):
        return CheckpointError(
            f"{shown_url(url)} could not be fetched: there is no network, or no such server; connect and try again."
        )
    if isinstance(reason, TimeoutError):
        return TryAgainError("the connection stalled")
    if isinstance(reason, http.client.HTTPException):
        return TryAgainError(f"the answer is not HTTP: {printable(str(reason) or type(reason).__name__, 100)}")
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return TryAgainError(f"no connection: {printable(words, 100)}")
