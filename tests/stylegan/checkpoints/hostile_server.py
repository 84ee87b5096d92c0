"""A server on this machine that answers with the bytes it is told to, for tests of fetching."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from types import TracebackType

Answer = Callable[[str], Iterable[bytes]]
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class HostileServer:
    """Sends an answer to every request, as fast as the other side reads; counts requests and bytes.

    Args:
        answer: the pieces to send, made from the head of the request.
        context: speaks TLS with it.
    """

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self._answer, self._context = answer, context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.requests: list[str] = []
        self.sent = 0
        self.port = self._socket.getsockname()[1]
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}/net.pkl"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "HostileServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A client that goes away is part of the tests.
        try:
            # Small buffers, so that what is sent is about what is read.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            connection = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            request = connection.recv(1 << 16).decode("latin-1")
            self.requests.append(request)
            for piece in self._answer(request):
                connection.sendall(piece)
                self.sent += len(piece)
        except OSError:
            pass
        finally:
            connection.close()


def good(content: bytes) -> Answer:
    """Answers with a file."""
    return lambda _: [OK + b"Content-Length: %d\r\n\r\n" % len(content) + content]


def fixed(*pieces: bytes) -> Answer:
    """Answers with these pieces."""
    return lambda _: pieces


def endless(head: bytes, piece: bytes) -> Answer:
    """Answers with a head and then one piece again and again, without an end."""

    def answer(_: str) -> Iterator[bytes]:
        yield head
        yield from repeat(piece * max(1, (1 << 15) // len(piece)))

    return answer


def dripping(head: bytes, pause: float = 0.02) -> Answer:
    """Answers with a head and then a byte after each pause, without an end."""

    def answer(_: str) -> Iterator[bytes]:
        yield head
        while True:
            time.sleep(pause)
            yield b"x"

    return answer
