"""Fetching, against a server on this machine that does everything wrong."""

import errno
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stylegan import CheckpointError
from stylegan.checkpoints import cache_entry, fetch
from stylegan.common.files import DiskFullError

CONTENT = bytes(range(256)) * 4000


class Server(ThreadingHTTPServer):
    """Serves `content`; `plan` holds what goes wrong with the first requests, one word each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.tag: str | None = '"one"'
        self.plan: list[str] = []
        self.requests: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/folder/net.pkl"

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that go away are part of the tests.
        pass


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(self.headers.get("Range"))
        what = server.plan.pop(0) if server.plan else "well"
        if what.isdigit():
            self.send_error(int(what))
            return
        if what.startswith("to "):
            self.send_response(302)
            self.send_header("Location", what[3:])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, start = server.content, 0
        unchanged = self.headers.get("If-Range") in (None, server.tag)
        if self.headers.get("Range") and unchanged and what != "whole":
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.tag:
            self.send_header("ETag", server.tag)
        if what == "page":
            self.send_header("Content-Type", "text/html")
        if what == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif what != "endless":
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if what == "truncate":
            self.wfile.write(rest[: len(rest) // 2])
        elif what == "stall":
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            time.sleep(9)
        elif what == "chunked":
            self.wfile.write(f"{len(rest):x}\r\n".encode() + rest + b"\r\n0\r\n\r\n")
        else:
            self.wfile.write(rest)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def get(server: Server, **options: Any) -> Path:
    return fetch.fetch(
        server.url, **({"timeout": 2.0, "attempts": 3, "pause": 0.01, "allow_loopback_http": True} | options)
    )


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != ".lock")


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    path = get(server)
    assert path.read_bytes() == CONTENT
    assert path.name == "net.pkl"
    assert get(server) == path
    assert len(server.requests) == 1
    assert files(tmp_path) == ["net.pkl", "net.pkl.json"]
    assert fetch.cached(server.url) == path
    assert json.loads(path.with_name("net.pkl.json").read_text())["size"] == len(CONTENT)


@pytest.mark.parametrize("tag", ['"one"', None], ids=["with a tag", "without"])
@pytest.mark.parametrize(
    "plan", [["truncate"], ["stall"], ["truncate", "500", "truncate"], ["truncate", "stall", "503"]]
)
def test_cuts_stalls_and_errors_are_survived_by_resuming(server: Server, plan: list[str], tag: str | None) -> None:
    server.plan, server.tag = list(plan), tag
    assert get(server, timeout=0.5 if "stall" in plan else 5).read_bytes() == CONTENT
    assert server.requests[0] is None
    # Each time a little before what was there, never from the beginning.
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in server.requests[1:] if r is not None]
    assert len(starts) == len(plan)
    assert starts == sorted(starts)
    assert starts[0] == len(CONTENT) // 2 - 1024


def test_a_later_call_resumes(server: Server, tmp_path: Path) -> None:
    server.plan = ["truncate", "500", "500", "500"]
    with pytest.raises(CheckpointError, match="512000 bytes of it are kept"):
        get(server)
    assert "net.pkl" not in files(tmp_path)
    assert get(server).read_bytes() == CONTENT
    assert server.requests[-1] == f"bytes={512000 - 1024}-"


@pytest.mark.parametrize("tag", ['"two"', None], ids=["tagged", "untagged"])
@pytest.mark.parametrize("length", [len(CONTENT), len(CONTENT) - 5000])
def test_content_that_changes_during_the_fetch_is_never_mixed(server: Server, tag: str | None, length: int) -> None:
    server.plan = ["truncate", "500", "500", "500"]
    server.tag = tag and '"one"'
    with pytest.raises(CheckpointError):
        get(server)
    server.content, server.tag = CONTENT[::-1][:length], tag
    assert get(server).read_bytes() == server.content


def test_a_server_that_knows_no_ranges(server: Server) -> None:
    server.plan = ["truncate", "whole"]
    assert get(server).read_bytes() == CONTENT


def test_content_of_unknown_length(server: Server) -> None:
    server.plan = ["chunked"]
    # The test server speaks HTTP/1.0, of which clients do not expect chunks; the length is what is missing.
    Handler.protocol_version = "HTTP/1.1"
    try:
        assert get(server).read_bytes() == CONTENT
    finally:
        Handler.protocol_version = "HTTP/1.0"


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (["404"], "does not exist"),
        (["403"], "cannot be had"),
        (["500"] * 3, "the server answers 500"),
        (["stall"] * 9, "the connection stalled, 3 times in a row"),
        (["to http://example.org/net.pkl"], "redirects to 'http://example.org/net.pkl', which is not https"),
        (["to ftp://example.org/net.pkl"], "not https"),
        (["to file:///etc/passwd"], "not https"),
        (["page"], "is a web page"),
        (["endless"], "without its length"),
    ],
)
def test_what_cannot_be_fetched(server: Server, plan: list[str], sentence: str, tmp_path: Path) -> None:
    server.plan = plan
    if plan[0] == "stall":
        # Never any further: the same first byte again and again.
        server.content = b"x"
    with pytest.raises(CheckpointError, match=sentence) as caught:
        get(server, timeout=0.2 if plan[0] == "stall" else 5)
    assert str(caught.value).isprintable()
    assert "net.pkl" not in files(tmp_path)


def test_a_checksum_that_changed_on_the_server(server: Server) -> None:
    path = get(server)
    path.unlink()
    server.content, server.tag = CONTENT[::-1], '"two"'
    with pytest.raises(CheckpointError, match="serves a file other than the one fetched at first"):
        get(server)
    assert not path.exists()
    path.with_name("net.pkl.json").unlink()
    assert get(server).read_bytes() == CONTENT[::-1]


def test_a_checksum_that_changed_here(server: Server) -> None:
    path = get(server)
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(CheckpointError, match="is not what was fetched"):
        get(server)
    path.unlink()
    assert get(server).read_bytes() == CONTENT


def test_a_record_that_is_damaged(server: Server) -> None:
    path = get(server)
    path.with_name("net.pkl.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be checked"):
        get(server)


def test_no_room(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch, "_copy", full)
    with pytest.raises(DiskFullError, match="is full; make room") as caught:
        get(server)
    # Who loads a checkpoint expects this one, who writes many files the other.
    assert isinstance(caught.value, CheckpointError)
    monkeypatch.undo()
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path / "cache"))
    usage = fetch.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DiskFullError, match="make room, or set"):
        get(server)
    assert "net.pkl" not in files(tmp_path)


def test_a_cache_that_cannot_be_written(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(CheckpointError, match="PULSE_CACHE"):
        get(server)


def test_no_server(server: Server) -> None:
    server.url = "http://127.0.0.1:9/net.pkl"
    with pytest.raises(CheckpointError, match="no connection"):
        get(server)


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import socket

    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("PULSE_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CheckpointError, match="there is no network, or no such server"):
        fetch.fetch("https://nothing.invalid/net.pkl", attempts=1)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/n",
        "http://example.org/n",
        "ftp://example.org/n",
        "file:///etc/passwd",
        "https:///n",
        "https://a b/n",
        "https://user:word@example.org/n",
        "https://example.org/\nn",
        "https://[::1/n",
        "net.pkl",
    ],
)
def test_only_https_is_fetched(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="https") as caught:
        fetch.fetch(url)
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_two_fetches_at_once(server: Server) -> None:
    pytest.importorskip("fcntl")
    path = fetch._place(server.url)
    path.parent.mkdir(parents=True)
    with cache_entry.locked(path), pytest.raises(CheckpointError, match="by another process"):
        get(server)
    assert get(server).read_bytes() == CONTENT


def test_names_of_urls_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path))
    for end in ("..", "%2e%2e%2f..%2fx", "a%00b", "", ".hidden", "x" * 500, "?a=b", "a%5Cb"):
        path = fetch._place(f"https://example.org/{end}")
        assert path.parent.parent == tmp_path
        assert not path.name.startswith(".")
        assert len(path.name) <= 100


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "pulse"),
        ("darwin", "HOME", "Library/Caches/pulse"),
        ("win32", "LOCALAPPDATA", "pulse/Cache"),
    ],
)
def test_the_platform_s_cache(
    platform: str, variable: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULSE_CACHE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr("sys.platform", platform)
    assert fetch.cache_folder() == tmp_path / expected
