"""Fetching from a server that means harm: all that it may cost is bounded, and it ends in one sentence."""

import gzip
import resource
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stylegan
from stylegan import CheckpointError
from stylegan.checkpoints import fetch, zoo
from stylegan.checkpoints.bounded_http import Limits, shown_url
from stylegan.cli import main
from tests.stylegan.checkpoints.hostile_server import (
    CHUNKED,
    OK,
    Answer,
    HostileServer,
    dripping,
    endless,
    fixed,
    good,
)

CONTENT = bytes(range(256)) * 500
LIMITS = Limits(largest=4 << 20, seconds=1, slow_seconds=30, head_seconds=0.5)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def get(url: str, **options: Any) -> Path:
    defaults = {"timeout": 2.0, "attempts": 2, "pause": 0.01, "allow_loopback_http": True, "limits": LIMITS}
    return fetch.fetch(url, **(defaults | options))


def refused(url: str, match: str, **options: Any) -> str:
    """The one printable sentence that a fetch ends in, soon."""
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=match) as caught:
        get(url, **options)
    assert time.monotonic() - start < 4
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert len(sentence) < 800
    return sentence


def kept(cache: Path) -> list[str]:
    return [p.name for p in cache.rglob("*") if p.is_file() and p.name != ".lock"]


BIG = b"10000\r\n" + bytes(0x10000) + b"\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /again\r\n"
NO_END = {
    "body of a redirect": (endless(REDIRECT + b"Transfer-Encoding: chunked\r\n\r\n", BIG), "more than 10 times"),
    "body of an error": (endless(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", BIG), "does not exist"),
    "continue": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "headers that do not end"),
    "continue with headers": (endless(b"", b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n"), "headers that do not end"),
    "headers": (endless(OK, b"A: b\r\n"), "got more than 100 headers"),
    "long headers": (endless(OK, b"A: " + b"x" * 60_000 + b"\r\n"), "headers that do not end"),
    "one header": (endless(OK + b"A: ", b"x"), "the answer is not HTTP"),
    "no line at all": (endless(b"", b"x"), "the answer is not HTTP"),
    "chunks": (endless(CHUNKED, BIG), "is larger than 4.2 MB, the most that is fetched"),
    "trailers": (endless(CHUNKED + b"1\r\nx\r\n0\r\n", b"A: b\r\n"), "goes on after the end"),
    "extensions of chunks": (endless(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\nx\r\n"), "goes on after the end"),
    "a line of a chunk": (endless(CHUNKED, b"1"), "the connection was cut"),
    "a negative chunk": (endless(CHUNKED + b"-5\r\n", b"x"), "is larger than 4.2 MB"),
}


@pytest.mark.parametrize("kind", NO_END)
def test_nothing_without_an_end_is_read(kind: str, cache: Path) -> None:
    answer, sentence = NO_END[kind]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with HostileServer(answer) as server:
        refused(server.url, sentence)
        # The file's largest size, and what the system's buffers hold of up to eleven connections.
        assert server.sent < LIMITS.largest + 11 * (2 << 20)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 60_000
    assert "net.pkl" not in kept(cache)
    if kind in ("chunks", "trailers", "a negative chunk"):
        assert kept(cache) == []


def test_the_headers_of_a_proxy_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileServer(endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n")) as server:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        refused("https://example.org/net.pkl", "headers that do not end|not HTTP", allow_loopback_http=False)
        assert server.sent < 12 << 20


@pytest.mark.parametrize("proxy", ["http://", "http://[", "socks5://127.0.0.1:9", "http://a..b:9"])
def test_a_proxy_that_is_none(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    refused("https://example.org/net.pkl", "no connection|no network", allow_loopback_http=False)


@pytest.mark.parametrize(
    "head", [b"", OK, OK + b"A: ", CHUNKED, OK + b"Content-Length: 1000000\r\n\r\n", REDIRECT + b"A: "]
)
def test_a_byte_at_a_time_has_an_end(head: bytes) -> None:
    with HostileServer(dripping(head)) as server:
        refused(server.url, "was not fetched within 1 s", attempts=100)


def test_headers_have_a_time_of_their_own() -> None:
    limits = Limits(head_seconds=0.3)
    with HostileServer(dripping(OK + b"A: ")) as server:
        refused(server.url, "the connection stalled, 2 times in a row", limits=limits)


def test_silence_lasts_no_longer_than_the_whole_fetch_may() -> None:
    with HostileServer(dripping(OK + b"Content-Length: 1000000\r\n\r\n", pause=8)) as server:
        refused(server.url, "was not fetched within 1 s", timeout=20)


def test_a_byte_at_a_time_counts_as_a_stall() -> None:
    limits = Limits(slow_seconds=0.2, slow_bytes=1000)
    with HostileServer(dripping(OK + b"Content-Length: 1000000\r\n\r\n")) as server:
        refused(server.url, r"bytes came in 0.2 s, 2 times in a row", limits=limits)
        assert len(server.requests) == 2


def test_more_bytes_than_announced_are_not_read() -> None:
    with HostileServer(endless(OK + b"Content-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT, b"more")) as server:
        assert get(server.url).read_bytes() == CONTENT


def asked_from(request: str) -> int:
    return int(request.split("Range: bytes=")[1].split("-")[0]) if "Range: " in request else 0


def head_of(start: int, tag: bytes) -> bytes:
    part = b"HTTP/1.1 206 Part\r\nContent-Range: bytes %d-9/%d\r\n" % (start, len(CONTENT))
    return (part if start else OK) + b"ETag: %b\r\nContent-Length: %d\r\n\r\n" % (tag, len(CONTENT) - start)


def test_a_part_is_no_longer_than_the_file() -> None:
    def answer(request: str) -> Iterator[bytes]:
        start = asked_from(request)
        if not start:
            yield head_of(0, b"x") + CONTENT[: len(CONTENT) // 2]
            return
        # Chunks go before the length.
        yield head_of(start, b"x").replace(b"ETag", b"Transfer-Encoding: chunked\r\nETag")
        yield b"%x\r\n" % (len(CONTENT) - start) + CONTENT[start:] + b"\r\n"
        while True:
            yield BIG

    with HostileServer(answer) as server:
        assert get(server.url).read_bytes() == CONTENT
        assert len(server.requests) == 2


def test_a_byte_for_each_attempt_is_no_progress() -> None:
    def answer(request: str) -> Iterator[bytes]:
        start = asked_from(request)
        yield head_of(start, b"x") + CONTENT[start : (start + 1025 if start else 2000)]

    with HostileServer(answer) as server:
        refused(server.url, "was cut at 2003 of .* 4 times in a row", attempts=4)
        assert len(server.requests) == 4


def test_a_part_of_another_version_is_not_mixed_in() -> None:
    other = CONTENT[:60_000] + bytes(len(CONTENT) - 60_000)

    def answer(request: str) -> Iterator[bytes]:
        start = asked_from(request)
        if len(server.requests) == 1:
            yield head_of(0, b"one") + CONTENT[:50_000]
        else:
            # Against If-Range, which asks for all of it if its ETag is another one by now.
            yield head_of(start, b"two") + other[start:]

    with HostileServer(answer) as server:
        assert get(server.url, attempts=3).read_bytes() == other
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "numbers",
    [b"0-9/100", b"bytes 0-9/100", b"bytes 1-9/" + b"9" * 5000, b"bytes 1-9/*", b"", b"bytes " + b"9" * 30 + b"-9/9"],
)
def test_a_part_that_is_another(numbers: bytes, cache: Path) -> None:
    def answer(request: str) -> Iterator[bytes]:
        if "Range: " not in request:
            yield OK + b"Content-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT[:50_000]
        yield b"HTTP/1.1 206 Part\r\nContent-Length: 10\r\nContent-Range: " + numbers + b"\r\n\r\n" + bytes(10)

    with HostileServer(answer) as server:
        refused(server.url, "another part|was cut|changed on the server|larger than")
        assert "net.pkl" not in kept(cache)


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (b"Content-Length: " + b"9" * 5000, "larger than 4.2 MB"),
        (b"Content-Length: " + b"9" * 20, "larger than 4.2 MB"),
        (b"Content-Length: 4194305", "larger than 4.2 MB"),
        (b"Content-Length: -1", "without its length"),
        (b"Content-Length: 1e3", "without its length"),
        (b"Content-Length: \xb2", "without its length"),
        (b"Content-Length: 0", "is empty"),
        (b"Content-Length: 0" + b"0" * 5000, "is empty"),
        (b"Content-Length: 5\r\nContent-Encoding: gzip", "compressed"),
        (b"Content-Length: 5\r\nContent-Encoding: br", "compressed"),
        (b"Transfer-Encoding: gzip, chunked", "compressed"),
    ],
)
def test_bodies_that_are_refused(head: bytes, sentence: str, cache: Path) -> None:
    with HostileServer(fixed(OK + head + b"\r\n\r\n" + gzip.compress(bytes(1000)))) as server:
        refused(server.url, sentence)
    assert "net.pkl" not in kept(cache)


@pytest.mark.parametrize(
    "target",
    [
        b"https://[",
        b"https://a..b/",
        b"https://a:99999/",
        b"https://a:x/",
        b"https://" + b"a" * 300 + b"/",
        b"https://[::1%25]/",
        b"https://[v1.a:b]/",
        b"https:///x",
        b"https://\xff\xfe/",
        b"https://a/" + b"x" * 20_000,
        b"https://user:secret@a/",
        b"//user:secret@[/",
        b"//",
        b"gopher://a/",
        b"file:///etc/passwd",
        b"data:,x",
        b"http://example.org/x",
        b"\x1b]0;x\x07https://a\x1b[31m/",
        b"",
    ],
)
def test_redirects_to_nowhere(target: bytes) -> None:
    with HostileServer(fixed(b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\n\r\n")) as server:
        assert "secret" not in refused(server.url, "redirects ")
        assert len(server.requests) <= 11


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(code: int) -> None:
    def answer(request: str) -> Iterator[bytes]:
        if request.startswith("GET /net.pkl "):
            yield b"HTTP/1.1 %d Elsewhere\r\nLocation: a/../the%%20file?x#y\r\n\r\n" % code
        else:
            yield from good(CONTENT)(request)

    with HostileServer(answer) as server:
        assert get(server.url).read_bytes() == CONTENT
        assert server.requests[1].startswith("GET /the%20file?x ")


@pytest.mark.parametrize(
    "status", [b"204 No", b"103 Early", b"304 Same", b"300 Many", b"404 \x1b[31m\x07red", b"999 x"]
)
def test_other_answers(status: bytes) -> None:
    sentence = refused_answer(fixed(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"))
    assert status[:3].decode() in sentence


@pytest.mark.parametrize(
    "answer", [b"", b"\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/0.9 200\r\n\r\n", b"SSH-2.0-x\r\n", b"\0"]
)
def test_what_is_not_http(answer: bytes) -> None:
    refused_answer(fixed(answer))


def test_a_part_that_was_not_asked_for() -> None:
    part = b"HTTP/1.1 206 Part\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nabcde"
    assert "a part that was not asked for" in refused_answer(fixed(part))


def refused_answer(answer: Answer) -> str:
    with HostileServer(answer) as server:
        return refused(server.url, "net.pkl")


def test_no_secrets_are_told(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    for url in (
        "https://me:secret@example.org/net.pkl",
        "https://me:sec/secret@example.org/net.pkl",
        "http://example.org/net.pkl?token=secret",
        "https://me:secret@[/",
    ):
        assert "secret" not in refused(url, "https://")
    with HostileServer(good(CONTENT)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch.fetch, "__kwdefaults__", fetch.fetch.__kwdefaults__ | {"allow_loopback_http": True})
        path = zoo.path_of(f"{server.url}?token=secret")
    assert path is not None
    assert capsys.readouterr().err == f"Fetching {server.url}?...\n"
    # The record has the whole URL, so nobody else may read it.
    assert path.parent.stat().st_mode & 0o077 == 0


def test_shown_urls_are_printable() -> None:
    assert shown_url("https://a/\x1b[31m\u202e?x") == "https://a/\\x1b[31m\\u202e?..."


def test_the_command_tells_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "https://a..b/net.pkl"]) == 2
    assert capsys.readouterr().err == (
        "'https://a..b/net.pkl' is no URL that can be fetched; give a URL that begins with https://.\n"
    )
    with pytest.raises(CheckpointError, match="is no URL"):
        stylegan.load("https://[")


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = tmp_path / "server.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    request += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    try:
        subprocess.run([*request, "-keyout", certificate, "-out", tmp_path / "c"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    certificate.write_text(certificate.read_text() + (tmp_path / "c").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HostileServer(good(CONTENT), context) as server:
        refused(server.url, "did not prove who it is", allow_loopback_http=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert get(server.url, allow_loopback_http=False).read_bytes() == CONTENT
    with HostileServer(fixed(b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1/\r\n\r\n"), context) as server:
        refused(server.url, "which is not https", allow_loopback_http=False)
    with HostileServer(good(CONTENT)) as server:
        refused(server.url.replace("http:", "https:"), "no connection", allow_loopback_http=False)
