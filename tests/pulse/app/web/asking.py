"""Asks the server as its page does, without a browser."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit


def ask(server: Any, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = (answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    connection.close()
    return found


def post(server: Any, path: str, value: Any) -> tuple[int, dict[str, str], bytes]:
    return ask(server, "POST", path, json.dumps(value), **{"content-type": "application/json"})


def event(
    server: Any, number: int, data: list[Any], event_data: Any = None, session: str | None = None
) -> list[Any] | None:
    """Has Gradio run an event as its own page does, and returns its outputs; None if it refuses."""
    session = session or f"test{time.monotonic_ns()}"
    asked = {"data": data, "event_data": event_data, "fn_index": number, "session_hash": session}
    status, _, body = post(server, "/gradio_api/run/predict", asked)
    assert status in (200, 400, 422, 500), body
    return list(json.loads(body)["data"]) if status == 200 else None


def number_of(server: Any, name: str) -> int:
    """The number of the event whose handler has this name."""
    config = json.loads(ask(server, "GET", "/config")[2])
    return next(one["id"] for one in config["dependencies"] if one["api_name"] == name)
