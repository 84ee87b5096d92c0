"""What may be asked of the server, and what it answers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.pulse.app.web.asking import ask, event, number_of, post

pytest.importorskip("gradio", reason="there is no Gradio here; the extra app has it")


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
    status, _, body = ask(server, "GET", path)
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
        # Its stream may forget what is asked while it ends.
        "/gradio_api/queue/join",
        "/gradio_api/cancel",
        "/gradio_api/stream/1",
        "/login",
    ],
)
def test_nothing_is_written_but_events(server: Any, path: str) -> None:
    assert post(server, path, {})[0] == 404
    assert ask(server, "PUT", path)[0] == ask(server, "DELETE", path)[0] == 404


def test_a_body_is_bounded_whether_it_tells_its_length_or_not(server: Any) -> None:
    most = server.page.limits.body_bytes
    assert ask(server, "POST", "/gradio_api/run/predict", b"x" * (most + 1))[0] == 413
    chunks = iter([b'{"data": ["', *[b"x" * 65536] * (most // 65536 + 1)])
    try:
        status = ask(server, "POST", "/gradio_api/run/predict", chunks)[0]
    except OSError:
        # The server may hang up before the end.
        status = 400
    assert status >= 400
    assert ask(server, "GET", "/")[0] == 200


def test_the_page_names_no_other_machine(server: Any) -> None:
    status, headers, body = ask(server, "GET", "/")
    assert status == 200
    mine = server.url.rstrip("/").encode()
    others = [url for url in re.findall(rb"""https?://[^"'\s<>\\]+""", body) if not url.startswith(mine)]
    assert others == []
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert (headers["referrer-policy"], headers["x-content-type-options"]) == ("no-referrer", "nosniff")
    assert b"fonts.googleapis" not in ask(server, "GET", "/theme.css")[2]


# What the page's form says: maker, kind, samples, fidelity, size, seed, soften, trick, stages.
_OPTIONS = ["drawn", "any", 1, 0.7, 512, "0", False, "none", 5]
_FORGED = {"path": "/etc/passwd", "url": "/etc/passwd", "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("event_data", [_FORGED, {"data": _FORGED, "side": 16}, {"data": "/etc/passwd", "side": 16}])
def test_a_forged_path_is_no_picture(server: Any, event_data: Any) -> None:
    told = event(server, number_of(server, "upload"), [{}], event_data)
    assert "root:" not in json.dumps(told)
    # Gradio refuses it, or we do.
    assert told is None or told[0]["bad"]


def test_every_event_is_a_request_and_its_answer(server: Any) -> None:
    """Gradio's queue answers over a stream, and forgets what is asked at the moment when the stream ends."""
    events = json.loads(ask(server, "GET", "/config")[2])["dependencies"]
    assert len(events) > 10
    # No browser asks for the end of its visit.
    assert [one["api_name"] for one in events if one["queue"] is not False] == ["leave"]


def test_a_visitor_asks_how_far_the_job_is_until_it_has_ended(server: Any) -> None:
    board = {"side": 8, "rgb": "80" * 192}
    find, look, session = number_of(server, "find"), number_of(server, "look"), "waits"
    options = ["default", *_OPTIONS[1:]]
    began = event(server, find, [None, board, *options, {}], session=session)
    assert began is not None
    assert began[0]["state"] in ("waiting", "working")
    assert began[-1]["active"] is True
    # Another visitor waits for nothing.
    other = event(server, look, [], session="another")
    assert other is not None
    assert "state" not in other[0]
    assert other[-1]["active"] is False
    told = began
    for _ in range(500):
        told = event(server, look, [], session=session) or []
        if told[-1].get("active") is False:
            break
    assert told[0]["state"] == "done"
    assert [face["number"] for face in told[1]["faces"]] == [told[0]["number"]]
    assert (told[2]["interactive"], told[3]["interactive"]) == (True, False)
    # An answer that was lost on its way is given again.
    again = event(server, look, [], session=session)
    assert again is not None
    assert (again[0]["number"], again[0]["answer"]) == (told[0]["number"], told[0]["answer"])


def test_opening_the_page_leaves_what_its_visitor_has_begun(server: Any) -> None:
    told = event(server, number_of(server, "open"), [])
    assert told is not None
    updates = told[:10]
    assert [("value" in update, update["__type__"]) for update in updates] == [(False, "update")] * 10


def test_a_forged_file_on_the_board_is_no_picture(server: Any) -> None:
    options = [*_OPTIONS]
    told = event(server, number_of(server, "find"), [None, _FORGED, *options, {}])
    assert "root:" not in json.dumps(told)
    # Gradio refuses it, or we do.
    assert told is None or told[0]["state"] == "failed"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *(
            (0, "/etc/passwd"),
            (1, "horses"),
            (2, 10**9),
            (2, "x"),
            (3, 1e300),
            (4, 10**6),
            (5, 1e300),
            (5, "seven"),
            (7, "horses"),
        ),
        *((8, 10**9), (8, None)),
    ],
)
def test_forged_options_are_refused(server: Any, place: int, value: Any) -> None:
    board = {"side": 16, "rgb": "80" * 768}
    options = [*_OPTIONS[:place], value, *_OPTIONS[place + 1 :]]
    told = event(server, number_of(server, "find"), [None, board, *options, {}])
    assert told is None or told[0]["state"] == "failed"
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
