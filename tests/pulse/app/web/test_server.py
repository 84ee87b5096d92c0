"""What may be asked of the server, and what it answers."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("gradio", reason="there is no Gradio here; the extra app has it")


def _ask(server: Any, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = (answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    connection.close()
    return found


def _post(server: Any, path: str, value: Any) -> tuple[int, dict[str, str], bytes]:
    return _ask(server, "POST", path, json.dumps(value), **{"content-type": "application/json"})


def _event(server: Any, number: int, data: list[Any], event_data: Any = None) -> dict[str, Any]:
    """Has Gradio run an event as its own page does, and returns what it says when it is over."""
    session = f"test{time.monotonic_ns()}"
    asked = {"data": data, "event_data": event_data, "fn_index": number, "session_hash": session}
    status, _, body = _post(server, "/gradio_api/queue/join", asked)
    assert status == 200, body
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("GET", f"/gradio_api/queue/data?session_hash={session}")
    answer = connection.getresponse()
    for line in answer:
        told = json.loads(line[5:]) if line.startswith(b"data:") else {}
        if told.get("msg") == "process_completed":
            connection.close()
            return told
    raise AssertionError("the event did not end")


def _number_of(server: Any, name: str) -> int:
    """The number of the event whose handler has this name."""
    config = json.loads(_ask(server, "GET", "/config")[2])
    return next(one["id"] for one in config["dependencies"] if one["api_name"] == name)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=setup.py",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=https://example.org/",
        "/gradio_api/openapi.json",
        "/gradio_api/runs",
        "/gradio_api/upload_progress?upload_id=1",
        "/gradio_api/deep_link",
        "/gradio_api/stream/a/1/2/playlist.m3u8",
        "/gradio_api/custom_component/1/client/component/index.js",
        "/monitoring",
        "/monitoring/summary",
        "/docs",
        "/login",
        "/static/../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/gradio/routes.py",
        "/static/%2fetc%2fpasswd",
    ],
)
def test_nothing_is_read_but_the_page(server: Any, path: str) -> None:
    status, _, body = _ask(server, "GET", path)
    assert status in (403, 404)
    assert b"root:" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/component_server",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-edit",
        "/gradio_api/call/find",
        "/gradio_api/stream/1",
        "/login",
    ],
)
def test_nothing_is_written_but_events(server: Any, path: str) -> None:
    assert _post(server, path, {})[0] == 404
    assert _ask(server, "PUT", path)[0] == _ask(server, "DELETE", path)[0] == 404


def test_a_body_is_bounded_whether_it_tells_its_length_or_not(server: Any) -> None:
    most = server.page.limits.body_bytes
    assert _ask(server, "POST", "/gradio_api/queue/join", b"x" * (most + 1))[0] == 413
    chunks = iter([b'{"data": ["', *[b"x" * 65536] * (most // 65536 + 1)])
    try:
        status = _ask(server, "POST", "/gradio_api/queue/join", chunks)[0]
    except OSError:
        # The server may hang up before the end.
        status = 400
    assert status >= 400
    assert _ask(server, "GET", "/")[0] == 200


def test_the_page_names_no_other_machine(server: Any) -> None:
    status, headers, body = _ask(server, "GET", "/")
    assert status == 200
    mine = server.url.rstrip("/").encode()
    others = [url for url in re.findall(rb"""https?://[^"'\s<>\\]+""", body) if not url.startswith(mine)]
    assert others == []
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert (headers["referrer-policy"], headers["x-content-type-options"]) == ("no-referrer", "nosniff")
    assert b"fonts.googleapis" not in _ask(server, "GET", "/theme.css")[2]


_FORGED = {"path": "/etc/passwd", "url": "/etc/passwd", "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("event_data", [_FORGED, {"data": _FORGED, "side": 16}, {"data": "/etc/passwd", "side": 16}])
def test_a_forged_path_is_no_picture(server: Any, event_data: Any) -> None:
    told = _event(server, _number_of(server, "upload"), [{}], event_data)
    assert "root:" not in json.dumps(told)
    # Gradio refuses it, or we do.
    assert not told["success"] or told["output"]["data"][0]["bad"]


def test_opening_the_page_leaves_what_its_visitor_has_begun(server: Any) -> None:
    told = _event(server, _number_of(server, "open"), [])
    assert told["success"]
    updates = told["output"]["data"][:7]
    assert [("value" in update, update["__type__"]) for update in updates] == [(False, "update")] * 7


def test_a_forged_file_on_the_board_is_no_picture(server: Any) -> None:
    options = ["drawn", "any", 1, 0.7, 512, 0]
    told = _event(server, _number_of(server, "find"), [None, _FORGED, *options, {}])
    assert "root:" not in json.dumps(told)
    # Gradio refuses it, or we do.
    assert not told["success"] or told["output"]["data"][0]["state"] == "failed"


@pytest.mark.parametrize(
    "options",
    [
        ["/etc/passwd", "any", 1, 0.7, 512, 0],
        ["drawn", "horses", 1, 0.7, 512, 0],
        ["drawn", "any", 10**9, 0.7, 512, 0],
        ["drawn", "any", "x", 0.7, 512, 0],
        ["drawn", "any", 1, 1e300, 512, 0],
        ["drawn", "any", 1, 0.7, 10**6, 0],
        ["drawn", "any", 1, 0.7, 512, 1e300],
    ],
)
def test_forged_options_are_refused(server: Any, options: list[Any]) -> None:
    board = {"side": 16, "rgb": "80" * 768}
    told = _event(server, _number_of(server, "find"), [None, board, *options, {}])
    assert not told["success"] or told["output"]["data"][0]["state"] == "failed"
    assert "Traceback" not in json.dumps(told)


def _command(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pulse", "app", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
    )


def test_the_command_serves_until_ctrl_c() -> None:
    process = _command("--port", "0")
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
    assert found, line
    socket.create_connection(("127.0.0.1", int(found[1])), timeout=10).close()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
