"""Serving the page: what may be asked of the server, and what it says to browsers."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from socket import socket
from typing import Any

from pulse.app.web.address import url_of
from pulse.app.web.limits import Limits

# Read when Gradio is imported. Nothing is told to anybody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import uvicorn
from fastapi import FastAPI

from pulse.app.web.layout import build
from pulse.app.web.page import Page
from pulse.app.web.work import warm_up
from pulse.fit_portrait.drawing import use_helpers
from stylegan.common.processes import Helpers, cores

# All that the page needs. Gradio offers more (files of the cache, uploads, a proxy, recordings); nothing else passes.
_READ = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/manifest\.json|/assets/[\w./-]+|/static/[\w./-]+"
    r"|/gradio_api/(heartbeat/\w+|startup-events|app_id)"
)
_WRITTEN = re.compile(r"/gradio_api/run/predict/?")
# Processes that draw beside this one; more would have nothing to do.
_HELPERS = 3
_HEADERS = {
    # Gradio makes functions of text.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'",
    # A link holds the visitor's pixels.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
}
# Tags of Gradio's page that point to other machines.
_ELSEWHERE = re.compile(rb"<(?:link|meta|script)\b[^>]*https?://[^>]*>(?:\s*</script>)?", re.S)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Guard:
    """An ASGI application before another: lets through what the page needs, of a bounded size."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        method, path = scope.get("method"), scope.get("path", "")
        allowed = {"GET": _READ, "HEAD": _READ, "POST": _WRITTEN}.get(str(method))
        if scope["type"] != "http" or allowed is None or ".." in path or not allowed.fullmatch(path):
            await _refuse(scope, send, 404, "There is no such page here.")
            return
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths and (not lengths[0].isdigit() or int(lengths[0]) > self.limits.body_bytes):
            await _refuse(scope, send, 413, "The request is too large.")
            return
        page = path == "/"
        await self.app(scope, _bounded(receive, self.limits.body_bytes), _Answer(send, whole=page))


class _Answer:
    """Sends an answer with our headers; Gradio's page without its references to other machines."""

    def __init__(self, send: Send, whole: bool) -> None:
        self.send, self.whole = send, whole
        self.start: MutableMapping[str, Any] = {}
        self.body = b""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *ours]}
            if self.whole:
                self.start = message
                return
        elif self.whole and message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = _ELSEWHERE.sub(b"", self.body)
            kept = [pair for pair in self.start["headers"] if pair[0].lower() != b"content-length"]
            await self.send({**self.start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            message = {"type": "http.response.body", "body": body}
        await self.send(message)


def _bounded(receive: Receive, most: int) -> Receive:
    """Reads a body that does not say how long it is no further than it may be."""
    read = 0

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        return {"type": "http.disconnect"} if read > most else message

    return bounded


async def _refuse(scope: Scope, send: Send, status: int, words: str) -> None:
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})


def application(page: Page) -> Guard:
    """The page as an ASGI application."""
    outer = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    font = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.violet,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=font,
        font_mono=("ui-monospace", "Menlo", "Consolas", "monospace"),
    )
    from pulse.app.web.views import part

    mounted = gr.mount_gradio_app(
        outer,
        build(page),
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        show_error=False,
        enable_monitoring=False,
        max_file_size=1,
        allowed_paths=[],
        theme=theme,
        css=part("page.css"),
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
    )
    return Guard(mounted, page.limits)


class Server:
    """The page on an address of this machine (`pulse.app.web.address.bound`), served from a thread."""

    def __init__(self, address: socket, limits: Limits) -> None:
        self.socket = address
        self.page = Page(limits)
        config = uvicorn.Config(
            application(self.page),
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._helpers: Helpers | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True, name="pulse app")

    @property
    def url(self) -> str:
        return url_of(self.socket)

    def start(self) -> None:
        """Loads what the first visitor needs, and answers from now on."""
        more = min(cores() - 1, _HELPERS)
        if more > 0:
            self._helpers = Helpers(more)
            use_helpers(self._helpers)
        warm_up()
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.02)

    def wait(self) -> None:
        """Returns when the server has ended."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def stop(self) -> None:
        """Ends all jobs and the server."""
        self.page.pool.close()
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(5)
        if self._helpers is not None:
            use_helpers(None)
            self._helpers.close()
            self._helpers = None
        self.socket.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self.socket])
        except Exception:
            traceback.print_exc(file=sys.stderr)
